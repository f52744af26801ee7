//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

// Package flash is the block of the same name: how a Windows is tuned that runs from a stick.
package flash

import (
	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/flash"
	"github.com/winbake/packer-plugin-winbake/internal/windows/paging"
)

// Flash memory wears out by being written, and a stick is slow at it, so what Windows writes without need is
// turned off. All of it is the default; the block is for exceptions. `true` leaves the option as the image
// has it. The reasons, the registry values and how sure they are stand in
// [this table](https://github.com/winbake/packer-plugin-winbake/blob/main/docs/hypervusb-tuning.md).
type Config struct {
	// Whether Windows is made to start from USB and from a virtual disk: the drivers are checked, and on
	// Windows 7 and Server 2008 R2 they start at boot. What the image lacks is told. Defaults to `true`.
	USBBoot config.Trilean `mapstructure:"usb_boot"`
	// Whether a dynamic virtual disk may grow to its full size on the stick when Windows starts from it. Makes
	// no difference to a fixed one. Defaults to `false`.
	ExpandVirtualDisk config.Trilean `mapstructure:"expand_virtual_disk"`
	// Whether Windows may hibernate, which writes its memory to the disk; from Windows 8 on, fast startup does
	// so at each shutdown. Defaults to `false`.
	Hibernation config.Trilean `mapstructure:"hibernation"`
	// Whether Windows records what programs read, to read it ahead the next time (the prefetcher and the
	// service SysMain). Defaults to `false`.
	Prefetch config.Trilean `mapstructure:"prefetch"`
	// Whether volumes can be defragmented (the service defragsvc). `false` also keeps `defrag` and
	// `Optimize-Volume` from working, on other disks, too. Defaults to `false`.
	Defragmentation config.Trilean `mapstructure:"defragmentation"`
	// Whether NTFS notes when a file was read last. Defaults to `false`.
	LastAccess config.Trilean `mapstructure:"last_access"`
	// Whether client editions may keep restore points. Defaults to `false`.
	SystemRestore config.Trilean `mapstructure:"system_restore"`
	// Whether the disks inside the machine are taken online, as usual. `false` is the policy of Windows To Go:
	// they stay offline until an administrator takes them online. Windows 7 and Server 2008 R2 have no such
	// policy. Defaults to `false`, unless `san_policy` is set.
	InternalDisks config.Trilean `mapstructure:"internal_disks"`
}

// Items returns the edits that tune an image for a stick, and every mistake. A nil Config is one without
// exceptions. What the source sets by itself (paging, san_policy) is left to it; its own edits, those of
// s.Items, come after these.
func (c *Config) Items(s *settings.Config) ([]edit.Item, []error) {
	if c == nil {
		c = new(Config)
	}
	var problems []error
	if c.InternalDisks != config.TriUnset && s.SANPolicy != "" {
		problems = append(problems, fault.In("flash", fault.Invalidf("internal_disks: san_policy says what becomes of disks already; give one of them")))
	}
	var items []edit.Item
	if !c.USBBoot.False() {
		items = append(items, edit.Item{Origin: "flash: usb_boot", Edit: &edit.USBBoot{}})
	}
	if off := c.off(s); len(off) > 0 {
		items = append(items, edit.Item{Origin: "flash", Edit: &edit.Flash{Settings: flash.Settings{Off: off}}})
	}
	if s.Paging == config.TriUnset && s.PagingFile == nil {
		items = append(items, edit.Item{Origin: "paging", Edit: &edit.Paging{Settings: paging.Settings{Off: true}}})
	}
	return items, append(problems, edit.Validate(items)...)
}

// off are the options that are turned off.
func (c *Config) off(s *settings.Config) []string {
	var off []string
	for _, o := range []struct {
		name  string
		value config.Trilean
	}{
		{flash.ExpandVirtualDisk, c.ExpandVirtualDisk},
		{flash.Hibernation, c.Hibernation},
		{flash.Prefetch, c.Prefetch},
		{flash.Defragmentation, c.Defragmentation},
		{flash.LastAccess, c.LastAccess},
		{flash.SystemRestore, c.SystemRestore},
		{flash.InternalDisks, c.InternalDisks},
	} {
		own := o.name == flash.InternalDisks && s.SANPolicy != ""
		if !o.value.True() && !own {
			off = append(off, o.name)
		}
	}
	return off
}
