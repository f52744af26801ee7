// Package pe reads what winbake wants to know of a Windows program: which machine it is for, and
// the version number in its version resource. It reads little of the file and does not load it; the
// headers are left to debug/pe ("PE Format", https://learn.microsoft.com/windows/win32/debug/pe-format).
package pe

import (
	"debug/pe"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Machine is the processor that a program is for.
type Machine uint16

// Machines that Windows runs or ran on.
const (
	I386  Machine = pe.IMAGE_FILE_MACHINE_I386
	AMD64 Machine = pe.IMAGE_FILE_MACHINE_AMD64
	ARM   Machine = pe.IMAGE_FILE_MACHINE_ARMNT
	ARM64 Machine = pe.IMAGE_FILE_MACHINE_ARM64
)

// String returns the name that Windows's own tools use: "x86", "x64", "arm", "arm64".
func (m Machine) String() string {
	switch m {
	case I386:
		return "x86"
	case AMD64:
		return "x64"
	case ARM:
		return "arm"
	case ARM64:
		return "arm64"
	}
	return fmt.Sprintf("machine %#x", uint16(m))
}

// Processor returns the architecture as Windows' own files name it, in answer files, INF files and
// component names: x86, amd64, arm or arm64.
func (m Machine) Processor() string {
	if m == AMD64 {
		return "amd64"
	}
	return m.String()
}

// Version is a four-part version number.
type Version struct{ Major, Minor, Build, Revision uint16 }

// String is "10.0.20348.1".
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Build, v.Revision)
}

// Info is what Read finds.
type Info struct {
	Machine Machine
	// Version is the file version of the version resource; zero if the program has none.
	Version Version
}

// Read reads a program's headers and its version resource. Something that is not a PE file, or has
// a broken resource, is corrupt.
func Read(r io.ReaderAt) (Info, error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return Info{}, fault.Corruptf(fault.NoOffset, "not a Windows program: %v", err)
	}
	info := Info{Machine: Machine(f.Machine)}
	res, err := openResources(f)
	if res == nil || err != nil {
		return info, err
	}
	info.Version, err = res.version()
	return info, fault.In("version resource", err)
}

// Records of the resource section.
const (
	resourceDirectory = 2 // index of IMAGE_DIRECTORY_ENTRY_RESOURCE among the data directories

	dirHeader   = 16 // IMAGE_RESOURCE_DIRECTORY: counts of entries by name and by number at 12 and 14
	dirEntry    = 8  // u32 name or number, u32 offset
	dataEntry   = 16 // u32 address, u32 size, u32 code page, u32 zero
	subFlag     = 1 << 31
	typeVersion = 16 // RT_VERSION

	// Bounds: real programs have a few hundred entries in a directory, and less than 4 KiB of
	// version.
	maxEntries = 1 << 13
	maxVersion = 1 << 16

	// VS_VERSIONINFO: u16 length, u16 length of the value, u16 type, the key with its NUL, and
	// from the next multiple of four VS_FIXEDFILEINFO.
	versionKey   = "VS_VERSION_INFO\x00"
	fixedAt      = (6 + 2*len(versionKey) + 3) &^ 3
	fixedSize    = 52
	fixedMagic   = 0xFEEF04BD
	fixedVersion = 8 // u32 major and minor, u32 build and revision
)

var le = binary.LittleEndian

// resources is the resource section.
type resources struct {
	section *pe.Section
	root    uint32 // offset of the root directory in the section
}

// openResources returns the program's resources, or nil if it has none.
func openResources(f *pe.File) (*resources, error) {
	var dir pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		if h.NumberOfRvaAndSizes > resourceDirectory {
			dir = h.DataDirectory[resourceDirectory]
		}
	case *pe.OptionalHeader64:
		if h.NumberOfRvaAndSizes > resourceDirectory {
			dir = h.DataDirectory[resourceDirectory]
		}
	}
	if dir.VirtualAddress == 0 || dir.Size == 0 {
		return nil, nil
	}
	for _, s := range f.Sections {
		if off := dir.VirtualAddress - s.VirtualAddress; dir.VirtualAddress >= s.VirtualAddress && off < s.Size {
			return &resources{s, off}, nil
		}
	}
	return nil, fault.Corruptf(fault.NoOffset, "no section holds the resources at %#x", dir.VirtualAddress)
}

// version follows the first version resource: by type, then by name, then by language.
func (r *resources) version() (Version, error) {
	off, ok, err := r.find(0, func(id uint32) bool { return id == typeVersion })
	if err != nil || !ok {
		return Version{}, err
	}
	for range 2 {
		if off&subFlag == 0 {
			return Version{}, fault.Corruptf(int64(off), "a resource where a directory was expected")
		}
		off, ok, err = r.find(off&^subFlag, func(uint32) bool { return true })
		if err != nil || !ok {
			return Version{}, err
		}
	}
	return r.fixedVersion(off)
}

// find returns where the first entry of the directory at off with a matching number leads.
func (r *resources) find(off uint32, match func(id uint32) bool) (uint32, bool, error) {
	head, err := r.read(int64(r.root)+int64(off), dirHeader)
	if err != nil {
		return 0, false, err
	}
	count := int(le.Uint16(head[12:])) + int(le.Uint16(head[14:]))
	if count > maxEntries {
		return 0, false, fault.Unsupportedf(int64(off), "resource directory of %d entries, at most %d are read", count, maxEntries)
	}
	entries, err := r.read(int64(r.root)+int64(off)+dirHeader, count*dirEntry)
	if err != nil {
		return 0, false, err
	}
	for ; len(entries) > 0; entries = entries[dirEntry:] {
		if match(le.Uint32(entries)) {
			return le.Uint32(entries[4:]), true, nil
		}
	}
	return 0, false, nil
}

// fixedVersion reads the version whose data entry is at off.
func (r *resources) fixedVersion(off uint32) (Version, error) {
	if off&subFlag != 0 {
		return Version{}, fault.Corruptf(int64(off&^subFlag), "a directory where a resource was expected")
	}
	entry, err := r.read(int64(r.root)+int64(off), dataEntry)
	if err != nil {
		return Version{}, err
	}
	at, size := int64(le.Uint32(entry))-int64(r.section.VirtualAddress), le.Uint32(entry[4:])
	if size < uint32(fixedAt+fixedSize) || size > maxVersion {
		return Version{}, fault.Corruptf(at, "version resource of %d bytes", size)
	}
	data, err := r.read(at, fixedAt+fixedSize)
	if err != nil {
		return Version{}, err
	}
	fixed := data[fixedAt:]
	if magic := le.Uint32(fixed); magic != fixedMagic {
		return Version{}, fault.Corruptf(at+int64(fixedAt), "signature %#x, expected %#x", magic, fixedMagic)
	}
	high, low := le.Uint32(fixed[fixedVersion:]), le.Uint32(fixed[fixedVersion+4:])
	return Version{uint16(high >> 16), uint16(high), uint16(low >> 16), uint16(low)}, nil
}

// read returns n bytes at off of the section; n is bounded by the caller.
func (r *resources) read(off int64, n int) ([]byte, error) {
	if off < 0 || off+int64(n) > int64(r.section.Size) {
		return nil, fault.Corruptf(off, "%d bytes of resources, the section has %d", n, r.section.Size)
	}
	b := make([]byte, n)
	if _, err := r.section.ReadAt(b, off); err != nil {
		return nil, fault.Corruptf(off, "resources: %v", err)
	}
	return b, nil
}
