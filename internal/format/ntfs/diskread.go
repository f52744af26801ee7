package ntfs

import (
	"bytes"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The other half of disk.go: the same records, read. Offsets in errors count from the start of the
// record, block or value that is parsed. Nothing here trusts a length.

// Bounds of what a boot sector may say, in bytes.
const (
	minSector       = 512
	maxSector       = 4096
	maxClusterRead  = 2 << 20 // Windows 10 1709 and later
	minRecordRead   = 512
	maxRecordRead   = 64 << 10 // Windows knows 1 and 4 KiB
	maxBlockRead    = 64 << 10
	maxSectorsShift = 12   // a cluster has at most this power of two sectors
	usaLeast        = 0x1E // where the update sequence array may start: there in a restart page
)

// bitLockerID stands in place of oemID on an encrypted volume.
const bitLockerID = "-FVE-FS-"

// parse reads the BIOS parameter block.
func (s *bootSector) parse(b []byte) error {
	if string(b[3:bpbStart]) == bitLockerID {
		return fault.Unsupportedf(3, "the volume is encrypted with BitLocker")
	}
	if string(b[3:bpbStart]) != oemID || b[510] != 0x55 || b[511] != 0xAA {
		return fault.Corruptf(3, "no NTFS boot sector: the OEM id is %q", b[3:bpbStart])
	}
	s.sector = int64(le.Uint16(b[0x0B:]))
	if !powerWithin(s.sector, minSector, maxSector) {
		return fault.Corruptf(0x0B, "sectors of %d bytes", s.sector)
	}
	s.cluster = s.sector * int64(b[0x0D])
	if b[0x0D] > 0x80 {
		shift := -int8(b[0x0D])
		if shift > maxSectorsShift {
			return fault.Corruptf(0x0D, "clusters of 2^%d sectors", shift)
		}
		s.cluster = s.sector << shift
	}
	if !powerWithin(s.cluster, s.sector, maxClusterRead) {
		return fault.Corruptf(0x0D, "clusters of %d bytes", s.cluster)
	}
	s.record, s.block = clusterDecode(b[0x40], s.cluster), clusterDecode(b[0x44], s.cluster)
	if !powerWithin(s.record, minRecordRead, maxRecordRead) {
		return fault.Corruptf(0x40, "MFT records of %d bytes", s.record)
	}
	if !powerWithin(s.block, sectorStride, maxBlockRead) {
		return fault.Corruptf(0x44, "index blocks of %d bytes", s.block)
	}
	s.hidden = le.Uint32(b[0x1C:])
	s.sectors = int64(le.Uint64(b[0x28:]))
	s.mft, s.mirror = int64(le.Uint64(b[0x30:])), int64(le.Uint64(b[0x38:]))
	s.serial = le.Uint64(b[0x48:])
	return nil
}

func powerWithin(n, low, high int64) bool {
	return n >= low && n <= high && n&(n-1) == 0
}

// clusterDecode undoes clusterCode; 0 is no length.
func clusterDecode(c byte, cluster int64) int64 {
	if c < 0x80 {
		return int64(c) * cluster
	}
	if shift := 256 - int(c); shift < 32 {
		return 1 << shift
	}
	return 0
}

// unprotect undoes protect, in place, after checking that b is a whole record or block that starts
// with magic.
func unprotect(b []byte, magic string) error {
	if string(b[:4]) != magic {
		return fault.Corruptf(0, "signature is %q, expected %q", b[:4], magic)
	}
	usa, n := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if n != len(b)/sectorStride+1 || usa < usaLeast || usa%2 != 0 || usa+2*n > sectorStride-2 {
		return fault.Corruptf(4, "update sequence array of %d entries at %#x, in %d bytes", n, usa, len(b))
	}
	for i := range n - 1 {
		end := (i+1)*sectorStride - 2
		if !bytes.Equal(b[end:end+2], b[usa:usa+2]) {
			return fault.Corruptf(int64(end), "torn write: sector ends in % x, update sequence is % x", b[end:end+2], b[usa:usa+2])
		}
	}
	for i := range n - 1 {
		copy(b[(i+1)*sectorStride-2:], b[usa+2+2*i:usa+4+2*i])
	}
	return nil
}

// parse reads the head of a record that has been unprotected. first is where attributes start.
func (h *recordHeader) parse(b []byte) (first int, err error) {
	h.sequence, h.links = le.Uint16(b[0x10:]), le.Uint16(b[0x12:])
	h.flags, h.used = le.Uint16(b[0x16:]), int(le.Uint32(b[0x18:]))
	h.base, h.next = le.Uint64(b[0x20:]), le.Uint16(b[0x28:])
	h.number = le.Uint32(b[0x2C:])
	first = int(le.Uint16(b[0x14:]))
	if h.used > len(b) || first < 0x28 || first%8 != 0 || first+4 > h.used {
		return 0, fault.Corruptf(0x14, "attributes from %#x to %#x in a record of %d bytes", first, h.used, len(b))
	}
	return first, nil
}

// extent is count clusters of a stream, at lcn, or a hole.
type extent struct {
	vcn, lcn, count int64
}

const holeLCN = -1

func (e *extent) hole() bool { return e.lcn == holeLCN }

func (e *extent) end() int64 { return e.vcn + e.count }

// stored is one attribute as a record has it; once pieces from several records are joined, as the
// file has it.
type stored struct {
	typ      uint32
	name     string
	instance uint16
	flags    uint16
	resident bool
	value    []byte // if resident

	lowest, next                 int64 // VCNs: of the first cluster, and after the last
	unit                         int64 // clusters in a unit of compression; 0 for none
	allocated, size, initialized int64 // bytes
	extents                      []extent
	at                           int // in its record, for errors
}

// Flags of an attribute.
const (
	flagCompressed = 0x00FF // LZNT1 is 1; no other method was ever used
	flagLZNT1      = 0x0001
	flagEncrypted  = 0x4000
	flagSparse     = 0x8000
)

// parseAttributes splits a record into its attributes. Values point into b.
func parseAttributes(b []byte, first int, h *recordHeader, clusters int64) ([]stored, error) {
	out := make([]stored, 0, 4) // what most files have
	for at := first; ; {
		if at+4 > h.used {
			return nil, fault.Corruptf(int64(at), "attributes do not end before byte %#x", h.used)
		}
		if le.Uint32(b[at:]) == typeEnd {
			return out, nil
		}
		if at+residentHead > h.used {
			return nil, fault.Corruptf(int64(at), "attribute head ends after byte %#x", h.used)
		}
		n := int64(le.Uint32(b[at+4:]))
		if n < residentHead || n%8 != 0 || n > int64(h.used-at) {
			return nil, fault.Corruptf(int64(at), "attribute %#x has a length of %d bytes", le.Uint32(b[at:]), n)
		}
		a := stored{at: at}
		if err := a.parse(b[at:at+int(n)], clusters); err != nil {
			return nil, err
		}
		out = append(out, a)
		at += int(n)
	}
}

// parse reads the attribute that fills b.
func (a *stored) parse(b []byte, clusters int64) error {
	a.typ, a.flags, a.instance = le.Uint32(b), le.Uint16(b[12:]), le.Uint16(b[14:])
	nameAt, nameEnd := int(le.Uint16(b[10:])), int(le.Uint16(b[10:]))+2*int(b[9])
	if b[9] > 0 {
		if nameAt < residentHead || nameEnd > len(b) {
			return a.corrupt("name from %#x to %#x of %d bytes", nameAt, nameEnd, len(b))
		}
		a.name = utf16le.Decode(b[nameAt:nameEnd])
	}
	switch b[8] {
	case 0:
		a.resident = true
		at, n := int64(le.Uint16(b[20:])), int64(le.Uint32(b[16:]))
		if at < residentHead && n > 0 || at+n > int64(len(b)) {
			return a.corrupt("value of %d bytes at %#x of %d", n, at, len(b))
		}
		if n > 0 {
			a.value = b[at : at+n]
		}
		a.size, a.initialized = n, n
		return nil
	case 1:
		return a.parseOutside(b, clusters)
	}
	return a.corrupt("form code is %d", b[8])
}

// corrupt says what is wrong with the attribute.
func (a *stored) corrupt(format string, args ...any) error {
	return fault.In(attributeName(a.typ, a.name), fault.Corruptf(int64(a.at), format, args...))
}

// maxUnitShift bounds the unit of compression: NTFS uses 2^4 clusters of at most 4 KiB.
const maxUnitShift = 8

// parseOutside reads an attribute whose value is clusters. Only the first piece of one has sizes.
func (a *stored) parseOutside(b []byte, clusters int64) error {
	if len(b) < outsideHead {
		return a.corrupt("head of %d bytes", len(b))
	}
	a.lowest, a.next = int64(le.Uint64(b[0x10:])), int64(le.Uint64(b[0x18:]))+1
	at := int(le.Uint16(b[0x20:]))
	shift := b[0x22]
	if at < outsideHead || at > len(b) || shift > maxUnitShift {
		return a.corrupt("run list at %#x of %d bytes, unit of compression 2^%d", at, len(b), shift)
	}
	if shift > 0 {
		a.unit = 1 << shift
	}
	if a.lowest == 0 {
		a.allocated, a.size = int64(le.Uint64(b[0x28:])), int64(le.Uint64(b[0x30:]))
		a.initialized = int64(le.Uint64(b[0x38:]))
		if a.size < 0 || a.initialized < 0 || a.initialized > a.size {
			return a.corrupt("%d of %d bytes are initialized", a.initialized, a.size)
		}
	}
	var err error
	if a.extents, err = parseRuns(b[at:], a.lowest, clusters); err != nil {
		return fault.In(attributeName(a.typ, a.name), err)
	}
	end := a.lowest
	if n := len(a.extents); n > 0 {
		end = a.extents[n-1].end()
	}
	if a.lowest < 0 || end != a.next {
		return a.corrupt("clusters %d to %d have runs up to %d", a.lowest, a.next, end)
	}
	return nil
}

// maxVCN bounds cluster numbers inside a stream, so that bytes fit 63 bits whatever the cluster.
const maxVCN = 1 << 41

// parseRuns reads a run list. Neighbouring runs are joined.
func parseRuns(b []byte, vcn, clusters int64) ([]extent, error) {
	var out []extent
	lcn := int64(0)
	for at := 0; ; {
		if at >= len(b) {
			return nil, fault.Corruptf(int64(at), "run list does not end")
		}
		n, m := int(b[at]&15), int(b[at]>>4)
		if b[at] == 0 {
			return out, nil
		}
		if n == 0 || n > 8 || m > 8 || at+1+n+m > len(b) {
			return nil, fault.Corruptf(int64(at), "run of form %#02x", b[at])
		}
		e := extent{vcn: vcn, lcn: holeLCN, count: signedBytes(b[at+1 : at+1+n])}
		if e.count <= 0 || vcn < 0 || vcn+e.count > maxVCN {
			return nil, fault.Corruptf(int64(at), "run of %d clusters at VCN %d", e.count, vcn)
		}
		if m > 0 {
			lcn += signedBytes(b[at+1+n : at+1+n+m])
			if lcn < 0 || e.count > clusters || lcn > clusters-e.count {
				return nil, fault.Corruptf(int64(at), "run of %d clusters at %d of %d", e.count, lcn, clusters)
			}
			e.lcn = lcn
		}
		vcn += e.count
		at += 1 + n + m
		out = appendExtent(out, e)
	}
}

// appendExtent adds e, as part of the last one if it continues that.
func appendExtent(list []extent, e extent) []extent {
	if k := len(list) - 1; k >= 0 {
		last := &list[k]
		if last.hole() && e.hole() || !last.hole() && !e.hole() && last.lcn+last.count == e.lcn {
			last.count += e.count
			return list
		}
	}
	return append(list, e)
}

func signedBytes(b []byte) int64 {
	x := int64(0)
	for i := len(b) - 1; i >= 0; i-- {
		x = x<<8 | int64(b[i])
	}
	shift := 64 - 8*len(b)
	return x << shift >> shift
}

// listEntry is an entry of an attribute list.
type listEntry struct {
	typ      uint32
	name     string
	lowest   int64
	where    uint64 // reference of the record that has the attribute
	instance uint16
}

// parseList reads an attribute list.
func parseList(b []byte) ([]listEntry, error) {
	var out []listEntry
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < listEntryFixed {
			return nil, fault.Corruptf(int64(at), "attribute list ends inside an entry")
		}
		n := int(le.Uint16(rest[4:]))
		name, nameEnd := int(rest[7]), int(rest[7])+2*int(rest[6])
		if n < listEntryFixed || n > len(rest) || nameEnd > n || rest[6] > 0 && name < listEntryFixed {
			return nil, fault.Corruptf(int64(at), "attribute list entry of %d bytes, name from %d to %d", n, name, nameEnd)
		}
		e := listEntry{typ: le.Uint32(rest), lowest: int64(le.Uint64(rest[8:])), where: le.Uint64(rest[0x10:]), instance: le.Uint16(rest[0x18:])}
		if rest[6] > 0 {
			e.name = utf16le.Decode(rest[name:nameEnd])
		}
		out = append(out, e)
		at += n
	}
	return out, nil
}

// splitReference undoes reference. NTFS has 48 bits for the record; more than 32 are not in use.
func splitReference(r uint64) (record uint64, sequence uint16) {
	return r & (1<<48 - 1), uint16(r >> 48)
}

// fileName is $FILE_NAME, as an attribute and as the key of a directory's entries.
type fileName struct {
	parent uint64
	space  byte
	name   string
}

func parseFileName(b []byte) (fileName, error) {
	if len(b) < fileNameFixed || len(b) < fileNameFixed+2*int(b[64]) || b[64] == 0 {
		return fileName{}, fault.Corruptf(fault.NoOffset, "$FILE_NAME of %d bytes", len(b))
	}
	if b[65] > spaceBoth {
		return fileName{}, fault.Corruptf(fault.NoOffset, "$FILE_NAME in name space %d", b[65])
	}
	return fileName{le.Uint64(b), b[65], utf16le.Decode(b[fileNameFixed : fileNameFixed+2*int(b[64])])}, nil
}
