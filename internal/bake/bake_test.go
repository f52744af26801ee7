package bake_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const gib = 1 << 30

// media is the stand-in media that all tests share.
var media = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "winbake-media")
	if err != nil {
		return "", err
	}
	return dir, standin.Media(context.Background(), dir, standin.Options{Files: 100})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := media(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func mediaDir(t testing.TB) string {
	t.Helper()
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// config bakes the stand-in into a directory of the test's own.
func config(t testing.TB, firmware layout.Firmware) bake.Config {
	t.Helper()
	return bake.Config{
		Media: mediaDir(t), Image: "ServerStandardCore", Size: 640 << 20, Firmware: firmware, Formats: []bake.Format{bake.Raw},
		OutputDir: filepath.Join(t.TempDir(), "out"), Name: "disk", Label: "Windows", NoChecksums: true,
	}
}

func run(t testing.TB, c bake.Config, provision func(*tree.Tree) error) *bake.Result {
	t.Helper()
	r, err := bake.Run(t.Context(), c, provision)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// windows is the Windows volume of a baked raw disk.
func windows(t testing.TB, r *bake.Result) oracle.Volume {
	t.Helper()
	for _, p := range r.Manifest.Disk.Partitions {
		if p.Role == layout.Windows {
			return oracle.Volume{Path: r.Files[0], Offset: p.Offset, Size: p.Size}
		}
	}
	t.Fatal("no Windows partition")
	return oracle.Volume{}
}

var firmwares = layout.Firmwares

// greetings is what the stand-in boot programs print.
var greetings = map[oracle.Firmware]string{
	oracle.BIOS: "stand-in BOOTMGR: bios",
	oracle.UEFI: "stand-in boot manager: uefi",
}

// TestBoots starts each disk with each firmware that it is made for, from each bus it may be on.
func TestBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64")
	for disk, machines := range map[layout.Firmware]map[oracle.Firmware][]oracle.Bus{
		layout.BIOS: {oracle.BIOS: {oracle.IDE}},
		layout.UEFI: {oracle.UEFI: {oracle.SATA}},
		layout.Both: {
			oracle.BIOS: {oracle.IDE, oracle.SATA, oracle.VirtIO, oracle.USB},
			oracle.UEFI: {oracle.SATA, oracle.VirtIO, oracle.NVMe, oracle.USB},
		},
	} {
		r := run(t, config(t, disk), nil)
		for firmware, buses := range machines {
			for _, bus := range buses {
				t.Run(string(disk)+"/"+string(firmware)+"/"+string(bus), func(t *testing.T) {
					t.Parallel()
					oracle.Boot(t, oracle.BootOptions{
						Disk: r.Files[0], Firmware: firmware, Bus: bus, Expect: greetings[firmware], Timeout: 3 * time.Minute,
					})
				})
			}
		}
	}
}

// TestVHDBoots starts the fixed VHD itself, through QEMU's own reading of it.
func TestVHDBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64", "qemu-img")
	t.Parallel()
	c := config(t, layout.BIOS)
	c.Formats = []bake.Format{bake.Raw, bake.VHD}
	r := run(t, c, nil)
	oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vpc", r.Files[0], r.Files[1])
	oracle.Boot(t, oracle.BootOptions{Disk: r.Files[1], Format: "vpc", Expect: greetings[oracle.BIOS], Timeout: 2 * time.Minute})
}

// TestOutsideJudges asks everybody else about both disks.
func TestOutsideJudges(t *testing.T) {
	for _, firmware := range firmwares {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			r := run(t, config(t, firmware), nil)
			table := oracle.JudgeDisk(t, r.Files[0])
			if firmware != layout.BIOS {
				oracle.FsckFAT(t, table.Volume(r.Files[0], 1))
			}
			oracle.QemuImgInfo(t, r.Files[0], "raw")
			oracle.JudgeNTFS(t, windows(t, r))
		})
	}
}

// TestSameInputsSameBytes bakes twice.
func TestSameInputsSameBytes(t *testing.T) {
	for i, firmware := range firmwares {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			compact := append(bake.Compacts, bake.NotCompact)[i%3]
			var sums [2][sha256.Size]byte
			var manifests [2][]byte
			for i := range sums {
				c := config(t, firmware)
				c.Compact = compact
				r := run(t, c, nil)
				sums[i] = sha256.Sum256(read(t, r.Files[0]))
				manifests[i] = read(t, r.Files[len(r.Files)-1])
			}
			if sums[0] != sums[1] {
				t.Error("two bakes of the same input differ")
			}
			if string(manifests[0]) != string(manifests[1]) {
				t.Error("two manifests of the same input differ")
			}
		})
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestManifestAndChecksums(t *testing.T) {
	oracle.Need(t, "sha256sum")
	c := config(t, layout.UEFI)
	c.NoChecksums = false
	c.Formats = []bake.Format{bake.Raw, bake.VHD}
	c.Tags = map[string]string{"service": "iis"}
	r := run(t, c, nil)
	cmd := oracle.Command("sha256sum", "--check", "checksums.sha256")
	cmd.Dir = c.OutputDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	var m bake.Manifest
	if err := json.Unmarshal(read(t, filepath.Join(c.OutputDir, "manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Tags["WinRE"] != "True" || m.Tags["service"] != "iis" || m.Windows.Edition != "ServerStandard" || len(m.Files) != 2 || m.Inputs[0].SHA256 == "" {
		t.Errorf("manifest: %+v", m)
	}
	if len(r.Files) != 4+len(m.Records) || len(m.Records) == 0 {
		t.Errorf("files: %q", r.Files)
	}
}

func TestProvisionedFileIsThere(t *testing.T) {
	oracle.Need(t, "ntfscat")
	r := run(t, config(t, layout.UEFI), func(t *tree.Tree) error {
		_, err := t.WriteFile("Tools/agent.exe", tree.Bytes("agent"))
		return err
	})
	if out := oracle.Run(t, "ntfscat", windows(t, r).File(t), "Tools/agent.exe"); out != "agent" {
		t.Errorf("ntfscat: %q", out)
	}
}

// TestCancelLeavesNothing ends a bake at several moments.
func TestCancelLeavesNothing(t *testing.T) {
	for _, stage := range []string{"Reading", "Compressing", "Laying out", "Writing", "Verifying", "Checksums"} {
		c := config(t, layout.BIOS)
		c.NoChecksums, c.Compact, c.Formats = false, bake.CompactXPRESS4K, together
		ctx, cancel := context.WithCancel(t.Context())
		c.Progress = atStage{stage, cancel}
		start := time.Now()
		_, err := bake.Run(ctx, c, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %q: %v", stage, err)
		}
		if d := time.Since(start); d > 30*time.Second { // the machine may be busy
			t.Errorf("cancelled at %q: took %v", stage, d)
		}
		empty(t, c.OutputDir)
	}
}

// atStage does something when a stage begins.
type atStage struct {
	stage string
	act   func()
}

func (a atStage) Stage(name string) {
	if strings.HasPrefix(name, a.stage) {
		a.act()
	}
}
func (atStage) Advance(int64, int64) {}
func (atStage) Note(string)          {}

// empty fails unless a directory is absent or holds nothing.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

func TestExistingOutputIsKept(t *testing.T) {
	c := config(t, layout.BIOS)
	if err := os.MkdirAll(c.OutputDir, 0o755); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(c.OutputDir, "disk.raw")
	if err := os.WriteFile(old, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bake.Run(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "-force") {
		t.Errorf("error: %v", err)
	}
	if string(read(t, old)) != "precious" {
		t.Error("the old file was touched")
	}
	c.Force = true
	run(t, c, nil)
}

// TestPublishAgain has an earlier image of which one file cannot be replaced, as when a machine runs from it
// on Windows: its manifest does not stay beside what it does not tell of. Publishing goes on
// when the obstacle is gone, as with Packer's -on-error=ask.
func TestPublishAgain(t *testing.T) {
	c := config(t, layout.BIOS)
	c.Formats = []bake.Format{bake.Raw, bake.QCOW2}
	run(t, c, nil)
	manifest, used := filepath.Join(c.OutputDir, "manifest.json"), filepath.Join(c.OutputDir, "disk.qcow2")
	if err := os.Remove(used); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(used, "in use"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Force, c.Seed = true, "another"
	b := bake.New(c)
	defer b.Close()
	for _, stage := range []func(context.Context) error{b.OpenMedia, b.LoadTree, b.DecideRecovery, b.InstallBoot, b.Compact, b.Plan, b.Write, b.Verify} {
		if err := stage(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "disk.qcow2") {
		t.Errorf("a file that cannot be replaced: %v", err)
	}
	if _, err := os.Stat(manifest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the earlier manifest: %v", err)
	}
	if err := os.RemoveAll(used); err != nil {
		t.Fatal(err)
	}
	r, err := b.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 4 || r.Files[3] != manifest || r.Manifest.Files[1].Size == 0 {
		t.Errorf("%q, %+v", r.Files, r.Manifest)
	}
	oracle.QemuImgCompare(t, r.Files[0], "raw", r.Files[1], "qcow2")
}
