package bcd

import (
	"strconv"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// Parse reads a store from the bytes of its hive. Elements are kept as they are: whether one makes
// sense shows when it is read, so that one bad element does not hide the others.
func Parse(data []byte) (*Store, error) {
	hive, err := regf.Parse(data)
	if err != nil {
		return nil, err
	}
	objects := hive.Root.Subkey(keyObjects)
	if objects == nil {
		return nil, fault.Corruptf(fault.NoOffset, "not a BCD store: the hive has no key %q", keyObjects)
	}
	s := &Store{Root: hive.Root.Name, Time: hive.LastWritten}
	if k := hive.Root.Subkey(keyDescription); k != nil {
		if err := s.Description.read(k); err != nil {
			return nil, fault.In(keyDescription, err)
		}
	}
	keys := objects.Subkeys()
	if len(keys) > maxObjects {
		return nil, fault.Unsupportedf(fault.NoOffset, "%d objects, at most %d are read", len(keys), maxObjects)
	}
	for _, k := range keys {
		o, err := readObject(k)
		if err != nil {
			return nil, fault.In(k.Path(), err)
		}
		s.Put(o)
	}
	return s, nil
}

func (d *Description) read(k *regf.Key) error {
	for _, v := range k.Values() {
		var err error
		switch v.Name {
		case valueKeyName:
			d.KeyName, err = v.Text()
		case valueSystem:
			d.System, err = readFlag(v)
		case valueTreatAs:
			d.TreatAsSystem, err = readFlag(v)
		case valueModified:
			d.FirmwareModified, err = readFlag(v)
		case valueCache:
			d.GUIDCache = v.Data
		default:
			d.Other = append(d.Other, v)
		}
		if err != nil {
			return fault.Corruptf(fault.NoOffset, "%v", err)
		}
	}
	return nil
}

func readFlag(v regf.Value) (bool, error) {
	n, err := v.Integer()
	return n != 0, err
}

func readObject(k *regf.Key) (*Object, error) {
	id, err := guid.Parse(k.Name)
	if err != nil {
		return nil, fault.Corruptf(fault.NoOffset, "the key's name is not a GUID")
	}
	o := &Object{ID: id}
	if err := o.readDescription(k.Subkey(keyDescription)); err != nil {
		return nil, err
	}
	elements := k.Subkey(keyElements)
	if elements == nil {
		return o, nil
	}
	keys := elements.Subkeys()
	if len(keys) > maxElements {
		return nil, fault.Unsupportedf(fault.NoOffset, "%d elements, at most %d are read", len(keys), maxElements)
	}
	for _, k := range keys {
		e, err := readElement(k)
		if err != nil {
			return nil, fault.In("element "+k.Name, err)
		}
		o.Set(e)
	}
	return o, nil
}

func (o *Object) readDescription(k *regf.Key) error {
	if k == nil {
		return fault.Corruptf(fault.NoOffset, "no key %q", keyDescription)
	}
	typed := false
	for _, v := range k.Values() {
		switch v.Name {
		case valueType:
			n, err := v.Integer()
			if err != nil {
				return fault.Corruptf(fault.NoOffset, "%v", err)
			}
			o.Type, typed = ObjectType(n), true
		case valueFirmware:
			o.FirmwareVariable = v.Data
		default:
			o.Other = append(o.Other, v)
		}
	}
	if !typed {
		return fault.Corruptf(fault.NoOffset, "no value %q", valueType)
	}
	return nil
}

func readElement(k *regf.Key) (Element, error) {
	n, err := strconv.ParseUint(k.Name, 16, 32)
	if err != nil || len(k.Name) != 8 {
		return Element{}, fault.Corruptf(fault.NoOffset, "the key's name is not eight hexadecimal digits")
	}
	v, ok := k.Value(valueElement)
	if !ok {
		return Element{}, fault.Corruptf(fault.NoOffset, "no value %q", valueElement)
	}
	if len(v.Data) > maxData {
		return Element{}, fault.Unsupportedf(fault.NoOffset, "%d bytes, at most %d are read", len(v.Data), maxData)
	}
	return Element{ElementID(n), v}, nil
}

// Validate checks that every element is well formed, which Marshal demands of those it writes.
func (s *Store) Validate() error {
	for _, o := range s.objects {
		for _, e := range o.elements {
			if err := e.Validate(); err != nil {
				return fault.In("object "+o.ID.Braced(), err)
			}
		}
	}
	return nil
}

// Marshal returns the bytes of the store's hive: version 1.3, keys secured as Windows secures
// them. Equal stores give equal bytes.
func (s *Store) Marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	hive := regf.New(rootName(s.Root))
	hive.Now, hive.LastWritten = s.Time, s.Time
	hive.Root.LastWritten = s.Time
	hive.Root.Security = keySecurity
	if err := s.writeDescription(hive.Root); err != nil {
		return nil, err
	}
	objects, err := hive.Root.Create(keyObjects)
	if err != nil {
		return nil, err
	}
	for _, o := range s.objects {
		if err := o.write(objects); err != nil {
			return nil, err
		}
	}
	return hive.Marshal()
}

func rootName(name string) string {
	if name == "" {
		return DefaultRoot
	}
	return name
}

func (s *Store) writeDescription(root *regf.Key) error {
	k, err := root.Create(keyDescription)
	if err != nil {
		return err
	}
	k.Security = descriptionSecurity
	d := &s.Description
	if d.KeyName != "" {
		k.Set(regf.String(valueKeyName, d.KeyName))
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{valueSystem, d.System}, {valueTreatAs, d.TreatAsSystem}, {valueModified, d.FirmwareModified}} {
		if flag.set {
			k.Set(regf.DWord(flag.name, 1))
		}
	}
	if d.GUIDCache != nil {
		k.Set(regf.Binary(valueCache, d.GUIDCache))
	}
	for _, v := range d.Other {
		k.Set(v)
	}
	return nil
}

func (o *Object) write(objects *regf.Key) error {
	name := o.ID.Braced()
	description, err := objects.Create(name + `\` + keyDescription)
	if err != nil {
		return err
	}
	description.Set(regf.DWord(valueType, uint32(o.Type)))
	if o.FirmwareVariable != nil {
		description.Set(regf.Binary(valueFirmware, o.FirmwareVariable))
	}
	for _, v := range o.Other {
		description.Set(v)
	}
	elements, err := objects.Create(name + `\` + keyElements)
	if err != nil {
		return err
	}
	for _, e := range o.elements {
		k, err := elements.Create(e.ID.String())
		if err != nil {
			return err
		}
		k.Set(e.Value)
	}
	return nil
}
