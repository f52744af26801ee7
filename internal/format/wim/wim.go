// Package wim reads and writes Windows imaging files (.wim): images of volumes with all NT
// metadata, whose file contents are stored once each.
//
// The reader takes uncompressed, XPRESS, LZX and LZMS files with chunks of up to 64 MiB, solid ones
// (.esd), split ones (.swm), and any number of images. It gives each image as a tree.Tree whose
// contents are Blobs: read on demand, by any number of goroutines, chunk by chunk. The writer (Write)
// makes uncompressed files.
//
// The chunks of solid resources hold many blobs. A File keeps a few of them decoded, so that whoever
// reads in the order of the medium has each decoded once, and decodes some ahead: see chunkCache.
//
// Not read: pipable files; they are named and refused with fault.ErrUnsupported. Encrypted ESD files
// cannot be read by anybody but Microsoft.
//
// The format is described by Microsoft's "Windows Imaging File Format" white paper (2007) and, for
// what that leaves out, by the sources of wimlib.
package wim

import (
	"errors"
	"fmt"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// File is an open WIM. All methods may be called by several goroutines at once.
type File struct {
	src    *source
	size   int64
	header header
	format Format
	// plain and packed are how resources lie in the file.
	plain, packed storage
	room          int64 // what resources with large chunks may still take: see newShared

	// parts are the files of a split WIM, this one first; of the others only what is above is filled.
	parts   []*File
	closers []io.Closer

	images   []Image
	metadata []Blob // one per image
	blobs    []Blob // in the order of the blob tables
	byHash   blobIndex
}

// Recognize says whether r begins as a WIM does, be it one that is read or a pipable one.
func Recognize(r io.ReaderAt) (bool, error) {
	b := make([]byte, len(magic))
	if n, err := r.ReadAt(b, 0); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	return string(b) == magic || string(b) == magicPipable, nil
}

// NewFile opens a WIM of size bytes in r, which may be a part of something else, such as a file of an
// ISO. Errors call it name. r must stay usable as long as the File and its Blobs are. A split WIM is
// an error of class fault.ErrUnsupported: see NewSplit.
func NewFile(r io.ReaderAt, size int64, name string) (*File, error) {
	return NewSplit([]Part{{r, size, name}})
}

// open reads what has to be read of each part: the header. base is how many bytes the parts before
// have.
func (f *File) open(base int64, cache *chunkCache) error {
	if err := f.readHeader(); err != nil {
		return err
	}
	f.setStorage()
	f.room = f.size
	for _, s := range []*storage{&f.plain, &f.packed} {
		s.base, s.cache = base, cache
	}
	return nil
}

// setStorage fills what resources share, once the header is known.
func (f *File) setStorage() {
	f.plain = storage{src: f.src}
	f.packed = storage{src: f.src, chunk: int64(f.header.ChunkSize), format: f.format}
}

// in says where in the part err is.
func (f *File) in(what string, err error) error { return fault.In(f.src.name, fault.In(what, err)) }

// Close closes the files that Open opened. The Blobs cannot be read any more.
func (f *File) Close() error {
	var errs []error
	for _, c := range f.closers {
		errs = append(errs, c.Close())
	}
	f.closers = nil
	return errors.Join(errs...)
}

// Name returns the name that errors give the file.
func (f *File) Name() string { return f.src.name }

// GUID returns the file's identifier as it is stored.
func (f *File) GUID() [16]byte { return f.header.GUID }

// Compression returns the format and chunk size of the file's compressed resources; None and 0 for
// a file without. Single resources of a compressed file may be stored as they are.
func (f *File) Compression() (Format, int64) {
	if f.format == None {
		return None, 0
	}
	return f.format, int64(f.header.ChunkSize)
}

// BootIndex returns the number of the image that boot loaders start, or 0.
func (f *File) BootIndex() int { return int(f.header.BootIndex) }

// RPFix says that whoever captured the file made absolute link targets relative to the image's
// root, where tree.Reparse says Fixed. Such a target still starts with a drive letter, that of the
// captured volume; on a volume that gets the same letter it is right as it stands. Like wimlib
// when it writes to an NTFS volume, this package changes no target.
func (f *File) RPFix() bool { return f.header.Flags&flagRPFix != 0 }

// Integrity says whether the file, or the first part of it, has an integrity table, which Verify checks.
func (f *File) Integrity() bool { return f.header.Integrity.Size > 0 }

// Blobs returns the number of distinct contents and the sum of their uncompressed sizes.
func (f *File) Blobs() (count int, bytes int64) {
	for i := range f.blobs {
		bytes += f.blobs[i].res.size
	}
	return len(f.blobs), bytes
}

func (f *File) readHeader() error {
	var b [headerSize]byte
	if f.size < headerSize {
		return fault.Corruptf(0, "%d bytes are too few for a WIM", f.size)
	}
	if err := f.src.readFull(b[:], 0); err != nil {
		return err
	}
	f.header.unmarshal(&b)
	if err := f.header.validate(f.size); err != nil {
		return err
	}
	var err error
	f.format, err = f.header.format()
	return err
}

// metadataName names an image's metadata in errors.
func metadataName(index int) string { return fmt.Sprintf("metadata of image %d", index) }

// at gives err a byte offset and says what lies there. The class of a fault stays; another error,
// such as one of the disk, gets none.
func at(off int64, what string, err error) error {
	for _, class := range []error{fault.ErrCorrupt, fault.ErrUnsupported, fault.ErrInvalid, fault.ErrBug} {
		if errors.Is(err, class) {
			return &fault.Error{Class: class, Offset: off, Detail: what, Err: err}
		}
	}
	if off < 0 {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("at offset %#x: %s: %w", off, what, err)
}
