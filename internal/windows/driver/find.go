package driver

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// Package is a driver package on this machine: an INF file and what it names.
type Package struct {
	// Path is that of the INF file.
	Path string

	inf *inf.File
}

// Name is the name of the INF file.
func (p Package) Name() string { return filepath.Base(p.Path) }

// maxINF bounds an INF file; the largest have some MiB.
const maxINF = 32 << 20

// Find returns the driver packages of a folder, in the order of their paths, and of the folders below
// it where recurse says so. The path of an INF file gives that one. INF files that install no device,
// such as autorun.inf, are passed over; a folder without any package is an error.
func Find(path string, recurse bool) ([]Package, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var files []string
	switch {
	case !info.IsDir():
		files = []string{path}
	case recurse:
		files, err = findBelow(path)
	default:
		files, err = findIn(path)
	}
	if err != nil {
		return nil, err
	}
	var packages []Package
	for _, file := range files {
		f, err := open(file)
		if err != nil {
			return nil, err
		}
		if f.Section("Manufacturer") != nil {
			packages = append(packages, Package{Path: file, inf: f})
		}
	}
	if len(packages) == 0 {
		return nil, fault.Invalidf("%s has no driver package: no .inf file with a [Manufacturer] section", path)
	}
	return packages, nil
}

func findIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if isINF(e.Name()) && !e.IsDir() {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

func findBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && isINF(path) && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

func isINF(name string) bool { return strings.EqualFold(filepath.Ext(name), ".inf") }

func open(path string) (*inf.File, error) {
	content, err := tree.OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	data, err := tree.ReadAll(content, maxINF)
	if err != nil {
		return nil, fault.In(path, err)
	}
	f, err := inf.Parse(data)
	return f, fault.In(path, err)
}

// Choose takes, of the packages that fit an image, one of each name: collections such as virtio-win hold
// a package for many versions of Windows, and the INF files of most say that they fit later ones too.
// Left is why each of the others was not chosen, nil for those that another one is better than.
//
// The folder of the newest Windows that is not newer than the image is best, where folders are called
// as in virtio-win; then the newest driver; then the last in the order of the paths.
func Choose(packages []Package, w boot.Windows) (chosen []Package, left map[string]error, err error) {
	left = map[string]error{}
	best := map[string]int{}
	for _, p := range packages {
		switch err := p.Fits(w); {
		case errors.Is(err, ErrNotFor):
			left[p.Path] = err
			continue
		case err != nil:
			return nil, nil, err
		}
		key := strings.ToLower(p.Name())
		i, ok := best[key]
		if !ok {
			best[key] = len(chosen)
			chosen = append(chosen, p)
			continue
		}
		if compare(chosen[i], p, w) > 0 {
			left[p.Path] = nil
			continue
		}
		left[chosen[i].Path] = nil
		chosen[i] = p
	}
	return chosen, left, nil
}

// compare compares how good two packages that fit are for an image: the greater is better. Between
// drivers of equal folders it ranks as Windows does, by date, then version.
func compare(a, b Package, w boot.Windows) int {
	os, _ := target(w)
	va, _ := a.inf.Version(os.Arch)
	vb, _ := b.inf.Version(os.Arch)
	return cmp.Or(
		cmp.Compare(nearness(a, os.Build), nearness(b, os.Build)),
		cmp.Compare(va.Date, vb.Date), slices.Compare(va.Number[:], vb.Number[:]))
}

// folderBuilds are the first builds of the versions of Windows that folders of virtio-win are called by.
var folderBuilds = map[string]int{
	"w7": 7600, "2k8r2": 7600, "w8": 9200, "2k12": 9200, "w8.1": 9600, "2k12r2": 9600,
	"w10": 10240, "2k16": 14393, "2k19": 17763, "2k22": 20348, "w11": 22000, "2k25": 26100,
}

// nearness is the build of the Windows that the package's folder is called by. What is newer than the
// image comes after all that is not, and the next best of it is the oldest.
func nearness(p Package, build int) int {
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(p.Path)), "/") {
		switch folder := folderBuilds[strings.ToLower(part)]; {
		case folder > build:
			return -folder
		case folder > 0:
			return folder
		}
	}
	return 0
}

// find returns the path of a file below a folder, whatever the case of its name is on this machine;
// "" if there is none.
func find(dir, name string) (string, error) {
	found := ""
	for part := range strings.SplitSeq(name, "/") {
		entries, err := os.ReadDir(filepath.Join(dir, found))
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		match := ""
		for _, e := range entries {
			if e.Name() == part || match == "" && strings.EqualFold(e.Name(), part) {
				match = e.Name()
			}
		}
		if match == "" {
			return "", nil
		}
		found = filepath.Join(found, match)
	}
	return found, nil
}
