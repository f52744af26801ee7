//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package usb

import (
	"path/filepath"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/internal/bake/stick"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/placeholder"
)

// Config is the whole configuration of a winbake-usb post-processor.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	// The stick: its serial number, or its path in `/dev/disk/by-id`. `winbake usb list` shows both. Names such
	// as `/dev/sdb` are refused, because they may be another disk's after the next start.
	Device string `mapstructure:"device" required:"true"`
	// The serial number of the stick, which says that all that is on it may go. Left out, Packer asks for
	// it; without a terminal that is an error, and nothing is written. Of a disk without a serial number it is
	// the last part of its path in `/dev/disk/by-id`.
	Confirm string `mapstructure:"confirm"`
	// Which file of the artifact is written: its name or its path. Left out, it is the only one that ends
	// in `.img` or `.raw`, or else the only one that ends in `.vhd`, `.vhdx` or `.qcow2`.
	Image string `mapstructure:"image"`
	// Also write to disks that are not on USB, or do not call themselves removable, such as an external SSD.
	// The disk of the running system, and disks in use, are refused all the same. Defaults to `false`.
	AllowFixed bool `mapstructure:"allow_fixed"`
	// Also write to loop devices, which may then be given by their path, such as `/dev/loop0`. Their
	// serial number is the path of their file. Defaults to `false`.
	AllowLoop bool `mapstructure:"allow_loop"`
	// Tell the stick first to forget all that it holds, so that none of it is left where the image has
	// nothing. Not every stick can; then a sentence says so. Defaults to `false`.
	Discard bool `mapstructure:"discard"`
	// Read back all that was written and compare it. Defaults to `true`.
	Verify config.Trilean `mapstructure:"verify"`
	// Eject the stick at the end, so that it may be pulled out. Defaults to `true`.
	Eject config.Trilean `mapstructure:"eject"`

	ctx interpolate.Context
}

// Prepare reads the configuration and returns every mistake at once. It looks at no disk.
func (c *Config) Prepare(raws ...any) error {
	err := config.Decode(c, &config.DecodeOpts{PluginType: "winbake.usb", Interpolate: true, InterpolateContext: &c.ctx}, raws...)
	if err != nil {
		return err
	}
	var problems []error
	if err := stick.CheckSelector(c.Device, c.allow()); err != nil {
		problems = append(problems, fault.In("device", err))
	}
	if c.Image != "" && filepath.Base(c.Image) == "." {
		problems = append(problems, fault.Invalidf("image: %q is no name of a file", c.Image))
	}
	if problems = placeholder.Forgive(raws, problems); len(problems) > 0 {
		return &packersdk.MultiError{Errors: problems}
	}
	return nil
}

func (c *Config) allow() stick.Allow { return stick.Allow{Fixed: c.AllowFixed, Loop: c.AllowLoop} }

// job is what the engine does for an image.
func (c *Config) job(image string) stick.Job {
	return stick.Job{
		Image: image, Device: c.Device, Confirm: c.Confirm, Allow: c.allow(), Eject: !c.Eject.False(),
		Options: stick.Options{Verify: !c.Verify.False(), Discard: c.Discard},
	}
}
