package settings

import (
	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/paging"
)

const mib = 1 << 20

// paging is the edit that the attribute or the block paging stands for.
func (c *Config) paging() (edit.Edit, error) {
	if c.PagingFile == nil {
		return &edit.Paging{Settings: paging.Settings{Off: c.Paging.False()}}, nil
	}
	if c.Paging != config.TriUnset {
		return nil, fault.Invalidf("give either the attribute or the block, not both")
	}
	return c.PagingFile.edit()
}

func (c *PagingConfig) edit() (edit.Edit, error) {
	s := paging.Settings{Drive: c.Drive}
	if s.Drive == "" {
		s.Drive = "C"
	}
	var err error
	if s.Initial, err = megabytes(c.Initial); err != nil {
		return nil, fault.In("initial", err)
	}
	s.Maximum = s.Initial
	if c.Maximum != "" {
		if s.Maximum, err = megabytes(c.Maximum); err != nil {
			return nil, fault.In("maximum", err)
		}
	}
	return &edit.Paging{Settings: s}, nil
}

// megabytes reads a size in whole MiB; "" is 0.
func megabytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := bytesize.Parse(text)
	if err == nil && n%mib != 0 {
		err = fault.Invalidf("%s is not a whole number of MiB, in which Windows counts", text)
	}
	return n / mib, err
}
