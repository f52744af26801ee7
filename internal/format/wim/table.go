package wim

import (
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
	f.byHash = make(map[hash]*Blob, count)
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
	if f.byHash[e.Hash] == nil {
		f.blobs = append(f.blobs, Blob{res, e.Hash, f.format != None})
		f.byHash[e.Hash] = &f.blobs[len(f.blobs)-1] // the capacity holds all: never moved
	}
	return nil
}

// content returns the blob of a stream, or nil when the stream is empty.
func (f *File) content(h hash) (*Blob, error) {
	if b := f.byHash[h]; b != nil || h.empty() {
		return b, nil
	}
	return nil, fault.Corruptf(fault.NoOffset, "its content %x is not in the file's blob table", h)
}
