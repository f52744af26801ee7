package hypervusb

import (
	"cmp"

	"github.com/winbake/packer-plugin-winbake/builder/baker"
	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/builder/output"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// Prepare reads the configuration, fills in defaults, and returns warnings and every mistake at once. It
// looks at nothing outside of the configuration, but for the checksums that iso_checksum = "file:..." names.
func (c *Config) Prepare(raws ...any) (warnings []string, err error) {
	warnings, err = baker.Prepare(c, &c.Medium, &c.ctx, BuilderID, raws, func() []error {
		_, problems := c.engine()
		_, more := c.items()
		return append(problems, more...)
	})
	if err != nil {
		return warnings, err
	}
	b, _ := c.engine()
	return append(warnings, b.Native.Advice(b.Size)...), nil
}

// engine returns the configuration as the engine takes it, and every mistake in it.
func (c *Config) engine() (bake.Config, []error) {
	return baker.Engine(&c.PackerConfig,
		c.Medium.Engine,
		c.Stick.prepare,
		c.Volume.Engine,
		func(b *bake.Config) []error { return c.Output.Engine(c.PackerBuildName, b) },
		c.Record.Engine,
		func(b *bake.Config) []error {
			b.BlockMap = true
			return nil
		})
}

// items are the edits that the source asks for. Its own settings come last, so that they win over the tuning.
func (c *Config) items() ([]edit.Item, []error) {
	tuning, problems := c.Flash.Items(&c.Settings)
	items, more := c.Settings.Items()
	return append(tuning, items...), append(problems, more...)
}

const defaultSize, defaultVirtualSize = "32GiB", "24GiB"

func (c *StickConfig) prepare(b *bake.Config) (problems []error) {
	size := func(field, text, otherwise string) int64 {
		n, err := bytesize.Parse(cmp.Or(text, otherwise))
		if err != nil {
			problems = append(problems, fault.In(field, err))
			n, _ = bytesize.Parse(otherwise) // so that the engine can judge the rest
		}
		return n
	}
	b.Size = size("usb_size", c.UsbSize, defaultSize)
	b.Firmware, b.BootDevices = layout.Firmware(cmp.Or(c.Firmware, string(layout.BIOS))), bake.BootDevices(c.BootDevices)
	b.Native = &bake.NativeBoot{
		File: cmp.Or(c.VhdName, "hvsOS.vhd"), Size: size("vhd_size", c.VhdSize, defaultVirtualSize), Label: cmp.Or(c.UsbLabel, "HVUSB"),
		Hypervisor: bake.Hypervisor(c.Hypervisor), Overrides: map[bake.Rule]string{},
	}
	if err := output.CheckFileName(b.Native.File); err != nil {
		problems = append(problems, fault.In("vhd_name", err))
	}
	for rule, reason := range c.Overrides {
		b.Native.Overrides[bake.Rule(rule)] = reason
	}
	if !c.KeepWinRE {
		b.Recovery = &bake.Recovery{Policy: winre.Exclude, Role: winre.General}
	}
	return problems
}
