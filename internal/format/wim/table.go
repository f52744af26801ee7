package wim

import (
	"hash/maphash"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxTable bounds the blob table: twenty million contents.
const maxTable = 1 << 30

// readTable reads the blob tables of all parts: metadata resources in the order of the images, and the
// contents. What wimlib overlooks is overlooked here too: entries without a hash, of no bytes, for
// another part, metadata in other parts than the first, and a second entry for the same hash.
func (f *File) readTable() error {
	tables := make([][]byte, len(f.parts))
	count := 0
	for i, p := range f.parts {
		var err error
		if tables[i], err = p.tableBytes(); err != nil {
			return p.in("blob table", err)
		}
		count += len(tables[i]) / blobEntrySize
	}
	f.blobs = make([]Blob, 0, count)
	f.byHash = newBlobIndex(count)
	for i, p := range f.parts {
		if err := f.addTable(p, tables[i]); err != nil {
			return p.in("blob table", err)
		}
	}
	return nil
}

// tableBytes reads the part's own table.
func (f *File) tableBytes() ([]byte, error) {
	if f.header.Table.Size == 0 {
		return nil, nil
	}
	res, err := f.newResource(f.header.Table)
	if err != nil {
		return nil, err
	}
	return res.readAll(maxTable)
}

// addTable takes the entries of a part's table. Entries of blobs in solid resources come together with
// those of the resources.
func (f *File) addTable(part *File, table []byte) error {
	var run []*solid
	room := newSolidRoom(part)
	for i := 0; i+blobEntrySize <= len(table); i += blobEntrySize {
		var e blobEntry
		e.unmarshal(table[i:])
		inSolid := part.header.Version == versionSolid && e.Resource.Flags&resSolid != 0
		var err error
		switch {
		case !inSolid:
			closeRun(run)
			run = nil
			err = f.addEntry(part, &e)
		case run == nil:
			if run, err = part.solidRun(table[i:], room); err != nil {
				return at(int64(i), "solid resources", err)
			}
			fallthrough
		default:
			err = f.addSolid(part, &e, run)
		}
		if err != nil {
			return at(int64(i), "resource", err)
		}
	}
	closeRun(run)
	return nil
}

// addEntry takes the entry of a resource of its own.
func (f *File) addEntry(part *File, e *blobEntry) error {
	if e.Hash == (hash{}) || e.Resource.Size == 0 || e.Part != part.header.Part {
		return nil
	}
	if e.Resource.Flags&resMetadata != 0 && (e.Refs == 0 || part != f) {
		return nil // without references: left over in the WinPE files of the old WAIK
	}
	res, err := part.newResource(e.Resource)
	if err != nil {
		return err
	}
	f.add(res, e)
	return nil
}

// add takes a blob.
func (f *File) add(res resource, e *blobEntry) {
	b := Blob{res, e.Hash, f.format != None}
	if e.Resource.Flags&resMetadata != 0 {
		f.metadata = append(f.metadata, b)
		return
	}
	if slot := f.byHash.find(f.blobs, e.Hash); *slot == 0 {
		f.blobs = append(f.blobs, b) // the capacity holds all: never moved
		*slot = uint32(len(f.blobs))
	}
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
