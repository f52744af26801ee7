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
	space        uint8
}

// nameAll makes the links of all directories, each directory's in collation order, and the
// directories' indexes.
//
// The name spaces are those that Windows uses: a long name and its short one make a pair; a name
// that is a valid short name itself counts as both; any other name is put into the POSIX space, as
// Windows does with all names on volumes without short names. So are names that Win32 could not
// open and names that differ only in case, since a pair must be found whatever the case.
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
	p.links = append(p.links, link{name: name, file: file, parent: parent, next: -1, space: space})
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
		twin := i > 0 && sameFolded(entries[i-1].Name, e.Name) || i+1 < len(entries) && sameFolded(entries[i+1].Name, e.Name)
		short, space, err := names.spaces(e, twin)
		if err != nil {
			return fault.In(strings.TrimPrefix(dir.Path()+"/"+e.Name, "/"), err)
		}
		f := p.fileOf(e.Node)
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
}

// spaces returns the short name to store for e, if any, and the name space of the long one. twin
// says that another name of the directory differs from e's only in case.
func (n *namer) spaces(e *tree.Entry, twin bool) (short string, space uint8, err error) {
	if twin {
		return "", spacePOSIX, nil
	}
	if e.Short != "" && !plausibleShort(e.Short) {
		return "", 0, fault.Corruptf(fault.NoOffset, "short name %q is not of the form 8.3", e.Short)
	}
	switch {
	case e.Short == "" || n.taken(e):
		if validShort(e.Name) {
			return "", spaceBoth, nil
		}
		return "", spacePOSIX, nil
	case sameFolded(e.Short, e.Name):
		return "", spaceBoth, nil
	case !win32Name(e.Name):
		return "", spacePOSIX, nil
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
func sameFolded(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	if x, y := a[0], b[0]; x < 0x80 && y < 0x80 && fold[x] != fold[y] {
		return false // as nearly always
	}
	return fold.Compare(utf16le.Units(a), utf16le.Units(b)) == 0
}

// sortLinks sorts one directory's links by name.
func sortLinks(links []link) {
	type keyed struct {
		units []uint16
		link
	}
	all := make([]keyed, len(links))
	for i, l := range links {
		all[i] = keyed{utf16le.Units(l.name), l}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(fold.Compare(a.units, b.units), slices.Compare(a.units, b.units))
	})
	for i := range all {
		links[i] = all[i].link
	}
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

// validShort says whether a name is a valid 8.3 name whatever its case (RtlIsNameLegalDOS8Dot3). A
// name outside ASCII may be one on some systems, depending on their code page; it counts as none.
func validShort(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= 0x20 || c >= 0x7F {
			return false
		}
	}
	return plausibleShort(name)
}

// plausibleShort says whether a name has the form of an 8.3 name, on some code page.
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
