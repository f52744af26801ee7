package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

var le = binary.LittleEndian

// volume is a partition and the file system on it.
type volume struct {
	table  disk.Partition // zero but for its size where there is no table
	r      *io.SectionReader
	system string       // the file system that the boot sector names
	ntfs   *ntfs.Volume // nil for another file system, or one that cannot be read
	fat    *fat32.Volume
	// windows says that it holds a Windows.
	windows bool
}

// name calls the volume for people.
func (v *volume) name() string {
	if v.table.Number == 0 {
		return "volume"
	}
	return fmt.Sprintf("partition %d", v.table.Number)
}

// maxProgram bounds a boot program that is read into memory.
const maxProgram = 64 << 20

// lookup finds a file or directory at a '/' path. The error wraps fs.ErrNotExist where there is none.
func (v *volume) lookup(path string) (*ntfs.File, error) {
	switch {
	case v.ntfs != nil:
		return v.ntfs.Lookup(path)
	case v.fat != nil:
		f, err := v.fat.Lookup(path)
		switch {
		case err != nil:
			return nil, err
		case f == nil:
			return &ntfs.File{Dir: true, Plain: true}, nil
		}
		return &ntfs.File{Content: f, Plain: true}, nil
	}
	return nil, fs.ErrNotExist
}

// read is what bootstore.Read reads with.
func (v *volume) read(path string, limit int64) ([]byte, error) {
	f, err := v.lookup(path)
	if err != nil {
		return nil, err
	}
	if f.Dir {
		return nil, fs.ErrNotExist
	}
	if size := tree.SizeOf(f.Content); size > limit {
		return nil, fault.Corruptf(fault.NoOffset, "it has %d bytes; more than %d were not expected", size, limit)
	}
	if f.Content == nil {
		return nil, nil
	}
	return tree.ReadAll(f.Content, limit)
}

// has says whether there is a file or directory at a path.
func (v *volume) has(path string) bool {
	_, err := v.lookup(path)
	return err == nil
}

// missing says whether an error only means that there is no such file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// treePath makes a '/' path from one with backslashes.
func treePath(path string) string { return strings.ReplaceAll(strings.Trim(path, `\/`), `\`, "/") }

// windowsPath makes a path with backslashes from one of a tree.
func windowsPath(path string) string {
	return `\` + strings.ReplaceAll(strings.Trim(path, "/"), "/", `\`)
}
