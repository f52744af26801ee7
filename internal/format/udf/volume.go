package udf

import (
	"cmp"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// descriptors are what is needed of a volume descriptor sequence: the prevailing logical volume, and
// the partitions by their numbers.
type descriptors struct {
	volume     []byte
	partitions map[uint16][]byte
}

// partition is a stretch of the disc, in sectors.
type partition struct {
	start, length int64
}

// sequence is the extent of a volume descriptor sequence, in bytes and as a sector.
type sequence struct {
	length, location uint32
}

func parseSequence(b []byte) sequence { return sequence{le.Uint32(b), le.Uint32(b[4:])} }

// findDescriptors reads the anchor, then the main volume descriptors or, if they are damaged, the
// reserve.
func (v *Volume) findDescriptors() (*descriptors, error) {
	const mainAt, reserveAt = 16, 24 // ECMA-167 3/10.2
	var problem error
	last := v.size/blockSize - 1
	// ECMA-167 3/8.4.2.1; the standard wants two of the three.
	for _, n := range []int64{256, last - 256, last} {
		b, err := v.sector(n)
		if err == nil {
			err = check(b, n*blockSize, uint32(n), tagAnchor)
		}
		if err != nil {
			problem = cmp.Or(problem, fault.In("UDF anchor", err))
			continue
		}
		for _, at := range []int{mainAt, reserveAt} {
			d, err := v.readSequence(parseSequence(b[at:]))
			if err == nil {
				return d, nil
			}
			problem = cmp.Or(problem, fault.In("UDF volume descriptors", err))
		}
		return nil, problem
	}
	if v.otherSectors() {
		return nil, fault.Unsupportedf(fault.NoOffset, "a UDF volume with sectors of another size than the 2,048 bytes of discs")
	}
	return nil, problem
}

// otherSectors says whether there is an anchor where sectors of another size would have it.
func (v *Volume) otherSectors() bool {
	b := make([]byte, 512)
	for _, size := range []int64{512, 1024, 4096} {
		if n, _ := v.r.ReadAt(b, 256*size); n < len(b) {
			continue
		}
		if t, err := parseTag(b, 0); err == nil && t.ID == tagAnchor {
			return true
		}
	}
	return false
}

// readSequence reads a volume descriptor sequence: ECMA-167 3/8.4.2. It ends with a terminating
// descriptor, an empty sector or its extent, and a pointer leads to another extent.
func (v *Volume) readSequence(s sequence) (*descriptors, error) {
	const maxSectors = 1024 // the standard's least is 16; more make only who wants to keep us busy
	const sequenceNumberAt, partitionNumberAt, nextAt = 16, 22, 20
	d := &descriptors{partitions: map[uint16][]byte{}}
	for read, i := 0, int64(0); i < int64(s.length/blockSize) && read < maxSectors; read++ {
		sector := int64(s.location) + i
		i++
		b, err := v.sector(sector)
		if err != nil {
			return nil, err
		}
		if empty(b) {
			break
		}
		t, err := parseTag(b, sector*blockSize)
		if err != nil {
			return nil, err
		}
		if int64(t.Location) != sector {
			return nil, fault.Corruptf(sector*blockSize, "a volume descriptor says that it is in sector %d", t.Location)
		}
		switch t.ID {
		case tagTerminating:
			return d, d.complete()
		case tagVolumePointer:
			s, i = parseSequence(b[nextAt:]), 0
		case tagLogicalVolume:
			if d.volume == nil || le.Uint32(b[sequenceNumberAt:]) > le.Uint32(d.volume[sequenceNumberAt:]) {
				d.volume = b
			}
		case tagPartition:
			n := le.Uint16(b[partitionNumberAt:])
			if old := d.partitions[n]; old == nil || le.Uint32(b[sequenceNumberAt:]) > le.Uint32(old[sequenceNumberAt:]) {
				d.partitions[n] = b
			}
		}
	}
	return d, d.complete()
}

func (d *descriptors) complete() error {
	if d.volume == nil || len(d.partitions) == 0 {
		return fault.Corruptf(fault.NoOffset, "there is no logical volume, or no partition")
	}
	return nil
}

func empty(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// mount finds the logical volume's partitions, and where its file set is. ECMA-167 3/10.6.
func (v *Volume) mount(d *descriptors) (address, error) {
	const blockSizeAt, fileSetAt, tableLengthAt, mapsAt, countAt = 212, 248, 264, 440, 268
	if n := le.Uint32(d.volume[blockSizeAt:]); n != blockSize {
		return address{}, fault.Unsupportedf(fault.NoOffset, "a UDF volume with blocks of %d bytes; discs have 2,048", n)
	}
	length, count := le.Uint32(d.volume[tableLengthAt:]), le.Uint32(d.volume[countAt:])
	if length > blockSize-mapsAt {
		return address{}, fault.Corruptf(fault.NoOffset, "UDF volume: partition maps of %d bytes", length)
	}
	maps := d.volume[mapsAt : mapsAt+length]
	for range count {
		if len(maps) < 2 || int(maps[1]) > len(maps) || maps[1] < 2 {
			return address{}, fault.Corruptf(fault.NoOffset, "UDF volume: partition maps end in the middle of one")
		}
		p, err := d.partition(maps[:maps[1]])
		if err != nil {
			return address{}, err
		}
		v.partitions = append(v.partitions, p)
		maps = maps[maps[1]:]
	}
	return parseLong(d.volume[fileSetAt:]).At, nil
}

// partition finds the partition that a map names: ECMA-167 3/10.7, UDF 1.50 2.2.8 and later for what
// is refused.
func (d *descriptors) partition(m []byte) (partition, error) {
	const plain, plainSize = 1, 6
	const identified, identifiedSize, nameAt = 2, 64, 5
	switch {
	case m[0] == plain && len(m) == plainSize:
	case m[0] == identified && len(m) == identifiedSize:
		name := strings.TrimRight(string(m[nameAt:nameAt+23]), "\x00")
		return partition{}, fault.Unsupportedf(fault.NoOffset, "the disc has a %q, as rewritable discs and UDF 2.50 do; only plain ones are read. Mount the disc, and give the folder", name)
	default:
		return partition{}, fault.Corruptf(fault.NoOffset, "UDF volume: a partition map of type %d with %d bytes", m[0], len(m))
	}
	const numberAt, startAt, lengthAt = 4, 188, 192
	number := le.Uint16(m[numberAt:])
	b := d.partitions[number]
	if b == nil {
		return partition{}, fault.Corruptf(fault.NoOffset, "UDF volume: there is no partition %d, which a map names", number)
	}
	return partition{int64(le.Uint32(b[startAt:])), int64(le.Uint32(b[lengthAt:]))}, nil
}

// locate returns where length bytes from a block on are on the disc.
func (v *Volume) locate(a address, length int64) (int64, error) {
	if int(a.Partition) >= len(v.partitions) {
		return 0, fault.Corruptf(fault.NoOffset, "a block of partition %d, of %d", a.Partition, len(v.partitions))
	}
	p := v.partitions[a.Partition]
	at := (p.start + int64(a.Block)) * blockSize
	if blocks := (length + blockSize - 1) / blockSize; int64(a.Block)+blocks > p.length {
		return 0, fault.Corruptf(at, "%d bytes from block %d on reach out of the partition, which has %d blocks", length, a.Block, p.length)
	}
	return at, nil
}

// volumeLabel is the identifier of a logical volume: a field of fixed length whose last byte is the
// length of what is used (ECMA-167 1/7.2.12). One that is no text counts as none.
func volumeLabel(descriptor []byte) string {
	const at, size = 84, 128
	field := descriptor[at : at+size]
	n := int(field[size-1])
	if n >= size {
		return ""
	}
	name, err := decodeName(field[:n])
	if err != nil {
		return ""
	}
	return strings.TrimRight(name, "\x00 ")
}
