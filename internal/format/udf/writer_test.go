package udf_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
)

const block = 2048

// image is a disc in memory: the blocks that are not zero.
type image struct {
	blocks map[int64][]byte
	size   int64
}

func newImage(size int64) *image { return &image{map[int64][]byte{}, size} }

// ReadAt follows io.ReaderAt.
func (m *image) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < m.size {
		piece := p[n:min(int64(len(p)), int64(n)+block-off%block, int64(n)+m.size-off)]
		if b := m.blocks[off/block]; b != nil {
			copy(piece, b[off%block:])
		} else {
			clear(piece)
		}
		n, off = n+len(piece), off+int64(len(piece))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// at returns a block to change.
func (m *image) at(n int64) []byte {
	if m.blocks[n] == nil {
		m.blocks[n] = make([]byte, block)
	}
	return m.blocks[n]
}

func (m *image) copy() *image {
	c := newImage(m.size)
	for n, b := range m.blocks {
		c.blocks[n] = bytes.Clone(b)
	}
	return c
}

var le = binary.LittleEndian

// crc is written bit by bit, unlike the reader's.
func crc(b []byte) (sum uint16) {
	for _, c := range b {
		for i := 7; i >= 0; i-- {
			carry := sum>>15 ^ uint16(c>>i&1)
			sum = sum << 1
			if carry != 0 {
				sum ^= 0x1021
			}
		}
	}
	return sum
}

// seal gives a descriptor of length bytes its tag.
func seal(b []byte, id uint16, location uint32, length int) {
	le.PutUint16(b, id)
	le.PutUint16(b[2:], 2)
	le.PutUint16(b[6:], 1)
	le.PutUint16(b[10:], uint16(length-16))
	le.PutUint32(b[12:], location)
	le.PutUint16(b[8:], crc(b[16:length]))
	b[4] = 0
	for i, c := range b[:16] {
		if i != 4 {
			b[4] += c
		}
	}
}

// style is how a writer writes what can be written in several ways.
type style struct {
	name     string
	extended bool // extended file entries
	form     uint16
	chain    bool  // allocation descriptors go on in further blocks
	extent   int64 // the longest extent; 0 is the longest there can be
	scatter  bool  // extents do not follow each other
}

const (
	short    = 0
	long     = 1
	embedded = 3
)

// Where the writer has things: sectors, and blocks of the partition.
const (
	mainAt, reserveAt, partitionAt = 32, 48, 260
	fileSetAt, rootAt              = 0, 2
)

// writer makes a UDF volume, block by block.
type writer struct {
	*image
	style
	start int64  // of the partition: a block
	next  uint32 // block of the partition
}

// item is a file or folder: a folder has children.
type item struct {
	name     string
	data     []byte
	size     int64 // of a file of zeros with data at its start and end
	children []item
}

// write makes a volume of the items.
func write(s style, size int64, items ...item) *image {
	w := &writer{image: newImage(size), style: s, start: partitionAt, next: rootAt}
	for i, id := range []string{"BEA01", "NSR02", "TEA01"} {
		copy(w.at(16 + int64(i))[1:], id)
		w.at(16 + int64(i))[6] = 1
	}
	for _, n := range []int64{256, size/block - 1} {
		b := w.at(n)
		for i, at := range []uint32{mainAt, reserveAt} {
			le.PutUint32(b[16+8*i:], 16*block)
			le.PutUint32(b[20+8*i:], at)
		}
		seal(b, 2, uint32(n), 512)
	}
	w.sequence(mainAt)
	w.sequence(reserveAt)
	b := w.at(partitionAt + fileSetAt)
	le.PutUint32(b[400:], block)
	le.PutUint32(b[404:], rootAt)
	seal(b, 256, fileSetAt, 512)
	w.next++
	w.folder(rootAt, rootAt, items)
	return w.image
}

// sequence writes a volume descriptor sequence.
func (w *writer) sequence(at uint32) {
	primary := w.at(int64(at))
	seal(primary, 1, at, 512)
	p := w.at(int64(at) + 1)
	le.PutUint32(p[16:], 2)
	copy(p[25:], "+NSR02")
	le.PutUint32(p[184:], 1)
	le.PutUint32(p[188:], partitionAt)
	le.PutUint32(p[192:], uint32(w.size/block-partitionAt-1))
	seal(p, 5, at+1, 512)
	v := w.at(int64(at) + 2)
	le.PutUint32(v[16:], 3)
	copy(v[84:], "\x08writer")
	v[84+127] = 7
	le.PutUint32(v[212:], block)
	copy(v[217:], "*OSTA UDF Compliant")
	le.PutUint16(v[240:], 0x0102)
	le.PutUint32(v[248:], block)
	le.PutUint32(v[264:], 6)
	le.PutUint32(v[268:], 1)
	copy(v[440:], []byte{1, 6, 1, 0, 0, 0})
	seal(v, 6, at+2, 446)
	seal(w.at(int64(at)+3), 8, at+3, 512)
}

// take reserves blocks of the partition.
func (w *writer) take(blocks int64) uint32 {
	n := w.next
	w.next += uint32(blocks)
	return n
}

// folder writes a folder with its file entry at the block at.
func (w *writer) folder(at, parent uint32, items []item) {
	b := fileID("", 0x0A, parent)
	for _, i := range items {
		child := w.take(1)
		if i.children != nil {
			b = append(b, fileID(i.name, 2, child)...)
			w.folder(child, at, i.children)
			continue
		}
		b = append(b, fileID(i.name, 0, child)...)
		w.entry(child, 5, i.data, max(i.size, int64(len(i.data))))
	}
	w.entry(at, 4, b, int64(len(b)))
}

func fileID(name string, characteristics byte, icb uint32) []byte {
	var id []byte
	if characteristics&8 == 0 {
		id = []byte{8}
		for _, r := range name {
			if r > 0xFF {
				id[0] = 16
			}
		}
		for _, u := range utf16.Encode([]rune(name)) {
			if id[0] == 16 {
				id = append(id, byte(u>>8))
			}
			id = append(id, byte(u))
		}
	}
	b := make([]byte, (38+len(id)+3)&^3)
	b[16], b[18], b[19] = 1, characteristics, byte(len(id))
	le.PutUint32(b[20:], block)
	le.PutUint32(b[24:], icb)
	copy(b[38:], id)
	seal(b, 257, 0, len(b))
	return b
}

// entry writes a file entry and the content that goes with it.
func (w *writer) entry(at uint32, fileType byte, data []byte, size int64) {
	b := w.at(w.start + int64(at))
	lengths, end, recorded, id := 168, 176, 64, uint16(261)
	if w.extended {
		lengths, end, recorded, id = 208, 216, 72, 266
		le.PutUint64(b[64:], uint64(size))
	}
	le.PutUint16(b[20:], 4)
	le.PutUint16(b[24:], 1)
	b[27] = fileType
	le.PutUint64(b[56:], uint64(size))
	le.PutUint16(b[48:], 1)
	form := w.form
	if form == embedded && size > int64(block-end) {
		form = short
	}
	le.PutUint16(b[34:], form)
	var list []byte
	if form == embedded {
		list = data
	} else {
		le.PutUint64(b[recorded:], uint64((size+block-1)/block))
		list = w.continued(w.allocate(data, size, form), form, block-end)
	}
	le.PutUint32(b[lengths+4:], uint32(len(list)))
	copy(b[end:], list)
	seal(b, id, at, end+len(list))
}

// allocate writes a content and returns its allocation descriptors.
func (w *writer) allocate(data []byte, size int64, form uint16) []byte {
	extent := w.extent
	if extent == 0 {
		extent = 1<<30 - block
	}
	var list []byte
	for done := int64(0); done < size; {
		length := min(extent, size-done)
		blocks := (length + block - 1) / block
		at := w.take(blocks)
		for i := int64(0); i < blocks; i++ {
			if off := done + i*block; off < int64(len(data)) {
				copy(w.at(w.start+int64(at)+i), data[off:])
			} else if len(data) > 0 && off+block >= size && size > int64(len(data)) {
				copy(w.at(w.start+int64(at)+i), data[:min(int64(len(data)), size-off)])
			} else if off+block < size && size > int64(len(data)) { // a hole until the last block
				i = max(i, (size-done)/block-2)
			}
		}
		list = append(list, descriptor(form, 0, uint32(length), at)...)
		done += length
		if w.scatter {
			w.take(1)
		}
	}
	return list
}

func descriptor(form uint16, kind, length, at uint32) []byte {
	b := make([]byte, 8, 16)
	le.PutUint32(b, kind<<30|length)
	le.PutUint32(b[4:], at)
	if form == long {
		b = b[:16]
	}
	return b
}

// continued puts descriptors that do not fit, or all but two if the style says so, into further
// blocks.
func (w *writer) continued(list []byte, form uint16, room int) []byte {
	width := len(descriptor(form, 0, 0, 0))
	if w.chain {
		room = 3 * width
	}
	if len(list) <= room {
		return list
	}
	here := room/width*width - width
	at := w.take(1)
	b := w.at(w.start + int64(at))
	rest := w.continued(list[here:], form, block-24)
	le.PutUint32(b[20:], uint32(len(rest)))
	copy(b[24:], rest)
	seal(b, 258, at, 24+len(rest))
	return append(list[:here:here], descriptor(form, 3, block, at)...)
}
