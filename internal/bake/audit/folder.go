package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// folderFiles are what an audit reads of a Windows volume.
var folderFiles = func() []string {
	out := append(slices.Clone(windowsFiles), winre.StateFile, stagedFile, wimFile)
	for _, store := range []string{boot.BIOS.StorePath(), boot.UEFI.StorePath()} {
		out = append(out, store)
		for _, extension := range registry.LogExtensions {
			out = append(out, store+extension)
		}
	}
	return out
}()

// inspectFolder audits a mounted Windows volume, or a copy of one. Symbolic links that lead out of
// the folder are not followed.
func inspectFolder(folder string, advisories []winre.Advisory) *Image {
	i := newImage(folder, KindFolder)
	root, err := os.OpenRoot(folder)
	if err != nil {
		return i.fail(err)
	}
	defer root.Close()
	t := tree.New(0)
	for _, p := range folderFiles {
		c, err := openHost(root, p)
		if err != nil && !missing(err) {
			return i.fail(fault.In(folder, err))
		}
		if c == nil {
			continue
		}
		if _, err := t.WriteFile(p, c); err != nil {
			return i.fail(fault.In(folder, err))
		}
	}
	v := &volume{Partition: Partition{Role: roleWindows}, folder: t}
	if !v.exists(registry.SystemHive) {
		return i.fail(fault.Invalidf("the folder %s holds no Windows: there is no %s", folder, windowsPath(registry.SystemHive)))
	}
	a := &auditor{image: i, auditedDisk: &auditedDisk{volumes: []*volume{v}}, windows: v, advisories: advisories}
	a.run()
	i.Partitions = []Partition{} // a folder has none
	return i
}

// hostFile is a file below a folder. It is opened for each read.
type hostFile struct {
	root *os.Root
	name string
	size int64
}

// openHost finds a regular file whatever the case of its names; nil where there is none.
func openHost(root *os.Root, p string) (tree.Content, error) {
	name := "."
	for _, want := range tree.Split(p) {
		found, err := child(root, name, want)
		if err != nil {
			return nil, err
		}
		name = path.Join(name, found)
	}
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalidf("%s is no regular file", name)
	}
	return &hostFile{root, name, info.Size()}, nil
}

// child returns the name of an entry of a directory as the host spells it.
func child(root *os.Root, dir, name string) (string, error) {
	if _, err := root.Lstat(path.Join(dir, name)); err == nil {
		return name, nil
	}
	d, err := root.Open(dir)
	if err != nil {
		return "", err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(256)
		for _, n := range names {
			if strings.EqualFold(n, name) {
				return n, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return "", fs.ErrNotExist
		}
		if err != nil {
			return "", err
		}
	}
}

// Size is the length that the file had when it was found.
func (h *hostFile) Size() int64 { return h.size }

// ReadAt reads from the file.
func (h *hostFile) ReadAt(p []byte, off int64) (int, error) {
	f, err := h.root.Open(h.name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, off)
}
