// Package media opens what the user has and finds the images of Windows in it: a WIM file (.wim, .esd, or
// the first .swm of several), an ISO or a folder that looks like Windows install media, or a disk or volume
// that Windows is on, as a raw file, VHD, VHDX or qcow2 image. What a file is, is told by its content.
package media

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Medium is opened install media, or a disk.
type Medium struct {
	// Path is the file that holds the images: of a folder its WIM, of an ISO the ISO itself.
	Path string
	// Folder is the media folder that the WIM was found in; empty when the user gave a file.
	Folder string

	// disc is what is in an ISO, nil for all else.
	disc   fs.FS
	images []Image
	source source
}

// source is what the images are read from. Indexes count from 1 and are of its images.
type source interface {
	// usable is why an image cannot be baked, or nil.
	usable(index int) error
	// tree is a new tree for each call: what edits change is not seen by the next.
	tree(index int) (*tree.Tree, error)
	// fingerprint differs for different images; equal media have equal ones.
	fingerprint(index int) [sha1.Size]byte
	// labelled says that titles are labels of volumes.
	labelled() bool
	// notes is what a list of the images ends with: what else is in the medium, and why it is no
	// image.
	notes() string
	Close() error
}

// installWIM is where install media keep their images, and the others are what they have instead: those
// of the Media Creation Tool an ESD, those for FAT32 a split WIM.
const (
	installWIM = "sources/install.wim"
	installESD = "sources/install.esd"
	installSWM = "sources/install.swm"
)

// missing is the error for a path that is not there. Of a relative one it says where that starts.
func missing(path string) error {
	if here, err := os.Getwd(); err == nil && !filepath.IsAbs(path) {
		return fault.Invalidf("there is no %s in %s, where relative paths start", path, here)
	}
	return fault.Invalidf("there is no %s", path)
}

// Open opens a WIM file, the sources/install.wim, .esd or .swm of a folder, the first two of an ISO, or a
// disk. Of a split WIM path is the first part.
func Open(path string) (*Medium, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.In("media", missing(path))
	}
	if err != nil {
		return nil, err
	}
	m := &Medium{Path: path}
	if info.IsDir() {
		m.Folder = path
		if m.Path, err = findInstallWIM(path); err != nil {
			return nil, err
		}
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return m, nil
}

// open opens the file at m.Path.
func (m *Medium) open() error {
	f, err := os.Open(m.Path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.Invalidf("media: %s is not a regular file", m.Path)
	}
	var what kind
	var disk *io.SectionReader
	if err == nil {
		what, disk, err = detect(f, info.Size(), m.Path)
	}
	switch {
	case err != nil:
		f.Close()
		return err
	case what == kindISO:
		return m.openISO(f, info.Size())
	case what != kindWIM:
		return m.openDisk(f, disk, what)
	}
	f.Close()
	return m.openWIM()
}

func (m *Medium) openWIM() error {
	f, err := wim.Open(m.Path)
	if err != nil {
		return fault.In("media", err)
	}
	m.useWIM(f, f)
	return nil
}

// openDisk makes the file, which the disk is in, the medium's, or closes it.
func (m *Medium) openDisk(f *os.File, r *io.SectionReader, what kind) error {
	d, images, err := readDisk(r, what)
	if err != nil {
		f.Close()
		return fault.In("media: "+m.Path, err)
	}
	d.file = f
	m.source, m.images = d, images
	return nil
}

// Images returns the images in the order of their numbers.
func (m *Medium) Images() []Image { return append([]Image(nil), m.images...) }

// Find selects an image by index, name or edition. Without a selector the medium must hold one
// image only. An image that is there but cannot be baked, such as a volume that was not dismounted
// cleanly, is an error.
func (m *Medium) Find(selector string) (Image, error) {
	i, err := m.find(selector)
	if err != nil {
		return i, fault.In("image", err)
	}
	return i, fault.In("media: "+m.Path, m.source.usable(i.Index))
}

// Tree reads the directory tree of an image. Contents stay in the medium. Each call gives a new one.
func (m *Medium) Tree(index int) (*tree.Tree, error) { return m.source.tree(index) }

// Fingerprint identifies an image without reading all of it: equal media give equal ones. In a WIM
// it is the SHA-1 of the image's metadata, which names every file with the SHA-1 of its content. Of
// a volume it is made from the boot sector, where its serial number is, and from all that the tree
// tells of its files: names, sizes, times, places, descriptors, and the contents that are so small
// that NTFS keeps them there too.
func (m *Medium) Fingerprint(index int) [sha1.Size]byte { return m.source.fingerprint(index) }

// Close closes the medium. Contents of its trees cannot be read any more.
func (m *Medium) Close() error { return m.source.Close() }

// findInstallWIM finds sources/install.wim, or what a folder has instead, whatever the case of its name.
func findInstallWIM(folder string) (string, error) {
	for _, name := range []string{installWIM, installESD, installSWM} {
		path, err := find(os.DirFS(folder), name)
		if !errors.Is(err, fs.ErrNotExist) {
			return hostPath(folder, path), err
		}
	}
	return "", fault.Invalidf("media: folder %s holds no %s, nor an install.esd or install.swm there", folder, installWIM)
}

func hostPath(folder, path string) string { return filepath.Join(folder, filepath.FromSlash(path)) }

// FindPath returns a '/' path as it is written in a folder or disc, ignoring case, as Windows would. The
// error wraps fs.ErrNotExist when there is none.
func FindPath(files fs.FS, path string) (string, error) { return find(files, path) }

// find returns a '/' path as it is written in a folder or disc, ignoring case, as Windows would. The
// error wraps fs.ErrNotExist when there is none.
func find(files fs.FS, path string) (string, error) {
	dir := "."
	for _, name := range tree.Split(path) {
		entries, err := fs.ReadDir(files, dir)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return strings.EqualFold(e.Name(), name) })
		if i < 0 {
			return "", &fs.PathError{Op: "find", Path: path, Err: fs.ErrNotExist}
		}
		dir = pathpkg.Join(dir, entries[i].Name())
	}
	return dir, nil
}

// Host returns a file of the media's folder or ISO as content, or nil where there is none. What is in
// an ISO can be read until the medium is closed.
func (m *Medium) Host(path string) tree.Content {
	if m.disc != nil {
		c, err := DiscFile(m.disc, path)
		if err != nil {
			return nil
		}
		return c
	}
	if m.Folder == "" {
		return nil
	}
	p, err := find(os.DirFS(m.Folder), path)
	if err != nil {
		return nil
	}
	f, err := tree.OpenHostFile(hostPath(m.Folder, p))
	if err != nil {
		return nil
	}
	return f
}

// Size is the length of the file, or of all parts of a split WIM together, in bytes.
func (m *Medium) Size() (total int64, err error) {
	paths, err := m.files()
	for _, path := range paths {
		info, e := os.Stat(path)
		if e != nil {
			return 0, e
		}
		total += info.Size()
	}
	return total, err
}

// files are the files that the medium is: one, but for a split WIM.
func (m *Medium) files() ([]string, error) {
	if _, ok := m.source.(*wimSource); !ok || m.disc != nil {
		return []string{m.Path}, nil
	}
	return wim.Parts(m.Path)
}

// SHA256 hashes the file, in hexadecimal. The parts of a split WIM are hashed one after the other, as if
// they were one file.
func (m *Medium) SHA256(ctx context.Context) (string, error) {
	paths, err := m.files()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, path := range paths {
		if err := hashFile(ctx, h, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(ctx context.Context, h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, &stoppable{ctx, f})
	return fault.In(path, err)
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
