package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestReadSplitMFT reads a volume whose MFT is in three places, the last two named by extension
// records in the MFT itself. ntfs-3g must agree that it is one.
func TestReadSplitMFT(t *testing.T) {
	want := directoryTree(t, 3, 400)
	m := build(t, want, options(16<<20))
	splitMFT(m)
	v, got := read(t, m)
	sameTree(t, want, got)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
	image := saved(t, m)
	for _, j := range generalJudges {
		if j.program == "ntfsresize" || j.program == "ntfsinfo" {
			oracle.Need(t, j.program)
			if err := j.judge(image); err != nil {
				t.Error(err)
			}
		}
	}
}

// splitMFT cuts the runs of $MFT into three: the first stays in record 0, behind an attribute list;
// the others go to records 16 and 17, and the clusters of the last are moved.
func splitMFT(m memory) {
	const cluster, record, first, second = 4096, 1024, 20, 12
	lcn := int(le.Uint64(m[0x30:]))
	mft := lcn * cluster
	r := bytes.Clone(m[mft : mft+record])
	unfix(r)
	attrs := map[uint32][]byte{}
	for at := int(le.Uint16(r[0x14:])); le.Uint32(r[at:]) != 0xFFFFFFFF; at += int(le.Uint32(r[at+4:])) {
		attrs[le.Uint32(r[at:])] = bytes.Clone(r[at : at+int(le.Uint32(r[at+4:]))])
	}
	data := attrs[0x80]
	total := int(le.Uint64(data[0x18:])) + 1
	moved := len(m)/cluster - 1 - (total - first - second) // the end of the volume is free
	copy(m[moved*cluster:], m[mft+(first+second)*cluster:mft+total*cluster])
	useClusters(m, lcn+first+second, lcn+total, false)
	useClusters(m, moved, moved+total-first-second, true)
	ref := func(n uint64) uint64 { return n | n<<48 }
	list := make([]byte, 0x18, 512)
	for _, e := range []struct {
		typ      uint32
		vcn      int
		where    uint64
		instance uint16
	}{
		{0x10, 0, 1 << 48, le.Uint16(attrs[0x10][14:])}, {0x30, 0, 1 << 48, le.Uint16(attrs[0x30][14:])},
		{0x80, 0, 1 << 48, le.Uint16(data[14:])}, {0x80, first, ref(16), 0}, {0x80, first + second, ref(17), 0},
		{0xB0, 0, 1 << 48, le.Uint16(attrs[0xB0][14:])},
	} {
		b := make([]byte, 0x20)
		le.PutUint32(b, e.typ)
		b[4], b[7] = 0x20, 0x1A
		le.PutUint64(b[8:], uint64(e.vcn))
		le.PutUint64(b[16:], e.where)
		le.PutUint16(b[24:], e.instance)
		list = append(list, b...)
	}
	le.PutUint32(list, 0x20)
	le.PutUint32(list[4:], uint32(len(list)))
	le.PutUint16(list[14:], 100)
	le.PutUint32(list[16:], uint32(len(list)-0x18))
	list[20] = 0x18
	le.PutUint16(r[0x28:], 101)
	putRecord(r, attrs[0x10], list, attrs[0x30], piece(data, 0, first, lcn), attrs[0xB0])
	copy(m[mft:], r)
	for i, p := range [][]byte{piece(data, first, second, lcn+first), piece(data, first+second, total-first-second, moved)} {
		b := m[mft+(16+i)*record : mft+(17+i)*record]
		unfix(b)
		le.PutUint16(b[0x10:], uint16(16+i))
		b[0x16] = 1
		le.PutUint64(b[0x20:], 1<<48)
		le.PutUint16(b[0x28:], 1)
		le.PutUint16(p[14:], 0)
		putRecord(b, p)
	}
	bitmap := int(decodeRuns(attrs[0xB0][0x40:])[0][0]) * cluster // the MFT's own
	m[bitmap+2] |= 3
	mirror := int(le.Uint64(m[0x38:])) * cluster
	copy(m[mirror:mirror+4*record], m[mft:mft+4*record])
}

// piece is part of a $DATA attribute: count clusters from vcn on, at lcn.
func piece(data []byte, vcn, count, lcn int) []byte {
	b := append(bytes.Clone(data[:0x40]), 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint64(b[0x10:], uint64(vcn))
	le.PutUint64(b[0x18:], uint64(vcn+count-1))
	if vcn > 0 {
		clear(b[0x28:0x40])
	}
	le.PutUint32(b[0x41:], uint32(count))
	le.PutUint32(b[0x45:], uint32(lcn))
	return b
}

// putRecord replaces the attributes of a record, and protects it.
func putRecord(r []byte, attrs ...[]byte) {
	at := int(le.Uint16(r[0x14:]))
	clear(r[at:])
	for _, a := range attrs {
		at += copy(r[at:], a)
	}
	le.PutUint32(r[at:], 0xFFFFFFFF)
	le.PutUint32(r[0x18:], uint32(at+8))
	usa := int(le.Uint16(r[4:]))
	for i := range len(r) / 512 {
		end := (i+1)*512 - 2
		copy(r[usa+2+2*i:], r[end:end+2])
		copy(r[end:], r[usa:usa+2])
	}
}

// unfix undoes a record's update sequence.
func unfix(r []byte) {
	usa := int(le.Uint16(r[4:]))
	for i := range len(r) / 512 {
		copy(r[(i+1)*512-2:], r[usa+2+2*i:usa+4+2*i])
	}
}

// useClusters changes $Bitmap.
func useClusters(m memory, first, end int, used bool) {
	mft := int(le.Uint64(m[0x30:])) * 4096
	r := bytes.Clone(m[mft+6*1024 : mft+7*1024])
	unfix(r)
	at := int(le.Uint16(r[0x14:]))
	for le.Uint32(r[at:]) != 0x80 {
		at += int(le.Uint32(r[at+4:]))
	}
	runs := r[at+int(le.Uint16(r[at+0x20:])):]
	bitmap := int(decodeRuns(runs)[0][0]) * 4096
	for c := first; c < end; c++ {
		m[bitmap+c/8] &^= 1 << (c % 8)
		if used {
			m[bitmap+c/8] |= 1 << (c % 8)
		}
	}
}

// TestReadListLoops has attribute lists that lead nowhere, or in circles.
func TestReadListLoops(t *testing.T) {
	for name, c := range map[string]struct {
		change func(list []byte) // of $MFT: six entries of 0x20 bytes
		want   string
	}{
		"record that is no extension": {func(l []byte) { le.PutUint64(l[3*0x20+0x10:], 5|5<<48) }, "record 5"},
		"record behind the MFT":       {func(l []byte) { le.PutUint64(l[3*0x20+0x10:], 1<<30) }, "record 1073741824"},
		"record of the next piece":    {func(l []byte) { copy(l[3*0x20:], l[4*0x20:5*0x20]) }, "VCN 32"},
		"twice":                       {func(l []byte) { copy(l[4*0x20:], l[3*0x20:4*0x20]) }, "VCN 20"},
		"entry without length":        {func(l []byte) { l[4] = 0 }, "attribute list entry of 0 bytes"},
		"name outside":                {func(l []byte) { l[6] = 200 }, "attribute list entry"},
	} {
		m := build(t, directoryTree(t, 400), options(16<<20))
		splitMFT(m)
		mft := int(le.Uint64(m[0x30:])) * 4096
		at := bytes.Index(m[mft:mft+1024], []byte{0x10, 0, 0, 0, 0x20, 0, 0, 0x1A})
		c.change(m[mft+at:])
		v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
		if err == nil {
			_, err = v.Tree()
		}
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestCheckUnlisted finds an attribute that the attribute list leaves out.
func TestCheckUnlisted(t *testing.T) {
	m := build(t, directoryTree(t, 400), options(16<<20))
	splitMFT(m)
	mft := int(le.Uint64(m[0x30:])) * 4096
	at := mft + bytes.Index(m[mft:mft+1024], []byte{0x30, 0, 0, 0, 0x20, 0, 0, 0x1A})
	copy(m[at:], m[at+0x20:at+5*0x20]) // the others move up
	list := mft + 0x38 + 0x60
	if le.Uint32(m[list:]) != 0x20 {
		t.Fatalf("no attribute list at %#x", list)
	}
	le.PutUint32(m[list+4:], 0x18+6*0x20)
	le.PutUint32(m[list+16:], 5*0x20)
	v, _ := read(t, m)
	if problems := fmt.Sprint(v.Check()); !strings.Contains(problems, "does not name 1 attributes") {
		t.Error(problems)
	}
}

// TestReadIndexLoop points an index block at itself.
func TestReadIndexLoop(t *testing.T) {
	tr := tree.New(anyTime)
	for i := range 3000 {
		link(t, tr, tr.Root, strings.Repeat("x", 1+i%200)+string(rune('a'+i%26))+string(rune(0x4E00+i)), "", tr.NewFile(nil))
	}
	m := build(t, tr, options(16<<20))
	changed := 0
	for at := 0; at+4096 <= len(m); at += 4096 {
		if b := m[at : at+4096]; string(b[:4]) == "INDX" && b[36] == 1 { // an inner node
			vcn := le.Uint64(b[16:])
			first := 24 + int(le.Uint32(b[24:]))
			n := int(le.Uint16(b[first+8:]))
			le.PutUint64(b[first+n-8:], vcn)
			changed++
		}
	}
	if changed == 0 {
		t.Fatal("no inner node")
	}
	v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Tree(); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "stands twice") {
		t.Errorf("got %v", err)
	}
}

// TestReadEncrypted lists an encrypted file but does not read it.
func TestReadEncrypted(t *testing.T) {
	tr := tree.New(anyTime)
	link(t, tr, tr.Root, "file", "", tr.NewFile(tree.Bytes("secret")))
	m := build(t, tr, options(16<<20))
	r := m[int(le.Uint64(m[0x30:]))*4096+64*1024:][:1024]
	at := bytes.Index(r, []byte("secret")) - 0x18
	le.PutUint16(r[at+12:], 0x4000)
	_, got := read(t, m)
	n := got.Find("file").Node
	if _, err := tree.ReadAll(n.Data, 100); n.Data.Size() != 6 || !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "EFS") {
		t.Errorf("%d bytes, %v", n.Data.Size(), err)
	}
}
