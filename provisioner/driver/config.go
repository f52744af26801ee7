//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package driver

import (
	"fmt"
	"path/filepath"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/provisioner/deliver"
)

// Config is the whole configuration of a winbake-driver provisioner.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	// Folders with driver packages, or single INF files, on this machine; relative paths start where
	// Packer runs. All packages of a folder are injected; one that is not for the image's Windows is an
	// error. The files must stay as they are until the image is written.
	Paths []string `mapstructure:"paths" required:"true"`
	// Whether to look into the folders below, too, as DISM does with `/Recurse`. Of packages with the same
	// name, the one that fits the image best is taken, so that a whole collection such as virtio-win can
	// be given. Defaults to `false`.
	Recurse bool `mapstructure:"recurse"`
	// What the drivers go into: `os`, the image itself, and `winre`, its recovery environment. Defaults
	// to `["os"]`.
	Targets []string `mapstructure:"targets"`

	ctx interpolate.Context
}

// Prepare reads the configuration and returns every mistake at once. It opens no file.
func (c *Config) Prepare(raws ...any) error {
	return deliver.Prepare(c, &c.ctx, "driver", raws, c.problems)
}

func (c *Config) problems() []error {
	if err := deliver.CheckBuilder(c.PackerConfig); err != nil {
		return []error{err}
	}
	items, err := c.items()
	if err != nil {
		return []error{err}
	}
	return edit.Validate(items)
}

// items returns the edit that injects the drivers. Its paths are absolute: relative ones would mean another
// place if the builder ran somewhere else.
func (c *Config) items() ([]edit.Item, error) {
	e := &edit.Driver{Recurse: c.Recurse, Targets: c.Targets}
	for i, p := range c.Paths {
		if p == "" {
			return nil, fault.Invalidf("paths[%d]: must not be empty", i)
		}
		path, err := filepath.Abs(p)
		if err != nil {
			return nil, fault.In(fmt.Sprintf("paths[%d]", i), err)
		}
		e.Paths = append(e.Paths, path)
	}
	return []edit.Item{{Edit: e}}, nil
}
