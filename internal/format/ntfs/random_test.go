package ntfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// randomTree makes a tree of n files that has some of everything.
func randomTree(t *testing.T, r *rand.Rand, n int) *tree.Tree {
	t.Helper()
	g := generator{t: t, r: r, tr: tree.New(anyTime)}
	g.dirs = []*tree.Node{g.tr.Root}
	for i := range 20 {
		g.tr.AddSecurity(secdesc.Build(secdesc.LocalSystem, secdesc.Users, secdesc.ACE{Mask: uint32(i), SID: secdesc.Everyone}))
	}
	for range n {
		g.add()
	}
	return g.tr
}

type generator struct {
	t     *testing.T
	r     *rand.Rand
	tr    *tree.Tree
	dirs  []*tree.Node
	files []*tree.Node
	blobs int
}

func (g *generator) chance(oneIn int) bool { return g.r.IntN(oneIn) == 0 }

func (g *generator) add() {
	dir := g.dirs[g.r.IntN(len(g.dirs))]
	if g.chance(30) && len(g.files) > 0 {
		f := g.files[g.r.IntN(len(g.files))]
		for range 1 + g.r.IntN(40) {
			g.link(g.dirs[g.r.IntN(len(g.dirs))], f)
		}
		return
	}
	var n *tree.Node
	if g.chance(12) {
		n = g.tr.NewDirectory()
		g.dirs = append(g.dirs, n)
	} else {
		n = g.tr.NewFile(g.content())
		g.files = append(g.files, n)
	}
	g.decorate(n)
	g.link(dir, n)
}

func (g *generator) decorate(n *tree.Node) {
	n.Attributes |= g.r.Uint32() & (0x3127 | tree.AttrNormal | tree.AttrSparse | tree.AttrCompressed)
	for _, t := range []*filetime.Time{&n.Created, &n.Modified, &n.Accessed} {
		*t = anyTime + filetime.Time(g.r.Uint64N(1<<50))
	}
	if !g.chance(4) {
		n.Security = tree.SecurityID(g.r.IntN(len(g.tr.Security)))
	}
	if g.chance(8) {
		seen := map[string]bool{}
		for range 1 + g.r.IntN(1+g.r.IntN(30)) {
			name := g.name()
			if key := strings.ToUpper(name); !strings.ContainsAny(name, ":") && !seen[key] {
				seen[key] = true
				n.Streams = append(n.Streams, tree.Stream{Name: name, Data: g.content()})
			}
		}
	}
	g.rare(n)
}

func (g *generator) rare(n *tree.Node) {
	if g.chance(20) {
		n.Ensure().Reparse = &tree.Reparse{Tag: 0xA0000003, Data: randomBytes(g.r, g.r.IntN(2000))}
	} else if g.chance(40) {
		n.Ensure().Reparse = &tree.Reparse{Tag: 0x00001234, Data: randomBytes(g.r, 16+g.r.IntN(100))}
	} else if g.chance(20) {
		for i := range 1 + g.r.IntN(5) {
			ea := tree.EA{Name: fmt.Sprintf("NAME%d", i), Value: randomBytes(g.r, g.r.IntN(600)), NeedEA: g.chance(4)}
			n.Ensure().EA = append(n.Ensure().EA, ea)
		}
	}
	if g.chance(20) {
		n.Ensure().ObjectID = randomBytes(g.r, 16+48*g.r.IntN(2))
	}
}

func (g *generator) link(dir, n *tree.Node) {
	for {
		name := g.name()
		short := ""
		if g.chance(3) {
			short = fmt.Sprintf("%.6s~%d", "SHORT"+string(rune('A'+g.r.IntN(26))), g.r.IntN(10))
		}
		if g.tr.Child(dir, name) != nil && !g.chance(3) {
			continue
		}
		if _, err := g.tr.Link(dir, name, short, n); err == nil {
			return
		}
	}
}

// content is often close to where it does not fit into a record any more.
func (g *generator) content() tree.Content {
	size := 0
	switch g.r.IntN(6) {
	case 0:
	case 1, 2:
		size = g.r.IntN(300)
	case 3, 4:
		size = 500 + g.r.IntN(500)
	default:
		size = g.r.IntN(20000)
	}
	if g.chance(10) {
		return nil
	}
	g.blobs++
	if g.chance(2) {
		return newBlob(int64(g.r.IntN(1000)*1000+g.blobs), randomBytes(g.r, size))
	}
	return tree.Bytes(bytes.Repeat([]byte{byte(g.blobs)}, size))
}

// alphabets have characters of all planes, lone surrogates (WTF-8), and what only POSIX allows.
var alphabets = [][]string{
	strings.Split("abcdefghijklmnopqrstuvwxyz", ""),
	strings.Split("ABCabc019_-.~ $+", ""),
	strings.Split("äöüßéÄÖÜÉΑΒΓαβγЖжſıµ", ""),
	strings.Split("漢字仮名交じり文ﬀ", ""),
	strings.Split("😀𐐀𐐨𝔘", ""),
	{"\xed\xa0\x80", "z", "Z"},
	{"\xed\xb0\x80", "y", "Y"},
	strings.Split("*?<>|\"aB\x01", ""),
}

func (g *generator) name() string {
	a := alphabets[0]
	if g.chance(2) {
		a = alphabets[g.r.IntN(len(alphabets))]
	}
	length := 1 + g.r.IntN(12)
	if g.chance(10) {
		length = 1 + g.r.IntN(120)
	}
	var b strings.Builder
	for range length {
		b.WriteString(a[g.r.IntN(len(a))])
	}
	name := b.String()
	if strings.Trim(name, ".") == "" || name[0] == '$' {
		return "x" + name
	}
	return name
}
