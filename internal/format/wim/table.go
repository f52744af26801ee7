package wim

import (
	"hash/maphash"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxTable bounds the blob table: twenty million contents.
const maxTable = 1 << 30

// readTable reads the blob table: metadata resources in the order of the images, and the contents.
// What wimlib overlooks is overlooked here too: entries without a hash, of no bytes, for another
// part, and a second entry for the same hash.
func (f *File) readTable() error {
	if f.header.Table.Size == 0 {
		return nil
	}
	res, err := f.newResource(f.header.Table)
	if err != nil {
		return fault.In("blob table", err)
	}
	b, err := res.readAll(maxTable)
	if err != nil {
		return fault.In("blob table", err)
	}
	count := len(b) / blobEntrySize
	f.blobs = make([]Blob, 0, count)
	f.byHash = newBlobIndex(count)
	for i := range count {
		var e blobEntry
		e.unmarshal(b[i*blobEntrySize:])
		if err := f.addEntry(&e); err != nil {
			return fault.In("blob table", at(int64(i*blobEntrySize), "resource", err))
		}
	}
	return nil
}

// addEntry takes one entry of the table.
func (f *File) addEntry(e *blobEntry) error {
	if f.header.Version == versionSolid && e.Resource.Flags&resSolid != 0 {
		return fault.Unsupportedf(fault.NoOffset, "solid resources (an .esd file); convert it with: wimlib-imagex export --compress=LZX")
	}
	if e.Hash == (hash{}) || e.Resource.Size == 0 || e.Part != f.header.Part {
		return nil
	}
	if e.Resource.Flags&resMetadata != 0 && e.Refs == 0 {
		return nil // left over in the WinPE files of the old WAIK
	}
	res, err := f.newResource(e.Resource)
	if err != nil {
		return err
	}
	if e.Resource.Flags&resMetadata != 0 {
		f.metadata = append(f.metadata, Blob{res, e.Hash, f.format != None})
		return nil
	}
	if slot := f.byHash.find(f.blobs, e.Hash); *slot == 0 {
		f.blobs = append(f.blobs, Blob{res, e.Hash, f.format != None}) // the capacity holds all: never moved
		*slot = uint32(len(f.blobs))
	}
	return nil
}

// blobIndex finds blobs by their hash: a table with open addressing, of numbers into the blobs from 1.
// A map would take several times the room, and some media have half a million blobs.
type blobIndex struct {
	seed  maphash.Seed // a medium must not choose what collides
	slots []uint32
}

func newBlobIndex(count int) blobIndex {
	return blobIndex{maphash.MakeSeed(), make([]uint32, 1<<bits.Len(uint(count+count/2)))}
}

// find returns the slot of a hash: where its number is, or goes.
func (x *blobIndex) find(blobs []Blob, h hash) *uint32 {
	mask := uint64(len(x.slots) - 1)
	for i := maphash.Bytes(x.seed, h[:]) & mask; ; i = (i + 1) & mask {
		if n := x.slots[i]; n == 0 || blobs[n-1].sum == h {
			return &x.slots[i]
		}
	}
}

// Blob returns the blob with the given SHA-1, or nil.
func (f *File) Blob(sum [20]byte) *Blob {
	if len(f.blobs) == 0 {
		return nil
	}
	if n := *f.byHash.find(f.blobs, sum); n > 0 {
		return &f.blobs[n-1]
	}
	return nil
}

// content returns the blob of a stream, or nil when the stream is empty.
func (f *File) content(h hash) (*Blob, error) {
	if b := f.Blob(h); b != nil || h.empty() {
		return b, nil
	}
	return nil, fault.Corruptf(fault.NoOffset, "its content %x is not in the file's blob table", h)
}
