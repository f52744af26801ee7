package regf

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// smallHives returns images of a small hive that is edited step by step.
func smallHives(t testing.TB, minor uint32) (images [][]byte) {
	h := New("root")
	h.Minor = minor
	for _, name := range []string{"one", `two\below`, "three"} {
		create(t, h.Root, name).Set(Binary("v", pattern(len(images)*3000)))
		images = append(images, seal(marshal(t, h), 40, 40))
	}
	return images
}

// FuzzRecover replays any log on any hive. What comes out is clean and no larger than the parts.
func FuzzRecover(f *testing.F) {
	im := smallHives(f, 5)
	dirty := torn(im[0], im[0], 41, 40, never)
	f.Add(dirty, newLog(40, im...), []byte{}, true)
	f.Add(dirty, newLog(40, im[:2]...), newLog(41, im[1:]...), true)
	f.Add(flip(dirty, 99), newLog(40, im...), newLog(41, im[1:]...), false)
	f.Add(torn(im[0], im[2], 41, 40, every), oldLog(typeLog, 40, im[0], im[2], sectorSize), []byte{}, true)
	f.Add(torn(im[0], im[2], 41, 40, every), oldLog(typeLogNT, 40, im[0], im[2], 4096), []byte{}, true)
	f.Fuzz(func(t *testing.T, hive, log1, log2 []byte, reseal bool) {
		if reseal {
			hive, log1, log2 = resealed(hive), resealed(log1), resealed(log2)
		}
		before := bytes.Clone(hive)
		out, r, err := Recover(hive, log1, log2)
		if !bytes.Equal(hive, before) {
			t.Fatal("the hive has changed")
		}
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
				t.Fatalf("class of %v", err)
			}
			return
		}
		if len(out) > len(hive)+4*(len(log1)+len(log2))+1<<20 {
			t.Errorf("%d bytes of a hive of %d and logs of %d and %d", len(out), len(hive), len(log1), len(log2))
		}
		if _, err := Parse(out); errors.Is(err, ErrDirty) {
			t.Errorf("%v\n%+v", err, r)
		}
	})
}

// resealed returns a hive or log with right checksums and hashes, without which nothing behind them
// is ever reached.
func resealed(p []byte) []byte {
	p = bytes.Clone(p)
	if len(p) < sectorSize {
		return p
	}
	le.PutUint32(p[checksumOffset:], checksum(p))
	for at := p[sectorSize:]; len(at) >= sectorSize && string(at[:4]) == "HvLE"; {
		n := int64(le.Uint32(at[4:]))
		if n < sectorSize || n > int64(len(at)) {
			break
		}
		sealEntry(at[:n])
		at = at[n:]
	}
	return p
}

// FuzzSalvage salvages anything. What Parse can read has no problems.
func FuzzSalvage(f *testing.F) {
	files, err := filepath.Glob("testdata/*.hive")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	sound, all := corruptible(f)
	for _, d := range all {
		b := bytes.Clone(sound)
		d.apply(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, problems := checkSalvage(t, data)
		sound, err := Parse(data)
		if err != nil {
			if len(problems) == 0 {
				t.Errorf("no problems, but %v", err)
			}
			return
		}
		if len(problems) != 0 {
			t.Fatalf("sound, but %v", problems)
		}
		sameHive(t, h, sound)
	})
}
