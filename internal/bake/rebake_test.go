package bake_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// rebake is a config that bakes a finished disk.
func rebake(t testing.TB, c bake.Config, disk string) bake.Config {
	t.Helper()
	c.Media, c.Image, c.OutputDir = disk, "", filepath.Join(t.TempDir(), "again")
	return c
}

// TestBakeBakedDisk bakes the result of a bake, which has everything that a bake adds and must not
// add twice. The volume has the same files with the same metadata. Only what did not come from the
// medium lies elsewhere, so that the third disk is the second, byte for byte.
func TestBakeBakedDisk(t *testing.T) {
	for firmware, format := range map[layout.Firmware]bake.Format{layout.BIOS: bake.Raw, layout.UEFI: bake.VHD, layout.Both: bake.Raw} {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			c := config(t, firmware)
			c.Formats, c.Seed, c.BuildTime = []bake.Format{format}, "seed", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
			first := run(t, c, func(t *tree.Tree) error {
				_, err := t.WriteFile("Tools/agent.exe", tree.Bytes(bytes.Repeat([]byte("agent"), 1000)))
				return err
			})
			second := run(t, rebake(t, c, first.Files[0]), nil)
			oracle.CompareNTFS(t, windows(t, first), windows(t, second))
			oracle.JudgeNTFS(t, windows(t, second))
			compareWindows(t, first.Manifest.Windows, second.Manifest.Windows)
			third := run(t, rebake(t, c, second.Files[0]), nil)
			if !sameFile(t, second.Files[0], third.Files[0]) {
				t.Error("the third disk differs from the second")
			}
		})
	}
}

// sameFile compares two files, which may be large, by their hashes.
func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	var sums [2][]byte
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Fatal(err)
		}
		sums[i] = h.Sum(nil)
	}
	return bytes.Equal(sums[0], sums[1])
}

// compareWindows compares what a WIM said of an image with what its volume says. The volume does not
// know what somebody called the image.
func compareWindows(t *testing.T, want, got bake.WindowsInfo) {
	t.Helper()
	want.Name = "winbake stand-in Server"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the manifest says %+v, that of the WIM %+v", got, want)
	}
}

// TestChangeFirmware bakes a disk for a BIOS from one for UEFI, and the other way round. Nothing of
// the old boot files stays.
func TestChangeFirmware(t *testing.T) {
	c := config(t, layout.BIOS)
	c.Seed = "seed"
	bios := run(t, c, nil)
	c = rebake(t, c, bios.Files[0])
	c.Firmware = layout.UEFI
	uefi := run(t, c, func(t *tree.Tree) error {
		for _, path := range []string{"bootmgr", "BOOTNXT", "Boot"} {
			if t.Find(path) != nil {
				return errors.New(path + " came along")
			}
		}
		return nil
	})
	c = rebake(t, c, uefi.Files[0])
	c.Firmware = layout.BIOS
	again := run(t, c, nil)
	if !sameFile(t, bios.Files[0], again.Files[0]) {
		t.Error("the disk differs after a way through UEFI")
	}
}

// TestSeedOfADisk has identifiers of their own for disks that differ in the least, and the same for
// the same.
func TestSeedOfADisk(t *testing.T) {
	c := config(t, layout.UEFI)
	first := run(t, c, nil)
	same := run(t, rebake(t, c, first.Files[0]), nil)
	again := run(t, rebake(t, c, first.Files[0]), nil)
	if same.Manifest.Disk.ID != again.Manifest.Disk.ID || !sameFile(t, same.Files[0], again.Files[0]) {
		t.Error("the same disk gave others")
	}
	changed := run(t, rebake(t, c, first.Files[0]), func(t *tree.Tree) error {
		_, err := t.WriteFile("a.txt", tree.Bytes("a"))
		return err
	})
	other := run(t, rebake(t, c, changed.Files[0]), nil)
	if other.Manifest.Disk.ID == same.Manifest.Disk.ID {
		t.Error("another disk gave the same identifiers")
	}
}

func TestMediaIsNotReplaced(t *testing.T) {
	c := config(t, layout.BIOS)
	r := run(t, c, nil)
	c.Media, c.Image, c.Force = r.Files[0], "", true
	before, err := os.Stat(r.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = bake.Run(t.Context(), c, nil)
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "output_directory") {
		t.Errorf("error: %v", err)
	}
	if after, err := os.Stat(r.Files[0]); err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the media has changed: %v", err)
	}
}

// TestBakeCompactDisk bakes a disk whose files are kept compressed: they arrive decoded, and may be
// compressed again.
func TestBakeCompactDisk(t *testing.T) {
	c := config(t, layout.UEFI)
	c.Seed, c.Compact = "seed", bake.CompactXPRESS4K
	packed := run(t, c, nil)
	if packed.Manifest.Disk.Compact == nil || packed.Manifest.Disk.Compact.Files == 0 {
		t.Fatal("nothing is compressed")
	}
	again := rebake(t, c, packed.Files[0])
	again.VerifyContents = true
	repacked := run(t, again, nil)
	if repacked.Manifest.Disk.Compact == nil || repacked.Manifest.Disk.Compact.Files != packed.Manifest.Disk.Compact.Files {
		t.Errorf("%+v became %+v", packed.Manifest.Disk.Compact, repacked.Manifest.Disk.Compact)
	}
	c.Compact = bake.NotCompact
	unpacked := run(t, rebake(t, c, repacked.Files[0]), nil)
	c.OutputDir = filepath.Join(t.TempDir(), "plain")
	plain := run(t, c, nil)
	oracle.CompareNTFS(t, windows(t, plain), windows(t, unpacked))
}
