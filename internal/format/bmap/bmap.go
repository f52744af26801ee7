// Package bmap reads and writes block maps: small XML files that say which blocks of a disk image hold
// something, and the checksum of each range of them. Whoever copies the image to a stick writes only
// those, and knows a damaged image while copying. It is the format of bmaptool (Yocto project), version
// 2.0, which 1.4 equals; older versions, with SHA-1 or without checksums, are not read.
//
// The format has no document; its description is the comment that bmaptool writes into each file, and
// what bmaptool itself accepts.
package bmap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// BlockSize is the size of the blocks of a map that Create makes, in bytes.
const BlockSize = 4096

// Suffix is what a map's name has behind the name of its image.
const Suffix = ".bmap"

// Range is a part of an image, in bytes.
type Range struct {
	Offset, Length int64
}

// End is the offset behind the range.
func (r Range) End() int64 { return r.Offset + r.Length }

// Block is a range of mapped blocks with the SHA-256 of what is in it.
type Block struct {
	Range
	SHA256 [sha256.Size]byte
}

// Map is a block map. What lies outside of its blocks does not matter.
type Map struct {
	// Size is the image's size, BlockSize that of a block, in bytes.
	Size, BlockSize int64
	// Blocks are in ascending order and do not overlap. They begin at a multiple of BlockSize, and end at
	// one or at the image's end.
	Blocks []Block
}

// Mapped is how many bytes the blocks have.
func (m *Map) Mapped() (n int64) {
	for _, b := range m.Blocks {
		n += b.Length
	}
	return n
}

// readSize is how much is read at once.
const readSize = 1 << 20

// Create makes the map of an image of size bytes: the blocks that ranges touch, which may come in any
// order. It reads them for their checksums. advance, which may be nil, hears how many bytes of them are
// through.
func Create(ctx context.Context, r io.ReaderAt, size int64, ranges iter.Seq[Range], advance func(done int64)) (*Map, error) {
	joined, err := blocks(size, ranges)
	if err != nil {
		return nil, err
	}
	m := &Map{Size: size, BlockSize: BlockSize}
	buf := make([]byte, readSize)
	var done int64
	for _, mapped := range joined {
		h := sha256.New()
		for off := mapped.Offset; off < mapped.End(); {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p := buf[:min(mapped.End()-off, readSize)]
			if n, err := r.ReadAt(p, off); n < len(p) {
				return nil, shortRead(err, off)
			}
			h.Write(p)
			off += int64(len(p))
			done += int64(len(p))
			if advance != nil {
				advance(done)
			}
		}
		m.Blocks = append(m.Blocks, Block{mapped, [sha256.Size]byte(h.Sum(nil))})
	}
	return m, nil
}

func shortRead(err error, off int64) error {
	if err == nil || errors.Is(err, io.EOF) {
		return fault.Corruptf(off, "the image ends before its size")
	}
	return err
}

// blocks makes ranges of whole blocks, in order, those that touch joined.
func blocks(size int64, ranges iter.Seq[Range]) ([]Range, error) {
	var all []Range
	for r := range ranges {
		if r.Offset < 0 || r.Length < 0 || r.Offset > size-r.Length {
			return nil, fault.Bugf("%d bytes at %d are to be mapped, of an image of %d", r.Length, r.Offset, size)
		}
		if r.Length == 0 {
			continue
		}
		start := r.Offset / BlockSize * BlockSize
		end := min((r.End()+BlockSize-1)/BlockSize*BlockSize, size)
		all = append(all, Range{start, end - start})
	}
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.Offset, b.Offset) })
	var joined []Range
	for _, r := range all {
		if k := len(joined) - 1; k >= 0 && r.Offset <= joined[k].End() {
			joined[k].Length = max(joined[k].End(), r.End()) - joined[k].Offset
			continue
		}
		joined = append(joined, r)
	}
	return joined, nil
}

// Validate says what is wrong with a map, or returns nil.
func (m *Map) Validate() error {
	if m.Size <= 0 || m.Size > maxSize {
		return fault.Corruptf(fault.NoOffset, "an image of %d bytes", m.Size)
	}
	if m.BlockSize < minBlock || m.BlockSize > maxBlock || m.BlockSize&(m.BlockSize-1) != 0 {
		return fault.Corruptf(fault.NoOffset, "blocks of %d bytes", m.BlockSize)
	}
	end := int64(0)
	for i, b := range m.Blocks {
		whole := b.Length%m.BlockSize == 0 || b.End() == m.Size
		if b.Length <= 0 || b.Offset < end || b.Offset > m.Size-b.Length || b.Offset%m.BlockSize != 0 || !whole {
			return fault.Corruptf(fault.NoOffset, "range %d has %d bytes at %d; the one before ends at %d, and the image has %d", i+1, b.Length, b.Offset, end, m.Size)
		}
		end = b.End()
	}
	return nil
}

const (
	// maxSize is more than any disk has, and small enough for all sums to fit.
	maxSize = 1 << 56
	// minBlock is a sector, and maxBlock more than bmaptool ever chose; it takes the file system's.
	minBlock = 512
	maxBlock = 1 << 24
)

// Marshal returns the map as a file. Equal maps give equal bytes.
func (m *Map) Marshal() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, fault.Bugf("a block map that cannot be: %v", err)
	}
	var b bytes.Buffer
	count := (m.Size + m.BlockSize - 1) / m.BlockSize
	mapped := (m.Mapped() + m.BlockSize - 1) / m.BlockSize
	fmt.Fprintf(&b, head, m.Size, m.BlockSize, count, mapped, noChecksum)
	for _, r := range m.Blocks {
		first, last := r.Offset/m.BlockSize, (r.End()-1)/m.BlockSize
		text := fmt.Sprintf("%d-%d", first, last)
		if first == last {
			text = fmt.Sprint(first)
		}
		fmt.Fprintf(&b, "        <Range chksum=\"%x\"> %s </Range>\n", r.SHA256, text)
	}
	b.WriteString(foot)
	sum := sha256.Sum256(b.Bytes())
	return bytes.Replace(b.Bytes(), []byte(noChecksum), fmt.Appendf(nil, "%x", sum), 1), nil
}

const head = `<?xml version="1.0" ?>
<!-- The blocks of a disk image that hold something, for bmaptool and winbake. Write them to a stick
     and leave the rest of it as it is. -->
<bmap version="2.0">
    <ImageSize> %d </ImageSize>
    <BlockSize> %d </BlockSize>
    <BlocksCount> %d </BlocksCount>
    <MappedBlocksCount> %d </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <!-- The SHA-256 of this file with zeros in the place of this number. -->
    <BmapFileChecksum> %s </BmapFileChecksum>
    <BlockMap>
`

const foot = `    </BlockMap>
</bmap>
`
