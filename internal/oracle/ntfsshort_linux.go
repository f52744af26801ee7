package oracle

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// sharedFile is a pair of files with several links, for which ntfs-3g does not tell the short name.
type sharedFile struct {
	path  string // the first in order
	a, b  *ntfsNode
	names uint64 // how often it was seen
}

// shortName compares the 8.3 names that belong to a path. ntfs-3g knows them by file, and refuses
// (EMLINK) when a file has more than one long name; such files wait for sharedShortNames.
func (d *ntfsDiffer) shortName(p string, a, b *ntfsNode) {
	nameA, errA := a.xattr("system.ntfs_dos_name")
	nameB, errB := b.xattr("system.ntfs_dos_name")
	if errors.Is(errA, syscall.EMLINK) || errors.Is(errB, syscall.EMLINK) {
		d.countShared(p, a, b)
		return
	}
	d.compareBlobs(p, DOSName, nameA, nameB, errA, errB)
}

func (d *ntfsDiffer) countShared(p string, a, b *ntfsNode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := [2]uint64{a.ino, b.ino}
	f := d.shared[key]
	if f == nil {
		f = &sharedFile{path: p, a: a, b: b}
		d.shared[key] = f
	}
	f.path = min(f.path, p)
	f.names++
}

// sharedShortNames compares the short names of files with several links. A file whose record counts
// more links than were seen has one; ntfsinfo tells which.
func (d *ntfsDiffer) sharedShortNames() {
	var g errgroup.Group
	g.SetLimit(d.o.workers)
	for _, f := range d.shared {
		if f.a.links > f.names || f.b.links > f.names {
			g.Go(func() error { d.sharedShortName(f); return nil })
		}
	}
	g.Wait()
}

func (d *ntfsDiffer) sharedShortName(f *sharedFile) {
	a, errA := f.a.shortNames()
	b, errB := f.b.shortNames()
	switch err := errors.Join(errA, errB); {
	case err != nil:
		d.list.addf(f.path, DOSName, "%v", err)
	case !slices.Equal(a, b):
		d.list.addf(f.path, DOSName, "a %q, b %q", a, b)
	}
}

// shortNames asks ntfsinfo for the names of a file that are in the DOS name space.
func (n *ntfsNode) shortNames() ([]string, error) {
	out, stderr, err := Try("ntfsinfo", "-f", "-v", "-i", strconv.FormatUint(n.ino, 10), n.side.image)
	if err != nil {
		return nil, fmt.Errorf("ntfsinfo: %w: %s", err, stderr)
	}
	return dosNames(out), nil
}

// dosNames picks the names out of what ntfsinfo -v prints: each $FILE_NAME has a line with the name
// space ("Win32", "POSIX", "DOS", "Win32 & DOS"), then one with the name in quotes.
func dosNames(ntfsinfo string) []string {
	var names []string
	dos := false
	for line := range strings.Lines(ntfsinfo) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "Namespace":
			dos = value == "DOS"
		case "Filename":
			if dos {
				names = append(names, strings.Trim(value, "'"))
			}
			dos = false
		}
	}
	slices.Sort(names)
	return names
}
