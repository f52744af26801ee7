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
	keep   int64 // the first place that somebody may not be done with
	next   int64 // the place of the one behind it
	run    bool  // whether chunks are read one after the other
	busy   int   // how many are being decoded
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

// get returns chunk i of s, for release. off is what is read first of it.
func (c *chunkCache) get(s *solid, i, off int64) (*cached, error) {
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
	c.ahead(s, i, off)
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

// take returns room for the chunk at a place, with its decoder for a user, or nil.
func (c *chunkCache) take(place, now int64) *cached {
	var b *cached
	if len(c.chunks) < c.room {
		b = &cached{}
		c.chunks = append(c.chunks, b)
	} else if b = c.leastUseful(place, now); b == nil {
		return nil
	}
	b.place, b.users, b.err, b.done = place, 1, nil, make(chan struct{})
	c.busy++
	return b
}

// leastUseful returns the chunk to give up for that at a place, or nil. It is one that nobody uses: first
// what lies farthest before now, as contents are read in the order of the medium, then what lies farthest
// behind. For a chunk that is to be read later, what is to be read sooner stays, and what somebody may not be
// done with; and what was read long before its turn, as long as there is room beside it.
func (c *chunkCache) leastUseful(place, now int64) (b *cached) {
	early := 0
	for _, x := range c.chunks {
		if x.place > place {
			early++
		}
	}
	for _, x := range c.chunks {
		switch {
		case x.users > 0:
		case place != now && (x.place >= c.keep && x.place < place || x.place > place && early < c.room-c.most()):
		case b == nil, x.place < now && (b.place > now || x.place < b.place), x.place > now && b.place > now && x.place > b.place:
			b = x
		}
	}
	return b
}

// most is how many chunks are decoded before anybody asks.
func (c *chunkCache) most() int { return min(runtime.GOMAXPROCS(0), c.room-2) }

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
	c.mu.Lock()
	c.busy--
	c.mu.Unlock()
	c.release(b)
}

// ahead has the chunks behind i decoded, where somebody reads one large chunk after the other, or begins
// with the first; off is where in i. More at once than there are cores would only make those wait that need
// the nearest.
func (c *chunkCache) ahead(s *solid, i, off int64) {
	place := s.place(i)
	if place != c.at {
		c.run = place == c.next || i == 0
		c.at, c.next = place, s.place(i+1)
	}
	c.keep = place
	if off < s.blobs.chunk/2 { // of several readers, one may be a little behind
		c.keep = s.place(max(i-1, 0))
	}
	cores := runtime.GOMAXPROCS(0)
	if !c.run || s.blobs.chunk < aheadSize || cores < 2 {
		return
	}
	for j := i + 1; j <= i+int64(c.most()) && j < int64(len(s.ends)) && c.busy < cores; j++ {
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
