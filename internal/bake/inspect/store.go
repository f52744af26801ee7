package inspect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
)

// store describes a BCD store of a volume.
func (w *walker) store(on *volumes.Volume, path []string, s *bcd.Store, err error) *Store {
	out := describeStore(s, func(o *bcd.Object, e *Element, d bcd.Device) {
		words := &deviceWords{w: w, on: on, object: o}
		e.Means = words.text(d)
		e.Missing = words.missing
	})
	out.Path = strings.Join(path, "/")
	if err != nil {
		out.Problem = err.Error()
	}
	return out
}

// describeStore lists all of a store; device hears of each device. A store that is nil has no objects.
func describeStore(s *bcd.Store, device func(*bcd.Object, *Element, bcd.Device)) *Store {
	out := &Store{Objects: []Object{}}
	if s == nil {
		return out
	}
	for _, o := range s.InPrintOrder() {
		object := Object{ID: o.ID.Braced(), Alias: bcd.Alias(o.ID), Type: fmt.Sprintf("%08x", uint32(o.Type)), Title: o.Title(), Elements: []Element{}}
		if d := s.Resolve(bcd.Default); object.Alias == "" && d == o {
			object.Alias = bcd.Alias(bcd.Default)
		}
		for _, e := range o.Elements() {
			element := Element{ID: e.ID.String(), Name: o.Type.Name(e.ID), Values: []string{}}
			values, err := s.Values(o, e, bcd.PrintOptions{})
			if err != nil {
				element.Problem = err.Error()
			} else {
				element.Values = append(element.Values, values...)
			}
			if e.ID.Format() == bcd.FormatDevice && device != nil {
				if d, err := e.Device(); err == nil {
					device(o, &element, d)
				}
			}
			object.Elements = append(object.Elements, element)
		}
		out.Objects = append(out.Objects, object)
	}
	return out
}

// deviceWords puts a device into words.
type deviceWords struct {
	w       *walker
	on      *volumes.Volume // that the store is on
	object  *bcd.Object     // that the device is of
	missing bool            // something that it names is not there
}

func (d *deviceWords) text(device bcd.Device) string {
	switch v := device.(type) {
	case bcd.Boot:
		return "the boot manager's partition, " + d.name(d.on) + " of this disk"
	case bcd.Partition:
		if f, ok := v.Inside.(bcd.File); ok {
			return "vhd=" + d.file(f.On, f.Path) + ", a partition in it"
		}
		if found := d.volume(v); found != nil {
			return d.name(found) + " of this disk"
		}
		return d.why(v)
	case bcd.VirtualDisk:
		if f, ok := v.Inside.(bcd.File); ok {
			return "vhd=" + d.file(f.On, f.Path)
		}
	case bcd.File:
		return "file=" + d.file(v.On, v.Path)
	case bcd.Ramdisk:
		return "ramdisk=" + d.file(v.On, v.Path)
	case bcd.WithOptions:
		return d.text(v.Device)
	case bcd.Locate:
		return d.locate(v)
	}
	return device.String()
}

func (d *deviceWords) locate(l bcd.Locate) string {
	how := "locate=" + l.Path
	if l.Element != 0 {
		how = "locate=custom:" + l.Element.String() + l.Path
	}
	if l.On != nil {
		return d.text(l.On) + "," + how
	}
	path := l.Path
	if e, ok := d.object.Element(l.Element); ok {
		text, err := e.Text()
		if err != nil {
			return how
		}
		path = text + path
	}
	for _, v := range d.w.disk.Volumes {
		if found, err := v.Exists(volumes.Slashes(path)); err == nil && found {
			return fmt.Sprintf("%s, found on %s", how, d.name(v))
		}
	}
	d.missing = true
	return how + ", found on no partition of this disk"
}

// file is a file on a device, which is noted to be looked into.
func (d *deviceWords) file(on bcd.Device, path string) string {
	v := d.w.disk.Holder(d.on, on, path)
	place := on.String()
	switch p := on.(type) {
	case bcd.Partition:
		if v == nil {
			place = d.why(p)
		}
	case bcd.Locate:
		place = d.text(p)
	}
	if v == nil {
		return "[" + place + "]" + path
	}
	text := "[" + d.name(v) + "]" + path
	if found, err := v.Exists(volumes.Slashes(path)); err != nil || !found {
		d.missing = true
		return text + " (which is not there)"
	}
	d.w.note(v, volumes.Slashes(path))
	return text
}

// volume is the volume of this disk that a partition is, or nil.
func (d *deviceWords) volume(p bcd.Partition) *volumes.Volume {
	if p.Inside != nil {
		return nil
	}
	v, err := d.w.disk.Find(p)
	if err != nil {
		return nil
	}
	return v
}

// why says where a partition is that is none of this disk's.
func (d *deviceWords) why(p bcd.Partition) string {
	d.missing = true
	_, err := d.w.disk.Find(p)
	switch {
	case errors.Is(err, bootstore.ErrOtherDisk):
		return "a partition of another disk"
	case errors.Is(err, volumes.ErrNoTable):
		d.missing = false
		return "a partition of a disk"
	}
	return "a partition that this disk does not have"
}

// name calls a volume of this disk.
func (d *deviceWords) name(v *volumes.Volume) string {
	if v.Number == 0 {
		return "this volume"
	}
	return fmt.Sprintf("partition %d", v.Number)
}
