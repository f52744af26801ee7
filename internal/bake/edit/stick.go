package edit

import (
	"github.com/winbake/packer-plugin-winbake/internal/windows/flash"
	"github.com/winbake/packer-plugin-winbake/internal/windows/usbboot"
)

// USBBoot makes Windows start from a disk on USB, and from a virtual disk on one.
type USBBoot struct{}

// Validate finds nothing: there is nothing to choose.
func (*USBBoot) Validate() error { return nil }

// Apply lets the drivers start, and notes which the image lacks.
func (*USBBoot) Apply(i *Image) error {
	w, err := i.Windows()
	if err != nil {
		return err
	}
	return usbboot.Enable(usbboot.Image{Tree: i.Tree, Registry: i.Registry, Version: w.Version, Note: i.Note})
}

// Flash keeps Windows from writing to the flash memory that it runs from without need.
type Flash struct {
	flash.Settings
}

// Apply turns the options off.
func (e *Flash) Apply(i *Image) error {
	w, err := i.Windows()
	if err != nil {
		return err
	}
	return flash.Apply(flash.Image{Tree: i.Tree, Registry: i.Registry, Windows: w, Note: i.Note}, e.Settings)
}
