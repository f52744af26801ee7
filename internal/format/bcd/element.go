package bcd

import (
	"errors"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// Element is one setting of an object: its number and the registry value that holds it, which is
// kept as it was read. Make one with a method of ElementID, read it with one of Element.
type Element struct {
	ID    ElementID
	Value regf.Value
}

// Device returns the element with a device. id must be of FormatDevice; this and the same rule of
// the other makers is checked by Store.Marshal.
func (id ElementID) Device(d Device) Element {
	return Element{id, regf.Binary(valueElement, EncodeDevice(d))}
}

// Text returns the element with a string.
func (id ElementID) Text(s string) Element {
	return Element{id, regf.String(valueElement, s)}
}

// Object returns the element with the id of an object.
func (id ElementID) Object(g guid.GUID) Element { return id.Text(g.Braced()) }

// Objects returns the element with a list of objects.
func (id ElementID) Objects(list ...guid.GUID) Element {
	texts := make([]string, len(list))
	for i, g := range list {
		texts[i] = g.Braced()
	}
	return Element{id, regf.MultiString(valueElement, texts...)}
}

// Integer returns the element with a number, in eight bytes as bcdedit writes it.
func (id ElementID) Integer(n uint64) Element { return id.Integers(n) }

// Integers returns the element with a list of numbers.
func (id ElementID) Integers(list ...uint64) Element {
	data := make([]byte, 0, 8*len(list))
	for _, n := range list {
		data = le.AppendUint64(data, n)
	}
	return Element{id, regf.Binary(valueElement, data)}
}

// Bool returns the element with a yes or no.
func (id ElementID) Bool(yes bool) Element {
	data := []byte{0}
	if yes {
		data[0] = 1
	}
	return Element{id, regf.Binary(valueElement, data)}
}

// Device returns the device that e holds.
func (e Element) Device() (Device, error) {
	data, err := e.binary(FormatDevice)
	if err != nil {
		return nil, err
	}
	d, err := DecodeDevice(data)
	return d, e.wrap(err)
}

// Text returns the string that e holds.
func (e Element) Text() (string, error) {
	if err := e.is(FormatString); err != nil {
		return "", err
	}
	return e.text()
}

// Object returns the id of the object that e holds.
func (e Element) Object() (guid.GUID, error) {
	if err := e.is(FormatObject); err != nil {
		return guid.GUID{}, err
	}
	s, err := e.text()
	if err != nil {
		return guid.GUID{}, err
	}
	return e.parse(s)
}

// Objects returns the list of objects that e holds.
func (e Element) Objects() ([]guid.GUID, error) {
	if err := e.is(FormatObjects); err != nil {
		return nil, err
	}
	texts, err := e.Value.Strings()
	if err != nil {
		return nil, e.wrap(err)
	}
	list := make([]guid.GUID, 0, len(texts))
	for _, s := range texts {
		g, err := e.parse(s)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// Integer returns the number that e holds. bcdedit writes eight bytes; media templates write as
// few as the number needs.
func (e Element) Integer() (uint64, error) {
	data, err := e.binary(FormatInteger)
	if err != nil {
		return 0, err
	}
	if len(data) == 0 || len(data) > 8 {
		return 0, e.corrupt("integer of %d bytes, must have 1 to 8", len(data))
	}
	var b [8]byte
	copy(b[:], data)
	return le.Uint64(b[:]), nil
}

// Integers returns the list of numbers that e holds.
func (e Element) Integers() ([]uint64, error) {
	data, err := e.binary(FormatIntegers)
	if err != nil {
		return nil, err
	}
	if len(data)%8 != 0 {
		return nil, e.corrupt("integer list of %d bytes, must be a multiple of 8", len(data))
	}
	list := make([]uint64, 0, len(data)/8)
	for ; len(data) > 0; data = data[8:] {
		list = append(list, le.Uint64(data))
	}
	return list, nil
}

// Bool returns the yes or no that e holds.
func (e Element) Bool() (bool, error) {
	data, err := e.binary(FormatBoolean)
	if err != nil {
		return false, err
	}
	if len(data) != 1 {
		return false, e.corrupt("boolean of %d bytes, must have 1", len(data))
	}
	return data[0] != 0, nil
}

// Validate checks that the value is what the element's format calls for.
func (e Element) Validate() error {
	var err error
	switch e.ID.Format() {
	case FormatDevice:
		_, err = e.Device()
	case FormatString:
		_, err = e.Text()
	case FormatObject:
		_, err = e.Object()
	case FormatObjects:
		_, err = e.Objects()
	case FormatInteger:
		_, err = e.Integer()
	case FormatBoolean:
		_, err = e.Bool()
	case FormatIntegers:
		_, err = e.Integers()
	}
	return err
}

func (e Element) is(want Format) error {
	if got := e.ID.Format(); got != want {
		return e.wrap(fault.Invalidf("format is %d, not %d", got, want))
	}
	return nil
}

func (e Element) binary(want Format) ([]byte, error) {
	if err := e.is(want); err != nil {
		return nil, err
	}
	if e.Value.Type != regf.REG_BINARY {
		return nil, e.corrupt("value is %v, must be REG_BINARY", e.Value.Type)
	}
	return e.Value.Data, nil
}

func (e Element) text() (string, error) {
	s, err := e.Value.Text()
	return s, e.wrap(err)
}

func (e Element) parse(s string) (guid.GUID, error) {
	g, err := guid.Parse(s)
	if err != nil {
		return g, e.corrupt("%.60q is not a GUID", s)
	}
	return g, nil
}

func (e Element) corrupt(format string, args ...any) error {
	return e.wrap(fault.Corruptf(fault.NoOffset, format, args...))
}

// wrap names the element in an error. A value of the wrong type is corruption here, not the
// caller's mistake.
func (e Element) wrap(err error) error {
	if errors.Is(err, regf.ErrType) {
		err = fault.Corruptf(fault.NoOffset, "%v", err)
	}
	return fault.In("element "+e.ID.String(), err)
}
