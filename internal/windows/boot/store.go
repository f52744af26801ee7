package boot

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// NewStore returns the store of a system with one Windows: boot manager, loader, resume
// application, recovery environment, memory tester, shared settings. Further entries are objects
// that the caller adds.
func NewStore(windows *tree.Tree, o Options) (*bcd.Store, error) {
	o, err := o.complete(windows)
	if err != nil {
		return nil, err
	}
	b := builder{Options: o, scheme: o.Firmware.scheme(), template: readTemplate(windows)}
	if isFile(windows, b.source+"/"+b.memtest) {
		b.tools = []guid.GUID{bcd.MemoryTester}
	}
	s := &bcd.Store{Time: o.Time, Description: bcd.Description{
		KeyName: bcd.KeyNameSystem, System: true,
		// Windows then writes its boot entry into the firmware's memory.
		FirmwareModified: o.Firmware == UEFI,
	}}
	s.Put(b.settings()...)
	s.Put(b.manager(), b.loader(), b.resume())
	if b.tools != nil {
		s.Put(b.memoryTester())
	}
	if b.Recovery != nil {
		s.Put(b.recoveryLoader(), b.recoveryDevice())
	}
	return s, nil
}

// newRecoveryStore returns the second store of a UEFI system: the boot manager, the settings, and
// the recovery environment, or without one room for it.
func newRecoveryStore(main *bcd.Store, r *Recovery) *bcd.Store {
	s := &bcd.Store{Time: main.Time, Description: bcd.Description{KeyName: bcd.KeyNameOther, FirmwareModified: true}}
	for _, o := range main.Objects() {
		if o.Type.IsInherit() {
			s.Put(o.Clone(o.ID))
		}
	}
	manager := main.Object(bcd.BootManager).Clone(bcd.BootManager)
	for _, id := range []bcd.ElementID{bcd.ElemDefault, bcd.ElemDisplayOrder, bcd.ElemBootResumeObject, bcd.ElemToolsDisplayOrder} {
		manager.Delete(id)
	}
	s.Put(manager)
	if r != nil {
		r.copyTo(s, main)
	}
	return s
}

// ReadStore reads the store at a path of a tree, for those who add entries.
func ReadStore(t *tree.Tree, path string) (*bcd.Store, error) {
	n, err := t.Lookup(path)
	if err != nil {
		return nil, err
	}
	data, err := tree.ReadAll(n.Data, maxStore)
	if err != nil {
		return nil, fault.In(path, err)
	}
	s, err := bcd.Parse(data)
	return s, fault.In(path, err)
}

// maxStore is many times the size of a real store, 12 to 256 KiB.
const maxStore = 16 << 20

// WriteStore writes a store to a path of a tree, in place of the one that is there.
func WriteStore(t *tree.Tree, path string, s *bcd.Store) error {
	data, err := s.Marshal()
	if err != nil {
		return fault.In(path, err)
	}
	for _, log := range registry.LogExtensions { // those of the store that was there before
		if err := t.Remove(path + log); err != nil && !isMissing(err) {
			return err
		}
	}
	_, err = t.WriteFile(path, tree.Bytes(data))
	return err
}

// readTemplate returns the image's BCD-Template, or nil if there is none that can be used.
func readTemplate(windows *tree.Tree) *bcd.Store {
	n, err := windows.Lookup(templateFile)
	if err != nil {
		return nil
	}
	data, err := tree.ReadAll(n.Data, maxTemplate)
	if err != nil {
		return nil
	}
	s, err := bcd.Parse(data)
	if err != nil || s.Validate() != nil {
		return nil
	}
	return s
}

// builder makes the objects of a store.
type builder struct {
	Options
	*scheme
	template *bcd.Store
	tools    []guid.GUID
}

// entry returns an object with elements from three sources, the later over the earlier: what the
// template's pattern says, or else the defaults for the version; then always.
func (b *builder) entry(id, pattern guid.GUID, t bcd.ObjectType, defaults, always []bcd.Element) *bcd.Object {
	o := bcd.NewObject(id, t)
	if kept, ok := b.pattern(pattern); ok {
		o.Set(kept...)
	} else {
		o.Set(defaults...)
	}
	o.Set(always...)
	return o
}

// pattern returns the elements of an object of the template that a new object takes over: plain
// settings. Devices and references are placeholders there, and template elements are notes for
// Setup.
func (b *builder) pattern(id guid.GUID) ([]bcd.Element, bool) {
	if b.template == nil {
		return nil, false
	}
	o := b.template.Object(id)
	if o == nil {
		return nil, false
	}
	var kept []bcd.Element
	for _, e := range o.Elements() {
		if c := e.ID.Class(); c != bcd.ClassLibrary && c != bcd.ClassApplication {
			continue
		}
		switch e.ID.Format() {
		case bcd.FormatString, bcd.FormatInteger, bcd.FormatBoolean, bcd.FormatIntegers:
			kept = append(kept, e)
		}
	}
	return kept, true
}

func (b *builder) manager() *bcd.Object {
	always := []bcd.Element{
		bcd.ElemDevice.Device(b.System),
		bcd.ElemDescription.Text("Windows Boot Manager"),
		bcd.ElemLocale.Text(b.Locale),
		bcd.ElemInherit.Objects(bcd.GlobalSettings),
		bcd.ElemDefault.Object(b.LoaderID),
		bcd.ElemBootResumeObject.Object(b.ResumeID),
		bcd.ElemDisplayOrder.Objects(b.LoaderID),
		bcd.ElemTimeout.Integer(timeout),
	}
	if b.tools != nil {
		always = append(always, bcd.ElemToolsDisplayOrder.Objects(b.tools...))
	}
	o := b.entry(bcd.BootManager, bcd.BootManager, bcd.TypeBootManager, b.managerDefaults(), always)
	o.Delete(bcd.ElemPath) // the boot sector finds the one of BIOS by its name
	if b.managerPath != "" {
		o.Set(bcd.ElemPath.Text(b.managerPath))
	}
	return o
}

func (b *builder) loader() *bcd.Object {
	o := b.entry(b.LoaderID, b.loaderPattern, bcd.TypeOSLoader, b.loaderDefaults(), []bcd.Element{
		bcd.ElemDevice.Device(b.OS.holding(bcd.ElemPath)),
		bcd.ElemPath.Text(`\Windows\system32\` + b.scheme.loader),
		bcd.ElemDescription.Text(b.Description),
		bcd.ElemLocale.Text(b.Locale),
		bcd.ElemInherit.Objects(bcd.LoaderSettings),
		bcd.ElemOSDevice.Device(b.OS.holding(bcd.ElemSystemRoot)),
		bcd.ElemSystemRoot.Text(`\Windows`),
		bcd.ElemResumeObject.Object(b.ResumeID),
	})
	o.Set(b.loaderRecovery()...)
	if b.Hypervisor {
		o.Set(bcd.ElemHypervisorLaunchType.Integer(launchAuto))
	}
	return o
}

func (b *builder) resume() *bcd.Object {
	o := b.entry(b.ResumeID, b.resumePattern, bcd.TypeResume, b.resumeDefaults(), []bcd.Element{
		bcd.ElemDevice.Device(b.OS.holding(bcd.ElemPath)),
		bcd.ElemPath.Text(`\Windows\system32\` + b.scheme.resume),
		bcd.ElemDescription.Text("Windows Resume Application"),
		bcd.ElemLocale.Text(b.Locale),
		bcd.ElemInherit.Objects(bcd.ResumeSettings),
		bcd.ElemFileDevice.Device(b.OS.holding(bcd.ElemFilePath)),
		bcd.ElemFilePath.Text(`\hiberfil.sys`),
	})
	o.Set(b.resumeRecovery()...)
	return o
}

func (b *builder) memoryTester() *bcd.Object {
	return b.entry(bcd.MemoryTester, bcd.MemoryTester, bcd.TypeMemoryTester, nil, []bcd.Element{
		bcd.ElemDevice.Device(b.System),
		bcd.ElemPath.Text(b.memtestPath),
		bcd.ElemDescription.Text("Windows Memory Diagnostic"),
		bcd.ElemLocale.Text(b.Locale),
		bcd.ElemInherit.Objects(bcd.GlobalSettings),
		bcd.ElemBadMemoryAccess.Bool(true),
	})
}

// settings returns the shared settings: the template's, and the usual ones that it lacks.
func (b *builder) settings() []*bcd.Object {
	settings := b.settingsDefaults()
	if b.template != nil {
		for _, o := range b.template.Objects() {
			if o.Type.IsInherit() {
				settings = append(settings, o.Clone(o.ID))
			}
		}
	}
	return settings
}
