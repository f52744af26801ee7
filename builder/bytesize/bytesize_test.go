package bytesize

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"30GiB": 30 << 30, "512MiB": 512 << 20, "24 GB": 24e9, "1": 1, "4096 b": 4096,
		"40960M": 40960 << 20, "40G": 40 << 30, "1.5GiB": 3 << 29, " 0.5 tib ": 1 << 39,
		"2TB": 2e12, "64kb": 64000, "1048576TiB": 1 << 60, "0030GiB": 30 << 30,
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	for _, text := range []string{
		"", "GiB", "30 GiBs", "30Gi", "-1GiB", "1e9", "0", "0GiB", ".5GiB", "5.GiB", "1.2.3GiB", "1/2GiB", "0x10",
		"0.3", "1048577TiB", strings.Repeat("9", 41), strings.Repeat("9", 39), "３０GiB",
	} {
		if got, err := Parse(text); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("Parse(%q) = %d, %v, want an invalid value", text, got, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 30 << 30: "30 GiB",
		24e9: "22.4 GiB", 1 << 60: "1 EiB",
	} {
		if got := Format(n); got != want {
			t.Errorf("Format(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"30GiB", "24 GB", "1.5g", "", "9999999999999999999999TiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := Parse(s); err == nil && (n <= 0 || n > Max) {
			t.Fatalf("Parse(%q) = %d", s, n)
		}
	})
}
