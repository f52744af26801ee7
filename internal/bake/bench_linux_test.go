package bake_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Environment of the comparison: WINBAKE_BENCH=1 runs it; the others make a process of the test
// binary bake, so that its time and memory can be measured like those of any program.
const (
	envBench = "WINBAKE_BENCH"
	envMedia = "WINBAKE_BENCH_MEDIA"
	envImage = "WINBAKE_BENCH_IMAGE"
	envOut   = "WINBAKE_BENCH_OUT"
)

// TestBakeProcess bakes once when it is called as a process of its own.
func TestBakeProcess(t *testing.T) {
	if os.Getenv(envMedia) == "" {
		t.SkipNow() // other tests call it as a process
	}
	bake.LimitMemory()
	_, err := bake.Run(context.Background(), bake.Config{
		Media: os.Getenv(envMedia), Image: os.Getenv(envImage), Size: 5 * gib, Firmware: layout.UEFI, Formats: []bake.Format{bake.Raw},
		OutputDir: os.Getenv(envOut), Name: "disk", NoChecksums: true,
	}, addWindows)
	if err != nil {
		t.Fatal(err)
	}
}

// TestCompareWithWimlib times a whole bake against wimlib-imagex applying the same WIM to an NTFS
// volume, in pairs, and prints the ratio. It judges nothing: `make bench` is read by people.
func TestCompareWithWimlib(t *testing.T) {
	if os.Getenv(envBench) == "" {
		t.SkipNow() // make bench
	}
	oracle.Need(t, "wimlib-imagex", "mkntfs")
	wim := oracle.BenchWIM(t)
	const runs = 5
	pairs, err := oracle.MeasurePairs(runs,
		func(int) (oracle.Usage, error) { return bakeProcess(t, wim) },
		func(int) (oracle.Usage, error) { return applyProcess(t, wim) })
	if err != nil {
		t.Fatal(err)
	}
	var ratios []float64
	for i, p := range pairs {
		ratios = append(ratios, p.A.Wall.Seconds()/p.B.Wall.Seconds())
		t.Logf("run %d: winbake %v; wimlib-imagex apply %v; ratio %.2f", i+1, p.A, p.B, ratios[i])
	}
	slices.Sort(ratios)
	fmt.Printf("bake / wimlib-imagex apply, wall: median %.2f (%.2f to %.2f)\n", ratios[runs/2], ratios[0], ratios[runs-1])
}

func bakeProcess(t *testing.T, wim string) (oracle.Usage, error) {
	dir, err := os.MkdirTemp("", "winbake-bench")
	if err != nil {
		return oracle.Usage{}, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return oracle.Usage{}, err
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBakeProcess$")
	cmd.Env = append(os.Environ(), envMedia+"="+wim, envOut+"="+filepath.Join(dir, "out"))
	return oracle.Measure(cmd)
}

func applyProcess(t *testing.T, wim string) (oracle.Usage, error) {
	dir, err := os.MkdirTemp("", "winbake-bench")
	if err != nil {
		return oracle.Usage{}, err
	}
	defer os.RemoveAll(dir)
	volume := filepath.Join(dir, "ntfs.img")
	if err := os.WriteFile(volume, nil, 0o600); err != nil {
		return oracle.Usage{}, err
	}
	if err := os.Truncate(volume, 5*gib); err != nil {
		return oracle.Usage{}, err
	}
	if out, stderr, err := oracle.Try("mkntfs", "-F", "-Q", "-q", volume); err != nil {
		return oracle.Usage{}, fmt.Errorf("mkntfs: %w\n%s%s", err, out, stderr)
	}
	return oracle.Measure(oracle.Command("wimlib-imagex", "apply", wim, strconv.Itoa(1), volume))
}
