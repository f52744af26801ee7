package wim

import (
	"runtime"
	"sync"
)

const (
	// cacheBytes is how much memory the decoded chunks of a file's solid resources may take. With the
	// usual 64 MiB these are four: one that is read, one that somebody still reads, and two that are
	// decoded meanwhile, each by its own core.
	cacheBytes = 256 << 20
	// leastChunks is how many chunks there are at least.
	leastChunks = 2
	// aheadSize is the chunk from which on chunks are decoded before anybody asks. Of smaller ones
	// each reader decodes its own.
	aheadSize = 1 << 20
)

// chunkCache holds decoded chunks of solid resources, which all readers of a File share. Whoever reads
// in the order of the medium has each chunk decoded once. Its memory is bounded: a reader that finds
// no room waits for another to be done with a chunk.
type chunkCache struct {
	mu     sync.Mutex
	freed  sync.Cond
	chunks []*cached
	room   int   // how many chunks there may be
	at     int64 // the place of the chunk that was read last
	next   int64 // the place of the one behind it
	run    bool  // whether chunks are read one after the other
}

// cached is a chunk in the cache.
type cached struct {
	place int64 // in the file; negative when it holds nothing
	users int   // readers and decoders
	done  chan struct{}
	data  []byte
	err   error
}

func newChunkCache() *chunkCache {
	c := &chunkCache{at: -1, next: -1}
	c.freed.L = &c.mu
	return c
}

// fit makes the cache fit for chunks of that many bytes. It is called before any is read.
func (c *chunkCache) fit(chunk int64) {
	// Readers are as many as the bake has workers, some cores more; each may be in two chunks.
	room := int(min(cacheBytes/chunk, int64(4*runtime.GOMAXPROCS(0)+8)))
	if c.room == 0 || room < c.room {
		c.room = max(room, leastChunks)
	}
}

// get returns chunk i of s, for release.
func (c *chunkCache) get(s *solid, i int64) (*cached, error) {
	place := s.place(i)
	c.mu.Lock()
	b, mine := c.find(place), false
	for b == nil {
		if b = c.take(place, place); b != nil {
			mine = true
			break
		}
		c.freed.Wait()
		b = c.find(place)
	}
	b.users++
	c.ahead(s, i)
	c.mu.Unlock()
	if mine {
		c.fill(b, s, i)
	}
	<-b.done
	if b.err != nil {
		c.release(b)
		return nil, b.err
	}
	return b, nil
}

// release gives back what get returned.
func (c *chunkCache) release(b *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.users--
	if b.users == 0 {
		if b.err != nil {
			b.place = -1 // the next one may be luckier
		}
		c.freed.Broadcast()
	}
}

// find returns the chunk at a place, if it is there or on its way.
func (c *chunkCache) find(place int64) *cached {
	for _, b := range c.chunks {
		if b.place == place {
			return b
		}
	}
	return nil
}

// take returns room for the chunk at a place, with its decoder for a user, or nil. What is given up
// for it is what nobody uses: first what lies farthest before now, as contents are read in the order of
// the medium; what lies behind now only for now itself, and first what lies farthest.
func (c *chunkCache) take(place, now int64) *cached {
	var b *cached
	if len(c.chunks) < c.room {
		b = &cached{}
		c.chunks = append(c.chunks, b)
	} else {
		b = c.leastUseful(now)
	}
	if b == nil || b.place > now && place != now {
		return nil
	}
	b.place, b.users, b.err, b.done = place, 1, nil, make(chan struct{})
	return b
}

// leastUseful returns the chunk to give up when now is read, or nil when all are in use.
func (c *chunkCache) leastUseful(now int64) (b *cached) {
	for _, x := range c.chunks {
		switch {
		case x.users > 0:
		case b == nil, x.place < now && (b.place > now || x.place < b.place), x.place > now && b.place > now && x.place > b.place:
			b = x
		}
	}
	return b
}

// fill decodes a chunk for those who wait for it.
func (c *chunkCache) fill(b *cached, s *solid, i int64) {
	n := s.chunkLen(i)
	if int64(cap(b.data)) < n {
		b.data = make([]byte, n)
	}
	b.data = b.data[:n]
	if b.err = s.decode(i, b.data); b.err == nil {
		s.keep(i*s.blobs.chunk, b.data)
	}
	close(b.done)
	c.release(b)
}

// ahead has the chunks behind i decoded, where somebody reads one large chunk after the other.
func (c *chunkCache) ahead(s *solid, i int64) {
	place := s.place(i)
	if place != c.at {
		c.run = place == c.next
		c.at = place
		c.next = s.place(i + 1)
	}
	cores := runtime.GOMAXPROCS(0)
	if !c.run || s.blobs.chunk < aheadSize || cores < 2 {
		return
	}
	for j := i + 1; j <= i+int64(min(cores, c.room-2)) && j < int64(len(s.ends)); j++ {
		if c.find(s.place(j)) != nil {
			continue
		}
		b := c.take(s.place(j), place)
		if b == nil {
			return
		}
		go c.fill(b, s, j)
	}
}
