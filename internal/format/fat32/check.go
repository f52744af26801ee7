package fat32

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The steps of Check, as Problem names them.
const (
	CheckBoot      = "boot"      // boot sector, FSInfo and their backups
	CheckFAT       = "fat"       // the copies of the FAT, and its first two entries
	CheckDirectory = "directory" // entries of directories
	CheckClusters  = "clusters"  // chains: cut, crossed, too short, lost
	CheckFree      = "free"      // FSInfo's count of free clusters, which is a hint
	CheckState     = "state"     // marked as not dismounted cleanly
)

// maxCheckProblems is how many problems Check lists.
const maxCheckProblems = 50

// Bits of the FAT's second entry (specification, "FAT Data Structure").
const (
	cleanShutdown32, noErrors32 = 1 << 27, 1 << 26
	cleanShutdown16, noErrors16 = 1 << 15, 1 << 14
	badCluster32, badCluster16  = 0x0FFFFFF7, 0xFFF7
	noFSInfo                    = 0xFFFF // of BPB_FSInfo and BPB_BkBootSec, as 0 is
)

// Check reads the boot sectors, the FATs and all directories, and returns what contradicts itself, the
// first 50 problems at most, each a *fault.Problem; none for a sound volume. Files' contents are not read.
// It takes memory for a bit for each cluster of the volume.
func (v *Volume) Check() []error {
	c := checker{v: v, used: make([]uint64, (v.clusters+2+63)/64)}
	for _, step := range []struct {
		name string
		run  func() error
	}{{CheckBoot, c.boot}, {CheckFAT, c.copies}, {CheckDirectory, c.directories}, {CheckClusters, c.lost}} {
		c.step = step.name
		if err := step.run(); err != nil {
			c.problem(err)
		}
	}
	return c.problems
}

// checker is a check under way.
type checker struct {
	v        *Volume
	used     []uint64 // clusters in a chain, a bit each
	free     int64    // entries of the FAT that say so
	page     []byte   // of the FAT
	pageAt   int64
	step     string
	problems []error
}

func (c *checker) problem(err error) {
	if len(c.problems) < maxCheckProblems {
		c.problems = append(c.problems, &fault.Problem{Check: c.step, Err: fault.In("FAT volume", err)})
	}
}

func (c *checker) bad(off int64, format string, args ...any) {
	c.problem(fault.Corruptf(off, format, args...))
}

// boot compares the boot sector and FSInfo with their backups, on FAT32.
func (c *checker) boot() error {
	v := c.v
	b := make([]byte, v.sector)
	if err := v.readFull(b, 0); err != nil {
		return err
	}
	if b[0] != 0xEB && b[0] != 0xE9 {
		c.bad(0, "the boot sector begins with %#02x, which is no jump", b[0])
	}
	if b[0x15] < 0xF0 {
		c.bad(0x15, "the medium is of type %#02x", b[0x15])
	}
	if v.entry != 4 {
		return nil
	}
	info, backup := int64(le.Uint16(b[0x30:])), int64(le.Uint16(b[0x32:]))
	if err := c.fsInfo(info, 0); err != nil {
		return err
	}
	if backup == 0 || backup == noFSInfo {
		return nil
	}
	if (backup+1)*v.sector > v.fat {
		c.bad(0x32, "the backup boot sector is in sector %d, outside of the reserved sectors", backup)
		return nil
	}
	copied := make([]byte, v.sector)
	if err := v.readFull(copied, backup*v.sector); err != nil {
		return err
	}
	for i := range b {
		if b[i] != copied[i] {
			c.bad(backup*v.sector+int64(i), "the backup boot sector differs from the boot sector in byte %#x: %#02x, not %#02x", i, copied[i], b[i])
			break
		}
	}
	if info == 0 || info == noFSInfo {
		return nil
	}
	return c.fsInfo(info+backup, backup)
}

// fsInfo looks at an FSInfo sector. The backup's counts are those of the day of formatting.
func (c *checker) fsInfo(sector, backup int64) error {
	if sector == 0 || sector == noFSInfo {
		return nil
	}
	off := sector * c.v.sector
	if off+c.v.sector > c.v.fat {
		c.bad(0x30, "FSInfo is in sector %d, outside of the reserved sectors", sector)
		return nil
	}
	b := make([]byte, 512)
	if err := c.v.readFull(b, off); err != nil {
		return err
	}
	if string(b[:4]) != "RRaA" || string(b[0x1E4:0x1E8]) != "rrAa" || b[0x1FE] != 0x55 || b[0x1FF] != 0xAA {
		c.bad(off, "FSInfo does not have its signatures")
		return nil
	}
	if backup > 0 {
		return nil
	}
	free, next := int64(le.Uint32(b[0x1E8:])), int64(le.Uint32(b[0x1EC:]))
	const unknown = 1<<32 - 1
	if next != unknown && (next < rootCluster || next > c.v.clusters+2) {
		c.bad(off+0x1EC, "FSInfo says that the next free cluster is %d of %d", next, c.v.clusters)
	}
	if free == unknown {
		return nil
	}
	if err := c.countFree(); err != nil {
		return err
	}
	if free != c.free {
		step := c.step
		c.step = CheckFree
		c.bad(off+0x1E8, "FSInfo counts %d free clusters, the FAT %d", free, c.free)
		c.step = step
	}
	return nil
}

func (c *checker) countFree() error {
	for cluster := range c.v.clusters {
		next, err := c.next(uint32(cluster + rootCluster))
		if err != nil {
			return err
		}
		if next == 0 {
			c.free++
		}
	}
	return nil
}

// fatPage is how much of a FAT is read at once.
const fatPage = 64 << 10

// next is Volume.next through a page, for going through all of the FAT.
func (c *checker) next(cluster uint32) (uint32, error) {
	at := int64(cluster) * c.v.entry
	if in := at - c.pageAt; in < 0 || in >= int64(len(c.page)) {
		c.pageAt = at / fatPage * fatPage
		c.page = make([]byte, min(fatPage, (c.v.clusters+2)*c.v.entry-c.pageAt))
		if err := c.v.readFull(c.page, c.v.fat+c.pageAt); err != nil {
			c.page = nil
			return 0, err
		}
	}
	b := c.page[at-c.pageAt:]
	if c.v.entry == 2 {
		return uint32(le.Uint16(b)), nil
	}
	return le.Uint32(b) & clusterMask, nil
}

// copies compares the FATs, and looks at the two entries that are no clusters.
func (c *checker) copies() error {
	v := c.v
	b := make([]byte, 512)
	if err := v.readFull(b, 0); err != nil {
		return err
	}
	length := int64(le.Uint16(b[0x16:]))
	if length == 0 {
		length = int64(le.Uint32(b[0x24:]))
	}
	length *= v.sector
	used := (v.clusters + 2) * v.entry // what is behind the last cluster's entry may be anything
	// Bit 7 of BPB_ExtFlags says that only one FAT is kept.
	if v.entry == 2 || b[0x28]&0x80 == 0 {
		for i := range int64(b[0x10]) - 1 {
			if err := c.compare(v.fat, v.fat+(i+1)*length, used); err != nil {
				return err
			}
		}
	}
	first, err := c.next(0)
	if err != nil {
		return err
	}
	if byte(first) != b[0x15] {
		c.bad(v.fat, "the FAT begins with %#02x, the boot sector says that the medium is %#02x", byte(first), b[0x15])
	}
	return c.state()
}

func (c *checker) compare(a, b, length int64) error {
	x, y := make([]byte, fatPage), make([]byte, fatPage)
	for off := int64(0); off < length; off += fatPage {
		n := min(fatPage, length-off)
		if err := errors.Join(c.v.readFull(x[:n], a+off), c.v.readFull(y[:n], b+off)); err != nil {
			return err
		}
		if bytes.Equal(x[:n], y[:n]) {
			continue
		}
		for i := range n {
			if x[i] != y[i] {
				c.bad(b+off+i, "a copy of the FAT says something else of cluster %d than the first", (off+i)/c.v.entry)
				return nil
			}
		}
	}
	return nil
}

// state looks at the bits that say how the volume was last used.
func (c *checker) state() error {
	second, err := c.next(1)
	if err != nil {
		return err
	}
	clean, sound := uint32(cleanShutdown32), uint32(noErrors32)
	if c.v.entry == 2 {
		clean, sound = cleanShutdown16, noErrors16
	}
	step := c.step
	c.step = CheckState
	if second&clean == 0 {
		c.bad(c.v.fat+c.v.entry, "the volume was not dismounted cleanly: Windows would run chkdsk on it")
	}
	if second&sound == 0 {
		c.bad(c.v.fat+c.v.entry, "the volume is marked as one whose medium had errors")
	}
	c.step = step
	return nil
}

// place is a directory to look at.
type place struct {
	path          string
	dir           found
	first, parent uint32 // clusters as "." and ".." have them
}

// directories walks all directories.
func (c *checker) directories() error {
	root := found{dir: true, root: true, cluster: c.v.first}
	if c.v.root == 0 && !c.take("the root directory", root.cluster, -1) {
		return nil
	}
	for queue := []place{{dir: root}}; len(queue) > 0; queue = queue[1:] {
		b, err := c.v.directory(queue[0].dir)
		if err != nil {
			c.problem(fault.In(queue[0].path, err))
			continue
		}
		queue = append(queue, c.directory(&queue[0], b)...)
	}
	return nil
}

// directory looks at the entries of a directory and returns the directories among them.
func (c *checker) directory(p *place, b []byte) (below []place) {
	var long longName
	names := map[string]bool{}
	for at := 0; at+entrySize <= len(b) && b[at] != 0; at += entrySize {
		e := b[at : at+entrySize]
		attr := e[11]
		switch {
		case e[0] == deletedEntry:
			long = longName{}
			continue
		case attr&attrLongName == attrLongName:
			long.add(e)
			if len(long.units) == 0 {
				c.bad(fault.NoOffset, "%s/: entry %d is a part of a long name that does not fit the one before", p.path, at/entrySize)
			}
			continue
		case attr&attrVolumeID != 0:
			long = longName{}
			continue
		}
		short := shortText(e)
		name := long.text(e)
		if len(long.units) > 0 && name == "" {
			c.bad(fault.NoOffset, "%s/%s: the long name before it belongs to another entry", p.path, short)
		}
		long = longName{}
		if short == "." || short == ".." {
			c.dot(p, short, e)
			continue
		}
		if names[short] {
			c.bad(fault.NoOffset, "%s/%s: the name stands there twice", p.path, short)
		}
		names[short] = true
		if name == "" {
			name = short
		}
		if d := c.entry(p, e, p.path+"/"+name); d != nil {
			below = append(below, *d)
		}
	}
	return below
}

// dot compares "." and ".." with where the directory is.
func (c *checker) dot(p *place, name string, e []byte) {
	want := p.first
	if name == ".." {
		want = p.parent
	}
	if got := c.v.firstCluster(e); got != want {
		c.bad(fault.NoOffset, "%s/%s leads to cluster %d, expected %d", p.path, name, got, want)
	}
}

// entry looks at a file or directory, and returns the latter if it is to be walked.
func (c *checker) entry(p *place, e []byte, path string) *place {
	for i, b := range e[:11] {
		if b < 0x20 && (i > 0 || b != 0x05) || strings.IndexByte(`"*+,./:;<=>?[\]|`, b) >= 0 || i == 0 && b == ' ' {
			c.bad(fault.NoOffset, "%s: the short name % x cannot be one", path, e[:11])
			break
		}
	}
	f := found{dir: e[11]&attrDirectory != 0, cluster: c.v.firstCluster(e), size: int64(le.Uint32(e[28:]))}
	switch {
	case f.dir && f.size != 0:
		c.bad(fault.NoOffset, "%s: a directory of %d bytes", path, f.size)
	case !f.dir && f.size == 0:
		if f.cluster != 0 {
			c.bad(fault.NoOffset, "%s: an empty file has cluster %d", path, f.cluster)
			c.take(path, f.cluster, -1)
		}
		return nil
	}
	size := f.size
	if f.dir {
		size = -1
	}
	if !c.take(path, f.cluster, size) || !f.dir {
		return nil
	}
	return &place{path: path, dir: f, first: f.cluster, parent: p.first}
}

// take follows a chain, marks its clusters, and says whether all of it is well. size is the file's
// in bytes, negative for a directory.
func (c *checker) take(path string, cluster uint32, size int64) bool {
	step := c.step
	c.step = CheckClusters
	defer func() { c.step = step }()
	end, badMark := uint32(chainEnd32), uint32(badCluster32)
	if c.v.entry == 2 {
		end, badMark = chainEnd16, badCluster16
	}
	for count := int64(0); ; count++ {
		if cluster >= end && count > 0 {
			if want := (size + c.v.cluster - 1) / c.v.cluster; size >= 0 && count != want {
				c.bad(fault.NoOffset, "%s: %d bytes need %d clusters, its chain has %d", path, size, want, count)
				return count > want
			}
			return true
		}
		if cluster < rootCluster || int64(cluster)-rootCluster >= c.v.clusters {
			what := fmt.Sprintf("leads to cluster %d of %d", cluster, c.v.clusters)
			switch cluster {
			case 0:
				what = "leads to a cluster that is free"
			case badMark:
				what = "leads to a cluster that is marked as bad"
			}
			c.bad(fault.NoOffset, "%s: the chain %s after %d clusters", path, what, count)
			return false
		}
		word, bit := &c.used[cluster/64], uint64(1)<<(cluster%64)
		if *word&bit != 0 {
			c.bad(fault.NoOffset, "%s: cluster %d belongs to another file, or to this one twice", path, cluster)
			return false
		}
		*word |= bit
		next, err := c.next(cluster)
		if err != nil {
			c.problem(fault.In(path, err))
			return false
		}
		if cluster = next; cluster == 0 {
			count++
			c.bad(fault.NoOffset, "%s: the chain is cut after %d clusters", path, count)
			return false
		}
	}
}

// lost looks for clusters that are in use, but by no file.
func (c *checker) lost() error {
	badMark := uint32(badCluster32)
	if c.v.entry == 2 {
		badMark = badCluster16
	}
	count, first := 0, uint32(0)
	for i := range c.v.clusters {
		cluster := uint32(i + rootCluster)
		if c.used[cluster/64]>>(cluster%64)&1 != 0 {
			continue
		}
		next, err := c.next(cluster)
		if err != nil {
			return err
		}
		if next != 0 && next != badMark {
			if count == 0 {
				first = cluster
			}
			count++
		}
	}
	if count > 0 {
		c.bad(c.v.fat+int64(first)*c.v.entry, "%d clusters from %d on are in use in the FAT, but by no file", count, first)
	}
	return nil
}
