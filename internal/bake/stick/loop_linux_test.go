package stick

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// newLoop makes a loop device of a file.
func newLoop(t *testing.T, file string, options ...string) string {
	t.Helper()
	oracle.Need(t, "losetup", "partx", "mkfs.ext4")
	if os.Getuid() != 0 {
		oracle.Missing(t, "loop devices take root")
	}
	out, stderr, err := oracle.Try("losetup", append(options, "--find", "--show", file)...)
	if err != nil {
		oracle.Missing(t, "no loop device: %v %s", err, stderr)
	}
	path := strings.TrimSpace(out)
	t.Cleanup(func() { oracle.Run(t, "losetup", "--detach", path) })
	return path
}

// sparseFile makes a file of nothing.
func sparseFile(t *testing.T, dir string, size int64) string {
	t.Helper()
	path := filepath.Join(dir, "backing")
	if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	return path
}

func openLoop(t *testing.T, selector string) *Device {
	t.Helper()
	found, err := Find(selector, Allow{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := found.Open(Allow{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// sectorsWritten is what the kernel counts of a disk.
func sectorsWritten(t *testing.T, path string) int64 {
	t.Helper()
	f := strings.Fields(text("/sys/block/"+filepath.Base(path), "stat"))
	n, err := strconv.ParseInt(f[6], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * 512
}

// TestLarge writes an image of 24 GiB that holds 1 GiB to a larger disk: the kernel counts 1 GiB written.
func TestLarge(t *testing.T) {
	const size, held, stick = 24 << 30, 1 << 30, 32e9 / 4096 * 4096
	path := filepath.Join(t.TempDir(), "large.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := disk.WriteGPT(f, size, guid.Derive(nil, "d"), []disk.Partition{{Offset: mib, Size: size - 2*mib, Type: disk.TypeBasicData, ID: guid.Derive(nil, "p")}}); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64*mib)
	random := rand.NewChaCha8([32]byte{5})
	mapped := []bmap.Range{{Length: mib}, {Offset: size - mib, Length: mib}}
	for n := range int64(held / len(block)) {
		random.Read(block)
		r := bmap.Range{Offset: mib + n*1400*mib/4, Length: int64(len(block))}
		if _, err := f.WriteAt(block, r.Offset); err != nil {
			t.Fatal(err)
		}
		mapped = append(mapped, r)
	}
	m, err := bmap.Create(t.Context(), f, size, slices.Values(mapped), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Marshal()
	if err := errors.Join(err, os.WriteFile(path+bmap.Suffix, text, 0o644)); err != nil {
		t.Fatal(err)
	}
	backing := sparseFile(t, t.TempDir(), stick)
	loop := newLoop(t, backing)
	d := openLoop(t, backing) // by its serial, which is the file
	before := sectorsWritten(t, loop)
	r, err := d.Write(context.Background(), open(t, path), Options{Verify: true, Discard: true}, &listener{})
	if err != nil {
		t.Fatal(err)
	}
	counted := sectorsWritten(t, loop) - before
	t.Logf("%+v; the kernel counts %d bytes written", r, counted)
	if r.Written < held || r.Written > held+held/50 || counted < held || counted > held+held/50 {
		t.Errorf("written %d, counted %d", r.Written, counted)
	}
	var s unix.Stat_t
	if err := unix.Stat(backing, &s); err != nil || s.Blocks*512 > held+held/10 {
		t.Errorf("the disk holds %d bytes, %v", s.Blocks*512, err)
	}
	if note := d.Finish(true); note != "" {
		t.Error(note)
	}
	d.Close()
	if table := oracle.JudgeDisk(t, loop); table.LastLBA != stick/512-34 {
		t.Errorf("partitions may use sectors up to %d", table.LastLBA)
	}
}

// TestRefusedDisksStay hashes disks that are refused before and after.
func TestRefusedDisksStay(t *testing.T) {
	im := open(t, newImage(t, true, true))
	for name, test := range map[string]struct {
		size    int64
		options []string
		prepare func(t *testing.T, loop string)
		confirm string
		says    string
	}{
		"mounted": {imageSize, nil, func(t *testing.T, loop string) {
			oracle.Run(t, "mkfs.ext4", "-q", "-F", loop)
			mountDevice(t, loop)
		}, "", "is mounted at"},
		"held by another": {imageSize, nil, func(t *testing.T, loop string) {
			f, err := os.OpenFile(loop, os.O_RDWR|os.O_EXCL, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		}, "", "something uses it"},
		"read-only":     {imageSize, []string{"--read-only"}, nil, "", "read-only"},
		"smaller":       {imageSize - mib, nil, nil, "", "the image has"},
		"other sectors": {imageSize, []string{"--sector-size", "4096"}, nil, "", "sectors of 4096"},
		"wrong serial":  {imageSize, nil, nil, "4C53", "is not the serial"},
	} {
		t.Run(name, func(t *testing.T) {
			backing := sparseFile(t, t.TempDir(), test.size)
			loop := newLoop(t, backing, test.options...)
			if test.prepare != nil {
				test.prepare(t, loop)
			}
			before := sum(t, backing)
			if test.confirm == "" {
				test.confirm = backing
			}
			err := attempt(loop, test.confirm, im)
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), loop) {
				t.Errorf("%v, want %q", err, test.says)
			}
			if sum(t, backing) != before {
				t.Error("something was written")
			}
		})
	}
}

// attempt is everything that a user does.
func attempt(selector, confirm string, im *Image) error {
	found, err := Find(selector, Allow{Loop: true})
	if err != nil {
		return err
	}
	if err := found.Confirm(confirm); err != nil {
		return err
	}
	d, err := found.Open(Allow{Loop: true})
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = d.Write(context.Background(), im, Options{Verify: true}, &listener{})
	return err
}

func mountDevice(t *testing.T, device string) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(device, dir, "ext4", 0, ""); err != nil {
		oracle.Missing(t, "the kernel mounts no ext4: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func sum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestOwnFile refuses to write an image over itself, also one whose name no terminal shows.
func TestOwnFile(t *testing.T) {
	for _, name := range []string{"image.raw", "image\x01\xff.raw"} {
		path := newImage(t, false, true)
		if err := os.Rename(path, filepath.Join(filepath.Dir(path), name)); err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(filepath.Dir(path), name)
		before := sum(t, path)
		loop := newLoop(t, path)
		if err := attempt(loop, clean([]byte(path)), open(t, path)); err == nil || !strings.Contains(err.Error(), "the image itself") {
			t.Errorf("%q: %v", name, err)
		}
		if sum(t, path) != before {
			t.Errorf("%q: something was written", name)
		}
	}
}

// TestLessRoom writes to a disk that has less room than it says, as forged sticks do.
func TestLessRoom(t *testing.T) {
	if os.Getuid() != 0 {
		oracle.Missing(t, "mounting takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		oracle.Missing(t, "no tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	backing := sparseFile(t, dir, imageSize)
	loop := newLoop(t, backing)
	err := attempt(loop, backing, open(t, newImage(t, true, true)))
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "write it again") {
		t.Error(err)
	}
	t.Log(err)
}

// TestShrinks reads back a disk that has lost its end meanwhile.
func TestShrinks(t *testing.T) {
	backing := sparseFile(t, t.TempDir(), imageSize)
	newLoop(t, backing)
	d := openLoop(t, backing)
	l := &listener{onStage: func(s string) {
		if s == "Reading back" {
			os.Truncate(backing, 5*mib)
		}
	}}
	_, err := d.Write(context.Background(), open(t, newImage(t, true, true)), Options{Verify: true}, l)
	if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "does not start") {
		t.Error(err)
	}
	t.Log(err)
}

// TestBaked writes baked disks to a disk full of something else, by their block maps. Where the map has
// nothing the old bytes stay, and the judges still find whole file systems, also inside of virtual disks.
func TestBaked(t *testing.T) {
	media := t.TempDir()
	if err := standin.Media(t.Context(), media, standin.Options{Files: 50}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		firmware layout.Firmware
		file     string // of the virtual disk, if Windows is to be on one
	}{{layout.Both, ""}, {layout.UEFI, ""}, {layout.BIOS, "hvsOS.vhd"}, {layout.Both, "hvsOS.vhdx"}} {
		c := bake.Config{
			Media: media, Image: "ServerStandardCore", Size: 640 * mib, Firmware: test.firmware, Formats: []bake.Format{bake.Raw},
			OutputDir: filepath.Join(t.TempDir(), "out"), Name: "disk", Label: "Windows", NoChecksums: true, BlockMap: true,
		}
		if test.file != "" {
			c.Size = 1100 * mib
			c.Native = &bake.NativeBoot{File: test.file, Size: 640 * mib, Overrides: map[bake.Rule]string{
				bake.RuleDiskSize: "a test", bake.RuleVirtualSize: "a test",
			}}
		}
		r, err := bake.Run(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		backing := garbage(t, c.Size+60*mib)
		loop := newLoop(t, backing, "--partscan")
		d := openLoop(t, loop)
		w, err := d.Write(context.Background(), open(t, r.Files[0]), Options{Verify: true}, &listener{})
		if err != nil {
			t.Fatal(err)
		}
		if note := d.Finish(true); note != "" {
			t.Error(note)
		}
		d.Close()
		t.Logf("%s %s: %+v", test.firmware, test.file, w)
		if w.Written > 100*mib {
			t.Errorf("%d bytes were written", w.Written)
		}
		oracle.JudgeDisk(t, loop)
		judgeVolumes(t, backing, r.Manifest.Disk.Partitions, test.file)
		if test.firmware == layout.Both && test.file == "" {
			mountedPartition(t, loop)
		}
	}
}

// TestBmaptool has bmaptool write a baked disk to a device full of something else.
func TestBmaptool(t *testing.T) {
	oracle.Need(t, "bmaptool")
	media := t.TempDir()
	if err := standin.Media(t.Context(), media, standin.Options{Files: 50}); err != nil {
		t.Fatal(err)
	}
	r, err := bake.Run(t.Context(), bake.Config{
		Media: media, Image: "ServerStandardCore", Size: 640 * mib, Firmware: layout.Both, Formats: []bake.Format{bake.Raw},
		OutputDir: filepath.Join(t.TempDir(), "out"), Name: "disk", Label: "Windows", NoChecksums: true, BlockMap: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	backing := garbage(t, 640*mib)
	loop := newLoop(t, backing)
	oracle.Run(t, "bmaptool", "copy", r.Files[0], loop) // it finds the map by its name
	oracle.JudgeDisk(t, loop)
	judgeVolumes(t, backing, r.Manifest.Disk.Partitions, "")
	f, err := os.Open(backing)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := make([]byte, 4)
	if _, err := f.ReadAt(old, 500*mib); err != nil || old[0] != 0xA5 {
		t.Errorf("free clusters were written: %x, %v", old, err)
	}
}

// garbage makes a file without zeros.
func garbage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backing")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := bytes.Repeat([]byte{0xA5, 0x5A, 0xFF, 0x01}, mib/4)
	for off := int64(0); off < size; off += mib {
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// judgeVolumes asks the judges of both file systems, also of the one on the virtual disk in a file.
func judgeVolumes(t *testing.T, path string, partitions []bake.PartitionInfo, file string) {
	t.Helper()
	for _, p := range partitions {
		v := oracle.Volume{Path: path, Offset: p.Offset, Size: p.Size}
		switch p.FileSystem {
		case layout.NTFS:
			oracle.JudgeNTFS(t, v)
		case layout.FAT32:
			oracle.FsckFAT(t, v)
		}
		if p.Role == layout.Host {
			judgeVirtualDisk(t, v, file)
		}
	}
}

func judgeVirtualDisk(t *testing.T, host oracle.Volume, file string) {
	t.Helper()
	oracle.Need(t, "ntfscat", "qemu-img")
	format := map[string]string{".vhd": "vpc", ".vhdx": "vhdx"}[filepath.Ext(file)]
	taken := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(taken, []byte(oracle.Run(t, "ntfscat", host.File(t), file)), 0o600); err != nil {
		t.Fatal(err)
	}
	raw := oracle.QemuImgConvert(t, taken, format, "raw", "")
	oracle.JudgeNTFS(t, oracle.JudgeDisk(t, raw).Volume(raw, 1))
}

// mountedPartition refuses a disk of which a partition is mounted.
func mountedPartition(t *testing.T, loop string) {
	t.Helper()
	oracle.Run(t, "partx", "--update", loop) // some kernels read no MBR
	t.Cleanup(func() { oracle.Run(t, "partx", "--delete", loop) })
	oracle.Run(t, "mkfs.ext4", "-q", "-F", loop+"p1")
	mountDevice(t, loop+"p1")
	_, err := Find(loop, Allow{Loop: true})
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), loop+"p1 is mounted at") {
		t.Error(err)
	}
}

// TestWithoutAdmin writes as somebody who may write to the disk and has no other right, as members of the
// group disk are.
func TestWithoutAdmin(t *testing.T) {
	backing := sparseFile(t, t.TempDir(), imageSize)
	loop := newLoop(t, backing)
	d := openLoop(t, backing)
	im := open(t, newImage(t, true, true))
	withoutAdmin(t, func() {
		if _, err := d.Write(context.Background(), im, Options{Verify: true}, &listener{}); err != nil {
			t.Error(err)
		}
	})
	d.Close()
	oracle.JudgeDisk(t, loop)
}

// withoutAdmin calls f in a thread without CAP_SYS_ADMIN.
func withoutAdmin(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had [2]unix.CapUserData
	if err := unix.Capget(&header, &had[0]); err != nil {
		t.Fatal(err)
	}
	has := had
	has[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	if err := unix.Capset(&header, &has[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&header, &had[0]); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// TestThroughLoop refuses the loop device that shows a disk which is in use.
func TestThroughLoop(t *testing.T) {
	backing := sparseFile(t, t.TempDir(), imageSize)
	below := newLoop(t, backing)
	oracle.Run(t, "mkfs.ext4", "-q", "-F", below)
	mountDevice(t, below)
	above := newLoop(t, below)
	before := sum(t, backing)
	err := attempt(above, below, open(t, newImage(t, true, true)))
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), above+" shows "+below) {
		t.Error(err)
	}
	if sum(t, backing) != before {
		t.Error("something was written")
	}
}

// TestSwapped takes another disk into the place of the one that was found and confirmed.
func TestSwapped(t *testing.T) {
	first, second := sparseFile(t, t.TempDir(), imageSize), sparseFile(t, t.TempDir(), imageSize)
	loop := newLoop(t, first)
	found, err := Find(first, Allow{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "losetup", "--detach", loop)
	oracle.Run(t, "losetup", loop, second)
	d, err := found.Open(Allow{Loop: true})
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "is another disk now") {
		t.Error(err)
	}
	if err == nil {
		d.Close()
	}
}
