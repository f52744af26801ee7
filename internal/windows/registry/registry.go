// Package registry is the registry of an image that is not running: the hives of a tree, reached by
// the key paths that people write at a Windows prompt, such as HKLM\SYSTEM\CurrentControlSet\Services.
//
// A hive is read when it is needed first, changed in memory, and written into the tree by Flush, once,
// however many changes there are. A hive that needs its transaction logs gets them replayed, and what
// is written needs none.
package registry

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// ErrNoHive says that the image lacks the file of a hive. Its class is fault.ErrInvalid.
var ErrNoHive = errors.New("no such hive")

// Registry is the registry of one image. It is not safe for concurrent use.
type Registry struct {
	// Note hears what the person at the terminal should know, in whole sentences; nil is allowed.
	Note func(format string, args ...any)
	// Store keeps what it reads, for as long as the tree is used; it takes the hives that Flush writes.
	// If nil they stay in memory.
	Store func(io.Reader) (tree.Content, error)

	tree  *tree.Tree
	hives map[string]*hive // by the path of the file
}

// hive is a hive that has been read.
type hive struct {
	*regf.Hive
	file    string
	changed bool
}

// Open returns the registry of a tree. It reads nothing yet.
func Open(t *tree.Tree) *Registry {
	return &Registry{tree: t, hives: map[string]*hive{}}
}

// Key returns the key at a path, or nil where there is none. A change of the key itself would be lost:
// use Create or Set for that. Errors say that the path is none, or that its hive is missing or broken.
func (r *Registry) Key(path string) (*regf.Key, error) {
	w, err := r.walk(path)
	if err != nil || w.rest != "" {
		return nil, err
	}
	return w.key, nil
}

// Create returns the key at a path for changing, and makes it, and the keys on the way, where they do
// not exist. New keys inherit what their parent's security descriptor passes on, as on a running
// system, and carry the time of the tree.
func (r *Registry) Create(path string) (*regf.Key, error) {
	w, err := r.walk(path)
	if err != nil {
		return nil, err
	}
	w.hive.changed = true
	if w.rest == "" {
		return w.key, nil
	}
	k, err := w.key.Create(w.rest)
	if err != nil {
		return nil, err
	}
	secure(k, w.key)
	return k, nil
}

// secure gives the new keys from k up to below parent the descriptors that they inherit. A parent that
// passes nothing on shares its own, which is what Create has given them.
func secure(k, parent *regf.Key) {
	if k == parent {
		return
	}
	secure(k.Parent(), parent)
	k.Security = k.Parent().Security
	if sd, ok := secdesc.InheritKey(k.Security); ok {
		k.Security = sd
	}
}

// Set gives the key at path, which is made if it does not exist, the values.
func (r *Registry) Set(path string, values ...regf.Value) error {
	k, err := r.Create(path)
	if err != nil {
		return err
	}
	for _, v := range values {
		k.Set(v)
	}
	return nil
}

// DeleteKey removes a key with all that is in it, and says whether it was there. A key that is a
// symbolic link is removed itself, not what it leads to.
func (r *Registry) DeleteKey(path string) (bool, error) {
	p, err := parse(path)
	if err != nil {
		return false, err
	}
	above, name := cutLast(p.path)
	if name == "" || p.file == SystemHive && strings.EqualFold(p.path, currentControlSet) {
		return false, fault.Invalidf("%s: this key is the root of a hive or leads to a control set, and cannot be deleted", path)
	}
	w, err := r.descend(place{p.file, above}, 0)
	if err != nil || w.rest != "" || w.key.Subkey(name) == nil {
		return false, err
	}
	w.hive.changed = true
	return true, w.key.Delete(name)
}

// DeleteValue removes a value of the key at path, and says whether it was there.
func (r *Registry) DeleteValue(path, name string) (bool, error) {
	w, err := r.walk(path)
	if err != nil || w.rest != "" || !w.key.DeleteValue(name) {
		return false, err
	}
	w.hive.changed = true
	return true, nil
}

// ControlSets returns the paths of all control sets, such as HKLM\SYSTEM\ControlSet001: what must
// hold whichever of them Windows starts with has to be in each. An image from install media has one.
func (r *Registry) ControlSets() ([]string, error) {
	system, err := r.Key(`HKLM\SYSTEM`)
	if err != nil {
		return nil, err
	}
	var sets []string
	for _, k := range system.Subkeys() {
		if isControlSet(k.Name) {
			sets = append(sets, `HKLM\SYSTEM\`+k.Name)
		}
	}
	if len(sets) == 0 {
		return nil, fault.In(SystemHive, fault.Corruptf(fault.NoOffset, "there is no control set (ControlSet001)"))
	}
	return sets, nil
}

// EachControlSet calls f with the path of each control set, until it returns an error.
func (r *Registry) EachControlSet(f func(set string) error) error {
	sets, err := r.ControlSets()
	if err != nil {
		return err
	}
	for _, set := range sets {
		if err := f(set); err != nil {
			return err
		}
	}
	return nil
}

// AwaitsFirstBoot says whether Windows is still to be set up, by an answer file or by questions, when it
// starts next: so it is in install media and after sysprep.
func (r *Registry) AwaitsFirstBoot() (bool, error) {
	k, err := r.Key(`HKLM\SYSTEM\Setup`)
	if k == nil {
		return false, err
	}
	v, _ := k.Value("SetupType")
	n, err := v.Integer()
	return err == nil && n != 0, nil
}

// isControlSet says whether a key is a numbered control set, as against CurrentControlSet.
func isControlSet(name string) bool {
	digits, ok := strings.CutPrefix(strings.ToLower(name), "controlset")
	return ok && len(digits) == 3 && strings.Trim(digits, "0123456789") == ""
}

// Flush writes the hives that have changed into the tree, each once, and lets go of all. Their
// transaction logs become empty: old ones must not be replayed onto a new hive.
func (r *Registry) Flush() error {
	var files []string
	for file, h := range r.hives {
		if h.changed {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	for _, file := range files {
		if err := r.store(r.hives[file]); err != nil {
			return fault.In(file, err)
		}
	}
	clear(r.hives)
	return nil
}

// spot is how far a path leads: to key, from where rest is missing.
type spot struct {
	hive *hive
	key  *regf.Key
	rest string
}

// walk follows a path, and the symbolic links on it, as far as there are keys.
func (r *Registry) walk(path string) (spot, error) {
	p, err := parse(path)
	if err != nil {
		return spot{}, err
	}
	w, err := r.descend(p, 0)
	if errors.Is(err, ErrNoHive) {
		err = fault.In(path, err)
	}
	return w, err
}

// maxLinks is how many symbolic links may lead to one another; Windows gives up earlier or later.
const maxLinks = 16

func (r *Registry) descend(p place, links int) (spot, error) {
	h, err := r.load(p.file)
	if err != nil {
		return spot{}, err
	}
	p, err = h.resolveControlSet(p)
	if err != nil {
		return spot{}, err
	}
	k, rest := h.Root, p.path
	for rest != "" {
		name, below, _ := strings.Cut(rest, `\`)
		next := k.Subkey(name)
		if next == nil {
			break
		}
		k, rest = next, below
		if k.Flags&regf.KeySymLink == 0 {
			continue
		}
		if links == maxLinks {
			return spot{}, fault.In(p.file, fault.Corruptf(fault.NoOffset, "%s is a symbolic link in a chain of more than %d", k.Path(), maxLinks))
		}
		target, err := linkTarget(k)
		if err != nil {
			return spot{}, fault.In(p.file, err)
		}
		return r.descend(target.join(rest), links+1)
	}
	return spot{h, k, rest}, nil
}

// linkTarget is where a symbolic link leads.
func linkTarget(k *regf.Key) (place, error) {
	v, _ := k.Value("SymbolicLinkValue")
	target, err := v.Text()
	if err != nil {
		return place{}, fault.Corruptf(fault.NoOffset, "%s is a symbolic link without a target", k.Path())
	}
	p, err := parseNative(target)
	if err != nil {
		return place{}, fmt.Errorf("%s is a symbolic link: %w", k.Path(), err)
	}
	return p, nil
}
