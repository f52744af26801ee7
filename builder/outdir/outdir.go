// Package outdir looks after the directory that a bake writes to: it must be empty or, with
// -force, may hold an earlier bake, and only one bake at a time may write to it.
//
// Nothing is deleted before the new image is there, and never a file that winbake did not make.
package outdir

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

const (
	lockName     = ".winbake.lock"
	manifestName = "manifest.json"
	// partialSuffix is what the engine gives to files that are not whole yet. A killed bake leaves
	// some; they are in nobody's way.
	partialSuffix = ".partial"
	// maxManifest bounds how much of an earlier manifest is read; real ones have a few KiB.
	maxManifest = 16 << 20
)

// Dir is an output directory that this process holds.
type Dir struct {
	path string
	// made are the directories that did not exist before, the innermost first.
	made     []string
	lock     *os.File
	previous []string // names of the earlier bake's files
}

// Open makes the directory if needed and takes hold of it. If it holds anything, force must be
// set. The error tells the user what to do.
func Open(path string, force bool) (_ *Dir, err error) {
	d := &Dir{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if err := d.mkdir(); err != nil {
		return nil, fault.In("output_directory", err)
	}
	if d.lock, err = lock(filepath.Join(path, lockName)); err != nil {
		return nil, fault.In("output_directory", err)
	}
	if d.lock == nil {
		return nil, fault.Invalidf("output_directory: another bake is writing to %s; give each its own", path)
	}
	if err := d.check(force); err != nil {
		return nil, err
	}
	d.previous, err = readPrevious(filepath.Join(path, manifestName))
	return d, fault.In("output_directory", err)
}

// mkdir is os.MkdirAll that remembers what it made.
func (d *Dir) mkdir() error {
	for p := filepath.Clean(d.path); ; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err == nil && !info.IsDir() {
			return fault.Invalidf("%s is a file, not a directory; choose another directory", p)
		}
		if err == nil || p == filepath.Dir(p) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		d.made = append(d.made, p)
	}
	return os.MkdirAll(d.path, 0o755)
}

func (d *Dir) check(force bool) error {
	if force {
		return nil
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fault.In("output_directory", err)
	}
	for _, e := range entries {
		if e.Name() != lockName && !strings.HasSuffix(e.Name(), partialSuffix) {
			return fault.Invalidf("output_directory: %s already exists and is not empty (it holds %s); "+
				"choose another directory, or use \"packer build -force\" to replace the image in it", d.path, e.Name())
		}
	}
	return nil
}

// readPrevious returns the files that an earlier bake's manifest names. A file that is not such a
// manifest names none.
func readPrevious(manifest string) ([]string, error) {
	info, err := os.Stat(manifest)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() > maxManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	var m struct {
		Files []struct {
			Name string `json:"name"`
		} `json:"files"`
		Records []string `json:"records"`
	}
	if json.Unmarshal(text, &m) != nil {
		return nil, nil
	}
	listed := m.Records
	for _, f := range m.Files {
		listed = append(listed, f.Name)
	}
	var names []string
	for _, name := range listed {
		if filepath.IsLocal(name) && filepath.Base(name) == name {
			names = append(names, name)
		}
	}
	return names, nil
}

// RemoveStale removes what an earlier bake left and the new one, whose file paths are given, has
// not replaced. It returns the paths that it removed.
func (d *Dir) RemoveStale(files []string) (removed []string, err error) {
	for _, name := range d.previous {
		if slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == name }) {
			continue
		}
		path := filepath.Join(d.path, name)
		switch e := os.Remove(path); {
		case e == nil:
			removed = append(removed, path)
		case !errors.Is(e, fs.ErrNotExist):
			err = errors.Join(err, e)
		}
	}
	return removed, err
}

// Close lets go of the directory, and removes it if Open made it and nothing came into it. A
// second Close does nothing.
func (d *Dir) Close() error {
	var err error
	if d.lock != nil {
		err = unlock(d.lock)
		d.lock = nil
	}
	for _, p := range d.made {
		if os.Remove(p) != nil { // not empty, or not there
			break
		}
	}
	d.made = nil
	return err
}
