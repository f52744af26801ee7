package ntfs

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const (
	firstSecurityID = 0x100 // the ids below are free for special use and never were used
	sdsHeader       = 20
	sdsBlock        = 256 << 10 // descriptors do not cross such a block; a copy of it follows it
	maxDescriptor   = 64 << 10  // Windows's own limit
	minDescriptor   = 20
)

// Access masks of the descriptors that Windows's format gives to the volume's own files.
const (
	readData  = 0x00120089 // GENERIC_READ for files
	readWrite = 0x0012019F // GENERIC_READ and GENERIC_WRITE
)

func systemDescriptor(mask uint32) []byte {
	return secdesc.Build(secdesc.LocalSystem, secdesc.Administrators,
		secdesc.ACE{Mask: mask, SID: secdesc.LocalSystem}, secdesc.ACE{Mask: mask, SID: secdesc.Administrators})
}

// rootDescriptor is what Windows's format gives to the root directory: full access for
// administrators and the system, change for authenticated users, read for users, each for the
// directory and then, as generic rights, for everything below. It stands in for the root when the
// tree has no descriptor for it.
func rootDescriptor() []byte {
	const (
		genericModify = 0xE0010000 // read, write, execute, delete
		genericRead   = 0xA0000000 // read, execute
	)
	var dacl []secdesc.ACE
	grant := func(who secdesc.SID, here, below uint32) {
		dacl = append(dacl, secdesc.ACE{Mask: here, SID: who},
			secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit | secdesc.InheritOnly, Mask: below, SID: who})
	}
	grant(secdesc.Administrators, secdesc.FullControl, secdesc.GenericAll)
	grant(secdesc.LocalSystem, secdesc.FullControl, secdesc.GenericAll)
	grant(secdesc.NewSID(5, 11), secdesc.Modify, genericModify) // authenticated users
	grant(secdesc.Users, secdesc.ReadAndExecute, genericRead)
	return secdesc.Build(secdesc.LocalSystem, secdesc.LocalSystem, dacl...)
}

// security is the content of $Secure: every descriptor once. Ids count from firstSecurityID.
type security struct {
	list [][]byte
	ids  map[string]uint32
	at   []int64 // of each descriptor's entry in $SDS
	size int64   // of $SDS
	// born are the ids that a new file and a new directory get below a directory with the id that
	// is the key.
	born map[uint32][2]uint32
}

// Ids of the volume's own files.
const (
	idReadData  = firstSecurityID
	idReadWrite = firstSecurityID + 1
)

func newSecurity() *security {
	s := &security{ids: map[string]uint32{}, born: map[uint32][2]uint32{}}
	s.add(systemDescriptor(readData))
	s.add(systemDescriptor(readWrite))
	return s
}

func (s *security) add(sd []byte) uint32 {
	if id, ok := s.ids[string(sd)]; ok {
		return id
	}
	id := uint32(firstSecurityID + len(s.list))
	s.list = append(s.list, sd)
	s.ids[string(sd)] = id
	return id
}

// secureAll gives every node a security id. A node without a descriptor gets what Windows gives to a
// file created at its place: what its directory hands down. (ntfs-3g, and so wimlib on Linux, would
// give everyone full access.)
func (p *Plan) secureAll(nodes []*tree.Node) error {
	s := newSecurity()
	p.security = s
	ids := make([]uint32, len(p.t.Security))
	for i, sd := range p.t.Security {
		if len(sd) < minDescriptor || len(sd) > maxDescriptor {
			return fault.Corruptf(fault.NoOffset, "security descriptor %d has %d bytes; %d to %d are possible", i, len(sd), minDescriptor, maxDescriptor)
		}
		ids[i] = s.add(sd)
	}
	for _, n := range nodes {
		p.secure(n, ids)
	}
	s.layout()
	return nil
}

// secure returns the node's security id, after giving it one.
func (p *Plan) secure(n *tree.Node, ids []uint32) uint32 {
	f := &p.files[p.fileOf(n)]
	switch {
	case f.security != 0:
	case n.Security >= 0 && int(n.Security) < len(ids):
		f.security = ids[n.Security]
	case len(n.Names) == 0:
		f.security = p.security.add(rootDescriptor())
	default:
		f.security = p.security.inherited(p.secure(n.Names[0].Parent, ids), n.IsDir())
	}
	return f.security
}

// inherited returns the id of what a new file or directory gets below a directory that has parent.
func (s *security) inherited(parent uint32, directory bool) uint32 {
	ids, ok := s.born[parent]
	if !ok {
		sd := s.list[parent-firstSecurityID]
		ids = [2]uint32{s.handDown(sd, false), s.handDown(sd, true)}
		s.born[parent] = ids
	}
	if directory {
		return ids[1]
	}
	return ids[0]
}

func (s *security) handDown(sd []byte, directory bool) uint32 {
	child, ok := secdesc.Inherit(sd, directory)
	if !ok {
		child, _ = secdesc.Inherit(rootDescriptor(), directory)
	}
	return s.add(child)
}

// layout assigns the descriptors their places in $SDS.
func (s *security) layout() {
	pos := int64(0)
	for _, sd := range s.list {
		n := int64(sdsHeader + len(sd))
		pos = (pos + 15) &^ 15
		if pos%sdsBlock+n > sdsBlock {
			pos = (pos + sdsBlock - 1) / sdsBlock * sdsBlock
		}
		if pos/sdsBlock%2 == 1 {
			pos += sdsBlock // the copy of the block before
		}
		s.at = append(s.at, pos)
		pos += n
	}
	s.size = (pos+15)&^15 + sdsBlock // rounded as ntfs-3g does, or ntfssecaudit reads past the end
}

// hash is how $SDH finds a descriptor.
func hash(sd []byte) uint32 {
	h := uint32(0)
	for ; len(sd) >= 4; sd = sd[4:] {
		h = le.Uint32(sd) + bits.RotateLeft32(h, 3)
	}
	return h
}

// header is the 20 bytes before a descriptor in $SDS, and the data of the entries of both indexes.
func (s *security) header(i int) []byte {
	b := make([]byte, sdsHeader)
	le.PutUint32(b, hash(s.list[i]))
	le.PutUint32(b[4:], uint32(firstSecurityID+i))
	le.PutUint64(b[8:], uint64(s.at[i]))
	le.PutUint32(b[16:], uint32(sdsHeader+len(s.list[i])))
	return b
}

// fill writes $SDS from byte off.
func (s *security) fill(_ *Plan, b []byte, off int64) error {
	for _, copyAt := range [...]int64{0, sdsBlock} {
		// The entry before the first that starts in b may reach into it.
		i := max(0, sort.Search(len(s.at), func(i int) bool { return s.at[i]+copyAt >= off })-1)
		for ; i < len(s.at) && s.at[i]+copyAt < off+int64(len(b)); i++ {
			copyInto(b, off, s.header(i), s.at[i]+copyAt)
			copyInto(b, off, s.list[i], s.at[i]+copyAt+sdsHeader)
		}
	}
	return nil
}

// copyInto copies what of data, which stands at byte at, falls into b, which starts at byte off.
func copyInto(b []byte, off int64, data []byte, at int64) {
	switch d := at - off; {
	case d >= int64(len(b)) || d+int64(len(data)) <= 0:
	case d >= 0:
		copy(b[d:], data)
	default:
		copy(b, data[-d:])
	}
}

// live leaves out what of $SDS stays zero: between a block's descriptors and its copy.
func (s *security) live(*Plan) []span {
	var out []span
	for block := int64(0); block < s.size; block += 2 * sdsBlock {
		used := min(s.size-sdsBlock-block, sdsBlock)
		out = append(out, span{block, block + used}, span{block + sdsBlock, block + sdsBlock + used})
	}
	return out
}

// byID is the $SII index.
func (s *security) byID() *index {
	v := make(viewKeys, len(s.list))
	for i := range s.list {
		h := s.header(i)
		v[i] = viewEntry(h[4:8], h, nil)
	}
	return newIndex("$SII", 0, collateULong, v)
}

// byHash is the $SDH index. The padding of its entries reads "II".
func (s *security) byHash() *index {
	v := make(viewKeys, len(s.list))
	for i := range s.list {
		h := s.header(i)
		v[i] = viewEntry(h[:8], h, []byte{'I', 0, 'I', 0})
	}
	sortULongs(v)
	return newIndex("$SDH", 0, collateSecurityHash, v)
}

// sortULongs sorts entries by their keys, read as a series of 32-bit numbers.
func sortULongs(v viewKeys) { slices.SortFunc(v, compareULongs) }

func compareULongs(a, b []byte) int { return compareWords(entryKey(a), entryKey(b)) }

// compareWords orders keys that are series of 32-bit numbers.
func compareWords(a, b []byte) int {
	for len(a) >= 4 && len(b) >= 4 {
		if c := cmp.Compare(le.Uint32(a), le.Uint32(b)); c != 0 {
			return c
		}
		a, b = a[4:], b[4:]
	}
	return bytes.Compare(a, b)
}

func entryKey(e []byte) []byte { return e[entryHeader : entryHeader+int(le.Uint16(e[10:]))] }
