// Package media opens what the user has and finds the images of Windows in it: a WIM file (.wim, .esd, or
// the first .swm of several), a folder
// that looks like Windows install media, or a disk or volume that Windows is on, as a raw file or
// fixed VHD. What a file is, is told by its content.
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
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Medium is opened install media, or a disk.
type Medium struct {
	// Path is the file that holds the images.
	Path string
	// Folder is the media folder that the WIM was found in; empty when the user gave a file.
	Folder string

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

// Open opens a WIM file, the sources/install.wim, .esd or .swm of a folder, or a disk. Of a split WIM
// path is the first part.
func Open(path string) (*Medium, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Invalidf("media: there is no %s", path)
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
	var size int64
	if err == nil {
		what, size, err = detect(f, info.Size(), m.Path)
	}
	if err == nil && what != kindWIM {
		return m.openDisk(f, size, what)
	}
	f.Close()
	if err != nil {
		return err
	}
	return m.openWIM()
}

func (m *Medium) openWIM() error {
	f, err := wim.Open(m.Path)
	if err != nil {
		return fault.In("media", err)
	}
	m.source = wimSource{f}
	for _, i := range f.Images() {
		m.images = append(m.images, wimImage(i))
	}
	return nil
}

// openDisk makes the file the medium's, or closes it.
func (m *Medium) openDisk(f *os.File, size int64, what kind) error {
	d, images, err := readDisk(f, size, what)
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
		if path, err := Find(folder, name); !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
	}
	return "", fault.Invalidf("media: folder %s holds no %s, nor an install.esd or install.swm there", folder, installWIM)
}

// Find returns the host path of a '/' path below folder, ignoring case, as Windows would. The
// error wraps fs.ErrNotExist when there is none.
func Find(folder, path string) (string, error) {
	dir := folder
	for _, name := range tree.Split(path) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", err
		}
		found := ""
		for _, e := range entries {
			if strings.EqualFold(e.Name(), name) {
				found = e.Name()
				break
			}
		}
		if found == "" {
			return "", &fs.PathError{Op: "find", Path: filepath.Join(dir, name), Err: fs.ErrNotExist}
		}
		dir = filepath.Join(dir, found)
	}
	return dir, nil
}

// Host returns a file of the media folder as content, or nil where there is none.
func (m *Medium) Host(path string) tree.Content {
	if m.Folder == "" {
		return nil
	}
	p, err := Find(m.Folder, path)
	if err != nil {
		return nil
	}
	f, err := tree.OpenHostFile(p)
	if err != nil {
		return nil
	}
	return f
}

// SHA256 hashes the file, in hexadecimal. The parts of a split WIM are hashed one after the other, as if
// they were one file.
func (m *Medium) SHA256(ctx context.Context) (string, error) {
	paths := []string{m.Path}
	if _, ok := m.source.(wimSource); ok {
		var err error
		if paths, err = wim.Parts(m.Path); err != nil {
			return "", err
		}
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
