package bake_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// stickSize is the size of the stick in the comparison, of which benchSize is the virtual disk.
const stickSize = 8 * gib

// stickConfig bakes a stick.
func stickConfig(media, out string) bake.Config {
	c := benchConfig(media, out, bake.NotCompact)
	c.Size, c.Firmware = stickSize, layout.BIOS
	c.Native = &bake.NativeBoot{
		File: "hvsOS.vhd", Size: benchSize, Overrides: map[bake.Rule]string{bake.RuleDiskSize: forTest, bake.RuleVirtualSize: forTest},
	}
	return c
}

// TestCompareStick times the bake of a whole stick against the same with public tools, and prints the
// ratios. It judges nothing. The public tools are spared the partition tables, the boot files and the
// footer of the VHD.
func TestCompareStick(t *testing.T) {
	needBench(t)
	oracle.Need(t, "wimlib-imagex", "mkntfs", "qemu-img", "ntfs-3g")
	const runs = 3
	wim := oracle.BenchWIM(t)
	pairs, err := oracle.MeasurePairs(runs,
		func(int) (oracle.Usage, error) { return bakeProcess(t, wim, bake.NotCompact, envStick+"=1") },
		func(int) (oracle.Usage, error) { return stickByHand(t, wim) })
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs {
		t.Logf("run %d: winbake %v; public tools %v; ratio %.2f", i+1, p.A, p.B, oracle.Wall(p.A)/oracle.Wall(p.B))
	}
	fmt.Printf("stick: bake / qemu-img create, mkntfs, wimlib-imagex apply, cp into an ntfs-3g mount: wall %v\n", oracle.Ratios(pairs, oracle.Wall))
}

// stickByHand makes a stick with public tools. Only the wall time is told.
func stickByHand(t *testing.T, wim string) (u oracle.Usage, err error) {
	dir, err := os.MkdirTemp("", "winbake-bench")
	if err != nil {
		return u, err
	}
	defer os.RemoveAll(dir)
	virtual, stick := filepath.Join(dir, "hvsOS.vhd"), filepath.Join(dir, "usb.img")
	start := time.Now()
	for _, step := range [][]string{
		{"qemu-img", "create", "-q", "-f", "raw", virtual, fmt.Sprint(int64(benchSize))},
		{"mkntfs", "-F", "-Q", "-q", virtual},
		{"wimlib-imagex", "apply", "--quiet", wim, "1", virtual},
		{"qemu-img", "create", "-q", "-f", "raw", stick, fmt.Sprint(int64(stickSize))},
		{"mkntfs", "-F", "-Q", "-q", stick},
	} {
		if out, stderr, err := oracle.Try(step[0], step[1:]...); err != nil {
			return u, fmt.Errorf("%s: %w\n%s%s", step[0], err, out, stderr)
		}
	}
	oracle.EditNTFS(t, oracle.WholeFile(stick), func(mounted string) error {
		_, stderr, err := oracle.Try("cp", virtual, mounted)
		if err != nil {
			return fmt.Errorf("cp: %w\n%s", err, stderr)
		}
		return nil
	})
	return oracle.Usage{Wall: time.Since(start)}, nil
}
