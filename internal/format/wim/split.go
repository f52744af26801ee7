package wim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Part is one file of a WIM that may be split. Its reader must stay usable as long as the File is.
type Part struct {
	R    io.ReaderAt
	Size int64
	Name string // what errors call it
}

// Open reads the header, blob table and XML data of the WIM at path. The file stays open until
// Close. Of a split WIM path is the first part, x.swm; the others are beside it, as x2.swm, x3.swm and
// so on, whatever the case of their names.
func Open(path string) (*File, error) {
	paths, err := Parts(path)
	if err != nil {
		return nil, err
	}
	var parts []Part
	var closers []io.Closer
	w, err := func() (*File, error) {
		for _, p := range paths {
			f, err := os.Open(p)
			if err != nil {
				return nil, err
			}
			closers = append(closers, f)
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			parts = append(parts, Part{f, info.Size(), filepath.Base(p)})
		}
		return NewSplit(parts)
	}()
	if err != nil {
		for _, c := range closers {
			c.Close()
		}
		return nil, err
	}
	w.closers = closers
	return w, nil
}

// Parts returns the paths of all files of the WIM at path: path alone, unless it is the first part of
// a split one. A part that is not there is an error of class fault.ErrInvalid that names it.
func Parts(path string) ([]string, error) {
	count, err := partCount(path)
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	if count == 1 {
		return paths, nil
	}
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, e := range beside {
		names[strings.ToLower(e.Name())] = e.Name()
	}
	for i := 2; i <= count; i++ {
		want := PartName(filepath.Base(path), i)
		name := want
		if _, err := os.Lstat(filepath.Join(filepath.Dir(path), want)); errors.Is(err, fs.ErrNotExist) {
			name = names[strings.ToLower(want)]
		}
		if name == "" {
			return nil, fault.In(path, fault.Invalidf("this is part 1 of a split WIM of %d parts; part %d is missing: there is no %s beside it", count, i, want))
		}
		paths = append(paths, filepath.Join(filepath.Dir(path), name))
	}
	return paths, nil
}

// PartName is the name of the i-th part of a split WIM whose first part has the name first: of x.swm
// the second part is x2.swm.
func PartName(first string, i int) string {
	ext := filepath.Ext(first)
	return fmt.Sprintf("%s%d%s", strings.TrimSuffix(first, ext), i, ext)
}

// partCount returns how many parts the WIM has whose first is at path. What is no WIM has one: NewSplit
// says what is wrong with it.
func partCount(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	w := &File{src: &source{f, filepath.Base(path)}, size: info.Size()}
	if w.readHeader() != nil {
		return 1, nil
	}
	return int(w.header.Parts), w.checkFirst()
}

// checkFirst makes sure that the file is the first part.
func (f *File) checkFirst() error {
	if f.header.Part == 1 {
		return nil
	}
	return fault.In(f.src.name, fault.Invalidf("this is part %d of a split WIM of %d parts; give the first one, such as install.swm", f.header.Part, f.header.Parts))
}

// NewSplit opens a WIM that is split into parts, all of them in their order.
func NewSplit(parts []Part) (*File, error) {
	var f *File
	base, cache := int64(0), newChunkCache()
	for i, p := range parts {
		part := &File{src: &source{p.R, p.Name}, size: p.Size}
		if err := part.open(base, cache); err != nil {
			return nil, fault.In(p.Name, err)
		}
		if i == 0 {
			f = part
		}
		f.parts = append(f.parts, part)
		if err := f.checkPart(i, len(parts)); err != nil {
			return nil, err
		}
		base += p.Size
	}
	if err := f.readXML(); err != nil {
		return nil, fault.In(f.src.name, err)
	}
	if err := f.readTable(); err != nil {
		return nil, err
	}
	if err := f.finishImages(); err != nil {
		return nil, fault.In(f.src.name, err)
	}
	return f, nil
}

// checkPart makes sure that f.parts[i] is what it has to be: the part of that number of the same file.
func (f *File) checkPart(i, count int) error {
	p := f.parts[i]
	h := &p.header
	var err error
	switch {
	case i == 0 && h.Part != 1:
		return f.checkFirst()
	case count == 1 && h.Parts > 1:
		err = fault.Unsupportedf(0x28, "part %d of a split WIM of %d parts, without the others", h.Part, h.Parts)
	case h.GUID != f.header.GUID:
		err = fault.Corruptf(0x18, "it belongs to another split WIM than %s: their identifiers differ", f.src.name)
	case int(h.Part) != i+1:
		err = fault.Corruptf(0x28, "part %d where part %d is expected", h.Part, i+1)
	case int(h.Parts) != count:
		err = fault.Corruptf(0x2a, "a split WIM of %d parts, where %s has %d", h.Parts, f.src.name, f.header.Parts)
	}
	return fault.In(p.src.name, err)
}
