package ntfs_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestCheckMeaning changes bytes that a reader can do without and Windows goes by.
func TestCheckMeaning(t *testing.T) {
	tr := tree.New(anyTime)
	link(t, tr, tr.Root, "file", "", tr.NewFile(tree.Bytes(bytes.Repeat([]byte{7}, 5000))))
	big := tr.NewDirectory()
	link(t, tr, tr.Root, "folder", "", big)
	for i := range 200 {
		link(t, tr, big, fmt.Sprintf("a file with some name %03d", i), "", tr.NewFile(nil))
	}
	good := build(t, tr, options(16<<20))
	mft := int(le.Uint64(good[0x30:])) * 4096
	attribute := func(record int, typ uint32) int {
		at := mft + record*1024
		for at += int(le.Uint16(good[at+0x14:])); le.Uint32(good[at:]) != typ; at += int(le.Uint32(good[at+4:])) {
		}
		return at
	}
	const file, folder = 64, 65
	block := 0
	for run := attribute(folder, 0xA0) + 0x48; block == 0; {
		n, m := int(good[run]&15), int(good[run]>>4)
		for i := range m {
			block |= int(good[run+1+n+i]) << (8 * i)
		}
		block *= 4096
	}
	for _, c := range []struct {
		name string
		at   int
		xor  byte
		want string
	}{
		{"$DATA becomes another type", attribute(file, 0x80), 0x08, "type 0x88"},
		{"$DATA becomes the program's own", attribute(file, 0x80) + 1, 0x10, "type 0x1080"},
		{"$DATA loses its place in the file", attribute(file, 0x80), 0x90, "has no $DATA"},
		{"undefined flag", attribute(file, 0x80) + 12, 0x08, "flags 0x8"},
		{"compressed without units", attribute(file, 0x80) + 12, 0x01, "units of no clusters"},
		{"$FILE_NAME outside of an index", attribute(file, 0x30) + 22, 1, "not marked as indexed"},
		{"index root, end of entries", attribute(folder, 0x90) + int(le.Uint16(good[attribute(folder, 0x90)+20:])) + 16 + 4, 0x08, "index $I30"},
		{"index root, nodes below", attribute(folder, 0x90) + int(le.Uint16(good[attribute(folder, 0x90)+20:])) + 16 + 12, 1, "nodes below"},
		{"index block, end of entries", block + 0x18 + 4, 0x08, "index $I30"},
		{"index block, room", block + 0x18 + 9, 0x80, "index $I30"},
		{"index block, less room", block + 0x18 + 8, 0x08, "index $I30"},
		{"index block, nodes below", block + 0x18 + 12, 1, "nodes below"},
	} {
		m := slices.Clone(good)
		m[c.at] ^= c.xor
		v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		problems := v.Check()
		if !slices.ContainsFunc(problems, func(err error) bool { return strings.Contains(err.Error(), c.want) }) {
			t.Errorf("%s: %v, want %q", c.name, problems, c.want)
		}
	}
}
