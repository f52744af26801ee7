package registry

import (
	"errors"
	"fmt"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// maxHive bounds what is read whole: hives of long-used machines reach some hundred MiB.
const maxHive = 512 << 20

// LogExtensions are those of the transaction logs that stand beside a hive.
var LogExtensions = []string{".LOG1", ".LOG2", ".LOG"}

// Load reads a hive of a tree as its transaction logs leave it. A file that is not there gives
// ErrNoHive.
//
// A hive that was not closed cleanly and whose logs are gone or do not fit is taken as it is if there
// is nothing wrong in it, which clean tells; Windows would have lost the same changes.
func Load(t *tree.Tree, file string) (h *regf.Hive, clean bool, err error) {
	data, err := read(t, file)
	if err != nil {
		return nil, false, err
	}
	h, err = regf.Parse(data)
	if !errors.Is(err, regf.ErrDirty) {
		return h, true, fault.In(file, err)
	}
	var replay [][]byte
	for _, extension := range LogExtensions {
		log, err := read(t, file+extension)
		if err != nil && !errors.Is(err, ErrNoHive) {
			return nil, false, err
		}
		replay = append(replay, log)
	}
	h, _, err = regf.ParseWithLogs(data, replay...)
	if !errors.Is(err, regf.ErrDirty) {
		return h, true, fault.In(file, err)
	}
	if whole, problems := regf.Salvage(data); whole != nil && !slices.ContainsFunc(problems, isDamage) {
		return whole, false, nil
	}
	return nil, false, fault.In(file, err)
}

// isDamage says whether a problem is more than sequence numbers that differ.
func isDamage(p regf.Problem) bool {
	return !errors.Is(p.Err, regf.ErrDirty) || errors.Is(p.Err, fault.ErrCorrupt)
}

func read(t *tree.Tree, file string) ([]byte, error) {
	e := t.Find(file)
	if e == nil || e.Node.IsDir() {
		return nil, noHive(file)
	}
	data, err := tree.ReadAll(e.Node.Data, maxHive)
	return data, fault.In(file, err)
}

func noHive(file string) error {
	return &fault.Error{Class: fault.ErrInvalid, Offset: fault.NoOffset, Err: ErrNoHive,
		Detail: fmt.Sprintf("the image has no file %s", file)}
}

func (r *Registry) load(file string) (*hive, error) {
	if h := r.hives[file]; h != nil {
		return h, nil
	}
	parsed, clean, err := Load(r.tree, file)
	if err != nil {
		return nil, err
	}
	if !clean && r.Note != nil {
		r.Note("%s was not closed cleanly and its logs are missing; it is whole, and is taken as it is", file)
	}
	parsed.Now = r.tree.Now
	h := &hive{Hive: parsed, file: file}
	r.hives[file] = h
	return h, nil
}

// content is the file of a hive as it is now.
func (r *Registry) content(h *hive) (tree.Content, error) {
	if r.Store == nil {
		data, err := h.Marshal()
		return tree.Bytes(data), err
	}
	data, err := h.Reader()
	if err != nil {
		return nil, err
	}
	return r.Store(data)
}

// store writes a hive into the tree.
func (r *Registry) store(h *hive) error {
	content, err := r.content(h)
	if err != nil {
		return err
	}
	if _, err := r.tree.WriteFile(h.file, content); err != nil {
		return err
	}
	for _, extension := range LogExtensions {
		if r.tree.Find(h.file+extension) == nil {
			continue
		}
		if _, err := r.tree.WriteFile(h.file+extension, tree.Bytes(nil)); err != nil {
			return err
		}
	}
	return nil
}
