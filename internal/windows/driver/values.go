package driver

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// plainType is the type of a value as Windows writes it when it installs.
func plainType(e inf.RegEntry) regf.Type { return regf.Type(e.Type()) }

// Flags above the type of a value that the driver database keeps for an installation to come.
const (
	databaseNoClobber = 0x20000
	databaseAppend    = 0x40000
)

// databaseType is plainType with the flags that say how the value is to be set.
func databaseType(e inf.RegEntry) regf.Type {
	t := regf.Type(e.Type())
	if e.Flags&inf.RegNoClobber != 0 {
		t |= databaseNoClobber
	}
	if e.Flags&inf.RegAppend != 0 {
		t |= databaseAppend
	}
	return t
}

// putEntries does what AddReg lines relative to a key say. Lines with another root are left to
// Windows: they are for when the device is installed.
func (in *injector) putEntries(key string, entries []inf.RegEntry, kind func(inf.RegEntry) regf.Type) error {
	for _, e := range entries {
		if e.Root != "HKR" || e.Flags&inf.RegDelete != 0 {
			continue
		}
		path := strings.TrimSuffix(key+`\`+strings.Trim(in.inf.Text(e.Key), `\`), `\`)
		if e.KeyOnly() {
			if err := in.put(path); err != nil {
				return err
			}
			continue
		}
		if err := in.putEntry(path, e, kind(e)); err != nil {
			return err
		}
	}
	return nil
}

func (in *injector) putEntry(path string, e inf.RegEntry, kind regf.Type) error {
	name := in.inf.Text(e.Name)
	if kind == regf.Type(e.Type()) {
		// The value itself, not a note of how to set it: look at what is there.
		k, err := in.r.Key(path)
		if err != nil {
			return err
		}
		exists := false
		if k != nil {
			_, exists = k.Value(name)
		}
		if exists && e.Flags&inf.RegNoClobber != 0 || !exists && e.Flags&inf.RegOverwriteOnly != 0 {
			return nil
		}
		if exists && e.Flags&inf.RegAppend != 0 && kind == regf.REG_MULTI_SZ {
			return in.appendStrings(path, name, e)
		}
	}
	root := `C:\Windows`
	if e.Type() == uint32(regf.REG_EXPAND_SZ) {
		root = `%SystemRoot%`
	}
	data, err := e.Data(func(field string) string { return in.expand(field, root) })
	if err != nil {
		return err
	}
	return in.put(path, regf.Value{Name: name, Type: kind, Data: data})
}

// appendStrings adds to a list what it has not yet.
func (in *injector) appendStrings(path, name string, e inf.RegEntry) error {
	list, err := in.list(path, name)
	if err != nil {
		return err
	}
	for _, v := range e.Values {
		s := in.inf.Text(v)
		known := s == ""
		for _, old := range list {
			known = known || strings.EqualFold(old, s)
		}
		if !known {
			list = append(list, s)
		}
	}
	return in.put(path, regf.MultiString(name, list...))
}
