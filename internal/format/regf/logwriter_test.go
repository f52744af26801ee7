package regf

import (
	"bytes"
	"testing"
)

// What writes logs here is for tests only: it turns a series of hive images into the dirty hive and
// the logs that Windows would leave if it stopped before the last write.

// logHeader is the first sector of a log of that type beside the hive image b.
func logHeader(b []byte, fileType, sequence uint32) []byte {
	p := bytes.Clone(b[:baseSize])
	le.PutUint32(p[0x1C:], fileType)
	return seal(p, sequence, sequence)[:sectorSize]
}

// seal sets the sequence numbers of a header and its checksum.
func seal(b []byte, first, second uint32) []byte {
	le.PutUint32(b[4:], first)
	le.PutUint32(b[8:], second)
	le.PutUint32(b[checksumOffset:], checksum(b))
	return b
}

// newLog returns a log in the new format that leads from the first of the images to the last, an
// entry for each step, the first of which has that sequence number.
func newLog(sequence uint32, images ...[]byte) []byte {
	out := logHeader(images[0], typeLogHvLE, sequence)
	for i := range images[1:] {
		out = append(out, newEntry(sequence+uint32(i), images[i], images[i+1])...)
	}
	return out
}

// newEntry is the entry that leads from one hive image to another.
func newEntry(sequence uint32, from, to []byte) []byte {
	var refs, pages []byte
	count := uint32(0)
	for off := baseSize; off < len(to); {
		end := off
		for end < len(to) && (end >= len(from) || !bytes.Equal(from[end:][:binAlign], to[end:][:binAlign])) {
			end += binAlign
		}
		if end > off {
			refs = le.AppendUint32(le.AppendUint32(refs, uint32(off-baseSize)), uint32(end-off))
			pages = append(pages, to[off:end]...)
			count++
		}
		off = max(end, off+binAlign)
	}
	return sealEntry(entry7(sequence, to, count, append(refs, pages...)))
}

// entry7 puts the head before the content of an entry.
func entry7(sequence uint32, to []byte, count uint32, content []byte) []byte {
	p := make([]byte, (entryHead+len(content)+sectorSize-1)/sectorSize*sectorSize)
	copy(p, "HvLE")
	le.PutUint32(p[0x04:], uint32(len(p)))
	le.PutUint32(p[0x08:], le.Uint32(to[flagsOffset:])&1)
	le.PutUint32(p[0x0C:], sequence)
	le.PutUint32(p[0x10:], uint32(len(to)-baseSize))
	le.PutUint32(p[0x14:], count)
	copy(p[entryHead:], content)
	return p
}

// sealEntry sets the hashes of an entry.
func sealEntry(p []byte) []byte {
	le.PutUint64(p[0x18:], marvin(p[entryHead:]))
	le.PutUint64(p[0x20:], marvin(p[:0x20]))
	return p
}

// oldLog returns a log in the old format that leads from one hive image to another, on a disk with
// sectors of that many bytes.
func oldLog(fileType, sequence uint32, from, to []byte, sector int) []byte {
	header := bytes.Clone(to[:baseSize])
	le.PutUint32(header[0x1C:], fileType)
	le.PutUint32(header[0x2C:], uint32(sector/sectorSize))
	out := append(bytes.Clone(seal(header, sequence, sequence)[:sector]), "DIRT"...)
	bitmap := make([]byte, (len(to)-baseSize)/sectorSize/8)
	var pages []byte
	for off := baseSize; off < len(to); off += sectorSize {
		if off >= len(from) || !bytes.Equal(from[off:][:sectorSize], to[off:][:sectorSize]) {
			bit := (off - baseSize) / sectorSize
			bitmap[bit/8] |= 1 << (bit % 8)
			pages = append(pages, to[off:][:sectorSize]...)
		}
	}
	out = append(out, bitmap...)
	out = append(out, make([]byte, -len(out)&(sector-1))...)
	return append(out, pages...)
}

// torn is the hive as it is after a write from one image to another that stopped: header written
// once, some of the pages too.
func torn(from, to []byte, first, second uint32, written func(page int) bool) []byte {
	b := append(bytes.Clone(to[:baseSize]), from[baseSize:]...)
	for off := baseSize; off < min(len(from), len(to)); off += binAlign {
		if written(off / binAlign) {
			copy(b[off:], to[off:][:binAlign])
		}
	}
	return seal(b, first, second)
}

// editedHives returns images of a hive that is edited step by step: small, grown, shrunk.
func editedHives(t testing.TB, minor uint32) [][]byte {
	h := richHive(t, minor)
	images := [][]byte{seal(marshal(t, h), 40, 40)}
	for _, edit := range []func(){
		func() { create(t, h.Root, "Types").Set(String("sz", "another text")) },
		func() { create(t, h.Root, `New\Key`).Set(Binary("large", pattern(100000))) },
		func() { create(t, h.Root, `Names\later`) },
		func() { h.Root.Subkey("New").DeleteValue("large"); _ = h.Root.Delete("Sizes") },
	} {
		edit()
		images = append(images, seal(marshal(t, h), 40, 40))
	}
	return images
}
