package openssh

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Bounds of what a source may hold. Win32-OpenSSH has some 30 files, 30 MiB in all.
const (
	maxFiles = 2000
	maxFile  = 256 << 20
	maxAll   = 512 << 20
)

// file is a file of a source. Its name is relative to the folder of sshd.exe, with '/' between names.
type file struct {
	name string
	size int64
	open func() (tree.Content, error)
}

// read lists the files of a folder or zip. close must be called when their contents have been opened.
func read(i Image, source string) (files []file, closer io.Closer, err error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		files, err = readFolder(source)
		closer = io.NopCloser(nil)
	} else {
		files, closer, err = readZip(i, source)
	}
	if err == nil {
		files, err = belowDaemon(files)
	}
	if err != nil && closer != nil {
		closer.Close()
	}
	return files, closer, err
}

func readFolder(folder string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(folder, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			return fault.Invalidf("%s is neither a file nor a folder", at)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, at)
		if err != nil {
			return err
		}
		files = append(files, file{filepath.ToSlash(name), info.Size(), func() (tree.Content, error) { return tree.OpenHostFile(at) }})
		return bounded(files)
	})
	return files, err
}

func readZip(i Image, source string) ([]file, io.Closer, error) {
	r, err := zip.OpenReader(source)
	if errors.Is(err, zip.ErrFormat) {
		return nil, nil, fault.Invalidf("this is no zip")
	}
	// ErrInsecurePath is a setting of Go's; names are checked below.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, nil, err
	}
	files, err := zipFiles(i, r.File)
	return files, r, err
}

func zipFiles(i Image, entries []*zip.File) ([]file, error) {
	var files []file
	for _, e := range entries {
		name := strings.ReplaceAll(e.Name, `\`, "/") // as older .NET writes them
		switch {
		case !fs.ValidPath(strings.TrimSuffix(name, "/")) || strings.Contains(name, ":"):
			return nil, fault.Invalidf("its entry %q would leave the folder that it is unpacked to", e.Name)
		case strings.HasSuffix(name, "/"):
			continue
		case !e.Mode().IsRegular():
			return nil, fault.Invalidf("its entry %q is neither a file nor a folder", e.Name)
		case e.Flags&1 != 0:
			return nil, fault.Invalidf("its entry %q is encrypted", e.Name)
		case e.UncompressedSize64 > maxFile:
			return nil, fault.Invalidf("its entry %q has %d bytes, more than the %d that are expected at most", e.Name, e.UncompressedSize64, int64(maxFile))
		}
		files = append(files, file{name, int64(e.UncompressedSize64), func() (tree.Content, error) { return unpack(i, e) }})
		if err := bounded(files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// unpack stores the content of an entry. archive/zip ends at its length, and checks its CRC.
func unpack(i Image, e *zip.File) (tree.Content, error) {
	r, err := e.Open()
	if err != nil {
		return nil, fault.In(e.Name, err)
	}
	defer r.Close()
	content, err := i.Store(r)
	return content, fault.In(e.Name, err)
}

// bounded refuses what cannot be Win32-OpenSSH by its size.
func bounded(files []file) error {
	total := int64(0)
	for _, f := range files {
		total += f.size
	}
	if len(files) > maxFiles || total > maxAll {
		return fault.Invalidf("it has more than %d files or %d MiB, so it is not Win32-OpenSSH alone", maxFiles, maxAll>>20)
	}
	return nil
}

// belowDaemon cuts the folder that sshd.exe is in, which is OpenSSH-Win64 in Microsoft's zip, off the
// names. Nothing may be outside of it, and no two names may differ in case only.
func belowDaemon(files []file) ([]file, error) {
	at := slices.IndexFunc(files, func(f file) bool {
		return strings.EqualFold(path.Base(f.name), daemon) && strings.Count(f.name, "/") <= 1
	})
	if at < 0 {
		return nil, fault.Invalidf("it has no %s, so it is not Win32-OpenSSH", daemon)
	}
	top := strings.TrimSuffix(files[at].name, path.Base(files[at].name))
	seen := map[string]bool{}
	out := slices.Clone(files)
	for k, f := range out {
		name, ok := strings.CutPrefix(f.name, top)
		if !ok {
			return nil, fault.Invalidf("%q is not beside %s, so it is not Win32-OpenSSH alone", f.name, files[at].name)
		}
		folded := strings.ToLower(name)
		if seen[folded] {
			return nil, fault.Invalidf("the name %q stands in it twice", f.name)
		}
		seen[folded] = true
		out[k].name = name
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return out, nil
}
