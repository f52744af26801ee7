package edit

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// SetValue gives a key a value, and makes the key where it does not exist. Keys are written as in
// package registry.
type SetValue struct {
	Key  string    `json:"key"`
	Name string    `json:"name,omitempty"` // "" is the default value
	Type regf.Type `json:"type"`
	Data []byte    `json:"data,omitempty"` // as the hive holds it
}

func (e *SetValue) value() regf.Value { return regf.Value{Name: e.Name, Type: e.Type, Data: e.Data} }

// Validate checks key and name.
func (e *SetValue) Validate() error {
	if err := checkKey(e.Key); err != nil {
		return err
	}
	return registry.CheckValue(e.value())
}

// Apply sets the value.
func (e *SetValue) Apply(i *Image) error { return i.Registry.Set(e.Key, e.value()) }

// CreateKey makes a key, and those above it, where it does not exist.
type CreateKey struct {
	Key string `json:"key"`
}

// Validate checks the key.
func (e *CreateKey) Validate() error { return checkKey(e.Key) }

// Apply makes the key.
func (e *CreateKey) Apply(i *Image) error {
	_, err := i.Registry.Create(e.Key)
	return err
}

// DeleteValue removes a value; one that is not there is as good as removed.
type DeleteValue struct {
	Key  string `json:"key"`
	Name string `json:"name,omitempty"`
}

// Validate checks the key.
func (e *DeleteValue) Validate() error { return checkKey(e.Key) }

// Apply removes the value.
func (e *DeleteValue) Apply(i *Image) error {
	_, err := i.Registry.DeleteValue(e.Key, e.Name)
	return err
}

// DeleteKey removes a key with all that is in it; one that is not there is as good as removed.
type DeleteKey struct {
	Key string `json:"key"`
}

// Validate checks the key.
func (e *DeleteKey) Validate() error { return checkKey(e.Key) }

// Apply removes the key.
func (e *DeleteKey) Apply(i *Image) error {
	_, err := i.Registry.DeleteKey(e.Key)
	return err
}

func checkKey(key string) error {
	if key == "" {
		return fault.Invalidf(`key: must not be empty; give one such as HKLM\SOFTWARE\Example`)
	}
	return fault.In("key", registry.Check(key))
}
