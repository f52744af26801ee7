package ntfs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// fold is the table that directories are sorted by; $UpCase holds it.
var fold = upcase.Default()

// maxLinks is how many names a file may have, short ones included.
const maxLinks = 1024

// link is one name of a file: one $FILE_NAME of the file, one entry of the directory.
type link struct {
	name         string
	file, parent int32 // in Plan.files
	next         int32 // the file's next link, or -1
	units        uint8 // length of the name in UTF-16 units
	space        uint8
}

// keySize is the length of the link as a $FILE_NAME.
func (l *link) keySize() int { return fileNameFixed + 2*int(l.units) }

// nameAll makes the links of all directories, each directory's in collation order, and the
// directories' indexes.
//
// The name spaces are those that Windows uses: a long name and its short one make a pair, or are one
// name that counts as both when they are the same. A name without a short one is put into the POSIX
// space, as Windows does with all names on volumes where it makes no short ones. There go also names
// that NTFS does not allow in the Win32 space, all but one of the names that differ only in case,
// since a pair must be found whatever the case, and all names of a hard-linked file but one: a file
// has one short name (ntfs-3g refuses to show more), here the first of the walk.
func (p *Plan) nameAll(nodes []*tree.Node) error {
	for i := range p.files {
		p.files[i].first = -1
	}
	p.nameSystem()
	for _, n := range nodes {
		if !n.IsDir() {
			continue
		}
		if err := p.nameDirectory(n); err != nil {
			return err
		}
	}
	p.chain()
	return nil
}

// nameSystem makes the links of $Extend.
func (p *Plan) nameSystem() {
	first := int32(len(p.links))
	for _, r := range []int32{recordObjID, recordQuota, recordReparse} {
		p.addLink(p.system[r].name, spaceBoth, r, recordExtFile)
	}
	p.addIndex(recordExtFile, first)
}

func (p *Plan) addLink(name string, space uint8, file, parent int32) {
	p.links = append(p.links, link{name, file, parent, -1, uint8(utf16le.Len(name)), space})
}

// addIndex gives directory d the links from first on.
func (p *Plan) addIndex(d, first int32) {
	keys := directory{p, first, int32(len(p.links)) - first}
	p.files[d].index = newIndex("$I30", typeFileName, collateFileName, keys)
}

// chain lists the links of every file, in the order of the directories.
func (p *Plan) chain() {
	for i := len(p.links) - 1; i >= 0; i-- {
		l := &p.links[i]
		l.next = p.files[l.file].first
		p.files[l.file].first = int32(i)
	}
}

func (p *Plan) nameDirectory(dir *tree.Node) error {
	first := int32(len(p.links))
	self := p.fileOf(dir)
	entries := p.t.Entries(dir)
	sorted := true
	if self == recordRoot {
		if err := p.nameRoot(entries); err != nil {
			return err
		}
		sorted = false
	}
	names := namer{t: p.t, dir: dir}
	for i, e := range entries {
		if i == 0 || !sameFolded(entries[i-1].Name, e.Name) {
			names.twinPaired = false
		}
		f := p.fileOf(e.Node)
		short, space, err := names.spaces(e, p.files[f].paired)
		if err != nil {
			return fault.In(strings.TrimPrefix(dir.Path()+"/"+e.Name, "/"), err)
		}
		p.files[f].paired = p.files[f].paired || space != spacePOSIX
		p.addLink(e.Name, space, f, self)
		if short != "" {
			p.addLink(short, spaceDOS, f, self)
			sorted = false
		}
	}
	if !sorted {
		sortLinks(p.links[first:])
	}
	p.addIndex(self, first)
	return nil
}

// nameRoot makes the links of the system's files in the root, and refuses files of the tree that
// have their names.
func (p *Plan) nameRoot(entries []*tree.Entry) error {
	reserved := map[string]bool{}
	for r, s := range p.system[:recordExtFile+1] {
		if s == nil {
			continue
		}
		p.addLink(s.name, spaceBoth, int32(r), recordRoot)
		reserved[strings.ToUpper(s.name)] = true
	}
	p.addLink(".", spaceBoth, recordRoot, recordRoot)
	for _, e := range entries {
		if reserved[strings.ToUpper(e.Name)] {
			return fault.Invalidf("the root directory holds %q, a name that NTFS keeps for itself", e.Name)
		}
	}
	return nil
}

// namer finds the name spaces of one directory's entries.
type namer struct {
	t     *tree.Tree
	dir   *tree.Node
	short map[string]bool // short names given so far, folded
	// twinPaired says that one of the names that differ from the next one only in case has a pair.
	twinPaired bool
}

// spaces returns the short name to store for e, if any, and the name space of the long one. alone
// says that e's name must not have a short one.
func (n *namer) spaces(e *tree.Entry, alone bool) (short string, space uint8, err error) {
	if e.Short != "" && !plausibleShort(e.Short) {
		return "", 0, fault.Corruptf(fault.NoOffset, "short name %q is not of the form 8.3", e.Short)
	}
	if e.Short == "" || alone || n.twinPaired || n.taken(e) || !win32Name(e.Name) {
		return "", spacePOSIX, nil
	}
	n.twinPaired = true
	if sameFolded(e.Short, e.Name) {
		return "", spaceBoth, nil
	}
	if n.short == nil {
		n.short = map[string]bool{}
	}
	n.short[foldName(e.Short)] = true
	return e.Short, spaceWin32, nil
}

// taken says whether e's short name is already another file's name in the directory, long or short.
// An edit can do that: the long name that somebody chose wins, a short one nobody chose is dropped.
func (n *namer) taken(e *tree.Entry) bool {
	if other := n.t.Child(n.dir, e.Short); other != nil && other != e {
		return true
	}
	return n.short[foldName(e.Short)] || e.Parent == n.t.Root && strings.HasPrefix(e.Short, "$")
}

func foldName(s string) string {
	u := utf16le.Units(s)
	for i := range u {
		u[i] = fold[u[i]]
	}
	return utf16le.DecodeUnits(u)
}

// sameFolded says whether two names are the same but for their case.
func sameFolded(a, b string) bool { return compareFolded(a, b) == 0 }

// compareFolded orders names as if they were upper-case.
func compareFolded(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x|y >= 0x80 {
			return fold.Compare(utf16le.Units(a[i:]), utf16le.Units(b[i:]))
		}
		if c := cmp.Compare(fold[x], fold[y]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareNames orders names as directories and attributes do: upper-cased, then as they are.
func compareNames(a, b string) int {
	if c := compareFolded(a, b); c != 0 || a == b {
		return c
	}
	return slices.Compare(utf16le.Units(a), utf16le.Units(b))
}

// sortLinks sorts one directory's links by name.
func sortLinks(links []link) {
	slices.SortFunc(links, func(a, b link) int { return compareNames(a.name, b.name) })
}

// win32Name says whether NTFS lets a name into the Win32 space. It lets in a final dot or space,
// which only the Win32 layer above refuses.
func win32Name(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || strings.IndexByte(`"*:<>?|`, c) >= 0 {
			return false
		}
	}
	return true
}

// plausibleShort says whether a name has the form of an 8.3 name (RtlIsNameLegalDOS8Dot3), on
// whatever code page it was made.
func plausibleShort(name string) bool {
	base, ext, dot := strings.Cut(name, ".")
	if base == "" || dot && ext == "" || strings.Contains(ext, ".") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= 0x20 || strings.IndexByte(`"*+,/:;<=>?[\]|`, c) >= 0 {
			return false
		}
	}
	return utf16le.Len(base) <= 8 && utf16le.Len(ext) <= 3
}
