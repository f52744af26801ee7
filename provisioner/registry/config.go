//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,SetConfig,DeleteConfig

package registry

import (
	"errors"
	"fmt"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/provisioner/deliver"
)

// Config is the whole configuration of a winbake-registry provisioner.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	// Files that regedit exported, or that were written by hand in its format (`Windows Registry
	// Editor Version 5.00` or `REGEDIT4`; UTF-16 or UTF-8). Paths of this machine; relative ones start
	// where Packer runs. They are applied in their order, before the blocks below.
	RegFiles []string `mapstructure:"reg_files"`
	// What to remove. See below.
	Delete []DeleteConfig `mapstructure:"delete"`
	// What to set, after everything was removed. See below.
	Set []SetConfig `mapstructure:"set"`

	ctx interpolate.Context
}

// A value to set. The key is made where it does not exist.
type SetConfig struct {
	// The key, such as `"HKLM\\SOFTWARE\\Example"`.
	Key string `mapstructure:"key" required:"true"`
	// The name of the value. Left out, it is the key's default value.
	Name string `mapstructure:"name"`
	// The type: `REG_SZ`, `REG_EXPAND_SZ`, `REG_MULTI_SZ`, `REG_DWORD`, `REG_QWORD`, `REG_BINARY`,
	// `REG_NONE`, `REG_DWORD_BIG_ENDIAN`, `REG_LINK`, `REG_RESOURCE_LIST`,
	// `REG_FULL_RESOURCE_DESCRIPTOR` or `REG_RESOURCE_REQUIREMENTS_LIST`. Defaults to `REG_SZ`, as
	// with reg.exe.
	Type string `mapstructure:"type"`
	// The data: the text of a string; a number in decimal or, with `0x`, in hexadecimal; of all other
	// types the bytes as pairs of hexadecimal digits, such as `01ff00`.
	Value string `mapstructure:"value"`
	// The strings of a `REG_MULTI_SZ`; left out or empty, the list is empty.
	Values []string `mapstructure:"values"`
}

// A key or a value to remove. What is not there is passed over.
type DeleteConfig struct {
	// The key, such as `"HKLM\\SOFTWARE\\Example"`. Without `name`, it is removed with all that is
	// in it.
	Key string `mapstructure:"key" required:"true"`
	// The name of the value to remove; the key stays.
	Name string `mapstructure:"name"`
	// Whether to remove the key's default value; the key stays. Defaults to `false`.
	DefaultValue bool `mapstructure:"default_value"`
}

// Prepare reads the configuration and returns every mistake at once. It opens no file.
func (c *Config) Prepare(raws ...any) error {
	return deliver.Prepare(c, &c.ctx, "registry", raws, c.problems)
}

func (c *Config) problems() []error {
	if err := deliver.CheckBuilder(c.PackerConfig); err != nil {
		return []error{err}
	}
	if len(c.Set)+len(c.Delete)+len(c.RegFiles) == 0 {
		return []error{fault.Invalidf("there is nothing to do: give a set or delete block, or reg_files")}
	}
	items, problems := c.blocks()
	return append(problems, edit.Validate(items)...)
}

// blocks returns the edits of the blocks, and what is wrong with those that cannot be made.
func (c *Config) blocks() (items []edit.Item, problems []error) {
	add := func(block string, i int, e edit.Edit, err error) {
		origin := fmt.Sprintf("%s[%d]", block, i)
		if err != nil {
			problems = append(problems, fault.In(origin, err))
			return
		}
		items = append(items, edit.Item{Origin: origin, Edit: e})
	}
	for i, d := range c.Delete {
		e, err := d.edit()
		add("delete", i, e, err)
	}
	for i, s := range c.Set {
		e, err := s.edit()
		add("set", i, e, err)
	}
	return items, problems
}

func (c *DeleteConfig) edit() (edit.Edit, error) {
	if c.DefaultValue && c.Name != "" {
		return nil, fault.Invalidf("default_value: it has no name; leave name out")
	}
	if c.Name == "" && !c.DefaultValue {
		return &edit.DeleteKey{Key: c.Key}, nil
	}
	return &edit.DeleteValue{Key: c.Key, Name: c.Name}, nil
}

func (c *SetConfig) edit() (edit.Edit, error) {
	t, err := registry.ParseType(c.Type)
	if err != nil {
		return nil, err
	}
	v, err := registry.NewValue(c.Name, t, c.Value, c.Values)
	if err != nil {
		return nil, err
	}
	return &edit.SetValue{Key: c.Key, Name: v.Name, Type: v.Type, Data: v.Data}, nil
}

// items returns everything that is to be done, in its order. It reads the reg files.
func (c *Config) items() ([]edit.Item, error) {
	var items []edit.Item
	for i, path := range c.RegFiles {
		more, err := fileItems(path)
		if err != nil {
			return nil, fault.In(fmt.Sprintf("reg_files[%d]", i), err)
		}
		items = append(items, more...)
	}
	blocks, problems := c.blocks()
	return append(items, blocks...), errors.Join(problems...)
}
