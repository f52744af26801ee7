package media

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/iso9660"
	"github.com/winbake/packer-plugin-winbake/internal/format/udf"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
)

// openISO makes the file the medium's, or closes it. The WIM inside is read where it is.
func (m *Medium) openISO(f *os.File, size int64) error {
	files, w, err := readISO(f, size, filepath.Base(m.Path))
	if err != nil {
		f.Close()
		return fault.In("media: "+m.Path, err)
	}
	m.disc = files
	m.useWIM(w, f)
	return nil
}

// readISO finds the WIM of the ISO called name.
func readISO(r io.ReaderAt, size int64, name string) (fs.FS, *wim.File, error) {
	files, err := OpenDisc(r, size)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range []string{installWIM, installESD} {
		c, err := DiscFile(files, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		w, err := wim.NewFile(c, c.Size(), name+": "+path)
		return files, w, err
	}
	return nil, nil, noInstallWIM(files)
}

// OpenDisc reads the UDF of a disc or, if it has none, its ISO 9660. Microsoft's discs have both, and
// nothing but a note in the latter. What it returns is a *udf.Volume or an *iso9660.Volume.
func OpenDisc(r io.ReaderAt, size int64) (fs.FS, error) {
	is, err := udf.Recognize(r)
	if err != nil {
		return nil, err
	}
	if is {
		return udf.Open(r, size)
	}
	return iso9660.Open(r, size)
}

// DiscFile finds a file of a disc, whatever the case of its name. The error wraps fs.ErrNotExist when
// there is none.
func DiscFile(files fs.FS, path string) (*disc.Content, error) {
	path, err := find(files, path)
	if err != nil {
		return nil, err
	}
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	file, ok := f.(*disc.File) // which holds nothing open
	if !ok {
		return nil, fault.Bugf("%s is a %T", path, f)
	}
	return file.Content()
}

// noInstallWIM says what a disc has instead.
func noInstallWIM(files fs.FS) error {
	if p, err := find(files, installSWM); err == nil {
		return fault.Unsupportedf(fault.NoOffset, "%s is the first part of a split WIM, which cannot be read inside of an ISO; mount or unpack it, and give the folder", p)
	}
	return fault.Invalidf("the ISO holds no %s; there are: %s", installWIM, names(files))
}

// names lists what is in the root folder, for an error message.
func names(files fs.FS) string {
	const most = 12
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) == 0 {
		return "no files"
	}
	text := ""
	for i, e := range entries {
		if i == most {
			return text + ", ..."
		}
		if i > 0 {
			text += ", "
		}
		text += e.Name()
	}
	return text
}
