package unattend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// FuzzParse feeds anything to Check and Merge. What is parsed is written and parsed again to the same, and
// merging twice is merging once.
func FuzzParse(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.xml")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(append([]byte{0xFF, 0xFE}, utf16le.Encode(string(data))...))
	}
	for text := range wrong() {
		if len(text) < 4096 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`<u:unattend xmlns:u="urn:schemas-microsoft-com:unattend"><u:settings pass="specialize"><!--x--><![CDATA[]]]]>&#13;<?p i?></u:settings></u:unattend>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Check(data, amd64)
		d, err := parse(data)
		if err != nil {
			return
		}
		written, err := d.bytes()
		if err != nil {
			return // longer than what is allowed, with its characters escaped
		}
		d, err = parse(written)
		if err != nil {
			t.Fatalf("does not read what it wrote: %v\n%q", err, written)
		}
		if again, err := d.bytes(); err != nil || string(again) != string(written) {
			t.Fatalf("another file after writing: %v\n%q\n%q", err, written, again)
		}
		merged, err := Merge(data, full(), amd64)
		if err != nil {
			return
		}
		if again, err := Merge(merged, full(), amd64); err != nil || string(again) != string(merged) {
			t.Fatalf("merged twice: %v\n%q\n%q", err, merged, again)
		}
	})
}
