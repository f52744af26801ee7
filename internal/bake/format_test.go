package bake_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// together are formats that one bake can make: all but the fixed VHD, whose file name one of them has.
var together = []bake.Format{bake.Raw, bake.VHDDynamic, bake.VHDX, bake.QCOW2}

// qemuNames are QEMU's names for the formats.
var qemuNames = map[bake.Format]string{bake.Raw: "raw", bake.VHD: "vpc", bake.VHDDynamic: "vpc", bake.VHDX: "vhdx", bake.QCOW2: "qcow2"}

// TestFormats bakes once to all formats. They hold the same disk, and it starts from each.
func TestFormats(t *testing.T) {
	oracle.Need(t, "sha256sum", "vhdiinfo", "qemu-img", "qemu-system-x86_64")
	c := config(t, layout.Both)
	c.NoChecksums, c.VerifyContents, c.Formats = false, true, together
	c.Size += 512 * 3
	r := run(t, c, nil)
	cmd := oracle.Command("sha256sum", "--check", "--strict", "checksums.sha256")
	cmd.Dir = c.OutputDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	oracle.Run(t, "vhdiinfo", r.Files[1])
	for i, f := range together {
		if info, err := os.Stat(r.Files[i]); err != nil || info.Size() != r.Manifest.Files[i].Size || r.Manifest.Files[i].Format != f {
			t.Errorf("%s: %+v, the manifest says %+v", f, info, r.Manifest.Files[i])
		}
		name := qemuNames[f]
		oracle.QemuImgCompare(t, r.Files[0], "raw", r.Files[i], name)
		if f == bake.VHDX || f == bake.QCOW2 {
			oracle.QemuImgCheck(t, r.Files[i], name)
		}
		oracle.QemuImgCompare(t, r.Files[0], "raw", oracle.QemuImgConvert(t, r.Files[i], name, "raw", ""), "raw")
		for firmware, bus := range map[oracle.Firmware]oracle.Bus{oracle.BIOS: oracle.IDE, oracle.UEFI: oracle.SATA} {
			t.Run(string(f)+"/"+string(firmware), func(t *testing.T) {
				t.Parallel()
				oracle.Boot(t, oracle.BootOptions{
					Disk: r.Files[i], Format: name, Firmware: firmware, Bus: bus, Expect: greetings[firmware], Timeout: 3 * time.Minute,
				})
			})
		}
	}
}

// TestCompressed bakes to qcow2 images with clusters compressed in each way, which are smaller, start,
// and are the same disk.
func TestCompressed(t *testing.T) {
	oracle.Need(t, "qemu-img", "qemu-system-x86_64")
	plain := config(t, layout.UEFI)
	plain.Formats = []bake.Format{bake.QCOW2, bake.Raw}
	want := run(t, plain, nil)
	for _, how := range bake.Compresses {
		c := config(t, layout.UEFI)
		c.Formats, c.Compress, c.VerifyContents = []bake.Format{bake.QCOW2}, how, true
		r := run(t, c, nil)
		if a, b := want.Manifest.Files[0].Size, r.Manifest.Files[0].Size; b > a*9/10 {
			t.Errorf("%s: %d bytes, not compressed %d", how, b, a)
		}
		oracle.QemuImgCheck(t, r.Files[0], "qcow2")
		oracle.QemuImgCompare(t, want.Files[1], "raw", r.Files[0], "qcow2")
		oracle.Boot(t, oracle.BootOptions{
			Disk: r.Files[0], Format: "qcow2", Firmware: oracle.UEFI, Bus: oracle.VirtIO, Expect: greetings[oracle.UEFI], Timeout: 3 * time.Minute,
		})
		again := c
		again.OutputDir = filepath.Join(t.TempDir(), "again")
		if !sameFile(t, r.Files[0], run(t, again, nil).Files[0]) {
			t.Errorf("%s: two bakes of the same input differ", how)
		}
	}
}

// TestLargeDisks bakes to the largest disks that a VHD, and NTFS with clusters of 4 KiB, can be.
func TestLargeDisks(t *testing.T) {
	for format, size := range map[bake.Format]int64{bake.VHDDynamic: 2040 << 30, bake.VHDX: 16 << 40, bake.QCOW2: 16 << 40} {
		c := config(t, layout.UEFI)
		c.Size, c.Formats = size, []bake.Format{format}
		r := run(t, c, nil)
		if got := oracle.QemuImgInfo(t, r.Files[0], qemuNames[format]).VirtualSize; got != size {
			t.Errorf("%s: %d bytes, want %d", format, got, size)
		}
		if format != bake.VHDDynamic {
			oracle.QemuImgCheck(t, r.Files[0], qemuNames[format])
		}
		t.Logf("%s: the file has %d MiB", format, r.Manifest.Files[0].Size>>20)
	}
}

// TestCompressProblems refuses what cannot be compressed.
func TestCompressProblems(t *testing.T) {
	for how, says := range map[bake.Compress]string{"lzma": `compress: "lzma" is not one of`, bake.CompressZstd: "compress: only"} {
		c := config(t, layout.UEFI)
		c.Compress = how
		if problems := c.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Error(), says) {
			t.Errorf("%s: %v", how, problems)
		}
	}
	for format, size := range map[bake.Format]int64{bake.VHDDynamic: 3 << 40, bake.VHDX: 65 << 40} {
		c := config(t, layout.UEFI)
		c.Size, c.Formats = size, []bake.Format{format}
		if problems := c.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Error(), "ends at") {
			t.Errorf("%s: %v", format, problems)
		}
	}
}

// TestFormatsSameBytes bakes twice, once with one processor.
func TestFormatsSameBytes(t *testing.T) {
	var files [2][]string
	for i := range files {
		c := config(t, layout.UEFI)
		c.Formats, c.Seed = together, "seed"
		if i == 0 {
			old := runtime.GOMAXPROCS(1)
			defer runtime.GOMAXPROCS(old)
		} else {
			runtime.GOMAXPROCS(8)
		}
		files[i] = run(t, c, nil).Files
	}
	for i, f := range together {
		if !sameFile(t, files[0][i], files[1][i]) {
			t.Errorf("%s: two bakes of the same input differ", f)
		}
	}
}

// TestBakeOwnFormats bakes a disk from each format: they are the same medium.
func TestBakeOwnFormats(t *testing.T) {
	c := config(t, layout.UEFI)
	c.Formats, c.Seed = together, "seed"
	first := run(t, c, nil)
	var want string
	for i, f := range together {
		c := rebake(t, c, first.Files[i])
		c.Formats, c.BuildTime = []bake.Format{bake.Raw}, time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
		got := run(t, c, nil).Files[0]
		if want == "" {
			want = got
		}
		if !sameFile(t, want, got) {
			t.Errorf("a disk baked from %s differs from that baked from raw", f)
		}
	}
}

// TestFormatsAreVerified flips a byte of metadata in each of the files before they are verified.
func TestFormatsAreVerified(t *testing.T) {
	for _, f := range append([]bake.Format{bake.VHD}, together...) {
		c := config(t, layout.BIOS)
		c.Formats = []bake.Format{f}
		c.Progress = atStage{"Verifying", func() { damageRecord(t, c.OutputDir) }}
		_, err := bake.Run(t.Context(), c, nil)
		if err == nil || !strings.Contains(err.Error(), "reads back") {
			t.Errorf("%s: a flipped byte: %v", f, err)
		}
		empty(t, c.OutputDir)
	}
}

// damageRecord changes a byte of the last file record in the only file of a directory.
func damageRecord(t *testing.T, dir string) {
	paths, err := filepath.Glob(filepath.Join(dir, "disk.*.partial"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%q, %v", paths, err)
	}
	b := read(t, paths[0])
	at := bytes.LastIndex(b, []byte("FILE0"))
	if at < 0 {
		t.Fatal("no file record")
	}
	f, err := os.OpenFile(paths[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b[at+0x28] ^ 1}, int64(at+0x28)); err != nil {
		t.Fatal(err)
	}
}
