package oracle

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"sync"
	"testing"
)

// Aspect is one thing that two NTFS volumes are compared in.
type Aspect string

// The aspects. All are compared unless an option says otherwise, except Change: the time of the last
// change to the file record is set by whoever writes the record, so two writers never agree on it.
const (
	Links      Aspect = "links"               // which names are one file, and the count in its record
	Content    Aspect = "content"             // unnamed data: size and bytes
	Streams    Aspect = "streams"             // named data: names, sizes and bytes
	Attributes Aspect = "attributes"          // FILE_ATTRIBUTE_*
	Security   Aspect = "security descriptor" // byte for byte
	Reparse    Aspect = "reparse data"        // tag and data
	DOSName    Aspect = "short name"          //
	EA         Aspect = "extended attributes" // OS/2 style, not ntfs-3g's xattrs
	ObjectID   Aspect = "object id"           // with the birth ids
	Creation   Aspect = "creation time"       //
	Modified   Aspect = "modification time"   //
	Access     Aspect = "access time"         // a read-only mount does not change it
	Change     Aspect = "change time"         // only on demand
	Root       Aspect = "root"                // every aspect of the root directory itself
)

// An NTFSOption changes what CompareNTFS compares.
type NTFSOption func(*ntfsOptions)

type ntfsOptions struct {
	ignore     map[Aspect]bool
	attributes uint32
	except     map[string]bool
	limit      int
	workers    int
}

// Ignore leaves aspects out.
func Ignore(aspects ...Aspect) NTFSOption {
	return func(o *ntfsOptions) {
		for _, a := range aspects {
			o.ignore[a] = true
		}
	}
}

// Also adds an aspect that is not compared by default (Change).
func Also(aspects ...Aspect) NTFSOption {
	return func(o *ntfsOptions) {
		for _, a := range aspects {
			delete(o.ignore, a)
		}
	}
}

// IgnoreAttributes leaves bits of FILE_ATTRIBUTE_* out.
func IgnoreAttributes(mask uint32) NTFSOption {
	return func(o *ntfsOptions) { o.attributes |= mask }
}

// Except leaves paths and all below them out, for what only one side is meant to have. Paths have
// the volume's case, '/' between names and at the start.
func Except(paths ...string) NTFSOption {
	return func(o *ntfsOptions) {
		for _, p := range paths {
			o.except[path.Clean("/"+p)] = true
		}
	}
}

// Limit bounds the list of differences; 0 takes all. The default is 40.
func Limit(n int) NTFSOption { return func(o *ntfsOptions) { o.limit = n } }

// Workers sets how many files are compared at a time. The default, 4, keeps both of the ntfs-3g
// processes busy, which are single-threaded.
func Workers(n int) NTFSOption { return func(o *ntfsOptions) { o.workers = max(1, n) } }

func newNTFSOptions(opts []NTFSOption) *ntfsOptions {
	o := &ntfsOptions{ignore: map[Aspect]bool{Change: true}, except: map[string]bool{}, limit: 40, workers: 4}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// CompareNTFS fails the test unless two volumes hold the same files with the same NT metadata, as
// ntfs-3g sees them. See NTFSDiff.
func CompareNTFS(t testing.TB, a, b Volume, opts ...NTFSOption) {
	t.Helper()
	needMount(t)
	diffs, err := NTFSDiff(a, b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if len(diffs) > 0 {
		t.Errorf("volumes differ, a is %s, b is %s:\n  %s", a, b, strings.Join(diffs, "\n  "))
	}
}

// diffList gathers differences from several goroutines. It keeps the first limit of them and counts
// the rest.
type diffList struct {
	mu    sync.Mutex
	limit int
	found []string
	more  int
}

func (l *diffList) addf(path string, aspect Aspect, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit > 0 && len(l.found) >= l.limit {
		l.more++
		return
	}
	l.found = append(l.found, fmt.Sprintf("%s: %s: %s", path, aspect, fmt.Sprintf(format, args...)))
}

// sorted returns what was found, by path, and how much is not shown.
func (l *diffList) sorted() []string {
	sort.Strings(l.found)
	if l.more > 0 {
		return append(l.found, fmt.Sprintf("... and %d more differences", l.more))
	}
	return l.found
}

// mergeNames calls both for names on both sides and one for a name that only one side has. The lists
// are sorted.
func mergeNames(a, b []string, both func(name string), one func(name, side string)) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			one(a[0], "a")
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			one(b[0], "b")
			b = b[1:]
		default:
			both(a[0])
			a, b = a[1:], b[1:]
		}
	}
}
