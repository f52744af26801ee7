package bake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// editDisk lets ntfs-3g change the Windows volume of a baked disk in place.
func editDisk(t *testing.T, r *bake.Result, edit func(dir string) error) {
	t.Helper()
	v := windows(t, r)
	part := oracle.WholeFile(v.File(t))
	oracle.EditNTFS(t, part, edit)
	copyInto(t, part.Path, v)
}

// runsOf lists the first cluster and length of each run of a file's data, as ntfsinfo prints them.
func runsOf(t *testing.T, v oracle.Volume, file string) [][]string {
	t.Helper()
	out := oracle.Run(t, "ntfsinfo", "-v", "-F", file, v.File(t))
	_, data, ok := strings.Cut(out, "Dumping attribute $DATA")
	if !ok {
		t.Fatalf("ntfsinfo shows no $DATA of %s:\n%s", file, out)
	}
	return regexp.MustCompile(`(?m)^\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s*$`).FindAllStringSubmatch(data, -1)
}

// TestFragmentedBOOTMGRBoots has ntfs-3g write BOOTMGR anew into a baked volume that has only
// scattered room left.
func TestFragmentedBOOTMGRBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64", "ntfsinfo")
	t.Parallel()
	c := config(t, layout.BIOS)
	c.Size = 512 << 20
	const room = 6 << 20
	r := run(t, c, func(tr *tree.Tree) error {
		// The rest of the disk is taken by one file of zeros.
		_, err := tr.WriteFile("filler.bin", zeros(c.Size-96<<20))
		return err
	})
	editDisk(t, r, func(dir string) error {
		loader, err := os.ReadFile(filepath.Join(dir, "bootmgr"))
		if err != nil {
			return err
		}
		var names []string
		for i := 0; ; i++ { // fill what is left with 16 KiB pieces, then free every other one
			name := filepath.Join(dir, fmt.Sprintf("piece%06d", i))
			if err := os.WriteFile(name, make([]byte, 16<<10), 0o600); err != nil {
				os.Remove(name)
				break
			}
			names = append(names, name)
		}
		if err := os.Remove(filepath.Join(dir, "bootmgr")); err != nil {
			return err
		}
		for i := len(names) - 1; i >= 0 && i > len(names)-room/(16<<10); i -= 2 {
			if err := os.Remove(names[i]); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(dir, "BOOTMGR"), loader, 0o600)
	})
	if n := len(runsOf(t, windows(t, r), "BOOTMGR")); n < 3 {
		t.Fatalf("BOOTMGR has %d runs only", n)
	}
	oracle.Boot(t, oracle.BootOptions{Disk: r.Files[0], Expect: bootprog.BIOSLine})
}

// zeros is a content of n zero bytes.
type zeros int64

func (z zeros) Size() int64 { return int64(z) }

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(int64(z)-off, 0)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestFarBOOTMGRBoots has BOOTMGR at the far end of a 40 GiB disk, beyond 32 bits of bytes.
func TestFarBOOTMGRBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64", "ntfsinfo", "ntfsfallocate")
	t.Parallel()
	c := config(t, layout.BIOS)
	c.Size = 40 * gib
	r := run(t, c, nil)
	v := windows(t, r)
	part := v.File(t)
	oracle.EditNTFS(t, oracle.WholeFile(part), func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "filler"), nil, 0o600)
	})
	// Take all but the end of the free space, without writing it, then move BOOTMGR there. ntfs-3g
	// leaves the eighth behind $MFT alone as long as it can.
	oracle.Run(t, "ntfsfallocate", "-q", "-f", "-n", "-l", fmt.Sprint(v.Size/8*7-256<<20), part, "filler")
	oracle.EditNTFS(t, oracle.WholeFile(part), func(dir string) error {
		loader, err := os.ReadFile(filepath.Join(dir, "bootmgr"))
		if err != nil {
			return err
		}
		return errors.Join(os.Remove(filepath.Join(dir, "bootmgr")), os.WriteFile(filepath.Join(dir, "BOOTMGR"), loader, 0o600))
	})
	runs := runsOf(t, oracle.WholeFile(part), "BOOTMGR")
	if len(runs) == 0 {
		t.Fatal("BOOTMGR has no runs")
	}
	var lcn int64
	if _, err := fmt.Sscanf(runs[0][1], "0x%x", &lcn); err != nil || lcn*4096 < 32*gib {
		t.Fatalf("BOOTMGR is at cluster %d, not near the end (%v)", lcn, err)
	}
	copyInto(t, part, v)
	oracle.Boot(t, oracle.BootOptions{Disk: r.Files[0], Expect: bootprog.BIOSLine})
}

// copyInto puts a volume's file back into its disk.
func copyInto(t *testing.T, part string, v oracle.Volume) {
	t.Helper()
	src, err := os.Open(part)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(v.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	for e := range image.Extents(src, v.Size) {
		if _, err := io.Copy(io.NewOffsetWriter(dst, v.Offset+e.Offset), io.NewSectionReader(src, e.Offset, e.Length)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHivesOnTheDisk has the judges of hives read the boot stores and the registry of both disks.
func TestHivesOnTheDisk(t *testing.T) {
	oracle.Need(t, "ntfscat", "hivexregedit", "reged", "regfexport", "mcopy")
	t.Parallel()
	for _, firmware := range firmwares {
		r := run(t, config(t, firmware), nil)
		part := windows(t, r).File(t)
		hives := map[string][]byte{}
		for _, path := range []string{"Windows/System32/config/SYSTEM", "Windows/System32/config/SOFTWARE"} {
			hives[path] = []byte(oracle.Run(t, "ntfscat", part, path))
		}
		if firmware == layout.BIOS {
			hives["Boot/BCD"] = []byte(oracle.Run(t, "ntfscat", part, "Boot/BCD"))
		} else {
			system := oracle.Sfdisk(t, r.Files[0]).Volume(r.Files[0], 1)
			for _, path := range []string{"EFI/Microsoft/Boot/BCD", "EFI/Microsoft/Recovery/BCD"} {
				hives[path] = oracle.MtoolsRead(t, system, path)
			}
			if firmware == layout.Both {
				hives["Boot/BCD"] = oracle.MtoolsRead(t, system, "Boot/BCD")
			}
		}
		for path, b := range hives {
			file := filepath.Join(t.TempDir(), "hive")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			h := oracle.Hivex(t, file)
			if len(h) < 3 {
				t.Errorf("%s %s: hivex finds %d keys", firmware, path, len(h))
			}
			oracle.CompareHives(t, h.NormalStrings(), oracle.Reged(t, file))
			oracle.RegfExport(t, file)
		}
	}
}

// TestLocate has no identifier of the disk in its boot configuration.
func TestLocate(t *testing.T) {
	oracle.Need(t, "mcopy", "ntfscat")
	t.Parallel()
	for _, firmware := range firmwares {
		c := config(t, firmware)
		c.BootDevices = bake.Locate
		r := run(t, c, nil)
		var store []byte
		switch firmware {
		case layout.BIOS:
			store = []byte(oracle.Run(t, "ntfscat", windows(t, r).File(t), "Boot/BCD"))
		default:
			store = oracle.MtoolsRead(t, oracle.Sfdisk(t, r.Files[0]).Volume(r.Files[0], 1), "EFI/Microsoft/Boot/BCD")
		}
		s, err := bcd.Parse(store)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := s.Print(&text, bcd.PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "partition=") || !strings.Contains(text.String(), "locate=") && firmware != layout.BIOS {
			t.Errorf("%s:\n%s", firmware, text.String())
		}
	}
}

// TestDiskFull bakes onto a file system without room.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		oracle.Missing(t, "mounting a small file system needs root")
	}
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
		oracle.Missing(t, "mounting a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(small, 0) })
	c := config(t, layout.UEFI)
	c.OutputDir = filepath.Join(small, "out")
	_, err := bake.Run(t.Context(), c, nil)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "output_directory is full") {
		t.Errorf("error: %v", err)
	}
	t.Log(err)
	empty(t, c.OutputDir)
}

// TestKilled kills a bake at several moments: no file may have its final name.
func TestKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{20, 100, 300, 600, 1000} {
		out := filepath.Join(t.TempDir(), "out")
		cmd := exec.Command(self, "-test.run=^TestBakeProcess$")
		cmd.Env = append(os.Environ(), envMedia+"="+filepath.Join(mediaDir(t), "sources", "install.wim"), envImage+"=1", envOut+"="+out)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		cmd.Process.Kill()
		_ = cmd.Wait()
		if _, err := os.Stat(filepath.Join(out, "manifest.json")); err == nil {
			continue // it was quicker: the manifest gets its name last
		}
		entries, _ := os.ReadDir(out)
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".partial") {
				t.Errorf("killed after %d ms: %s is there", after, e.Name())
			}
		}
	}
}
