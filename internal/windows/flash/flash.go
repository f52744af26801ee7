// Package flash keeps a Windows from writing to the flash memory that it runs from without need: each habit
// that is turned off is an option of its own. What is known of each value, and how surely, is in
// docs/hypervusb-tuning.md. Paging, which is the first to turn off, has a package of its own.
package flash

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say what Windows shall not do.
type Settings struct {
	// Off are names of options.
	Off []string `json:"off"`
}

// The options, by the names that users write.
const (
	// ExpandVirtualDisk: a dynamic virtual disk that Windows starts from grows to its full size.
	ExpandVirtualDisk = "expand_virtual_disk"
	// Hibernation: memory goes into hiberfil.sys, by hand and, from Windows 8 on, at each shutdown.
	Hibernation = "hibernation"
	// Prefetch: what programs read is recorded, and read ahead the next time.
	Prefetch = "prefetch"
	// Defragmentation: files are moved together, week by week.
	Defragmentation = "defragmentation"
	// LastAccess: files get a new time whenever they are read.
	LastAccess = "last_access"
	// SystemRestore: client editions keep earlier states of the volume.
	SystemRestore = "system_restore"
	// InternalDisks: the disks inside the machine are taken online.
	InternalDisks = "internal_disks"
)

// option is a habit and how it is turned off.
type option struct {
	name string
	off  func(*Image) error
}

var options = []option{
	{ExpandVirtualDisk, (*Image).keepVirtualDisk},
	{Hibernation, (*Image).hibernationOff},
	{Prefetch, (*Image).prefetchOff},
	{Defragmentation, (*Image).defragmentationOff},
	{LastAccess, (*Image).lastAccessOff},
	{SystemRestore, (*Image).systemRestoreOff},
	{InternalDisks, (*Image).internalDisksOff},
}

// Options are the names of all options, in the order in which they are applied.
func Options() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

// Validate says which name is none of an option.
func (s Settings) Validate() error {
	all := Options()
	for _, name := range s.Off {
		if !slices.Contains(all, name) {
			return fault.Invalidf("off: %q is none of %s", name, strings.Join(all, ", "))
		}
	}
	return nil
}

// Image is what Apply changes.
type Image struct {
	Tree     *tree.Tree
	Registry *registry.Registry
	// Windows says what the image is: values differ between versions.
	Windows boot.Windows
	// Note hears what the person at the terminal should know, in whole sentences.
	Note func(format string, args ...any)

	sets []string
}

// Apply turns the options off, in every control set, so that they stay off whichever Windows starts with. An
// error begins with the name of the option.
func Apply(i Image, s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	var err error
	if i.sets, err = i.Registry.ControlSets(); err != nil {
		return err
	}
	for _, o := range options {
		if !slices.Contains(s.Off, o.name) {
			continue
		}
		if err := o.off(&i); err != nil {
			return fault.In(o.name, err)
		}
	}
	return nil
}

// set gives a key below every control set the values.
func (i *Image) set(key string, values ...regf.Value) error {
	for _, set := range i.sets {
		if err := i.Registry.Set(set+key, values...); err != nil {
			return err
		}
	}
	return nil
}

// disabled is the Start of a service that does not.
const disabled = 4

// disable keeps a service from starting, where the image has it.
func (i *Image) disable(service string) error {
	for _, set := range i.sets {
		key := set + `\Services\` + service
		k, err := i.Registry.Key(key)
		if err != nil {
			return err
		}
		if k == nil {
			continue
		}
		if err := i.Registry.Set(key, regf.DWord("Start", disabled)); err != nil {
			return err
		}
	}
	return nil
}
