package regf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// freeBytes counts what the free cells of a hive have, but for the one at the end of each bin.
func freeBytes(t *testing.T, b []byte) (inside int) {
	t.Helper()
	bins := b[baseSize:][:le.Uint32(b[0x28:])]
	for off := 0; off < len(bins); {
		var head bin
		head.unmarshal(bins[off:])
		end := off + int(head.Size)
		for off += binHeader; off < end; {
			n := int(int32(le.Uint32(bins[off:])))
			if n > 0 && off+n < end {
				inside += n
			}
			off += max(n, -n)
		}
	}
	return inside
}

// compacted rewrites a hive and checks that nothing but what the hive holds is left: no free cells
// between others, no text of what was deleted, the same bytes every time.
func compacted(t *testing.T, b []byte, deleted ...string) []byte {
	t.Helper()
	h := parse(t, b)
	out := marshal(t, h)
	audit(t, out)
	sameHive(t, parse(t, out), h)
	same(t, "rewritten twice", string(marshal(t, parse(t, out))), string(out))
	if n := freeBytes(t, out); n != 0 {
		t.Errorf("%d bytes are free between cells", n)
	}
	for _, text := range deleted {
		if bytes.Contains(out, []byte(text)) {
			t.Errorf("remains of %q", text)
		}
	}
	return out
}

// TestCompactOutside rewrites hives from which hivex has deleted a key: its cells, free now, still
// say what they said.
func TestCompactOutside(t *testing.T) {
	files, err := filepath.Glob("testdata/*.hive")
	if err != nil || len(files) == 0 {
		t.Fatal("no hives", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if freeBytes(t, b) < 5000 || !bytes.Contains(b, []byte("Victim")) {
			t.Errorf("%s has nothing to compact", name)
		}
		if out := compacted(t, b, "Victim", string(pattern(100))); len(out) > len(b)/2 {
			t.Errorf("%s: %d bytes became %d", name, len(b), len(out))
		}
	}
}

// deleter has hivex delete every key whose name ends in an odd digit.
const deleter = `
import hivex, sys
h = hivex.Hivex(sys.argv[1], write=True)
for c in h.node_children(h.root()):
    if int(h.node_name(c)[-1]) % 2:
        h.node_delete_child(c)
h.commit(None)
`

// TestCompact deletes half of a hive's keys: hivex in place, after which the hive is as large as
// before, and this package. Rewritten, both have half the size, and have the bytes of a hive that
// never had more.
func TestCompact(t *testing.T) {
	for _, minor := range minors {
		t.Run(fmt.Sprintf("minor %d", minor), func(t *testing.T) {
			t.Parallel()
			whole, half := halfHives(t, minor)
			before, want := marshal(t, whole), marshal(t, half)
			if len(want) > len(before)*55/100 {
				t.Errorf("half of %d bytes is %d", len(before), len(want))
			}
			for i := 1; i < 400; i += 2 {
				if err := whole.Root.Delete(fmt.Sprintf("Key %03d", i)); err != nil {
					t.Fatal(err)
				}
			}
			same(t, "deleted here", string(compacted(t, marshal(t, whole), "Key 001", "value 399")), string(want))
			if minor == minMinor {
				return // hivex cannot delete from an li
			}
			oracle.Need(t, "python3")
			path := tempHive(t, before)
			if _, err := try(python(), "-c", deleter, path); err != nil {
				t.Fatal(err)
			}
			edited, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(edited) < len(before) || freeBytes(t, edited) < len(before)/3 {
				t.Errorf("hivex left %d bytes, %d of them free", len(edited), freeBytes(t, edited))
			}
			h := parse(t, edited)
			h.Root.LastWritten, h.LastWritten, h.base = half.Root.LastWritten, half.LastWritten, half.base // hivex notes the change
			same(t, "deleted by hivex", string(compacted(t, marshal(t, h), "Key 001", "value 399")), string(want))
		})
	}
}

// halfHives returns a hive of 400 keys, and one with every other of them.
func halfHives(t *testing.T, minor uint32) (whole, half *Hive) {
	whole, half = New("root"), New("root")
	whole.Minor, half.Minor = minor, minor
	for i := range 400 {
		for _, h := range []*Hive{whole, half} {
			if h == half && i%2 == 1 {
				continue
			}
			k := create(t, h.Root, fmt.Sprintf("Key %03d", i))
			k.LastWritten = testTime
			k.Set(Binary(fmt.Sprintf("value %03d", i), pattern(100+i)))
			create(t, k, "Below").Set(DWord("n", uint32(i)))
		}
	}
	return whole, half
}

// TestOtherVersion rewrites a hive under the rules of each other version: lists and large values
// take the form that the new one has, and the tree stays as it was.
func TestOtherVersion(t *testing.T) {
	for _, from := range minors {
		b := marshal(t, richHive(t, from))
		for _, to := range minors {
			h := parse(t, b)
			h.Minor = to
			out := marshal(t, h)
			audit(t, out)
			want := richHive(t, to)
			sameHive(t, parse(t, out), want)
			same(t, fmt.Sprintf("from minor %d to %d", from, to), string(out), string(marshal(t, want)))
		}
	}
}

// TestBigDataByVersion refuses a db record in a hive whose version has none.
func TestBigDataByVersion(t *testing.T) {
	h := New("large")
	h.Root.Set(Binary("v", pattern(50000)))
	for _, minor := range minors {
		h.Minor = minor
		b := marshal(t, h)
		if bytes.Contains(b, []byte("db\x04\x00")) != (minor >= bigMinor) {
			t.Errorf("minor version %d: a db record, or none", minor)
		}
		if minor < bigMinor {
			continue
		}
		le.PutUint32(b[0x18:], bigMinor-1)
		le.PutUint32(b[checksumOffset:], checksum(b))
		if _, err := Parse(b); err == nil {
			t.Errorf("a db record of minor version %d is read in one of %d", minor, bigMinor-1)
		}
	}
}
