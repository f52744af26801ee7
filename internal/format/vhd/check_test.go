package vhd_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// TestCheckCrowded checks a small file whose table has a million blocks, all in few places: it is damage,
// and takes no memory.
func TestCheckCrowded(t *testing.T) {
	const blocks, table, data, places = 1 << 20, 1536, 4 << 20, 4096
	d := newDynamic(t)
	binary.BigEndian.PutUint64(d.footer[48:], blocks*512)
	binary.BigEndian.PutUint64(d.footer[16:], 512)
	binary.BigEndian.PutUint64(d.header[16:], table)
	binary.BigEndian.PutUint32(d.header[28:], blocks)
	binary.BigEndian.PutUint32(d.header[32:], 512)
	sum(d.footer, footerSum)
	sum(d.header, headerSum)
	entries := make([]byte, 4*blocks)
	for i := range blocks {
		binary.BigEndian.PutUint32(entries[4*i:], uint32((table+data)/512+2*(i%places)+2))
	}
	m := &sparsetest.Image{Size: table + data + 1024*(places+2), Pieces: []sparsetest.Piece{{Data: d.footer}, {Offset: 512, Data: d.header}, {Offset: table, Data: entries}}}
	m.Pieces = append(m.Pieces, sparsetest.Piece{Offset: m.Size - 512, Data: d.footer})
	disk, err := vhd.Open(m, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	problems := disk.Check()
	runtime.ReadMemStats(&after)
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "more than the file has room for") {
		t.Errorf("%v", problems)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("%d bytes were allocated", took)
	}
}
