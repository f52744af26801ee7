package upcase_test

import (
	"bytes"
	"hash/crc64"
	"os"
	"path/filepath"
	"testing"
	"unicode"

	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// windowsCRC is the CRC-64 of its $UpCase that Windows 10 writes into $UpCase:$Info; volumes of
// builds 10.0.18348 and 10.0.19041 carry this one.
const windowsCRC = 0xDADC7E776B1B690C

func TestDefaultIsWindowsTable(t *testing.T) {
	got := crc64.Checksum(upcase.Default().Bytes(), crc64.MakeTable(0x9A6C9329AC4BC9B5))
	if got != windowsCRC {
		t.Fatalf("CRC-64 of the table is %#x, Windows has %#x", got, uint64(windowsCRC))
	}
}

func TestTableIsIdempotent(t *testing.T) {
	up := upcase.Default()
	for i, u := range up {
		if up[u] != u {
			t.Errorf("%04X -> %04X -> %04X", i, u, up[u])
		}
	}
}

// TestUnicode pins what makes the table more than unicode.ToUpper: wherever it changes a unit, it
// agrees with Unicode.
func TestUnicode(t *testing.T) {
	left := 0
	for i, u := range upcase.Default() {
		upper := unicode.ToUpper(rune(i))
		if upper >= upcase.Size {
			upper = rune(i)
		}
		switch {
		case rune(u) == upper:
		case int(u) == i:
			left++
		default:
			t.Errorf("%04X: Windows has %04X, Unicode %04X", i, u, upper)
		}
	}
	if left < 200 {
		t.Errorf("only %d units are left alone that Unicode maps", left)
	}
}

// TestMkntfs compares with the table that mkntfs puts on a volume.
func TestMkntfs(t *testing.T) {
	oracle.Need(t, "mkntfs", "ntfscat")
	img := filepath.Join(t.TempDir(), "v.img")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, 8<<20); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mkntfs", "-F", "-f", "-q", img)
	table := []byte(oracle.Run(t, "ntfscat", "-f", img, "$UpCase"))
	if !bytes.Equal(table, upcase.Default().Bytes()) {
		t.Fatal("mkntfs writes another table")
	}
	table[2*'a'] ^= 1
	if bytes.Equal(table, upcase.Default().Bytes()) {
		t.Fatal("the comparison cannot fail")
	}
}

func TestCompare(t *testing.T) {
	up := upcase.Default()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "a", -1}, {"a", "", 1}, {"abc", "ABC", 0}, {"abc", "ABD", -1},
		{"b", "ABC", 1}, {"a_", "aB", 1}, // '_' sorts after 'B', though before 'b'
	} {
		if got := up.Compare(units(c.a), units(c.b)); got != c.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func units(s string) []uint16 {
	out := make([]uint16, 0, len(s))
	for _, r := range s {
		out = append(out, uint16(r))
	}
	return out
}
