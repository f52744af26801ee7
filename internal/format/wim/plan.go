package wim

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"math"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// imagePlan is an image whose contents are all known by their hashes.
type imagePlan struct {
	tree  *tree.Tree
	info  Image
	nodes []nodePlan // by Node.Seq
	entry blobEntry  // of the metadata, once that is written

	security   [][]byte
	securityID map[tree.SecurityID]int32
	groups     uint64
}

// nodePlan is what the metadata says of a node besides what the node itself holds.
type nodePlan struct {
	reparse hash
	data    hash
	named   []hash // by Node.Streams
	group   uint64 // hard link group, 0 for a node with one name
	subdir  uint64 // offset of the children in the metadata
}

// plan hashes what is not hashed yet, collects the contents, and counts.
func (w *writer) plan(src *ImageSource, index int) error {
	nodes := src.Tree.Nodes()
	p := &imagePlan{tree: src.Tree, info: src.Info, nodes: make([]nodePlan, len(nodes)), securityID: map[tree.SecurityID]int32{}}
	p.info.Index = index
	p.info.DirCount, p.info.FileCount, p.info.TotalBytes, p.info.HardLinkBytes = 0, 0, 0, 0
	for i, n := range nodes {
		bytes, err := w.planNode(p, &p.nodes[i], n)
		if err != nil {
			return fault.In(fmt.Sprintf("%q", n.Path()), err)
		}
		p.count(n, bytes)
	}
	if p.securitySize() > math.MaxUint32 {
		return fault.Invalidf("security descriptors of %d bytes", p.securitySize())
	}
	w.images = append(w.images, p)
	return nil
}

// count adds a node to the sums that the XML data gives. As in Windows they count names, so that
// the root is not among them; wimlib counts it.
func (p *imagePlan) count(n *tree.Node, bytes uint64) {
	names := uint64(len(n.Names))
	if n.IsDir() {
		p.info.DirCount += names
	} else {
		p.info.FileCount += names
	}
	p.info.TotalBytes += bytes * names
	p.info.HardLinkBytes += bytes * (max(names, 1) - 1)
}

// planNode returns the number of bytes in all streams of the node.
func (w *writer) planNode(p *imagePlan, np *nodePlan, n *tree.Node) (uint64, error) {
	if err := checkNode(n); err != nil {
		return 0, err
	}
	p.keepSecurity(n)
	if len(n.Names) > 1 && n.Attributes&tree.AttrReparsePoint == 0 {
		p.groups++
		np.group = p.groups
	}
	names := uint32(max(len(n.Names), 1))
	var err error
	if r := n.Reparse(); r != nil {
		if np.reparse, err = w.take(reparseBytes{r.Data}, names); err != nil {
			return 0, err
		}
	}
	if np.data, err = w.take(n.Data, names); err != nil {
		return 0, err
	}
	bytes := uint64(tree.SizeOf(n.Data))
	for i := range n.Streams {
		sum, err := w.take(n.Streams[i].Data, names)
		if err != nil {
			return 0, fault.In("stream "+n.Streams[i].Name, err)
		}
		np.named = append(np.named, sum)
		bytes += uint64(tree.SizeOf(n.Streams[i].Data))
	}
	if r := n.Reparse(); r != nil {
		bytes += uint64(len(r.Data))
	}
	return bytes, nil
}

// checkNode refuses what the format cannot hold.
func checkNode(n *tree.Node) error {
	reparse := n.Reparse()
	switch {
	case (n.Attributes&tree.AttrReparsePoint != 0) != (reparse != nil):
		return fault.Invalidf("the reparse attribute and the reparse point do not go together")
	case reparse != nil && len(reparse.Data) > maxReparse:
		return fault.Invalidf("a reparse point of %d bytes, at most %d are possible", len(reparse.Data), maxReparse)
	case n.Attributes&tree.AttrEncrypted != 0 && !n.IsDir():
		return fault.Unsupportedf(fault.NoOffset, "the file is encrypted (EFS)")
	case (n.Attributes&tree.AttrDirectory != 0) != n.IsDir():
		return fault.Invalidf("the directory attribute is wrong")
	case n.IsDir() && n.Data != nil:
		return fault.Invalidf("a directory with an unnamed data stream")
	case len(n.Streams) > 1<<16-3:
		return fault.Invalidf("%d streams", len(n.Streams))
	}
	for i := range n.Streams {
		if err := checkStreamName(n.Streams[i].Name); err != nil {
			return err
		}
	}
	return cmp.Or(checkDistinct(n.Streams), checkExtra(n.Extra))
}

func checkExtra(x *tree.Extra) error {
	if x == nil {
		return nil
	}
	if n := len(x.ObjectID); n != 0 && n != 16 && n != 64 {
		return fault.Invalidf("object id of %d bytes, expected 16 or 64", n)
	}
	for _, ea := range x.EA {
		if len(ea.Name) == 0 || len(ea.Name) > 255 || strings.IndexByte(ea.Name, 0) >= 0 || len(ea.Value) > 65535 {
			return fault.Invalidf("extended attribute %q with a value of %d bytes", ea.Name, len(ea.Value))
		}
	}
	return nil
}

// keepSecurity numbers the descriptors in the order in which nodes use them.
func (p *imagePlan) keepSecurity(n *tree.Node) {
	sd := p.tree.Descriptor(n)
	if _, ok := p.securityID[n.Security]; ok || sd == nil {
		return
	}
	p.securityID[n.Security] = int32(len(p.security))
	p.security = append(p.security, sd)
}

// take adds a content for refs names and returns its hash; zero for an empty one.
func (w *writer) take(c tree.Content, refs uint32) (hash, error) {
	if tree.SizeOf(c) == 0 {
		return hash{}, nil
	}
	sum, position, err := w.identify(c)
	if err != nil {
		return hash{}, err
	}
	b := w.index[sum]
	if b == nil {
		b = &outBlob{sum: sum, content: c, position: position}
		w.index[sum] = b
		w.blobs = append(w.blobs, b)
	}
	if b.content.Size() != c.Size() {
		return hash{}, fault.Corruptf(fault.NoOffset, "two contents of %d and %d bytes with the SHA-1 %x", b.content.Size(), c.Size(), sum)
	}
	b.refs += refs
	return sum, nil
}

// reparseBytes is the data of a reparse point as a content.
type reparseBytes struct{ tree.Bytes }

// identify returns a content's hash and its place in the order.
func (w *writer) identify(c tree.Content) (hash, int64, error) {
	if b, ok := c.(tree.Blob); ok {
		return b.SHA1(), min(b.Position(), noPosition), nil
	}
	sum, err := w.hash(c)
	if _, ok := c.(reparseBytes); ok {
		return sum, reparsePosition, err
	}
	return sum, noPosition, err
}

func (w *writer) hash(c tree.Content) (hash, error) {
	h := sha1.New()
	for off := int64(0); off < c.Size(); {
		b, err := w.load(c, off)
		if err != nil {
			return hash{}, err
		}
		h.Write(b)
		off += int64(len(b))
		if err := w.meter.ctx.Err(); err != nil {
			return hash{}, err
		}
	}
	return hash(h.Sum(nil)), nil
}
