package oracle

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// realTreeVersion is part of the cached names: raise it when the material changes.
const realTreeVersion = 1

// RealTreeWIM returns a WIM with one image, named "tree", of real files of this machine's /usr, with
// everything that a Windows volume has and that wimlib can capture: hard links, named streams on files
// and directories, security descriptors, attributes, times, short names, object ids, reparse points of
// several kinds, names that differ in case only, names of 255 units and of every plane, a wide
// directory, and sizes around every boundary. The WIM is made once per machine and cached; it must not
// be changed.
func RealTreeWIM(t testing.TB, spec TreeSpec) string {
	t.Helper()
	Need(t, "wimlib-imagex", "mkntfs")
	needMount(t)
	spec = spec.withDefaults()
	return cached(t, fmt.Sprintf("tree-v%d-%s.wim", realTreeVersion, spec.key()), func(scratch, file string) error {
		return makeRealTree(scratch, file, spec)
	})
}

// makeRealTree goes through a plain capture of /usr, because wimlib writes an NTFS volume many times
// faster than the kernel does through FUSE; only the NT side is added through a mount.
func makeRealTree(scratch, file string, spec TreeSpec) error {
	files, total, err := realFiles("/usr", spec)
	if err != nil {
		return err
	}
	list := filepath.Join(scratch, "files")
	if err := writeSourceList(list, files); err != nil {
		return err
	}
	plain := filepath.Join(scratch, "plain.wim")
	if err := wimlib("capture", "--source-list", list, plain, "tree", "--compress=none"); err != nil {
		return err
	}
	return captureDecorated(scratch, plain, file, spec, decorate, int64(len(files)), total)
}

// captureDecorated applies a plain WIM to a new volume, lets edit add the NT metadata and
// captures it again.
func captureDecorated(scratch, plain, file string, spec TreeSpec, edit func(dir string) error, files, bytes int64) error {
	image := filepath.Join(scratch, "stage.img")
	// Room for the clusters' slack, 1 KiB records, and what decorate adds.
	size := (bytes*5/4 + files*8192 + 256<<20) &^ (1<<20 - 1)
	if err := makeNTFS(image, NTFSSpec{Size: size, Label: "stage"}); err != nil {
		return err
	}
	if err := wimlib("apply", plain, "1", image); err != nil {
		return err
	}
	if err := os.Remove(plain); err != nil {
		return err
	}
	if err := editNTFS(image, edit); err != nil {
		return err
	}
	return wimlib(append([]string{"capture", image, file, "tree"}, spec.captureArgs()...)...)
}

// wimlib runs wimlib-imagex.
func wimlib(args ...string) error {
	if out, stderr, err := Try("wimlib-imagex", args...); err != nil {
		return fmt.Errorf("wimlib-imagex %q: %w\n%s%s", args, err, out, stderr)
	}
	return nil
}

// realFiles picks regular files below root, in the order of their paths, until there are spec.Files of
// them or spec.Bytes. So that the number is reached first, files much larger than the mean are left out,
// but for one in a hundred of them.
func realFiles(root string, spec TreeSpec) (files []string, total int64, err error) {
	large := 0
	mean := spec.Bytes / int64(spec.Files)
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !windowsName(path) {
			return ignorePermission(err)
		}
		info, err := e.Info()
		if err != nil || unix.Access(path, unix.R_OK) != nil {
			return nil
		}
		if info.Size() > 8*mean {
			if large++; large%100 != 0 || info.Size() > 800*mean {
				return nil
			}
		}
		files, total = append(files, path), total+info.Size()
		if len(files) >= spec.Files || total >= spec.Bytes {
			return filepath.SkipAll
		}
		return nil
	})
	return files, total, err
}

// ignorePermission lets a walk go on where an ordinary user may not look.
func ignorePermission(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fs.SkipDir
	}
	return err
}

// windowsName says whether Windows could have all names of a path, and wimlib's list hold them.
func windowsName(path string) bool {
	if strings.ContainsAny(path, "<>:\"|?*\\\t\r\n'") {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
			return false
		}
	}
	return true
}

// writeSourceList writes wimlib's list of what to capture: a host path and its place in the image.
func writeSourceList(path string, files []string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, name := range files {
		fmt.Fprintf(w, "\"%s\"\t\"%s\"\n", name, strings.TrimPrefix(name, "/"))
	}
	return w.Flush()
}

// A TreeSpec says how much of a tree, and in which kind of WIM.
type TreeSpec struct {
	Files    int    // about how many; 0 means 20,000
	Bytes    int64  // at most about how many; 0 means 200 MB
	Compress string // LZX, XPRESS, LZMS or none, as wimlib names them; "" means LZX
	Chunk    int    // bytes of a chunk; 0 means wimlib's choice for the compression
	Solid    bool   // an ESD: one solid resource
}

func (s TreeSpec) withDefaults() TreeSpec {
	if s.Files == 0 {
		s.Files = 20_000
	}
	if s.Bytes == 0 {
		s.Bytes = 200_000_000
	}
	if s.Compress == "" {
		s.Compress = "LZX"
	}
	return s
}

func (s TreeSpec) key() string {
	key := fmt.Sprintf("%d-%d-%s-%d", s.Files, s.Bytes, s.Compress, s.Chunk)
	if s.Solid {
		key += "-solid"
	}
	return key
}

func (s TreeSpec) captureArgs() []string {
	switch {
	case s.Solid && s.Chunk != 0:
		return []string{"--solid", "--solid-compress=" + s.Compress, "--solid-chunk-size=" + strconv.Itoa(s.Chunk)}
	case s.Solid:
		return []string{"--solid", "--solid-compress=" + s.Compress}
	case s.Chunk != 0:
		return []string{"--compress=" + s.Compress, "--chunk-size=" + strconv.Itoa(s.Chunk)}
	}
	return []string{"--compress=" + s.Compress}
}
