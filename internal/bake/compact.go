package bake

import (
	"cmp"
	"context"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/compact"
)

// Compact is how the files of the Windows volume are compressed.
type Compact string

// The ways. The names are those of Windows' own compact command.
const (
	NotCompact      Compact = ""
	CompactXPRESS4K Compact = "xpress4k"
	CompactLZX      Compact = "lzx"
)

// Compacts are the accepted values, besides none.
var Compacts = []Compact{CompactXPRESS4K, CompactLZX}

var compactAlgorithms = map[Compact]wof.Algorithm{CompactXPRESS4K: wof.XPRESS4K, CompactLZX: wof.LZX}

// CompactInfo says what compressing has done.
type CompactInfo struct {
	Algorithm Compact `json:"algorithm"`
	// Files are the files that are kept compressed; Copied of them came from the medium as they are.
	Files  int `json:"files"`
	Copied int `json:"copied"`
	// Size and Stored are the bytes of these files, and of what is stored of them.
	Size   int64 `json:"size"`
	Stored int64 `json:"stored"`
}

// Compact gives the files of the Windows volume the compressed form that the volume is to hold. What
// the medium has in that form is taken as it is; other contents are compressed into a file beside
// the outputs.
func (b *Bake) Compact(ctx context.Context) error {
	if b.c.Compact == NotCompact {
		return nil
	}
	b.c.Progress.Stage("Compressing files (" + string(b.c.Compact) + ")")
	algorithm := compactAlgorithms[b.c.Compact]
	if err := compact.Check(b.windows.Version.Build, algorithm); err != nil {
		return fault.In("compact", err)
	}
	rules, err := compact.ReadRules(b.tree)
	if err != nil {
		return fault.In("compact", err)
	}
	c := &compaction{algorithm: algorithm, info: CompactInfo{Algorithm: b.c.Compact}}
	if err := c.collect(b.tree, rules); err != nil {
		return err
	}
	if len(c.rest) > 0 {
		if err := b.compress(ctx, c); err != nil {
			return err
		}
	}
	b.compacted = &c.info
	return ctx.Err()
}

// compaction is the work on one volume.
type compaction struct {
	algorithm wof.Algorithm
	info      CompactInfo
	rest      []*tree.Node // whose contents are not at hand compressed
}

// packable is a blob that its medium may hold as the overlay filter does.
type packable interface {
	tree.Blob
	Packed(wof.Algorithm) (tree.Content, error)
	Incompressible() bool
}

// collect gives files the compressed form that their medium has, and lists the others.
func (c *compaction) collect(t *tree.Tree, rules *compact.Rules) error {
	keep := rules.Keep(t)
	for _, n := range t.Nodes() {
		if n.IsDir() || n.Reparse() != nil || keep[n] || tree.SizeOf(n.Data) <= ntfs.DefaultCluster {
			continue
		}
		if p, ok := n.Data.(tree.Packed); ok { // by this stage, when it is repeated
			n.Data = p.Unpacked()
		}
		blob, ok := n.Data.(packable)
		if !ok {
			c.rest = append(c.rest, n)
			continue
		}
		if blob.Incompressible() {
			continue
		}
		stored, err := blob.Packed(c.algorithm)
		if err != nil {
			return fault.In(n.Path(), err)
		}
		if stored == nil {
			c.rest = append(c.rest, n)
		} else if shorter(n.Data, stored.Size()) {
			c.use(n, stored)
			c.info.Copied++
		}
	}
	return nil
}

// shorter says whether a compressed form saves a cluster.
func shorter(content tree.Content, stored int64) bool {
	clusters := func(size int64) int64 { return (size + ntfs.DefaultCluster - 1) / ntfs.DefaultCluster }
	return clusters(stored) < clusters(content.Size())
}

func (c *compaction) use(n *tree.Node, stored tree.Content) {
	c.info.Files++
	c.info.Size += n.Data.Size()
	c.info.Stored += stored.Size()
	n.Data = tree.Pack(n.Data, c.algorithm, stored)
}

// compress makes the compressed form of the contents that the medium does not have in it.
func (b *Bake) compress(ctx context.Context, c *compaction) error {
	if err := b.openSpool(); err != nil {
		return err
	}
	contents, users := byContent(c.rest)
	var total, done int64
	for _, content := range contents {
		total += content.Size()
	}
	stored, err := b.spool.Compress(ctx, c.algorithm, contents, shorter, func(n int64) {
		done += n
		b.c.Progress.Advance(done, total)
	})
	if err != nil {
		return explainWrite(b.nameContent(err))
	}
	for i, s := range stored {
		if s == nil {
			continue
		}
		for _, n := range users[i] {
			c.use(n, s)
		}
	}
	return nil
}

// byContent lists the contents of nodes, each blob once and in the order of the medium, and who has
// them.
func byContent(nodes []*tree.Node) (contents []tree.Content, users [][]*tree.Node) {
	at := map[tree.Blob]int{}
	slices.SortStableFunc(nodes, func(a, b *tree.Node) int { return cmp.Compare(tree.Position(a.Data), tree.Position(b.Data)) })
	for _, n := range nodes {
		if blob, ok := n.Data.(tree.Blob); ok {
			if i, seen := at[blob]; seen {
				users[i] = append(users[i], n)
				continue
			}
			at[blob] = len(contents)
		}
		contents = append(contents, n.Data)
		users = append(users, []*tree.Node{n})
	}
	return contents, users
}

func (c *Config) compactProblem() error {
	if _, ok := compactAlgorithms[c.Compact]; ok || c.Compact == NotCompact {
		return nil
	}
	return fault.Invalidf("compact: %q is not one of %q", c.Compact, Compacts)
}
