package fat32

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Volume is a FAT volume that files are read from: FAT32, or FAT16 as small EFI system partitions
// have it. FAT12 is refused. Nothing of it is repaired.
type Volume struct {
	r        io.ReaderAt
	sector   int64
	cluster  int64  // bytes
	fat      int64  // first byte of the first FAT
	entry    int64  // bytes of an entry of the FAT: 2 or 4
	root     int64  // first byte of FAT16's root directory; 0 on FAT32
	rootSize int64  // bytes
	first    uint32 // FAT32's first cluster of the root directory
	data     int64  // first byte of cluster 2
	clusters int64
}

const (
	minClusters16 = 4085
	chainEnd16    = 0xFFF8
	chainEnd32    = 0x0FFFFFF8
	clusterMask   = 0x0FFFFFFF
	deletedEntry  = 0xE5
	longLast      = 0x40 // of the number of a long-name entry
	maxLongSlots  = 20
)

var le = binary.LittleEndian

// Open reads the boot sector of a volume of size bytes (specification, "Boot Sector and BPB").
//
// FAT32 is what has no FAT of FAT16, however few its clusters are: so Windows, Linux and EDK2 tell the two
// apart, and mkfs.fat and firmware make such system partitions. The specification goes by the clusters.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = fault.Corruptf(0, "the volume has no boot sector")
		}
		return nil, fault.In("FAT volume", err)
	}
	v := &Volume{r: r}
	return v, fault.In("FAT volume", v.parse(b, size))
}

func (v *Volume) parse(b []byte, size int64) error {
	if b[0x1FE] != 0x55 || b[0x1FF] != 0xAA {
		return fault.Corruptf(0x1FE, "the boot sector does not end in 55 AA")
	}
	v.sector = int64(le.Uint16(b[0x0B:]))
	if v.sector < 512 || v.sector > 4096 || v.sector&(v.sector-1) != 0 {
		return fault.Corruptf(0x0B, "sectors of %d bytes", v.sector)
	}
	perCluster := int64(b[0x0D])
	if perCluster == 0 || perCluster&(perCluster-1) != 0 {
		return fault.Corruptf(0x0D, "clusters of %d sectors", perCluster)
	}
	v.cluster = perCluster * v.sector
	reserved, fats := int64(le.Uint16(b[0x0E:])), int64(b[0x10])
	rootSectors := (int64(le.Uint16(b[0x11:]))*entrySize + v.sector - 1) / v.sector
	total, fatSectors := int64(le.Uint16(b[0x13:])), int64(le.Uint16(b[0x16:]))
	if total == 0 {
		total = int64(le.Uint32(b[0x20:]))
	}
	if fatSectors == 0 {
		fatSectors = int64(le.Uint32(b[0x24:]))
	}
	start := reserved + fats*fatSectors + rootSectors
	if reserved == 0 || fats == 0 || fatSectors == 0 || start >= total || total > size/v.sector {
		return fault.Corruptf(0x0E, "%d reserved sectors, %d FATs of %d and %d sectors in all, on a volume of %d bytes", reserved, fats, fatSectors, total, size)
	}
	if v.clusters = (total - start) / perCluster; v.clusters > maxClusters {
		return fault.Corruptf(0x20, "%d clusters; a FAT has %d at most", v.clusters, maxClusters)
	}
	v.fat, v.data, v.entry = reserved*v.sector, start*v.sector, 4
	switch {
	case le.Uint16(b[0x16:]) == 0:
		v.first = le.Uint32(b[0x2C:]) & clusterMask
	case v.clusters < minClusters16:
		return fault.Unsupportedf(fault.NoOffset, "it is FAT12, or too small for Windows to start from")
	case v.clusters >= minClusters:
		return fault.Corruptf(0x16, "%d clusters are too many for the FAT of FAT16 that it has", v.clusters)
	default:
		v.entry, v.root, v.rootSize = 2, (start-rootSectors)*v.sector, rootSectors*v.sector
	}
	if need := (v.clusters + 2) * v.entry; need > fatSectors*v.sector {
		return fault.Corruptf(0x16, "a FAT of %d sectors is too short for %d clusters", fatSectors, v.clusters)
	}
	return nil
}

// ReadFile returns the content of the file at a '/' path, whatever the case of its names. The error
// wraps fs.ErrNotExist where there is none. A file longer than limit bytes is an error.
func (v *Volume) ReadFile(path string, limit int64) ([]byte, error) {
	names := tree.Split(path)
	dir := found{dir: true, cluster: v.first, root: true}
	for _, name := range names {
		next, err := v.find(dir, name)
		if err != nil {
			return nil, fault.In("FAT volume: "+path, err)
		}
		dir = next
	}
	if dir.dir {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	if dir.size > limit {
		return nil, fault.In("FAT volume: "+path, fault.Corruptf(fault.NoOffset, "it has %d bytes; more than %d were not expected", dir.size, limit))
	}
	b, err := v.chain(dir.cluster, dir.size)
	return b, fault.In("FAT volume: "+path, err)
}

// found is a directory entry.
type found struct {
	dir, root bool
	cluster   uint32
	size      int64
}

// find returns the entry called name of a directory.
func (v *Volume) find(dir found, name string) (found, error) {
	if !dir.dir {
		return found{}, fs.ErrNotExist
	}
	b, err := v.directory(dir)
	if err != nil {
		return found{}, err
	}
	var long longName
	for ; len(b) >= entrySize && b[0] != 0; b = b[entrySize:] {
		e := b[:entrySize]
		attr := e[11]
		switch {
		case e[0] == deletedEntry:
			long = longName{}
		case attr&attrLongName == attrLongName:
			long.add(e)
		case attr&attrVolumeID != 0:
			long = longName{}
		default:
			if strings.EqualFold(shortText(e), name) || strings.EqualFold(long.text(e), name) {
				return found{
					dir:     attr&attrDirectory != 0,
					cluster: v.firstCluster(e), size: int64(le.Uint32(e[28:])),
				}, nil
			}
			long = longName{}
		}
	}
	return found{}, fs.ErrNotExist
}

func (v *Volume) firstCluster(e []byte) uint32 {
	c := uint32(le.Uint16(e[26:]))
	if v.entry == 4 {
		c |= uint32(le.Uint16(e[20:])) << 16
	}
	return c & clusterMask
}

// directory reads all of a directory.
func (v *Volume) directory(d found) ([]byte, error) {
	if d.root && v.root != 0 {
		b := make([]byte, v.rootSize)
		return b, v.readFull(b, v.root)
	}
	return v.chain(d.cluster, -1)
}

// chain reads size bytes of the clusters that follow one another in the FAT, or, where size is
// negative, all of them, as a directory has no size.
func (v *Volume) chain(cluster uint32, size int64) ([]byte, error) {
	var out []byte
	end := uint32(chainEnd32)
	if v.entry == 2 {
		end = chainEnd16
	}
	limit := size
	if size < 0 {
		limit = maxDirectory
	}
	// A loop ends at the limit, since each cluster adds bytes.
	for int64(len(out)) < limit {
		if cluster >= end && size < 0 {
			break
		}
		if cluster < 2 || int64(cluster)-2 >= v.clusters {
			return nil, fault.Corruptf(fault.NoOffset, "the chain of clusters leads to %d of %d after %d bytes", cluster, v.clusters, len(out))
		}
		at := len(out)
		out = append(out, make([]byte, v.cluster)...)
		if err := v.readFull(out[at:], v.data+(int64(cluster)-2)*v.cluster); err != nil {
			return nil, err
		}
		var err error
		if cluster, err = v.next(cluster); err != nil {
			return nil, err
		}
	}
	if size >= 0 {
		out = out[:size]
	}
	return out, nil
}

// next is the entry of a cluster in the FAT.
func (v *Volume) next(cluster uint32) (uint32, error) {
	b := make([]byte, v.entry)
	if err := v.readFull(b, v.fat+int64(cluster)*v.entry); err != nil {
		return 0, err
	}
	if v.entry == 2 {
		return uint32(le.Uint16(b)), nil
	}
	return le.Uint32(b) & clusterMask, nil
}

func (v *Volume) readFull(b []byte, off int64) error {
	n, err := v.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fault.Corruptf(off+int64(n), "the volume ends before byte %#x", off+int64(len(b)))
	}
	return err
}

// shortText is an entry's 8.3 name as people write it.
func shortText(e []byte) string {
	name, ext := strings.TrimRight(string(e[:8]), " "), strings.TrimRight(string(e[8:11]), " ")
	if ext == "" {
		return name
	}
	return fmt.Sprintf("%s.%s", name, ext)
}

// longName gathers the entries that come before an entry and hold its long name, the end first.
type longName struct {
	units []byte
	sum   byte
	next  int // number of the entry that must follow; 0 when all are there
}

func (l *longName) add(e []byte) {
	n := int(e[0] &^ longLast)
	if e[0]&longLast != 0 {
		*l = longName{sum: e[13], next: n}
	}
	if n == 0 || n > maxLongSlots || n != l.next || e[13] != l.sum {
		*l = longName{}
		return
	}
	slot := append(append(append(make([]byte, 0, 2*unitsPerSlot), e[1:11]...), e[14:26]...), e[28:32]...)
	l.units = append(slot, l.units...)
	l.next--
}

// text is the long name of a short entry, or empty where there is none that belongs to it.
func (l *longName) text(e []byte) string {
	if len(l.units) == 0 || l.next != 0 || l.sum != checksum([11]byte(e[:11])) {
		return ""
	}
	name, _, _ := strings.Cut(utf16le.Decode(l.units), "\x00")
	return name
}
