package oracle

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
)

// NTFSDiff mounts two volumes with ntfs-3g and returns how they differ, one line per difference,
// sorted by path. An error says that they could not be compared at all.
//
// Every name is found through the directory indexes and looked up again, every file's content and
// every named stream is read, the rest comes from the raw values that ntfs-3g shows as system.ntfs_*
// extended attributes. What ntfs-3g translates for Linux (links, WOF and other reparse points, empty
// files with the system attribute, which it takes for pipes) is read with ntfscat instead. A directory
// that is a reparse point is compared, what may lie inside it is not.
func NTFSDiff(a, b Volume, opts ...NTFSOption) ([]string, error) {
	sideA, closeA, err := openSide(a)
	if err != nil {
		return nil, err
	}
	defer closeA()
	sideB, closeB, err := openSide(b)
	if err != nil {
		return nil, err
	}
	defer closeB()
	o := newNTFSOptions(opts)
	d := &ntfsDiffer{a: sideA, b: sideB, o: o, list: diffList{limit: o.limit},
		done: map[[2]uint64]bool{}, shared: map[[2]uint64]*sharedFile{}}
	d.group.SetLimit(o.workers)
	d.node("/")
	d.group.Wait()
	d.hardLinks()
	d.sharedShortNames()
	return d.list.sorted(), nil
}

// openSide mounts one volume.
func openSide(v Volume) (*ntfsSide, func(), error) {
	image, cleanup, err := v.file()
	if err != nil {
		return nil, nil, err
	}
	m, err := mountNTFS(image, "ro,streams_interface=windows")
	if err != nil {
		cleanup()
		return nil, nil, err
	}
	return &ntfsSide{dir: m.dir, image: image}, func() { m.unmount(); cleanup() }, nil
}

// ntfsDiffer walks two mounted volumes at once.
type ntfsDiffer struct {
	a, b  *ntfsSide
	o     *ntfsOptions
	list  diffList
	group errgroup.Group

	mu     sync.Mutex
	names  []pairedName
	done   map[[2]uint64]bool // pairs of inode numbers that were compared
	shared map[[2]uint64]*sharedFile
}

// pairedName is a path, and the inode number that it leads to on each side.
type pairedName struct {
	path string
	a, b uint64
}

// node compares what stands at a path on both sides, and all below it.
func (d *ntfsDiffer) node(p string) {
	a, errA := d.a.stat(p)
	b, errB := d.b.stat(p)
	if errA != nil || errB != nil {
		d.list.addf(p, "read", "a: %v, b: %v", errA, errB)
		return
	}
	if p != "/" && !d.ignores(p, DOSName) { // the root has no name
		d.shortName(p, a, b)
	}
	if d.firstVisit(p, a, b) {
		d.file(p, a, b)
	}
	if a.walkable() && b.walkable() {
		d.children(p)
	}
}

// ignores says whether an aspect of a path is left out.
func (d *ntfsDiffer) ignores(p string, aspect Aspect) bool {
	return d.o.ignore[aspect] || p == "/" && d.o.ignore[Root]
}

// children compares two directories' names and starts on the names that both have.
func (d *ntfsDiffer) children(p string) {
	a, errA := d.a.names(p)
	b, errB := d.b.names(p)
	if errA != nil || errB != nil {
		d.list.addf(p, "read", "a: %v, b: %v", errA, errB)
		return
	}
	mergeNames(a, b, func(name string) {
		child := path.Join(p, name)
		if d.o.except[child] {
			return
		}
		run := func() error { d.node(child); return nil }
		if !d.group.TryGo(run) {
			run()
		}
	}, func(name, side string) {
		if child := path.Join(p, name); !d.o.except[child] {
			d.list.addf(child, "name", "only in %s", side)
		}
	})
}

// firstVisit records that two files stand at the same path, and says whether the pair is still to be
// compared.
func (d *ntfsDiffer) firstVisit(p string, a, b *ntfsNode) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names = append(d.names, pairedName{p, a.ino, b.ino})
	key := [2]uint64{a.ino, b.ino}
	if d.done[key] {
		return false
	}
	d.done[key] = true
	return true
}

// hardLinks reports paths that are one file on one side only.
func (d *ntfsDiffer) hardLinks() {
	slices.SortFunc(d.names, func(x, y pairedName) int { return strings.Compare(x.path, y.path) })
	firstA, firstB := map[uint64]pairedName{}, map[uint64]pairedName{}
	for _, n := range d.names {
		x, okA := firstA[n.a]
		y, okB := firstB[n.b]
		if !okA {
			firstA[n.a] = n
		}
		if !okB {
			firstB[n.b] = n
		}
		if okA && x.b != n.b && !d.ignores(n.path, Links) {
			d.list.addf(n.path, Links, "the same file as %s in a, another in b", x.path)
		}
		if okB && y.a != n.a && !d.ignores(n.path, Links) {
			d.list.addf(n.path, Links, "the same file as %s in b, another in a", y.path)
		}
	}
}

// file compares everything that belongs to a file and not to one of its names.
func (d *ntfsDiffer) file(p string, a, b *ntfsNode) {
	if a.directory() != b.directory() {
		d.list.addf(p, "type", "directory: a %t, b %t", a.directory(), b.directory())
		return
	}
	if !d.ignores(p, Links) && a.links != b.links {
		d.list.addf(p, Links, "link count: a %d, b %d", a.links, b.links)
	}
	if m := ^d.o.attributes; !d.ignores(p, Attributes) && a.attributes&m != b.attributes&m {
		d.list.addf(p, Attributes, "a %#x, b %#x", a.attributes, b.attributes)
	}
	d.times(p, a, b)
	for _, x := range []struct {
		Aspect
		xattr string
	}{
		{Security, "system.ntfs_acl"}, {Reparse, "system.ntfs_reparse_data"},
		{EA, "system.ntfs_ea"}, {ObjectID, "system.ntfs_object_id"},
	} {
		if !d.ignores(p, x.Aspect) {
			d.blob(p, x.Aspect, a, b, x.xattr)
		}
	}
	if !d.ignores(p, Content) && !a.directory() {
		d.content(p, Content, a, b, "")
	}
	if !d.ignores(p, Streams) {
		d.streams(p, a, b)
	}
}

// times compares system.ntfs_times: creation, modification, access, change.
func (d *ntfsDiffer) times(p string, a, b *ntfsNode) {
	for i, aspect := range []Aspect{Creation, Modified, Access, Change} {
		if !d.ignores(p, aspect) && a.times[i] != b.times[i] {
			d.list.addf(p, aspect, "a %s, b %s", showTime(a.times[i]), showTime(b.times[i]))
		}
	}
}

func showTime(ft uint64) string {
	return fmt.Sprintf("%s (%d)", filetime.Time(ft).Time().Format("2006-01-02T15:04:05.0000000Z"), ft)
}

// blob compares an extended attribute byte for byte.
func (d *ntfsDiffer) blob(p string, aspect Aspect, a, b *ntfsNode, xattr string) {
	va, errA := a.xattr(xattr)
	vb, errB := b.xattr(xattr)
	d.compareBlobs(p, aspect, va, vb, errA, errB)
}

func (d *ntfsDiffer) compareBlobs(p string, aspect Aspect, va, vb []byte, errA, errB error) {
	switch {
	case errA != nil || errB != nil:
		d.list.addf(p, aspect, "a: %v, b: %v", errA, errB)
	case (va == nil) != (vb == nil):
		d.list.addf(p, aspect, "a %s, b %s", showBlob(va), showBlob(vb))
	case !bytes.Equal(va, vb):
		d.list.addf(p, aspect, "differs at byte %d: a %s, b %s", firstDifference(va, vb), showBlob(va), showBlob(vb))
	}
}

// showBlob prints a value for a message.
func showBlob(b []byte) string {
	const most = 64
	switch {
	case b == nil:
		return "has none"
	case len(b) > most:
		return fmt.Sprintf("%d bytes %s...", len(b), hex.EncodeToString(b[:most]))
	}
	return fmt.Sprintf("%d bytes %s", len(b), hex.EncodeToString(b))
}

// firstDifference is the index of the first byte that differs, or the length of the shorter.
func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// streams compares the named streams.
func (d *ntfsDiffer) streams(p string, a, b *ntfsNode) {
	namesA, errA := a.streams()
	namesB, errB := b.streams()
	if errA != nil || errB != nil {
		d.list.addf(p, Streams, "a: %v, b: %v", errA, errB)
		return
	}
	mergeNames(namesA, namesB,
		func(name string) { d.content(p+":"+name, Streams, a, b, name) },
		func(name, side string) { d.list.addf(p+":"+name, Streams, "only in %s", side) })
}

// content compares one stream; the unnamed one has the name "".
func (d *ntfsDiffer) content(p string, aspect Aspect, a, b *ntfsNode, stream string) {
	err := func() error {
		ra, err := a.open(stream)
		if err != nil {
			return fmt.Errorf("a: %w", err)
		}
		defer ra.Close()
		rb, err := b.open(stream)
		if err != nil {
			return fmt.Errorf("b: %w", err)
		}
		defer rb.Close()
		return compareReaders(ra, rb)
	}()
	if err != nil {
		d.list.addf(p, aspect, "%v", err)
	}
}
