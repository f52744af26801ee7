package ntfs

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// attribute is one attribute of a file while the file is planned or written. Which fields count
// depends on the type; the plan keeps none of them: they follow from the node.
type attribute struct {
	typ  uint32
	name string
	size int64 // of the value
	// content is what $DATA holds; nil is empty, or the writer's own (source).
	content tree.Content
	value   []byte // the value where it is short and known
	index   *index // of $INDEX_ROOT, $INDEX_ALLOCATION and $BITMAP
	link    int32  // of $FILE_NAME
	source  source // what fills the clusters of a metadata attribute
	fixed   bool   // must be resident
	outside bool   // has clusters
	hole    bool   // outside, but all of it is unallocated
	sparse  bool   // a hole that is marked as one: $BadClus:$Bad is not

	lcn      int64    // where its clusters start
	extents  []extent // all of them, when they are more than one run, or those of this piece
	record   uint16   // which of the file's records holds it: 0 is the base
	instance uint16   // its number in that record
}

// nameBytes is the length of the attribute's name in bytes.
func (a *attribute) nameBytes() int {
	if a.name == "" {
		return 0
	}
	return 2 * utf16le.Len(a.name)
}

// length is how many bytes of a record the attribute takes at most.
func (a *attribute) length() int {
	if a.outside {
		return a.outsideLength()
	}
	return align8(align8(residentHead+a.nameBytes()) + int(a.size))
}

func (a *attribute) outsideLength() int {
	runs := 0
	if a.extents != nil {
		runs = align8(len(appendRuns(nil, a.extents)) + 1)
	}
	return a.outsideHead() + max(runs, runsReserve)
}

// outsideHead is where the run list starts.
func (a *attribute) outsideHead() int { return align8(a.nameAt() + a.nameBytes()) }

// nameAt is where the name of an attribute with clusters stands.
func (a *attribute) nameAt() int {
	if a.sparse {
		return outsideHead + 8 // behind the number of bytes that are allocated
	}
	return outsideHead
}

// gain is how many bytes of its record moving the value outside saves; none if it must not move.
func (a *attribute) gain() int {
	if a.fixed || a.outside {
		return 0
	}
	if a.typ == typeIndexRoot {
		// The root shrinks to a pointer, and two more attributes come.
		large := *a
		large.size = (&index{large: true}).rootSize()
		return a.length() - large.length() - 2*large.outsideLength()
	}
	return a.length() - a.outsideLength()
}

// putHead writes what resident and other attributes have in common.
func (a *attribute) putHead(b []byte, length int, nameAt int) {
	le.PutUint32(b, a.typ)
	le.PutUint32(b[4:], uint32(length))
	if a.outside {
		b[8] = 1
	}
	b[9] = byte(a.nameBytes() / 2)
	le.PutUint16(b[10:], uint16(nameAt))
	le.PutUint16(b[14:], a.instance)
	if a.name != "" {
		copy(b[nameAt:], utf16le.Encode(a.name))
	}
}

// putResident writes the attribute's head and returns its length, and where the value goes.
func (a *attribute) putResident(b []byte) (length int, value []byte) {
	at := align8(residentHead + a.nameBytes())
	length = align8(at + int(a.size))
	a.putHead(b, length, residentHead)
	le.PutUint32(b[16:], uint32(a.size))
	le.PutUint16(b[20:], uint16(at))
	if a.typ == typeFileName {
		b[22] = 1 // indexed
	}
	return length, b[at : at+int(a.size)]
}

// putOutside writes an attribute whose value is clusters, or a hole, or a piece of one, and returns
// its length. Only the first piece has the sizes.
func (a *attribute) putOutside(b []byte, g *geometry) int {
	at := a.outsideHead()
	count := g.clustersFor(a.size)
	if a.sparse {
		unit := int64(1) << g.sparseShift()
		count = (count + unit - 1) / unit * unit
	}
	first, end := int64(0), count
	var runs []byte
	if a.extents == nil {
		runs = appendRun(make([]byte, 0, runsReserve), end, a.lcn, a.hole)
	} else {
		runs = appendRuns(nil, a.extents)
		first, end = a.lowest(), a.extents[len(a.extents)-1].end()
	}
	length := align8(at + len(runs) + 1)
	a.putHead(b, length, a.nameAt())
	if a.sparse {
		// Since Windows 7 holes come in units of 64 KiB, but no more than 16 clusters; the length in
		// clusters is a multiple of that (A. Altaparmakov, linux-fsdevel).
		le.PutUint16(b[12:], flagSparse)
		le.PutUint16(b[0x22:], uint16(g.sparseShift()))
	}
	le.PutUint64(b[0x10:], uint64(first))
	le.PutUint64(b[0x18:], uint64(end-1)) // highest VCN
	le.PutUint16(b[0x20:], uint16(at))
	if first == 0 {
		le.PutUint64(b[0x28:], uint64(count*g.cluster))
		le.PutUint64(b[0x30:], uint64(a.size))
		if !a.hole {
			le.PutUint64(b[0x38:], uint64(a.size)) // initialized
		}
	}
	copy(b[at:], runs)
	return length
}

// lowest is the VCN that this piece of the attribute starts at.
func (a *attribute) lowest() int64 {
	if a.extents == nil {
		return 0
	}
	return a.extents[0].vcn
}

// listEntrySize is the length of the attribute's entry in an attribute list.
func (a *attribute) listEntrySize() int64 {
	return int64(align8(listEntryFixed + a.nameBytes()))
}

// putListEntry writes the attribute's entry in an attribute list: where it stands.
func (a *attribute) putListEntry(b []byte, where uint64) int {
	n := int(a.listEntrySize())
	le.PutUint32(b, a.typ)
	le.PutUint16(b[4:], uint16(n))
	b[6] = byte(a.nameBytes() / 2)
	b[7] = listEntryFixed
	le.PutUint64(b[0x08:], uint64(a.lowest()))
	le.PutUint64(b[0x10:], where)
	le.PutUint16(b[0x18:], a.instance)
	if a.name != "" {
		copy(b[listEntryFixed:], utf16le.Encode(a.name))
	}
	return n
}
