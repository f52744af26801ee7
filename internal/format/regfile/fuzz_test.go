package regfile

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// FuzzParse reads anything. What is read comes out of a rewrite as it was, and what is refused is refused with
// a reason.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/hand-*.reg")
	if err != nil || len(names) == 0 {
		f.Fatalf("no testdata: %v", err)
	}
	for _, name := range names {
		f.Add(read(f, name))
	}
	f.Add(marshal(f, manyValues(8)))
	f.Add([]byte(header4 + "\n[K]\n\"a\"=hex(2):81,\\;c\n\n 00\n@=-"))
	f.Add([]byte("\xFF\xFE" + string(utf16le.Encode(header5+"\r\n[K]\r\n\"\xED\xA0\xBD\\\\\"=\"\xED\xB8\x80\""))))
	f.Fuzz(func(t *testing.T, data []byte) {
		ops, err := Parse(data)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) && !errors.Is(err, fault.ErrUnsupported) {
				t.Fatalf("no class: %v", err)
			}
			return
		}
		total := 0
		for i, op := range ops {
			if op.Line < 1 || i > 0 && op.Line <= ops[i-1].Line {
				t.Fatalf("operation %d is on line %d", i, op.Line)
			}
			total += len(op.Data)
		}
		if total > 3*len(data) { // a byte of REGEDIT4 may need three, in a string and in two lines more
			t.Fatalf("%d bytes of text, %d of data", len(data), total)
		}
		if got := show(parse(t, marshal(t, ops))); got != show(ops) {
			t.Fatalf("got\n%s\nwant\n%s", got, show(ops))
		}
	})
}
