package bake_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestCompact bakes 20,000 real files compressed, copied from the WIM and compressed anew. Every
// content is read back; ntfs-3g, which does not know the overlay filter, shows what lies below it, and
// a decoder that shares nothing with winbake reads a sample of that.
func TestCompact(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of 20,000 files")
	}
	oracle.Need(t, "python3")
	image := oracle.RealTreeWIM(t, oracle.TreeSpec{})
	plain := config(t, layout.UEFI)
	plain.Media, plain.Image, plain.Size = image, "", 3*gib
	used := allocated(t, run(t, plain, addWindows).Files[0])
	for _, how := range bake.Compacts {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			c := config(t, layout.UEFI)
			c.Media, c.Image, c.Size, c.Compact, c.VerifyContents = image, "", 3*gib, how, true
			r := run(t, c, addWindows)
			info := r.Manifest.Disk.Compact
			t.Logf("%+v", *info)
			if info.Files < 3000 || info.Stored > info.Size*3/4 || (info.Copied > info.Files*9/10) != (how == bake.CompactLZX) {
				t.Errorf("%+v", *info)
			}
			volume := windows(t, r)
			oracle.JudgeNTFS(t, volume)
			if got := allocated(t, r.Files[0]); got > used*3/4 {
				t.Errorf("%d bytes are used, %d without compression", got, used)
			}
			compareUnderFilter(t, image, volume, info)
		})
	}
}

// allocated is the room that a sparse file takes, in bytes.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

// compareUnderFilter walks a volume as ntfs-3g shows it.
func compareUnderFilter(t *testing.T, image string, v oracle.Volume, info *bake.CompactInfo) {
	t.Helper()
	want := firstImage(t, image)
	algorithm := map[bake.Compact]wof.Algorithm{bake.CompactXPRESS4K: wof.XPRESS4K, bake.CompactLZX: wof.LZX}[info.Algorithm]
	dir, volume := oracle.MountNTFS(t, v), v.File(t)
	streams, decoded := map[uint64]bool{}, 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() != fs.ModeSymlink { // what a reparse point is that ntfs-3g cannot follow
			return err
		}
		if target, err := os.Readlink(path); err != nil || !strings.Contains(target, "0x80000017") {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		inode := st.Sys().(*syscall.Stat_t).Ino
		if streams[inode] {
			return nil
		}
		streams[inode] = true
		name := strings.TrimPrefix(path, dir+"/")
		if len(streams)%500 != 1 || strings.HasPrefix(name, "Windows/") {
			return nil
		}
		n, err := want.Lookup(name)
		if err != nil || n.Data.Size() > 100_000 {
			return err
		}
		decoded++
		stream, stderr, err := oracle.Try("ntfscat", "-n", wof.StreamName, volume, name)
		if err != nil {
			return fmt.Errorf("ntfscat %s: %w\n%s", name, err, stderr)
		}
		got, err := oracle.DecodeWOF([]byte(stream), n.Data.Size(), int(algorithm))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		sum := sha1.Sum(got)
		return fault.In(name, tree.CheckSum(sum[:], n.Data.(tree.Blob).SHA1()))
	})
	if err != nil {
		t.Error(err)
	}
	if len(streams) != info.Files || decoded < 10 {
		t.Errorf("ntfs-3g shows %d compressed files, the manifest says %d; %d decoded", len(streams), info.Files, decoded)
	}
}

// TestCompactBoots starts disks whose files are compressed.
func TestCompactBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64")
	t.Parallel()
	for _, how := range bake.Compacts {
		c := config(t, layout.BIOS)
		c.Compact = how
		r := run(t, c, nil)
		if info := r.Manifest.Disk.Compact; info == nil || info.Files == 0 {
			t.Errorf("%s: %+v", how, info)
		}
		oracle.Boot(t, oracle.BootOptions{Disk: r.Files[0], Expect: greetings[oracle.BIOS], Timeout: 2 * time.Minute})
	}
}

// TestCompactRefused has a Windows whose boot loader could not read the files, and no way of compressing.
func TestCompactRefused(t *testing.T) {
	older := t.TempDir()
	if err := standin.Media(t.Context(), older, standin.Options{Files: 4, Build: 17763, WithoutRecovery: true}); err != nil {
		t.Fatal(err)
	}
	for how, want := range map[bake.Compact]error{bake.CompactXPRESS4K: nil, bake.CompactLZX: fault.ErrUnsupported, "zip": fault.ErrInvalid} {
		c := config(t, layout.UEFI)
		c.Media, c.Compact = older, how
		if _, err := bake.Run(t.Context(), c, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", how, err)
		} else if want != nil {
			empty(t, c.OutputDir)
		}
	}
}

// TestVerifyContents changes a byte of a content between writing and reading back.
func TestVerifyContents(t *testing.T) {
	c := config(t, layout.UEFI)
	marker := []byte("this is the content that somebody changes on the disk")
	for _, c.VerifyContents = range []bool{true, false} {
		c.Progress = atStage{"Verifying", func() { flip(t, filepath.Join(c.OutputDir, "disk.raw.partial"), marker) }}
		_, err := bake.Run(t.Context(), c, func(tr *tree.Tree) error {
			_, err := tr.WriteFile("marked", tree.Bytes(bytes.Repeat(marker, 100)))
			return err
		})
		if !c.VerifyContents {
			if err != nil {
				t.Error(err) // the byte is in no metadata
			}
			continue
		}
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "SHA-1") || !strings.Contains(err.Error(), "marked") {
			t.Errorf("got %v", err)
		}
		empty(t, c.OutputDir)
	}
}

// flip changes the first byte of what, wherever it is in a file.
func flip(t *testing.T, path string, what []byte) {
	t.Helper()
	b := read(t, path)
	at := bytes.Index(b, what)
	if at < 0 {
		t.Fatalf("%s does not hold %q", path, what)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b[at] ^ 1}, int64(at)); err != nil {
		t.Fatal(err)
	}
}
