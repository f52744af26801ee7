package image

import (
	"hash/maphash"
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// job is one buffer's worth of the disk.
type job struct {
	buf   []byte
	parts []part // pieces of contents in buf, by ascending place; none for metadata
	emit  func(buf []byte) error
	// writes say which bytes of buf go where on the disk.
	writes []write
}

// part is a piece of one content that goes to buf[at:at+n].
type part struct {
	content tree.Content
	off     int64 // in the content
	at, n   int
}

// whole says whether the part is all of its content.
func (p *part) whole() bool { return int64(p.n) == p.content.Size() }

type write struct {
	at, n int
	disk  int64 // byte offset on the disk
}

// used is how many bytes of the buffer are for the disk.
func (j *job) used() int {
	w := j.writes[len(j.writes)-1]
	return w.at + w.n
}

// size is how much of what Total counts the job is.
func (j *job) size() (n int64) {
	if j.emit != nil {
		return int64(j.used())
	}
	for i := range j.parts {
		n += int64(j.parts[i].n)
	}
	return n
}

// dataJobs cuts a volume's contents into jobs. Small contents that lie side by side share one.
func dataJobs(placements iter.Seq[volume.Placement], base int64) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		c := &cutter{base: base, yield: yield, more: true}
		for placement := range placements {
			c.add(placement)
			if !c.more {
				return
			}
		}
		c.flush()
	}
}

// cutter collects parts into the current job.
type cutter struct {
	base  int64
	yield func(*job) bool
	more  bool
	cur   *job
	used  int // bytes of the buffer that are spoken for
}

func (c *cutter) add(p volume.Placement) {
	size := p.Content.Size()
	var off int64
	for _, run := range p.Runs {
		length := min(run.Length, size-off)
		for done := int64(0); done < length && c.more; {
			n := c.piece(p.Content, off+done, length-done)
			slack := int64(0)
			if done+n == length {
				slack = min(run.Length-length, maxSlack)
			}
			c.put(part{content: p.Content, off: off + done, n: int(n)}, int(slack), c.base+run.Offset+done)
			done += n
		}
		off += length
	}
}

// piece is how much of a content the current job takes: all of it, or as much as ends on a chunk.
func (c *cutter) piece(content tree.Content, off, left int64) int64 {
	if c.cur != nil && (int64(jobSize-c.used) < left || len(c.cur.parts) >= jobParts) {
		c.flush()
	}
	if left <= jobSize {
		return left
	}
	chunk := int64(1)
	if b, ok := content.(tree.Blob); ok && b.ChunkSize() > 0 && b.ChunkSize() <= jobSize {
		chunk = b.ChunkSize()
	}
	return (off+jobSize)/chunk*chunk - off
}

// maxSlack is the most zeros that are written behind a content, so that writes end on whole clusters
// and files that lie side by side share one. It is the longest cluster.
const maxSlack = 64 << 10

// put adds a part, and zeros for the slack behind it. It joins the last write when it follows on it.
func (c *cutter) put(p part, slack int, disk int64) {
	if c.cur != nil && c.used+p.n > jobSize {
		c.flush()
	}
	if c.cur == nil {
		c.cur = &job{}
		c.used = 0
	}
	j := c.cur
	p.at = c.used
	j.parts = append(j.parts, p)
	n := p.n + slack
	if k := len(j.writes) - 1; k >= 0 && j.writes[k].disk+int64(j.writes[k].n) == disk {
		j.writes[k].n += n
	} else {
		j.writes = append(j.writes, write{at: c.used, n: n, disk: disk})
	}
	c.used += n
}

func (c *cutter) flush() {
	if c.cur != nil && c.more {
		c.more = c.yield(c.cur)
	}
	c.cur = nil
	c.used = 0
}

// metadataJobs is one job for each of a volume's regions. Their hashes go to sums.
func metadataJobs(v volume.Plan, base int64, seed maphash.Seed, sums []uint64) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		for i, r := range v.Regions() {
			j := &job{
				emit: func(buf []byte) error {
					err := v.Emit(i, buf)
					sums[i] = maphash.Bytes(seed, buf)
					return err
				},
				writes: []write{{n: int(r.Length), disk: base + r.Offset}},
			}
			if !yield(j) {
				return
			}
		}
	}
}
