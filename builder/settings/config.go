//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,PagingConfig

// Package settings is what everybody sets in a Windows image, as attributes and blocks that all
// builders of winbake share. Each stands for the same edits that the provisioners make.
package settings

import (
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// What is set in Windows. It is applied before the provisioners run, so that they have the last word.
type Config struct {
	// Whether Windows has a page file: `false` turns it off, together with what needs one: the swap
	// file of client editions and crash dumps, unless they go to a file of their own. `true` is a page
	// file that Windows manages. Left out, the image stays as it is. For a page file of a certain size,
	// there is a [block](#page-file) of the same name.
	Paging config.Trilean `mapstructure:"paging"`
	// A page file of a certain size. In HCL, this block is called `paging`.
	PagingFile *PagingConfig `mapstructure:"paging_file"`
}

// A page file of a certain size.
type PagingConfig struct {
	// How large the page file is at first, such as `4GiB`; at least 16 MiB. Left out, Windows manages
	// the size.
	Initial string `mapstructure:"initial"`
	// How large it may become. Defaults to `initial`.
	Maximum string `mapstructure:"maximum"`
	// The letter of the drive that it is on. Defaults to `C`.
	Drive string `mapstructure:"drive"`
}

// Spec completes the specification of a builder: the block that stands for paging_file has the name of
// the attribute paging, as Windows people would write it.
func Spec(s hcldec.ObjectSpec) hcldec.ObjectSpec {
	s["paging_file"] = &hcldec.BlockSpec{TypeName: "paging", Nested: hcldec.ObjectSpec((*PagingConfig)(nil).FlatMapstructure().HCL2Spec())}
	return s
}

// Items returns the edits that the configuration stands for, and every mistake in it.
func (c *Config) Items() ([]edit.Item, []error) {
	var items []edit.Item
	var problems []error
	add := func(origin string, e edit.Edit, err error) {
		switch {
		case err != nil:
			problems = append(problems, fault.In(origin, err))
		default:
			items = append(items, edit.Item{Origin: origin, Edit: e})
		}
	}
	if c.Paging != config.TriUnset || c.PagingFile != nil {
		e, err := c.paging()
		add("paging", e, err)
	}
	return items, append(problems, edit.Validate(items)...)
}
