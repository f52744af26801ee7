package stick

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
)

// Image is the image of a disk that is to be written to a stick.
type Image struct {
	Path   string
	Format string // as package diskfile names it
	Size   int64  // of the disk
	// Map says which blocks matter, and their checksums. Without one, every byte does: where the
	// image has nothing, the stick gets zeros.
	Map *bmap.Map

	file *os.File
	disk io.ReaderAt
	// size is that of the file.
	size int64
}

// OpenImage opens the image in a file: raw, VHD, VHDX or qcow2. A block map beside a raw one, with the
// same name and .bmap behind it, is read, and must be for an image of this size.
func OpenImage(path string) (_ *Image, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalidf("%s is no file", path)
	}
	i := &Image{Path: path, file: f, size: info.Size()}
	if i.disk, i.Size, i.Format, err = diskfile.Open(f, i.size, path); err != nil {
		return nil, err
	}
	if i.Size%sectorUnit != 0 || i.Size == 0 {
		return nil, fault.Invalidf("%s has %d bytes; the image of a disk has a multiple of %d", path, i.Size, sectorUnit)
	}
	if i.Format == diskfile.Raw {
		i.Map, err = readMap(path+bmap.Suffix, i.Size)
	}
	return i, err
}

// sectorUnit is the least length of a sector.
const sectorUnit = 512

func readMap(path string, size int64) (*bmap.Map, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, bmap.MaxFile+1))
	if err != nil {
		return nil, err
	}
	m, err := bmap.Parse(b)
	if err == nil && m.Size != size {
		err = fault.Invalidf("it is for an image of %d bytes, and the image beside it has %d; remove it, or make it anew", m.Size, size)
	}
	return m, fault.In(path, err)
}

// Close closes the image's file.
func (i *Image) Close() error { return i.file.Close() }

// ReadAt reads the disk.
func (i *Image) ReadAt(p []byte, off int64) (int, error) { return i.disk.ReadAt(p, off) }

// Held is how many bytes of the image are read and written, at most: without a map, zeros among them
// are left out later.
func (i *Image) Held() (n int64) {
	for _, r := range i.ranges() {
		n += r.Length
	}
	return n
}

// block is a range of the image that is written, with what it must hold.
type block struct {
	bmap.Block
	// checked says that the block has a checksum.
	checked bool
}

// ranges are the parts of the image that may hold something, in order.
func (i *Image) ranges() (out []block) {
	if i.Map != nil {
		for _, b := range i.Map.Blocks {
			out = append(out, block{b, true})
		}
		return out
	}
	for e := range i.extents() {
		start := e.Offset / align * align
		end := min((e.Offset+e.Length+align-1)/align*align, i.Size)
		if k := len(out) - 1; k >= 0 && start <= out[k].End() {
			out[k].Length = end - out[k].Offset
			continue
		}
		out = append(out, block{Block: bmap.Block{Range: bmap.Range{Offset: start, Length: end - start}}})
	}
	return out
}

// extents are the stored ranges of a flat file; of others, all of the disk, whose readers need no time
// for what is not stored.
func (i *Image) extents() iter.Seq[image.Extent] {
	if i.Format == diskfile.Raw || i.Format == diskfile.FixedVHD {
		return image.Extents(i.file, i.Size)
	}
	return func(yield func(image.Extent) bool) { yield(image.Extent{Length: i.Size}) }
}
