package bcd

import (
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// Device is where a boot application finds something: Boot, Partition, VirtualDisk, File, Ramdisk,
// Locate, WithOptions or Unknown. String prints it as bcdedit does, except that partitions are
// shown by their ids, as drive letters do not exist here.
type Device interface {
	fmt.Stringer
	// descriptor returns the type, the flags and the body of the device's descriptor.
	descriptor() (kind, flags uint32, body []byte)
}

// Table is the kind of partition table that a disk's id comes from.
type Table uint32

// Partition tables.
const (
	TableGPT Table = 0
	TableMBR Table = 1
	TableRaw Table = 2 // none: the disk is one volume
)

// Boot is the device that the boot manager itself was loaded from.
type Boot struct{}

// Partition is a partition by the ids that the partition tables hold.
type Partition struct {
	Table Table
	// ID is the unique partition GUID (GPT), or the partition's byte offset as the first eight
	// bytes (MBR; see Offset).
	ID guid.GUID
	// Disk is the disk GUID (GPT), or the disk signature as the first four bytes (MBR; see
	// Signature).
	Disk guid.GUID
	// Inside is the file that holds the disk if that is a VHD, or nil.
	Inside Device
}

// GPTPartition returns a partition of a GPT disk.
func GPTPartition(disk, partition guid.GUID) Partition {
	return Partition{Table: TableGPT, ID: partition, Disk: disk}
}

// MBRPartition returns a partition of an MBR disk: the disk's signature, and the partition's first
// byte.
func MBRPartition(signature uint32, offset uint64) Partition {
	p := Partition{Table: TableMBR}
	le.PutUint64(p.ID[:], offset)
	le.PutUint32(p.Disk[:], signature)
	return p
}

// Offset is the first byte of a partition of an MBR disk.
func (p Partition) Offset() uint64 { return le.Uint64(p.ID[:]) }

// Signature is the signature of an MBR disk.
func (p Partition) Signature() uint32 { return le.Uint32(p.Disk[:]) }

// VirtualDisk is a whole virtual disk, any partition of it if the id is zeros.
type VirtualDisk struct {
	Table  Table
	Disk   guid.GUID
	Inside Device // the file
}

// File is a file on a volume.
type File struct {
	On   Device
	Path string // with backslashes, from the root: `\dir\x.vhd`
}

// InVirtualDisk returns the file of the virtual disk that a device is in; ok is false for one that is in none.
func InVirtualDisk(d Device) (f File, ok bool) {
	switch d := d.(type) {
	case Partition:
		f, ok = d.Inside.(File)
	case VirtualDisk:
		f, ok = d.Inside.(File)
	case Locate:
		return InVirtualDisk(d.On)
	case WithOptions:
		return InVirtualDisk(d.Device)
	}
	return f, ok
}

// Ramdisk is a disk image (boot.wim, Winre.wim) that is loaded into memory.
type Ramdisk struct {
	// Options is the object of type TypeDevice that says where boot.sdi is. It lies at the start
	// of the element, so that only an outermost Ramdisk has one.
	Options guid.GUID
	On      Device
	Path    string
	// Base, Size and Offset are zero but for leftovers in old templates, which nobody reads.
	Base, Size uint64
	Offset     uint32
}

// Locate is a volume that is searched for by a path on it.
type Locate struct {
	// Element is the element of the same object that holds the path; 0 if Path is it.
	Element ElementID
	// Path is the literal path if Element is 0.
	Path string
	// On is where to search; nil for every volume.
	On Device
}

// WithOptions is a device other than Ramdisk whose element names an object with options.
type WithOptions struct {
	Options guid.GUID
	Device  Device
}

// Unknown is a device that this package keeps but does not understand: its whole descriptor.
type Unknown struct {
	Raw string
}

// NativeVHD is a VHD that Windows boots from, as bcdedit writes it for
// "vhd=[outer]\path": the file on outer, and in it the volume where the path in an element is
// found: ElemPath for ElemDevice, ElemSystemRoot for ElemOSDevice.
func NativeVHD(outer Device, path string, element ElementID) Device {
	return Locate{Element: element, On: VirtualDisk{Inside: File{On: outer, Path: path}}}
}

// NativeVHDPartition is a VHD that Windows boots from with the partition in it given by its ids,
// which saves the search. bcdedit does not write this form; jpz4085/BCD-SYS does, and it boots.
func NativeVHDPartition(outer Device, path string, inner Partition) Device {
	inner.Inside = File{On: outer, Path: path}
	return inner
}

// EncodeDevice returns the data of an element that holds d.
func EncodeDevice(d Device) []byte {
	var options guid.GUID
	switch v := d.(type) {
	case Ramdisk:
		options = v.Options
	case WithOptions:
		options, d = v.Options, v.Device
	}
	return appendDescriptor(append([]byte(nil), options[:]...), d)
}

// appendDescriptor adds the descriptor of d: header and body.
func appendDescriptor(dst []byte, d Device) []byte {
	if u, ok := d.(Unknown); ok {
		return append(dst, u.Raw...)
	}
	kind, flags, body := d.descriptor()
	dst = le.AppendUint32(dst, kind)
	dst = le.AppendUint32(dst, flags)
	dst = le.AppendUint32(dst, uint32(descriptorSize+len(body)))
	dst = le.AppendUint32(dst, 0)
	return append(dst, body...)
}

func (Boot) descriptor() (uint32, uint32, []byte) {
	return typeBoot, 0, make([]byte, bootBody)
}

func (p Partition) descriptor() (uint32, uint32, []byte) {
	body := append([]byte(nil), p.ID[:]...)
	if p.Inside == nil {
		body = appendDisk(body, diskHard, p.Table, p.Disk)
		return typePartition, 0, append(body, make([]byte, hardDiskTail)...)
	}
	body = appendDisk(body, diskVirtual, p.Table, p.Disk)
	return typePartition, 0, appendDescriptor(body, p.Inside)
}

func (v VirtualDisk) descriptor() (uint32, uint32, []byte) {
	return typeLocal, 0, appendDescriptor(appendDisk(nil, diskVirtual, v.Table, v.Disk), v.Inside)
}

func appendDisk(dst []byte, kind uint32, table Table, id guid.GUID) []byte {
	dst = le.AppendUint32(dst, kind)
	dst = le.AppendUint32(dst, uint32(table))
	return append(dst, id[:]...)
}

func (f File) descriptor() (uint32, uint32, []byte) {
	return typeLocal, 0, appendFilePath(le.AppendUint32(nil, diskFile), f.On, f.Path)
}

func (r Ramdisk) descriptor() (uint32, uint32, []byte) {
	body := le.AppendUint32(nil, diskRAM)
	body = le.AppendUint64(body, r.Base)
	body = le.AppendUint64(body, r.Size)
	body = le.AppendUint32(body, r.Offset)
	return typeLocal, flagRamdisk, appendFilePath(body, r.On, r.Path)
}

func appendFilePath(dst []byte, on Device, path string) []byte {
	rest := appendPath(appendDescriptor(nil, on), path)
	dst = le.AppendUint32(dst, pathVersion1)
	dst = le.AppendUint32(dst, uint32(pathHeader+len(rest)))
	dst = le.AppendUint32(dst, pathTypeFile)
	return append(dst, rest...)
}

func appendPath(dst []byte, path string) []byte { return append(utf16le.Append(dst, path), 0, 0) }

func (l Locate) descriptor() (uint32, uint32, []byte) {
	kind := uint32(locateByElement)
	if l.Element == 0 {
		kind = locateByPath
	}
	body := le.AppendUint32(nil, kind)
	body = le.AppendUint32(body, uint32(l.Element))
	body = appendPath(le.AppendUint32(body, 0), l.Path)
	if l.On != nil {
		le.PutUint32(body[locateParent:], uint32(descriptorSize+len(body)))
		body = appendDescriptor(body, l.On)
	}
	return typeLocate, 0, body
}

func (w WithOptions) descriptor() (uint32, uint32, []byte) { return w.Device.descriptor() }

// descriptor is not called: appendDescriptor copies Raw.
func (Unknown) descriptor() (uint32, uint32, []byte) { return 0, 0, nil }

// String is "boot".
func (Boot) String() string { return "boot" }

// String is "partition={id},disk={id}", or numbers for an MBR disk; in a VHD, "vhd=[on]\path,"
// and then that.
func (p Partition) String() string {
	s := "partition=" + p.ids()
	if f, ok := p.Inside.(File); ok {
		return "vhd=" + f.place() + "," + s
	}
	if p.Inside != nil {
		return s + ",in=[" + p.Inside.String() + "]"
	}
	return s
}

func (p Partition) ids() string {
	switch p.Table {
	case TableGPT:
		return p.ID.Braced() + ",disk=" + p.Disk.Braced()
	case TableMBR:
		return fmt.Sprintf("%#x,disk=%#08x", p.Offset(), p.Signature())
	}
	return fmt.Sprintf("table %d,%x,disk=%x", p.Table, p.ID[:], p.Disk[:])
}

// String is "vhd=[on]\path".
func (v VirtualDisk) String() string {
	if f, ok := v.Inside.(File); ok {
		return "vhd=" + f.place()
	}
	return "vhd=[" + v.Inside.String() + "]"
}

// String is "file=[on]\path".
func (f File) String() string { return "file=" + f.place() }

func (f File) place() string { return bracket(f.On) + f.Path }

// bracket shows the device that something is on: "[boot]", "[{id},disk={id}]".
func bracket(d Device) string {
	return "[" + strings.TrimPrefix(d.String(), "partition=") + "]"
}

// String is "ramdisk=[on]\path,{options}".
func (r Ramdisk) String() string {
	s := "ramdisk=" + bracket(r.On) + r.Path
	if !r.Options.IsZero() {
		s += "," + r.Options.Braced()
	}
	return s
}

// String is "locate=custom:12000002" or "locate=\path"; in a VHD, "vhd=[on]\path,locate=...".
func (l Locate) String() string {
	s := "locate=" + l.Path
	if l.Element != 0 {
		s = "locate=custom:" + l.Element.String() + l.Path
	}
	if v, ok := l.On.(VirtualDisk); ok {
		return v.String() + "," + s
	}
	if l.On != nil {
		s += ",on=" + bracket(l.On)
	}
	return s
}

// String is the device and ",{options}".
func (w WithOptions) String() string { return w.Device.String() + "," + w.Options.Braced() }

// String is "unknown (type 8, 58 bytes)".
func (u Unknown) String() string {
	if len(u.Raw) < descriptorSize {
		return "unknown"
	}
	return fmt.Sprintf("unknown (type %d, %d bytes)", le.Uint32([]byte(u.Raw)), len(u.Raw))
}
