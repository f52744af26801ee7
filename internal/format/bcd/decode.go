package bcd

import (
	"bytes"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// DecodeDevice reads the data of a device element. EncodeDevice gives the same data back: what this
// package would write otherwise is returned as Unknown. Offsets in errors count from the start of
// the data.
func DecodeDevice(data []byte) (Device, error) {
	if len(data) < optionsSize+descriptorSize {
		return nil, fault.Corruptf(0, "device of %d bytes, must have at least %d", len(data), optionsSize+descriptorSize)
	}
	p := part{data, 0}
	d, rest, err := p.from(optionsSize).descriptor(maxNesting)
	if err != nil {
		return nil, err
	}
	if len(rest.b) > 0 {
		return nil, fault.Corruptf(rest.off, "%d bytes after the device", len(rest.b))
	}
	options := guid.Read(data)
	if r, ok := d.(Ramdisk); ok {
		r.Options = options
		return r, nil
	}
	if !options.IsZero() {
		d = WithOptions{options, d}
	}
	return d, nil
}

// part is a piece of an element that knows where it lies in it.
type part struct {
	b   []byte
	off int64
}

// from is what follows the first n bytes, of which the caller knows that they are there.
func (p part) from(n int) part { return part{p.b[n:], p.off + int64(n)} }

// to is the first n bytes, of which the caller knows that they are there.
func (p part) to(n int) part { return part{p.b[:n], p.off} }

func (p part) need(n int, what string) error {
	if len(p.b) < n {
		return fault.Corruptf(p.off, "%s of %d bytes, must have at least %d", what, len(p.b), n)
	}
	return nil
}

// descriptor reads the descriptor at the start of p, with at most depth levels, and returns what
// follows it.
func (p part) descriptor(depth int) (Device, part, error) {
	if depth == 0 {
		return nil, p, fault.Unsupportedf(p.off, "devices nested more than %d deep", maxNesting)
	}
	if err := p.need(descriptorSize, "device descriptor"); err != nil {
		return nil, p, err
	}
	size := le.Uint32(p.b[sizeOffset:])
	if size < descriptorSize || uint64(size) > uint64(len(p.b)) {
		return nil, p, fault.Corruptf(p.off+sizeOffset, "device descriptor says %d bytes, %d are there", size, len(p.b))
	}
	whole, rest := p.to(int(size)), p.from(int(size))
	d, err := whole.device(depth)
	if err != nil {
		return nil, p, err
	}
	if d == nil || !bytes.Equal(appendDescriptor(nil, d), whole.b) {
		d = Unknown{string(whole.b)}
	}
	return d, rest, nil
}

// device reads a whole descriptor; nil means that its type is not known.
func (p part) device(depth int) (Device, error) {
	kind, flags := le.Uint32(p.b), le.Uint32(p.b[4:])
	body := p.from(descriptorSize)
	switch kind {
	case typeBoot:
		return Boot{}, nil
	case typePartition:
		return body.partition(depth)
	case typeLocate:
		return p.locate(depth)
	case typeLocal:
		if err := body.need(diskTable, "local device"); err != nil {
			return nil, err
		}
		switch disk := le.Uint32(body.b); {
		case flags == flagRamdisk && disk == diskRAM:
			return body.ramdisk(depth)
		case disk == diskFile:
			on, path, err := body.from(diskTable).filePath(depth)
			return File{on, path}, err
		case disk == diskVirtual:
			return body.virtualDisk(depth)
		}
	}
	return nil, nil
}

func (p part) partition(depth int) (Device, error) {
	if err := p.need(partitionDisk+diskBody, "partition"); err != nil {
		return nil, err
	}
	disk := p.from(partitionDisk)
	d := Partition{
		Table: Table(le.Uint32(disk.b[diskTable:])),
		ID:    guid.Read(p.b[partitionID:]),
		Disk:  guid.Read(disk.b[diskID:]),
	}
	switch le.Uint32(disk.b[diskKind:]) {
	case diskHard:
		return d, nil
	case diskVirtual:
		var err error
		d.Inside, err = disk.from(diskBody).only(depth)
		return d, err
	}
	return nil, nil
}

func (p part) virtualDisk(depth int) (Device, error) {
	if err := p.need(diskBody, "virtual disk"); err != nil {
		return nil, err
	}
	inside, err := p.from(diskBody).only(depth)
	return VirtualDisk{Table(le.Uint32(p.b[diskTable:])), guid.Read(p.b[diskID:]), inside}, err
}

// only reads a nested descriptor that must fill p.
func (p part) only(depth int) (Device, error) {
	d, rest, err := p.descriptor(depth - 1)
	if err == nil && len(rest.b) > 0 {
		err = fault.Corruptf(rest.off, "%d bytes after the nested device", len(rest.b))
	}
	return d, err
}

func (p part) ramdisk(depth int) (Device, error) {
	if err := p.need(ramdiskPath, "RAM disk"); err != nil {
		return nil, err
	}
	on, path, err := p.from(ramdiskPath).filePath(depth)
	return Ramdisk{
		On: on, Path: path,
		Base: le.Uint64(p.b[ramdiskBase:]), Size: le.Uint64(p.b[ramdiskSize:]), Offset: le.Uint32(p.b[ramdiskOffset:]),
	}, err
}

func (p part) filePath(depth int) (Device, string, error) {
	if err := p.need(pathHeader, "file path"); err != nil {
		return nil, "", err
	}
	version, length, kind := le.Uint32(p.b[pathVersion:]), le.Uint32(p.b[pathLength:]), le.Uint32(p.b[pathType:])
	if version != pathVersion1 || kind != pathTypeFile {
		return nil, "", fault.Unsupportedf(p.off, "file path of version %d, type %d", version, kind)
	}
	if length < pathHeader || uint64(length) > uint64(len(p.b)) {
		return nil, "", fault.Corruptf(p.off+pathLength, "file path says %d bytes, %d are there", length, len(p.b))
	}
	on, rest, err := p.to(int(length)).from(pathHeader).descriptor(depth - 1)
	if err != nil {
		return nil, "", err
	}
	path, _, err := rest.path()
	return on, path, err
}

// path reads a string up to its NUL, and returns what follows.
func (p part) path() (string, part, error) {
	for i := 0; i+1 < len(p.b); i += 2 {
		if p.b[i] == 0 && p.b[i+1] == 0 {
			return utf16le.Decode(p.b[:i]), p.from(i + 2), nil
		}
	}
	return "", p, fault.Corruptf(p.off, "path of %d bytes has no end", len(p.b))
}

// locate reads from the header on, since the parent's offset counts from there.
func (p part) locate(depth int) (Device, error) {
	body := p.from(descriptorSize)
	if err := body.need(locatePath, "locate device"); err != nil {
		return nil, err
	}
	path, rest, err := body.from(locatePath).path()
	if err != nil {
		return nil, err
	}
	d := Locate{Element: ElementID(le.Uint32(body.b[locateID:])), Path: path}
	switch at := int64(le.Uint32(body.b[locateParent:])); {
	case at == 0:
	case at != rest.off-p.off:
		return nil, fault.Corruptf(p.off+descriptorSize+locateParent, "parent device at %#x, expected at %#x", at, rest.off-p.off)
	default:
		d.On, err = rest.only(depth)
	}
	return d, err
}
