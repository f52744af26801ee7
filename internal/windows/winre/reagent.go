package winre

import (
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// ReAgent is the content of ReAgent.xml: what Windows knows of its recovery environment.
type ReAgent struct {
	Version string // "2.0" since Windows 8.1, "1.0" in Windows 8

	BCD        guid.GUID // the boot loader entry of WinRE; zero if none
	Location   Location  // where WinRE is
	Installed  bool      // InstallState: whether WinRE is enabled
	Staged     bool      // WinREStaged: a Winre.wim waits to be installed by Setup
	AutoRepair bool      // IsAutoRepairOn

	OSBuild   string // OsBuildVersion: of the Windows that was there when it was enabled; may be empty
	Server    bool   // IsServer
	Scheduled uint32 // ScheduledOperation

	// found are the elements of the file that was parsed, so that what this type has no field for stays.
	found []element
}

// Location is a folder on a partition, as ReAgent.xml has it.
type Location struct {
	Path   string // `\Recovery\WindowsRE`; empty if there is none
	Disk   Disk
	Offset int64 // of the partition, in bytes
}

// Disk identifies a disk: by the GUID of its GPT, or the signature of its MBR. The other is zero. That an MBR
// disk has its signature in the attribute id is inferred, not seen in a file that Windows wrote.
type Disk struct {
	GUID      guid.GUID
	Signature uint32
}

// The versions of the file.
const (
	version1 = "1.0" // Windows 8, Server 2012
	version2 = "2.0" // Windows 8.1, Server 2012 R2 and later
)

// scheduled is the ScheduledOperation of an enabled WinRE in files that recent Windows wrote.
const scheduled = 4

// Enabled is the state of a WinRE that is set up: loader is its entry in the BCD store, disk and offset
// are those of the recovery partition. build is the BuildLabEx of the Windows (see BuildLab), and may be
// empty, as it is in files that recent Windows wrote.
func Enabled(loader guid.GUID, disk Disk, offset int64, build string, server bool) *ReAgent {
	r := Disabled(server)
	r.Enable(loader, disk, offset, build)
	return r
}

// Disabled is the state of a Windows without WinRE, and of one whose WinRE is not set up yet ("staged": then
// Winre.wim lies beside the file, and Setup enables it at the first start, or reagentc /enable does later).
func Disabled(server bool) *ReAgent { return &ReAgent{Version: version2, Server: server} }

// Enable makes r the state of a WinRE that is set up; the arguments are those of Enabled.
func (r *ReAgent) Enable(loader guid.GUID, disk Disk, offset int64, build string) {
	r.BCD, r.Location = loader, Location{Path, disk, offset}
	r.Installed, r.Staged, r.AutoRepair = true, false, true
	r.OSBuild = build
	if r.Scheduled == 0 {
		r.Scheduled = scheduled
	}
}

// Disable makes r the state of a Windows without a WinRE that is set up, as reagentc /disable does. What
// says nothing of where WinRE is stays.
func (r *ReAgent) Disable() {
	r.BCD, r.Location, r.Installed, r.Staged = guid.GUID{}, Location{}, false, false
}

// element is an element of ReAgent.xml. None holds anything but attributes.
type element struct {
	name string
	attr []attribute
	line int
}

type attribute struct{ name, value string }

func (e *element) get(name string) (string, bool) {
	i := slices.IndexFunc(e.attr, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return "", false
	}
	return e.attr[i].value, true
}

func (e *element) set(name, value string) {
	i := slices.IndexFunc(e.attr, func(a attribute) bool { return a.name == name })
	if i < 0 {
		e.attr = append(e.attr, attribute{name, value})
		return
	}
	e.attr[i].value = value
}

// shape says which attributes an element has in a file without WinRE.
type shape struct {
	name   string
	attr   string // "path id offset guid", "state", ...
	recent bool   // newer Windows write it; it is left out of a file that came without it
}

// shapes2 and shapes1 are the elements in the order in which Windows writes them: in Windows 10 and 11, and in
// the file that Windows 8 ships.
var (
	shapes2 = []shape{
		{name: "WinreBCD", attr: "guid:id"},
		{name: "WinreLocation", attr: "path id offset guid"},
		{name: "ImageLocation", attr: "path id offset guid"},
		{name: "PBRImageLocation", attr: "path id offset guid index"},
		{name: "PBRCustomImageLocation", attr: "path id offset guid index"},
		{name: "InstallState", attr: "state"},
		{name: "OsInstallAvailable", attr: "state"},
		{name: "CustomImageAvailable", attr: "state"},
		{name: "IsAutoRepairOn", attr: "state"},
		{name: "WinREStaged", attr: "state"},
		{name: "OperationParam", attr: "path"},
		{name: "OperationPermanent", attr: "state", recent: true},
		{name: "OsBuildVersion", attr: "path"},
		{name: "OemTool", attr: "state"},
		{name: "IsServer", attr: "state"},
		{name: "DownlevelWinreLocation", attr: "path id offset guid"},
		{name: "IsWimBoot", attr: "state"},
		{name: "NarratorScheduled", attr: "state", recent: true},
		{name: "ScheduledOperation", attr: "state"},
	}
	shapes1 = []shape{
		{name: "WinreBCD", attr: "guid:id"},
		{name: "WinreLocation", attr: "path id offset guid"},
		{name: "ImageLocation", attr: "path id offset guid"},
		{name: "OsInstallLocation", attr: "path id offset guid index"},
		{name: "CustomImageLocation", attr: "path id offset guid index"},
		{name: "InstallState", attr: "state"},
		{name: "OsInstallAvailable", attr: "state"},
		{name: "CustomImageAvailable", attr: "state"},
		{name: "IsAutoRepairOn", attr: "state"},
		{name: "WinREStaged", attr: "state"},
		{name: "ScheduledOperation", attr: "state"},
		{name: "OperationParam", attr: "path"},
		{name: "OsBuildVersion", attr: "path"},
		{name: "OemTool", attr: "state"},
		{name: "BootKey", attr: "state"},
	}
)

// fresh is the element of a Windows without WinRE.
func (s shape) fresh() element {
	e := element{name: s.name}
	for _, a := range strings.Fields(s.attr) {
		switch a {
		case "guid:id":
			e.set("id", guid.GUID{}.Braced())
		case "guid":
			e.set(a, guid.GUID{}.Braced())
		case "path":
			e.set(a, "")
		default:
			e.set(a, "0")
		}
	}
	return e
}

// elements are those of the file, with the fields in their places.
func (r *ReAgent) elements() []element {
	shapes := shapes2
	if r.Version == version1 {
		shapes = shapes1
	}
	var out []element
	for _, s := range shapes {
		i := slices.IndexFunc(r.found, func(e element) bool { return e.name == s.name })
		switch {
		case i >= 0:
			e := r.found[i]
			e.attr = slices.Clone(e.attr)
			out = append(out, e)
		case !s.recent || r.found == nil:
			out = append(out, s.fresh())
		}
	}
	for i := range out {
		r.put(&out[i])
	}
	for _, e := range r.found {
		if !slices.ContainsFunc(shapes, func(s shape) bool { return s.name == e.name }) {
			out = append(out, e)
		}
	}
	return out
}

// put writes r's field, if it is in e.
func (r *ReAgent) put(e *element) {
	switch e.name {
	case "WinreBCD":
		e.putGUID("id", r.BCD)
	case "WinreLocation":
		l := r.Location
		e.set("path", l.Path)
		e.putNumber("id", uint64(l.Disk.Signature))
		e.putNumber("offset", uint64(l.Offset))
		e.putGUID("guid", l.Disk.GUID)
	case "InstallState":
		e.putBool(r.Installed)
	case "WinREStaged":
		e.putBool(r.Staged)
	case "IsAutoRepairOn":
		e.putBool(r.AutoRepair)
	case "OsBuildVersion":
		e.set("path", r.OSBuild)
	case "IsServer":
		e.putBool(r.Server)
	case "ScheduledOperation":
		e.putNumber("state", uint64(r.Scheduled))
	}
}

// The put functions leave a text alone that means the value already, such as an empty one for zero.

func (e *element) putGUID(name string, g guid.GUID) {
	if now, err := e.guid(name); err != nil || now != g || !e.has(name) && !g.IsZero() {
		e.set(name, g.Braced())
	}
}

func (e *element) putNumber(name string, n uint64) {
	if now, err := e.number(name, 64); err != nil || now != n {
		e.set(name, strconv.FormatUint(n, 10))
	}
}

func (e *element) putBool(b bool) {
	if now, err := e.state(); err != nil || now != b {
		e.set("state", map[bool]string{false: "0", true: "1"}[b])
	}
}

func (e *element) has(name string) bool { _, ok := e.get(name); return ok }

// guid reads an attribute; one that is missing or empty is zero.
func (e *element) guid(name string) (guid.GUID, error) {
	s, _ := e.get(name)
	if s == "" {
		return guid.GUID{}, nil
	}
	g, err := guid.Parse(s)
	if err != nil {
		return g, e.wrong(name, "a GUID")
	}
	return g, nil
}

// number reads an attribute; one that is missing or empty is zero.
func (e *element) number(name string, bits int) (uint64, error) {
	s, _ := e.get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, e.wrong(name, "a number")
	}
	return n, nil
}

func (e *element) state() (bool, error) {
	n, err := e.number("state", 32)
	return n != 0, err
}

func (e *element) wrong(name, what string) error {
	s, _ := e.get(name)
	return fault.Corruptf(fault.NoOffset, "line %d: %s has %s=%.60q, which is not %s", e.line, e.name, name, s, what)
}

// take reads the fields from the elements.
func (r *ReAgent) take() (err error) {
	for i := range r.found {
		if err := r.takeElement(&r.found[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *ReAgent) takeElement(e *element) (err error) {
	switch e.name {
	case "WinreBCD":
		r.BCD, err = e.guid("id")
	case "WinreLocation":
		r.Location, err = e.location()
	case "InstallState":
		r.Installed, err = e.state()
	case "WinREStaged":
		r.Staged, err = e.state()
	case "IsAutoRepairOn":
		r.AutoRepair, err = e.state()
	case "OsBuildVersion":
		r.OSBuild, _ = e.get("path")
	case "IsServer":
		r.Server, err = e.state()
	case "ScheduledOperation":
		var n uint64
		n, err = e.number("state", 32)
		r.Scheduled = uint32(n)
	}
	return err
}

func (e *element) location() (l Location, err error) {
	l.Path, _ = e.get("path")
	id, err := e.number("id", 32)
	if err != nil {
		return l, err
	}
	l.Disk.Signature = uint32(id)
	offset, err := e.number("offset", 63)
	if err != nil {
		return l, err
	}
	l.Offset = int64(offset)
	l.Disk.GUID, err = e.guid("guid")
	return l, err
}
