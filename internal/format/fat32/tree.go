package fat32

import (
	"strings"
	"sync"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const (
	// maxEntries bounds what is read into a tree; EFI system partitions and install sticks hold
	// hundreds of files.
	maxEntries = 1 << 20
	maxDepth   = 128
)

// Tree reads all directories of the volume. Contents stay on it. FAT has no security descriptors; times
// are taken for UTC. A directory that is found in two places is corrupt.
func (v *Volume) Tree() (*tree.Tree, error) {
	l := loader{v: v, t: tree.New(0), seen: map[uint32]bool{}}
	err := l.load(l.t.Root, found{dir: true, root: true, cluster: v.first}, 0)
	if err != nil {
		return nil, fault.In("FAT volume", err)
	}
	return l.t, nil
}

// Label is the name in the root directory, or else the one in the boot sector; "" for none.
func (v *Volume) Label() (string, error) {
	b, err := v.directory(found{dir: true, root: true, cluster: v.first})
	if err != nil {
		return "", fault.In("FAT volume", err)
	}
	for ; len(b) >= entrySize && b[0] != 0; b = b[entrySize:] {
		if b[0] != deletedEntry && b[11]&attrLongName != attrLongName && b[11]&attrVolumeID != 0 {
			return strings.TrimRight(string(b[:11]), " "), nil
		}
	}
	boot, at := make([]byte, 512), 0x2B
	if v.root == 0 {
		at = 0x47
	}
	if err := v.readFull(boot, 0); err != nil {
		return "", err
	}
	label := strings.TrimRight(string(boot[at:at+11]), " \x00")
	if label == "NO NAME" {
		label = ""
	}
	return label, nil
}

// Serial is the volume's serial number, 0 where the boot sector has none.
func (v *Volume) Serial() (uint32, error) {
	boot, at := make([]byte, 512), 0x26
	if v.root == 0 {
		at = 0x42
	}
	if err := v.readFull(boot, 0); err != nil || boot[at]&^1 != 0x28 {
		return 0, err
	}
	return le.Uint32(boot[at+1:]), nil
}

// Bits is the width of the FAT's entries: 16 or 32.
func (v *Volume) Bits() int { return int(v.entry) * 8 }

// ClusterSize is the length of a cluster in bytes.
func (v *Volume) ClusterSize() int64 { return v.cluster }

// Size is the length of the file system in bytes, which may be less than that of its partition.
func (v *Volume) Size() int64 { return v.data + v.clusters*v.cluster }

// Dirty says that the volume was not dismounted cleanly, or had disk errors (specification, "FAT[1]").
func (v *Volume) Dirty() (bool, error) {
	n, err := v.next(1)
	if err != nil {
		return false, err
	}
	clean := uint32(0xC000)
	if v.entry == 4 {
		clean = 0x0C000000
	}
	return n&clean != clean, nil
}

// Free is the number of bytes in clusters that the FAT says are not in use. It reads all of the FAT.
func (v *Volume) Free() (int64, error) {
	const piece = 1 << 16
	var free int64
	b := make([]byte, piece)
	for at, end := 2*v.entry, (v.clusters+2)*v.entry; at < end; at += piece {
		part := b[:min(piece, end-at)]
		if err := v.readFull(part, v.fat+at); err != nil {
			return 0, fault.In("FAT volume", err)
		}
		for i := int64(0); i+v.entry <= int64(len(part)); i += v.entry {
			if v.entry == 2 && le.Uint16(part[i:]) == 0 || v.entry == 4 && le.Uint32(part[i:])&clusterMask == 0 {
				free++
			}
		}
	}
	return free * v.cluster, nil
}

// loader fills a tree.
type loader struct {
	v       *Volume
	t       *tree.Tree
	seen    map[uint32]bool // first clusters of directories
	entries int
}

func (l *loader) load(dir *tree.Node, at found, depth int) error {
	if l.seen[at.cluster] || depth > maxDepth {
		return fault.Corruptf(fault.NoOffset, "the directory at cluster %d is in two places", at.cluster)
	}
	l.seen[at.cluster] = true
	b, err := l.v.directory(at)
	if err != nil {
		return err
	}
	var long longName
	for ; len(b) >= entrySize && b[0] != 0; b = b[entrySize:] {
		e := b[:entrySize]
		switch {
		case e[0] == deletedEntry:
			long = longName{}
		case e[11]&attrLongName == attrLongName:
			long.add(e)
		case e[11]&attrVolumeID != 0, e[0] == '.':
			long = longName{}
		default:
			if err := l.entry(dir, e, long.text(e), depth); err != nil {
				return err
			}
			long = longName{}
		}
	}
	return nil
}

func (l *loader) entry(dir *tree.Node, e []byte, long string, depth int) error {
	if l.entries++; l.entries > maxEntries {
		return fault.Corruptf(fault.NoOffset, "it has more than %d files", maxEntries)
	}
	name, short := displayText(e), ""
	if long != "" {
		name, short = long, shortText(e)
	}
	n := l.t.NewFile(nil)
	if e[11]&attrDirectory != 0 {
		n = l.t.NewDirectory()
	} else if size := int64(le.Uint32(e[28:])); size > 0 {
		n.Data = newContent(l.v, l.v.firstCluster(e), size)
	}
	n.Attributes = uint32(e[11] & (attrReadOnly | attrHidden | attrSystem | attrDirectory | attrArchive))
	n.Created = fromDOS(le.Uint16(e[16:]), le.Uint16(e[14:]))
	n.Accessed = fromDOS(le.Uint16(e[18:]), 0)
	n.Modified = fromDOS(le.Uint16(e[24:]), le.Uint16(e[22:]))
	if _, err := l.t.Link(dir, strings.ToValidUTF8(name, "\uFFFD"), strings.ToValidUTF8(short, "\uFFFD"), n); err != nil {
		return err
	}
	if !n.IsDir() {
		return nil
	}
	return l.load(n, found{dir: true, cluster: l.v.firstCluster(e)}, depth+1)
}

// displayText is an entry's 8.3 name in the case that it was written in. Windows NT and its like keep a base
// or an extension that is all lower case so, in two bits that the specification reserves, and need no
// long name then.
func displayText(e []byte) string {
	const lowerBase, lowerExt = 0x08, 0x10
	name, ext, dotted := strings.Cut(shortText(e), ".")
	if e[12]&lowerBase != 0 {
		name = strings.ToLower(name)
	}
	if !dotted {
		return name
	}
	if e[12]&lowerExt != 0 {
		ext = strings.ToLower(ext)
	}
	return name + "." + ext
}

// fromDOS is the time of a FAT date and time, zero for none.
func fromDOS(date, clock uint16) filetime.Time {
	if date == 0 {
		return 0
	}
	return filetime.From(time.Date(1980+int(date>>9), time.Month(date>>5&15), int(date&31), int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC))
}

// newContent is the content of a file, whose clusters are looked up when they are needed.
func newContent(v *Volume, first uint32, size int64) *content {
	return &content{size: size, file: sync.OnceValues(func() (*File, error) {
		f := &File{v: v, size: size}
		return f, fault.In("FAT volume", f.chain(first))
	})}
}

// content is a File, later.
type content struct {
	size int64
	file func() (*File, error)
}

// Size is the length of the file.
func (c *content) Size() int64 { return c.size }

// ReadAt follows io.ReaderAt.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	f, err := c.file()
	if err != nil {
		return 0, err
	}
	return f.ReadAt(p, off)
}
