// Package bcd reads, writes and prints Boot Configuration Data stores: the hive in which the
// Windows boot manager finds what to boot and from where.
//
// A store holds objects (the boot manager, loaders, shared settings), an object holds elements, an
// element holds one value, of which the device is the one with a binary layout of its own; see
// Device. Microsoft documents the numbers of objects and elements
// (https://learn.microsoft.com/previous-versions/windows/desktop/bcd/boot-configuration-data-portal)
// but neither the hive's layout nor the devices'; those facts come from stores that Setup, bcdboot
// and bcdedit made, and from ReactOS boot/environ/include.
//
// What was read is written back unchanged, even where its meaning is unknown; only the times of
// keys and the security descriptors are set anew. The package does not decide what a store must
// hold: that is internal/windows/boot.
package bcd

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// Store is a BCD store.
type Store struct {
	// Root is the name of the hive's root key; DefaultRoot if empty.
	Root string
	// Description is the store's own description.
	Description Description
	// Time is given to every key and to the hive. Parse sets it to the hive's.
	Time filetime.Time

	objects []*Object // in order of their GUIDs' texts, as the hive has them
}

// Names of the key under HKEY_LOCAL_MACHINE at which Windows mounts a store.
const (
	KeyNameSystem = "BCD00000000" // the store that the system was booted with
	KeyNameOther  = "BCD00000001" // any other: a fresh one, and EFI\Microsoft\Recovery\BCD
)

// Description says what a store is. Absent values are zero.
type Description struct {
	KeyName          string // where Windows mounts the store; see KeyNameSystem
	System           bool   // it is a system's store, not a file for bcdedit /store
	TreatAsSystem    bool   // set by Windows when it has mounted the store
	FirmwareModified bool   // tells Windows to bring the firmware's boot entries up to date
	GUIDCache        []byte // state of Windows's generator of GUIDs
	Other            []regf.Value
}

// Object is one object of a store.
type Object struct {
	ID   guid.GUID
	Type ObjectType
	// FirmwareVariable is the firmware's boot entry that Windows keeps with some objects, or nil.
	FirmwareVariable []byte
	// Other are values of the object's description that this package does not know.
	Other []regf.Value

	elements []Element // in order of their numbers, as the hive has them
}

// NewObject returns an object with the given elements.
func NewObject(id guid.GUID, t ObjectType, elements ...Element) *Object {
	o := &Object{ID: id, Type: t}
	o.Set(elements...)
	return o
}

// Objects returns the objects in the order of their GUIDs.
func (s *Store) Objects() []*Object { return slices.Clone(s.objects) }

// Object returns the object with the id, or nil.
func (s *Store) Object(id guid.GUID) *Object {
	if i, ok := s.find(id); ok {
		return s.objects[i]
	}
	return nil
}

// Put adds objects; one with the same id is replaced.
func (s *Store) Put(objects ...*Object) {
	for _, o := range objects {
		if i, ok := s.find(o.ID); ok {
			s.objects[i] = o
		} else {
			s.objects = slices.Insert(s.objects, i, o)
		}
	}
}

// Remove takes the object with the id away, and says whether there was one.
func (s *Store) Remove(id guid.GUID) bool {
	i, ok := s.find(id)
	if ok {
		s.objects = slices.Delete(s.objects, i, i+1)
	}
	return ok
}

func (s *Store) find(id guid.GUID) (int, bool) {
	return slices.BinarySearchFunc(s.objects, id, func(o *Object, id guid.GUID) int { return o.ID.Compare(id) })
}

// Resolve returns the object that id stands for: {default} is the boot manager's default entry,
// {current} has no meaning here. Nil if there is none.
func (s *Store) Resolve(id guid.GUID) *Object {
	if id != Default {
		return s.Object(id)
	}
	manager := s.Object(BootManager)
	if manager == nil {
		return nil
	}
	e, ok := manager.Element(ElemDefault)
	if !ok {
		return nil
	}
	if id, err := e.Object(); err == nil {
		return s.Object(id)
	}
	return nil
}

// Elements returns the elements in the order of their numbers.
func (o *Object) Elements() []Element { return slices.Clone(o.elements) }

// Element returns the element with the number, and whether there is one.
func (o *Object) Element(id ElementID) (Element, bool) {
	if i, ok := o.find(id); ok {
		return o.elements[i], true
	}
	return Element{}, false
}

// Set adds elements; one with the same number is replaced.
func (o *Object) Set(elements ...Element) {
	for _, e := range elements {
		if i, ok := o.find(e.ID); ok {
			o.elements[i] = e
		} else {
			o.elements = slices.Insert(o.elements, i, e)
		}
	}
}

// Delete takes the element with the number away, and says whether there was one.
func (o *Object) Delete(id ElementID) bool {
	i, ok := o.find(id)
	if ok {
		o.elements = slices.Delete(o.elements, i, i+1)
	}
	return ok
}

// Clone returns a copy of the object under another id.
func (o *Object) Clone(id guid.GUID) *Object {
	c := *o
	c.ID, c.elements, c.Other = id, slices.Clone(o.elements), slices.Clone(o.Other)
	return &c
}

func (o *Object) find(id ElementID) (int, bool) {
	return slices.BinarySearchFunc(o.elements, id, func(e Element, id ElementID) int { return cmp.Compare(e.ID, id) })
}
