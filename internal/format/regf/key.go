package regf

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// KeyFlags are the flags of a key record.
type KeyFlags uint16

// Flags of a key. KeyCompName describes how the name is stored; Marshal sets it by itself.
const (
	KeyVolatile      KeyFlags = 1 << 0
	KeyHiveExit      KeyFlags = 1 << 1
	KeyHiveEntry     KeyFlags = 1 << 2 // the root
	KeyNoDelete      KeyFlags = 1 << 3
	KeySymLink       KeyFlags = 1 << 4 // see LinkTarget
	KeyCompName      KeyFlags = 1 << 5
	KeyPredefHandle  KeyFlags = 1 << 6 // has a handle in place of values
	KeyVirtualSource KeyFlags = 1 << 7
	KeyVirtualTarget KeyFlags = 1 << 8
	KeyVirtualStore  KeyFlags = 1 << 9
)

// Key is one key of a hive. Its name orders it among its siblings: change it with Rename.
type Key struct {
	Name        string
	Class       string
	LastWritten filetime.Time

	// Security is the self-relative security descriptor. Keys share the bytes: replace them, do
	// not change them in place.
	Security []byte

	Flags   KeyFlags
	Control uint16 // virtualization (bits 0-3), Wow64 (4-7) and debug (8-15) flags, Vista and later
	Access  uint32 // access history (bits 0-7) and layered-key bits (8-15), Windows 8 and later

	handle   uint32 // of a KeyPredefHandle key
	cell     uint32 // of a key whose parts have not been read yet; 0 if they have
	hive     *Hive
	parent   *Key
	children []*Key // in registry order
	values   []Value
}

// Parent returns the key above, nil for the root.
func (k *Key) Parent() *Key { return k.parent }

// Path returns the names from below the root down to k, joined by "\"; "" for the root itself.
func (k *Key) Path() string {
	var names []string
	for ; k.parent != nil; k = k.parent {
		names = append(names, k.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, `\`)
}

// Subkeys returns the subkeys in registry order (by upper-case name). The slice is the caller's.
func (k *Key) Subkeys() []*Key {
	k.read()
	return slices.Clone(k.children)
}

// Subkey returns the key at a path below k ("A\B\c"), or nil. Case does not matter; "" is k
// itself. Symbolic links are not followed.
func (k *Key) Subkey(path string) *Key {
	for path != "" && k != nil {
		var name string
		name, path = cutPath(path)
		k = k.child(name)
	}
	return k
}

// child returns the subkey of that name, or nil.
func (k *Key) child(name string) *Key {
	i, ok := k.find(name)
	if !ok {
		return nil
	}
	return k.children[i]
}

// find returns where name is, or would be, among the subkeys.
func (k *Key) find(name string) (int, bool) {
	k.read()
	return sort.Find(len(k.children), func(i int) int { return compareNames(name, k.children[i].Name) })
}

// Create returns the key at a path below k, and makes it, and the keys on the way, where they do
// not exist. A new key inherits its parent's Security and takes Hive.Now.
func (k *Key) Create(path string) (*Key, error) {
	if err := k.checkNew(path); err != nil {
		return nil, fault.In("create key "+path, err)
	}
	for path != "" {
		var name string
		name, path = cutPath(path)
		k = k.createChild(name)
	}
	return k, nil
}

func (k *Key) createChild(name string) *Key {
	i, ok := k.find(name)
	if ok {
		return k.children[i]
	}
	c := &Key{Name: name, LastWritten: k.hive.Now, Security: k.Security, hive: k.hive, parent: k}
	k.children = slices.Insert(k.children, i, c)
	k.touch()
	return c
}

// checkNew says why no key can be at path.
func (k *Key) checkNew(path string) error {
	if path == "" {
		return nil
	}
	names := strings.Split(path, `\`)
	for _, n := range names {
		if err := CheckKeyName(n); err != nil {
			return err
		}
	}
	if d := k.depth() + len(names); d > maxDepth {
		return fault.Invalidf("%d levels of keys, Windows accepts %d", d, maxDepth)
	}
	return nil
}

// CheckKeyName says why no key can have the name: it is empty, too long, or holds a \.
func CheckKeyName(name string) error {
	switch n := utf16le.Len(name); {
	case n == 0:
		return fault.Invalidf("a key name is empty: no \\ at either end and no two in a row")
	case n > maxKeyName:
		return fault.Invalidf("a key name of %d characters, at most %d are possible", n, maxKeyName)
	case strings.Contains(name, `\`):
		return fault.Invalidf("key name %q contains a \\", name)
	}
	return nil
}

// depth returns the level of k; the root has 1.
func (k *Key) depth() int {
	n := 0
	for ; k != nil; k = k.parent {
		n++
	}
	return n
}

// touch gives a changed key the hive's time.
func (k *Key) touch() {
	if k.hive.Now != 0 {
		k.LastWritten = k.hive.Now
	}
}

// Delete removes the key at a path below k with everything in it. A missing key gives ErrNotFound.
func (k *Key) Delete(path string) error {
	if path == "" {
		return fault.Invalidf("delete: no key named; a key is deleted from its parent")
	}
	c := k.Subkey(path)
	if c == nil {
		return notFound(path)
	}
	p := c.parent
	i := slices.Index(p.children, c)
	p.children = slices.Delete(p.children, i, i+1)
	p.touch()
	return nil
}

// Rename changes the name of k and keeps everything below it. A sibling of that name is refused.
func (k *Key) Rename(name string) error {
	if k.parent == nil {
		k.Name = name
		return nil
	}
	if err := CheckKeyName(name); err != nil {
		return fault.In("rename key "+k.Path(), err)
	}
	p := k.parent
	if c := p.child(name); c != nil && c != k {
		return fault.In("rename key "+k.Path(), fault.Invalidf("%q exists already", name))
	}
	i := slices.Index(p.children, k)
	p.children = slices.Delete(p.children, i, i+1)
	k.Name = name
	i, _ = p.find(name)
	p.children = slices.Insert(p.children, i, k)
	k.touch()
	p.touch()
	return nil
}

func notFound(path string) error {
	return &fault.Error{
		Class: fault.ErrInvalid, Offset: fault.NoOffset, Err: ErrNotFound,
		Detail: fmt.Sprintf("key %s", path),
	}
}

// Values returns the values in the order in which the key holds them. The slice is the caller's.
func (k *Key) Values() []Value {
	k.read()
	return slices.Clone(k.values)
}

// Value returns the value of that name; case does not matter, "" is the default value.
func (k *Key) Value(name string) (Value, bool) {
	if i := k.valueIndex(name); i >= 0 {
		return k.values[i], true
	}
	return Value{}, false
}

func (k *Key) valueIndex(name string) int {
	k.read()
	return slices.IndexFunc(k.values, func(v Value) bool { return compareNames(v.Name, name) == 0 })
}

// Set adds v, or replaces the value of its name. A replaced value keeps its place and the case of
// its name. Set keeps v.Data, not a copy.
func (k *Key) Set(v Value) {
	k.touch()
	if i := k.valueIndex(v.Name); i >= 0 {
		v.Name = k.values[i].Name
		k.values[i] = v
		return
	}
	k.values = append(k.values, v)
}

// DeleteValue removes the value of that name and says whether it was there.
func (k *Key) DeleteValue(name string) bool {
	i := k.valueIndex(name)
	if i < 0 {
		return false
	}
	k.values = slices.Delete(k.values, i, i+1)
	k.touch()
	return true
}
