// Package media opens what the user has: a WIM file, or a folder that looks like Windows install
// media, and finds the images in it.
package media

import (
	"context"
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

// Medium is opened install media.
type Medium struct {
	// Path is the WIM that holds the images.
	Path string
	// Folder is the media folder that the WIM was found in; empty when the user gave the WIM.
	Folder string
	WIM    *wim.File
}

// installWIM is where install media keep their images.
const installWIM = "sources/install.wim"

// Open opens a WIM file, or the sources/install.wim of a folder.
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
	} else if err := checkKind(path); err != nil {
		return nil, err
	}
	if m.WIM, err = wim.Open(m.Path); err != nil {
		return nil, err
	}
	return m, nil
}

// Find selects an image by index, name or edition. Without a selector the medium must hold one
// image only.
func (m *Medium) Find(selector string) (wim.Image, error) {
	image, err := m.WIM.Find(selector)
	return image, fault.In("image", err)
}

// Close closes the medium. Contents of its trees cannot be read any more.
func (m *Medium) Close() error { return m.WIM.Close() }

// checkKind turns down what is known not to be a WIM, by its name, with what to do instead.
func checkKind(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".iso":
		return fault.Unsupportedf(fault.NoOffset, "media: %s is an ISO image; copy its sources/install.wim out and give that, or give the folder of a mounted or extracted ISO", path)
	case ".esd":
		return fault.Unsupportedf(fault.NoOffset, "media: %s is an ESD; turn it into a WIM with: wimlib-imagex export %s all install.wim --compress=LZX", path, path)
	case ".swm":
		return fault.Unsupportedf(fault.NoOffset, "media: %s is one part of a split WIM; join the parts with: wimlib-imagex join install.wim *.swm", path)
	}
	return nil
}

// findInstallWIM finds sources/install.wim whatever the case of its name.
func findInstallWIM(folder string) (string, error) {
	path, err := Find(folder, installWIM)
	if errors.Is(err, fs.ErrNotExist) {
		for _, other := range []string{"sources/install.esd", "sources/install.swm"} {
			if p, err := Find(folder, other); err == nil {
				return "", checkKind(p)
			}
		}
		return "", fault.Invalidf("media: folder %s holds no %s", folder, installWIM)
	}
	return path, err
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

// SHA256 hashes the WIM, in hexadecimal.
func (m *Medium) SHA256(ctx context.Context) (string, error) {
	f, err := os.Open(m.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &stoppable{ctx, f}); err != nil {
		return "", fault.In(m.Path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
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
