package ntfs

import "sync"

// cachedChunks is how many decoded chunks a volume remembers, so that reading a compressed file in
// small steps does not decode each chunk over and over.
const cachedChunks = 8

// maxChunk is the longest chunk that is remembered.
const maxChunk = 1 << 20

// chunkCache holds the chunks decoded last, and spare buffers. It is safe for concurrent use.
type chunkCache struct {
	mu     sync.Mutex
	next   int
	chunks [cachedChunks]cachedChunk

	spare sync.Pool // of *[]byte
}

type cachedChunk struct {
	owner any // the content, compared by identity
	off   int64
	data  []byte // is not changed once it is here
}

// buffer returns a buffer of n bytes; release gives it back.
func (c *chunkCache) buffer(n int64) *[]byte {
	if b, ok := c.spare.Get().(*[]byte); ok && int64(cap(*b)) >= n {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n)
	return &b
}

func (c *chunkCache) release(b *[]byte) { c.spare.Put(b) }

func (c *chunkCache) find(owner any, off int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.chunks {
		if c.chunks[i].owner == owner && c.chunks[i].off == off {
			return c.chunks[i].data
		}
	}
	return nil
}

func (c *chunkCache) add(owner any, off int64, data []byte) {
	if len(data) > maxChunk {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chunks[c.next] = cachedChunk{owner, off, data}
	c.next = (c.next + 1) % cachedChunks
}

// fillChunks fills p from byte off of a content of size bytes that is decoded in chunks. A chunk that
// p covers is decoded into p; others go through the cache.
func fillChunks(c *chunkCache, owner any, chunk, size int64, p []byte, off int64, decode func(b []byte, off int64) error) error {
	for len(p) > 0 {
		start := off / chunk * chunk
		length := min(chunk, size-start)
		if off == start && int64(len(p)) >= length {
			if err := decode(p[:length], start); err != nil {
				return err
			}
			p, off = p[length:], off+length
			continue
		}
		data := c.find(owner, start)
		if data == nil {
			data = make([]byte, length)
			if err := decode(data, start); err != nil {
				return err
			}
			c.add(owner, start, data)
		}
		n := copy(p, data[off-start:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}
