package ntfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCheckerCanFail flips one bit after another in the metadata of a volume; the checker must see
// each.
func TestCheckerCanFail(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	tr := randomTree(t, r, 150)
	good := build(t, tr, options(12<<20))
	v := check(t, good, tr)
	if t.Failed() {
		t.FailNow()
	}
	for _, spot := range spots(v, good) {
		for range 15 {
			at := spot.start + r.Int64N(spot.end-spot.start)
			if good[at] == 0 {
				continue // might be a field nobody looks at
			}
			m := slices.Clone(good)
			m[at] ^= 1 << r.IntN(8)
			if checkVolume(bytes.NewReader(m), int64(len(m))).problems == nil {
				t.Errorf("%s: a flipped bit at %#x of it goes unnoticed: % x became %#x", spot.name, at-spot.start, good[max(0, at-16):at+16], m[at])
			}
		}
	}
}

type spot struct {
	name       string
	start, end int64
}

// spots are the places to spoil.
func spots(v *checked, m memory) []spot {
	var out []spot
	add := func(name string, record, typ uint32, stream string) {
		a := v.files[record].find(typ, stream)
		start := a.runs[0][0] * v.cluster
		out = append(out, spot{name, start, start + a.size})
	}
	add("$MFTMirr", 1, 0x80, "")
	add("$Bitmap", 6, 0x80, "")
	add("$SDS", 9, 0x80, "$SDS")
	add("$MFT:$BITMAP", 0, 0xB0, "")
	add("root index", 5, 0xA0, "$I30")
	add("$LogFile", 2, 0x80, "")
	mft := v.files[0].find(0x80, "").runs[0][0] * v.cluster
	for _, r := range []int64{0, 1, 5, 6, 8, 9, 11, 26} {
		used := int64(le.Uint32(m[mft+r*1024+0x18:]))
		out = append(out, spot{fmt.Sprintf("record %d", r), mft + r*1024, mft + r*1024 + used})
	}
	return out
}
