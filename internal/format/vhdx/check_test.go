package vhdx_test

import (
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// TestCheck finds what Open passes over.
func TestCheck(t *testing.T) {
	block := func(m *sparsetest.Image, at uint64) { le.PutUint64(m.Pieces[pieceBAT].Data[8*3:], at|6) }
	for name, c := range map[string]struct {
		change func(m *sparsetest.Image)
		says   string
	}{
		"sound":             {func(*sparsetest.Image) {}, ""},
		"no log":            {func(m *sparsetest.Image) { le.PutUint32(m.Pieces[pieceHeader1].Data[68:], 0) }, ""},
		"nothing of a log":  {func(m *sparsetest.Image) { clear(m.Pieces[pieceHeader1].Data[68:80]) }, ""},
		"log's place":       {func(m *sparsetest.Image) { le.PutUint64(m.Pieces[pieceHeader1].Data[72:], 512) }, "the log, 1048576 bytes at 0x200, is not in whole MiB"},
		"log far away":      {func(m *sparsetest.Image) { le.PutUint64(m.Pieces[pieceHeader1].Data[72:], 64*mib) }, "past the end"},
		"over the log":      {func(m *sparsetest.Image) { block(m, logAt) }, "where another one does, or a table"},
		"over the metadata": {func(m *sparsetest.Image) { block(m, metadataAt) }, "where another one does, or a table"},
		"over the BAT":      {func(m *sparsetest.Image) { block(m, batAt) }, "where another one does, or a table"},
		"over a block":      {func(m *sparsetest.Image) { block(m, blocksAt) }, "where another one does, or a table"},
		"crowded": {func(m *sparsetest.Image) {
			for i := range diskBlocks {
				le.PutUint64(m.Pieces[pieceBAT].Data[8*i:], blocksAt|6)
			}
		}, "more than the file has room for"},
	} {
		m := newImage(512)
		c.change(m)
		sealAll(m)
		d, err := vhdx.Open(m, m.Size)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		problems := d.Check()
		if c.says == "" && len(problems) > 0 || c.says != "" && (len(problems) != 1 || !strings.Contains(problems[0].Error(), c.says)) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
