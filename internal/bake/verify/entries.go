package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// maxEntries bounds the entries of a store that are followed, each of which takes walks through directories.
// Menus have a handful.
const maxEntries = 64

// entries follows the entries of one boot configuration.
type entries struct {
	c      *checker
	at     Where   // the store
	system *volume // that the store is on
	store  *bcd.Store
	// firmware is what the boot manager that reads the store is for, machine its processor; 0 where that is
	// not known, as for a BIOS, whose boot manager starts loaders of 32 and 64 bits.
	firmware boot.Firmware
	machine  pe.Machine
	seen     map[guid.GUID]bool
}

// bad notes a finding of the store.
func (e *entries) bad(check string, o *bcd.Object, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if o != nil {
		text = o.ID.Braced() + ": " + text
	}
	e.c.find(Error, check, e.at, "%s", text)
}

// all looks at every element, and follows what the boot manager shows and starts.
func (e *entries) all(firmware boot.Firmware) {
	e.seen = map[guid.GUID]bool{}
	for _, o := range e.store.Objects() {
		for _, element := range o.Elements() {
			if err := element.Validate(); err != nil {
				e.bad("boot-entry", o, "%v", err)
			}
		}
		e.references(o)
	}
	manager := e.store.Object(bcd.BootManager)
	if manager == nil {
		e.bad("boot-entry", nil, "it has no boot manager, %s", bcd.BootManager.Braced())
		return
	}
	e.manager(manager, firmware)
	_, set := manager.Element(bcd.ElemDefault)
	first := e.store.Resolve(bcd.Default)
	switch {
	case firmware == 0 && !set:
		return // as it is while there is no recovery environment
	case first == nil:
		e.bad("boot-entry", manager, "the default entry is missing")
	case first.Type != bcd.TypeOSLoader:
		e.bad("boot-entry", first, "the default entry starts no Windows")
	}
	for _, id := range append(e.list(manager, bcd.ElemDisplayOrder), objectID(first)...) {
		if o := e.store.Object(id); o != nil && o.Type == bcd.TypeOSLoader {
			e.loader(o)
		}
	}
}

func objectID(o *bcd.Object) []guid.GUID {
	if o == nil {
		return nil
	}
	return []guid.GUID{o.ID}
}

// list returns a list of objects, or one object; nothing where there is none.
func (e *entries) list(o *bcd.Object, id bcd.ElementID) []guid.GUID {
	element, ok := o.Element(id)
	if !ok {
		return nil
	}
	list, err := element.Objects()
	if err != nil {
		return nil // Validate complains
	}
	return list
}

// references are the elements whose objects have to be there. Setup leaves lists with objects that are not;
// the boot manager passes them over.
func (e *entries) references(o *bcd.Object) {
	for _, id := range e.list(o, bcd.ElemInherit) {
		if e.store.Object(id) == nil {
			e.bad("boot-entry", o, "it inherits from %s, which is not there", id.Braced())
		}
	}
}

// manager looks at the boot manager's own entry.
func (e *entries) manager(o *bcd.Object, firmware boot.Firmware) {
	if d := e.device(o, bcd.ElemDevice); d != nil && firmware != 0 {
		v, err := e.volume(o, d)
		switch {
		case err != nil:
			e.bad("boot-device", o, "the boot manager is on %s: %v", d, err)
		case v != nil && v != e.system:
			e.bad("boot-device", o, "the boot manager is on partition %d, says the store, which is on partition %d", v.table.Number, e.system.table.Number)
		}
	}
	if firmware != boot.UEFI {
		return
	}
	if path, ok := o.Element(bcd.ElemPath); ok {
		if text, err := path.Text(); err == nil && !e.system.has(treePath(text)) {
			e.bad("boot-file", o, "the boot manager is %s, which is missing", text)
		}
	}
}

// device returns the device of an element, or nil.
func (e *entries) device(o *bcd.Object, id bcd.ElementID) bcd.Device {
	element, ok := o.Element(id)
	if !ok {
		return nil
	}
	d, err := element.Device()
	if err != nil {
		return nil // Validate complains
	}
	return d
}

func text(o *bcd.Object, id bcd.ElementID) string {
	element, ok := o.Element(id)
	if !ok {
		return ""
	}
	s, err := element.Text()
	if err != nil {
		return ""
	}
	return s
}

var (
	errNowhere = errors.New("no partition has what is searched for")
	errVirtual = errors.New("the virtual disk cannot be used")
)

// volume finds the volume that a device names. It is nil without an error where that cannot be told.
func (e *entries) volume(o *bcd.Object, d bcd.Device) (*volume, error) {
	switch d := d.(type) {
	case bcd.Boot:
		return e.system, nil
	case bcd.WithOptions:
		return e.volume(o, d.Device)
	case bcd.Partition:
		if d.Inside == nil {
			return e.c.holder(d)
		}
		inner, err := e.virtual(o, d.Inside)
		if inner == nil {
			return nil, err
		}
		d.Inside = nil
		return inner.holder(d)
	case bcd.Locate:
		return e.locate(o, d)
	}
	return nil, nil
}

// virtual finds the virtual disk in a file.
func (e *entries) virtual(o *bcd.Object, d bcd.Device) (*checker, error) {
	f, ok := d.(bcd.File)
	if !ok {
		return nil, nil
	}
	v, err := e.volume(o, f.On)
	if v == nil {
		return nil, err
	}
	inner := e.c.inVHD(v, treePath(f.Path))
	if inner == nil {
		return nil, errVirtual
	}
	return inner, nil
}

// locate finds the first volume with a path.
func (e *entries) locate(o *bcd.Object, d bcd.Locate) (*volume, error) {
	path := d.Path
	if d.Element != 0 {
		path = text(o, d.Element)
	}
	where := e.c
	if v, ok := d.On.(bcd.VirtualDisk); ok {
		inner, err := e.virtual(o, v.Inside)
		if inner == nil {
			return nil, err
		}
		where = inner
	} else if d.On != nil {
		return e.volume(o, d.On)
	}
	for _, v := range where.volumes {
		if v.has(treePath(path)) {
			return v, nil
		}
	}
	return nil, errNowhere
}

// loader follows an entry that starts a Windows or, from a RAM disk, a recovery environment.
func (e *entries) loader(o *bcd.Object) {
	if e.seen[o.ID] || len(e.seen) == maxEntries {
		return
	}
	e.seen[o.ID] = true
	for _, id := range e.list(o, bcd.ElemRecoverySequence) {
		e.recovery(o, id)
	}
	if _, ok := e.device(o, bcd.ElemDevice).(bcd.Ramdisk); ok {
		e.ramdisk(o)
		return
	}
	if v := e.located(o, bcd.ElemDevice); v != nil {
		e.program(o, v, text(o, bcd.ElemPath))
	}
	if v := e.located(o, bcd.ElemOSDevice); v != nil {
		root := text(o, bcd.ElemSystemRoot)
		if f, err := v.lookup(treePath(root)); root == "" || err != nil || !f.Dir {
			e.bad("boot-file", o, "the folder of Windows is %q, which partition %d does not have", root, v.table.Number)
		} else if hive := "/" + registry.SystemHive[len("Windows/"):]; !v.has(treePath(root) + hive) {
			e.bad("boot-file", o, "the folder of Windows is %s, and there is no %s in it", root, windowsPath(hive))
		}
	}
	e.resume(o)
}

// located finds the volume of an element, and notes where there is none.
func (e *entries) located(o *bcd.Object, id bcd.ElementID) *volume {
	d := e.device(o, id)
	if d == nil {
		e.bad("boot-device", o, "element %s, the device, is missing", id)
		return nil
	}
	v, err := e.volume(o, d)
	if err != nil {
		e.bad("boot-device", o, "%s is the device of element %s: %v", d, id, err)
	}
	return v
}

// program looks at a loader on a volume. It has to be for the processor that Windows is for.
func (e *entries) program(o *bcd.Object, v *volume, path string) {
	if path == "" {
		e.bad("boot-file", o, "it names no program")
		return
	}
	e.loads(o, path)
	inner := e.owner(v)
	before := len(e.c.file.Findings)
	machine := inner.program(v, treePath(path), e.machine)
	if len(e.c.file.Findings) > before || !v.windows {
		return
	}
	const kernel = "Windows/System32/ntoskrnl.exe"
	if v.has(kernel) {
		inner.program(v, kernel, machine)
	}
}

// loads looks whether the boot manager of this firmware starts a loader: each Windows has winload.exe and
// winresume.exe for a BIOS, and the same for UEFI.
func (e *entries) loads(o *bcd.Object, path string) {
	name := strings.ToLower(path[strings.LastIndexAny(path, `\/`)+1:])
	wrong, firmware := ".exe", "UEFI"
	if e.firmware == boot.BIOS {
		wrong, firmware = ".efi", "a BIOS"
	}
	if name == "winload"+wrong || name == "winresume"+wrong {
		e.bad("boot-file", o, "the program is %s, which the boot manager of %s cannot start", path, firmware)
	}
}

// owner is the checker of the disk that a volume is on.
func (e *entries) owner(v *volume) *checker {
	for _, inner := range e.c.inside {
		if inner == nil {
			continue
		}
		for _, w := range inner.volumes {
			if w == v {
				return inner
			}
		}
	}
	return e.c
}

// resume follows the entry that wakes Windows from hibernation.
func (e *entries) resume(loader *bcd.Object) {
	element, ok := loader.Element(bcd.ElemResumeObject)
	if !ok {
		return
	}
	id, err := element.Object()
	if err != nil {
		return // Validate complains
	}
	o := e.store.Object(id)
	if o == nil {
		e.bad("boot-entry", loader, "the entry that resumes it, %s, is missing", id.Braced())
		return
	}
	if v := e.located(o, bcd.ElemDevice); v != nil {
		e.program(o, v, text(o, bcd.ElemPath))
	}
	// The hibernation file itself is there only while Windows sleeps, so that searching for it says nothing.
	if _, search := e.device(o, bcd.ElemFileDevice).(bcd.Locate); !search {
		e.located(o, bcd.ElemFileDevice)
	}
}

// recovery follows the sequence of a recovery environment.
func (e *entries) recovery(loader *bcd.Object, id guid.GUID) {
	o := e.store.Object(id)
	if o == nil {
		if enabled, ok := loader.Element(bcd.ElemRecoveryEnabled); ok {
			if yes, err := enabled.Bool(); err == nil && !yes {
				return
			}
		}
		e.bad("boot-recovery", loader, "the recovery environment's entry, %s, is missing", id.Braced())
		return
	}
	if e.seen[o.ID] || len(e.seen) == maxEntries {
		return
	}
	e.seen[o.ID] = true
	e.ramdisk(o)
}

// ramdisk looks for what a RAM disk is made from.
func (e *entries) ramdisk(o *bcd.Object) {
	e.loads(o, text(o, bcd.ElemPath))
	for _, id := range []bcd.ElementID{bcd.ElemDevice, bcd.ElemOSDevice} {
		d, ok := e.device(o, id).(bcd.Ramdisk)
		if !ok {
			continue
		}
		v, err := e.volume(o, d.On)
		if err != nil {
			e.bad("boot-recovery", o, "%s is the device of element %s: %v", d, id, err)
			continue
		}
		if v != nil {
			e.starts(o, v, d.Path, []byte("MSWIM\x00\x00\x00"))
		}
		e.options(o, d.Options)
	}
}

// options looks for the empty RAM disk that the image is loaded into.
func (e *entries) options(o *bcd.Object, id guid.GUID) {
	options := e.store.Object(id)
	if options == nil {
		e.bad("boot-recovery", o, "the options of its RAM disk, %s, are missing", id.Braced())
		return
	}
	d := e.device(options, bcd.ElemRamdiskSDIDevice)
	if d == nil {
		e.bad("boot-recovery", options, "it does not say where boot.sdi is")
		return
	}
	v, err := e.volume(options, d)
	if err != nil {
		e.bad("boot-recovery", options, "boot.sdi is on %s: %v", d, err)
	}
	if v != nil {
		e.starts(options, v, text(options, bcd.ElemRamdiskSDIPath), []byte("$SDI"))
	}
}

// starts looks for a file that begins with some bytes.
func (e *entries) starts(o *bcd.Object, v *volume, path string, magic []byte) {
	f, err := v.lookup(treePath(path))
	switch {
	case missing(err):
		e.bad("boot-recovery", o, "it loads %s, which partition %d does not have", path, v.table.Number)
		return
	case err != nil:
		e.c.foundAt(Error, "boot-recovery", v.at(path), err)
		return
	}
	b := make([]byte, len(magic))
	if f.Content != nil {
		if n, _ := f.Content.ReadAt(b, 0); n == len(b) && bytes.Equal(b, magic) {
			return
		}
	}
	e.c.find(Error, "boot-recovery", v.at(path), "the file does not begin with %q: it is no image that the boot manager can load", magic)
}
