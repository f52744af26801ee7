package bake_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Environment of the comparison: WINBAKE_BENCH=1 runs it; the others make a process of the test
// binary bake, so that its time and memory can be measured like those of any program.
const (
	envBench   = "WINBAKE_BENCH"
	envMedia   = "WINBAKE_BENCH_MEDIA"
	envImage   = "WINBAKE_BENCH_IMAGE"
	envCompact = "WINBAKE_BENCH_COMPACT"
	envOut     = "WINBAKE_BENCH_OUT"
	envFormat  = "WINBAKE_BENCH_FORMAT" // and, after a blank, how it is compressed
	envStick   = "WINBAKE_BENCH_STICK"
)

// benchSize is the size of the disks and volumes: enough for every material.
const benchSize = 6 * gib

func benchConfig(media, out string, how bake.Compact) bake.Config {
	return bake.Config{
		Media: media, Size: benchSize, Firmware: layout.UEFI, Formats: []bake.Format{bake.Raw},
		OutputDir: out, Name: "disk", NoChecksums: true, Compact: how,
	}
}

// TestBakeProcess bakes once when it is called as a process of its own.
func TestBakeProcess(t *testing.T) {
	if os.Getenv(envMedia) == "" {
		t.SkipNow() // other tests call it as a process
	}
	bake.LimitMemory()
	c := benchConfig(os.Getenv(envMedia), os.Getenv(envOut), bake.Compact(os.Getenv(envCompact)))
	if os.Getenv(envStick) != "" {
		c = stickConfig(os.Getenv(envMedia), os.Getenv(envOut))
	}
	c.Image = os.Getenv(envImage)
	if f := os.Getenv(envFormat); f != "" {
		format, compress, _ := strings.Cut(f, " ")
		c.Formats, c.Compress = []bake.Format{bake.Format(format)}, bake.Compress(compress)
	}
	if _, err := bake.Run(context.Background(), c, addWindows); err != nil {
		t.Fatal(err)
	}
}

// benches are what is timed against wimlib-imagex applying the same WIM.
var benches = []struct {
	name    string
	wim     func(testing.TB) string
	compact bake.Compact
}{
	{"LZX", oracle.BenchWIM, bake.NotCompact},
	{"LZX, compact = lzx", oracle.BenchWIM, bake.CompactLZX},
	{"XPRESS", func(t testing.TB) string { return oracle.BenchWIMAs(t, "XPRESS") }, bake.NotCompact},
	{"ESD, a quarter", oracle.BenchESD, bake.NotCompact},
	{"100,000 small files", func(t testing.TB) string { return oracle.SmallFilesWIM(t, 100_000) }, bake.NotCompact},
}

// TestCompareWithWimlib times whole bakes against wimlib-imagex applying the same WIM to an NTFS
// volume, in pairs, and prints the ratios. It judges nothing: `make bench` is read by people.
func TestCompareWithWimlib(t *testing.T) {
	needBench(t)
	oracle.Need(t, "wimlib-imagex", "mkntfs")
	const runs = 5
	for _, b := range benches {
		t.Run(b.name, func(t *testing.T) {
			wim := b.wim(t)
			pairs, err := oracle.MeasurePairs(runs,
				func(int) (oracle.Usage, error) { return bakeProcess(t, wim, b.compact) },
				func(int) (oracle.Usage, error) { return applyProcess(t, wim) })
			if err != nil {
				t.Fatal(err)
			}
			var peaks []float64
			for i, p := range pairs {
				peaks = append(peaks, oracle.PeakMiB(p.A))
				t.Logf("run %d: winbake %v; wimlib-imagex apply %v; ratio %.2f", i+1, p.A, p.B, oracle.Wall(p.A)/oracle.Wall(p.B))
			}
			fmt.Printf("%s: bake / wimlib-imagex apply: wall %v, CPU %v, peak memory %.0f MiB\n",
				b.name, oracle.Ratios(pairs, oracle.Wall), oracle.Ratios(pairs, oracle.CPUSeconds), slices.Max(peaks))
		})
	}
}

// TestCompareFormats times whole bakes to each format against bakes to a raw disk, and against the
// same followed by qemu-img convert, and prints the ratios. It judges nothing.
func TestCompareFormats(t *testing.T) {
	needBench(t)
	oracle.Need(t, "wimlib-imagex", "qemu-img")
	const runs = 5
	wim := oracle.BenchWIM(t)
	for format, convert := range map[string][]string{
		"vhd-dynamic": {"-O", "vpc"},
		"vhdx":        {"-O", "vhdx"},
		"qcow2":       {"-O", "qcow2"},
		"qcow2 zlib":  {"-O", "qcow2", "-c"},
		"qcow2 zstd":  {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
	} {
		t.Run(format, func(t *testing.T) {
			var after []float64
			pairs, err := oracle.MeasurePairs(runs,
				func(int) (oracle.Usage, error) { return bakeProcess(t, wim, bake.NotCompact, envFormat+"="+format) },
				func(int) (oracle.Usage, error) {
					seconds, u, err := bakeAndConvert(t, wim, convert)
					after = append(after, seconds)
					return u, err
				})
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range pairs {
				after[i] = oracle.Wall(p.A) / (oracle.Wall(p.B) + after[i])
			}
			fmt.Printf("%s: bake / bake to raw: wall %v, CPU %v; / bake to raw and qemu-img convert: wall %v\n",
				format, oracle.Ratios(pairs, oracle.Wall), oracle.Ratios(pairs, oracle.CPUSeconds), oracle.SpreadOf(after))
		})
	}
}

// bakeAndConvert bakes to a raw disk, and returns how long qemu-img takes to convert it.
func bakeAndConvert(t *testing.T, wim string, how []string) (float64, oracle.Usage, error) {
	dir, err := os.MkdirTemp("", "winbake-bench")
	if err != nil {
		return 0, oracle.Usage{}, err
	}
	defer os.RemoveAll(dir)
	u, err := bakeInto(t, dir, wim, bake.NotCompact)
	if err != nil {
		return 0, u, err
	}
	args := append([]string{"convert", "-f", "raw"}, how...)
	convert, err := oracle.Measure(oracle.Command("qemu-img", append(args, filepath.Join(dir, "out", "disk.raw"), filepath.Join(dir, "converted"))...))
	return oracle.Wall(convert), u, err
}

// needBench skips what only `make bench` wants.
func needBench(t *testing.T) {
	t.Helper()
	if os.Getenv(envBench) == "" {
		t.SkipNow()
	}
}

// TestScaling prints how time and memory grow with the number of files.
func TestScaling(t *testing.T) {
	needBench(t)
	oracle.Need(t, "wimlib-imagex")
	for files := 25_000; files <= 400_000; files *= 2 {
		wim := oracle.SmallFilesWIM(t, files)
		var wall []float64
		var last oracle.Usage
		for range 3 {
			var err error
			if last, err = bakeProcess(t, wim, bake.NotCompact); err != nil {
				t.Fatal(err)
			}
			wall = append(wall, oracle.Wall(last))
		}
		s := oracle.SpreadOf(wall)
		fmt.Printf("%7d files: %v s, %.0f µs for each, peak memory %.0f MiB\n", files, s, s.Median/float64(files)*1e6, oracle.PeakMiB(last))
	}
}

// stopwatch notes how long each stage takes.
type stopwatch struct {
	name  string
	since time.Time
}

func (s *stopwatch) Stage(name string) {
	now := time.Now()
	if s.name != "" {
		fmt.Printf("%8.2f s  %s\n", now.Sub(s.since).Seconds(), s.name)
	}
	s.name, s.since = name, now
}

func (*stopwatch) Advance(int64, int64) {}
func (*stopwatch) Note(string)          {}

// TestWhereTimeGoes prints the time of each stage of a bake, and the functions that take the CPU.
func TestWhereTimeGoes(t *testing.T) {
	needBench(t)
	for _, b := range benches {
		fmt.Println(b.name)
		profile := filepath.Join(t.TempDir(), "cpu")
		f, err := os.Create(profile)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		wim := b.wim(t)
		if err := pprof.StartCPUProfile(f); err != nil {
			t.Fatal(err)
		}
		c := benchConfig(wim, filepath.Join(t.TempDir(), "out"), b.compact)
		watch := &stopwatch{}
		c.Progress = watch
		run(t, c, addWindows)
		watch.Stage("")
		pprof.StopCPUProfile()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(oracle.Run(t, "go", "tool", "pprof", "-top", "-nodecount=18", self, profile))
	}
}

func bakeProcess(t *testing.T, wim string, how bake.Compact, env ...string) (oracle.Usage, error) {
	dir, err := os.MkdirTemp("", "winbake-bench")
	if err != nil {
		return oracle.Usage{}, err
	}
	defer os.RemoveAll(dir)
	return bakeInto(t, dir, wim, how, env...)
}

// bakeInto bakes in a process of its own, to dir/out.
func bakeInto(t *testing.T, dir, wim string, how bake.Compact, env ...string) (oracle.Usage, error) {
	self, err := os.Executable()
	if err != nil {
		return oracle.Usage{}, err
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBakeProcess$")
	cmd.Env = append(os.Environ(), envMedia+"="+wim, envOut+"="+filepath.Join(dir, "out"), envCompact+"="+string(how))
	cmd.Env = append(cmd.Env, env...)
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
	if err := os.Truncate(volume, benchSize); err != nil {
		return oracle.Usage{}, err
	}
	if out, stderr, err := oracle.Try("mkntfs", "-F", "-Q", "-q", volume); err != nil {
		return oracle.Usage{}, fmt.Errorf("mkntfs: %w\n%s%s", err, out, stderr)
	}
	return oracle.Measure(oracle.Command("wimlib-imagex", "apply", wim, strconv.Itoa(1), volume))
}
