package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

const mib = 1 << 20

// media is the stand-in media that all tests share, with a recovery environment and without.
var media = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "winbake-audit")
	if err != nil {
		return "", err
	}
	return dir, standin.Media(context.Background(), dir, standin.Options{Files: 20})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := media(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// bakeDisk bakes the stand-in with winbake's engine.
func bakeDisk(t testing.TB, firmware layout.Firmware, formats []bake.Format, change func(*tree.Tree) error) *bake.Result {
	t.Helper()
	return runBake(t, bake.Config{Size: 640 * mib, Firmware: firmware, Formats: formats}, change)
}

// bakeRecovery bakes a disk on which the recovery environment was decided on.
func bakeRecovery(t testing.TB, firmware layout.Firmware, r *bake.Recovery) string {
	t.Helper()
	return runBake(t, bake.Config{Size: 2 << 30, Firmware: firmware, Formats: []bake.Format{bake.Raw}, Recovery: r}, nil).Files[0]
}

func runBake(t testing.TB, c bake.Config, change func(*tree.Tree) error) *bake.Result {
	t.Helper()
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	c.Media, c.Image, c.OutputDir, c.Name = dir, "ServerStandardCore", filepath.Join(t.TempDir(), "out"), "disk"
	c.Label, c.NoChecksums, c.Tool = "Windows", true, "test"
	r, err := bake.Run(t.Context(), c, change)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recoverable is a disk of the stand-in with a recovery partition.
type recoverable struct {
	disk    *layout.Disk
	windows *tree.Tree
	re      *tree.Tree
	system  *tree.Tree
	state   *winre.ReAgent
}

var firmwares = map[layout.Firmware][]boot.Firmware{layout.BIOS: {boot.BIOS}, layout.UEFI: {boot.UEFI}, layout.Both: {boot.BIOS, boot.UEFI}}

// recoveryDisk makes a disk whose recovery environment is set up, and lets change spoil it before it
// is written. size is that of the recovery partition.
func recoveryDisk(t testing.TB, firmware layout.Firmware, size int64, change func(*recoverable)) string {
	t.Helper()
	d, err := layout.New(layout.Spec{Size: 640*mib + size, Firmware: firmware, Label: "Windows", Seed: []byte("seed"), Recovery: size})
	if err != nil {
		t.Fatal(err)
	}
	windows, err := standin.Windows(standin.Options{Files: 20})
	if err != nil {
		t.Fatal(err)
	}
	r := &recoverable{disk: d, windows: windows, system: windows}
	r.setUp(t)
	r.boot(t, firmware)
	if change != nil {
		change(r)
	}
	return r.write(t)
}

// setUp does to the trees what reagentc /enable does.
func (r *recoverable) setUp(t testing.TB) {
	t.Helper()
	loader, _ := boot.RecoveryIDs([]byte("seed"))
	p := r.disk.Find(layout.Recovery)
	id := winre.Disk{GUID: r.disk.ID}
	if r.disk.MBR() {
		id = winre.Disk{Signature: r.disk.Signature}
	}
	r.state = winre.Disabled(true)
	r.state.Enable(loader, id, p.Offset, "20348.1.amd64fre.fe_release.210507-1500")
	var err error
	if r.re, err = winre.Partition(r.windows, r.state); err != nil {
		t.Fatal(err)
	}
	if err := winre.SetState(r.windows, r.state); err != nil {
		t.Fatal(err)
	}
	if _, err := winre.Remove(r.windows); err != nil {
		t.Fatal(err)
	}
}

func (r *recoverable) boot(t testing.TB, firmware layout.Firmware) {
	t.Helper()
	role := layout.Windows
	if r.disk.Find(layout.System) != nil {
		r.system, role = tree.New(r.windows.Now), layout.System
	}
	for _, f := range firmwares[firmware] {
		o := boot.Options{Firmware: f, System: r.device(role), OS: boot.On(r.device(layout.Windows)), Recovery: &boot.Recovery{Device: r.device(layout.Recovery)}}
		o.LoaderID, o.ResumeID = boot.IDs([]byte("seed"))
		o.Recovery.LoaderID, o.Recovery.OptionsID = boot.RecoveryIDs([]byte("seed"))
		if err := boot.Install(r.windows, r.system, o); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *recoverable) device(role layout.Role) bcd.Device {
	p := r.disk.Find(role)
	if r.disk.MBR() {
		return bcd.MBRPartition(r.disk.Signature, uint64(p.Offset))
	}
	return bcd.GPTPartition(r.disk.ID, p.ID)
}

func (r *recoverable) write(t testing.TB) string {
	t.Helper()
	records := bootcode.Own()
	c := layout.Contents{Main: r.windows, Recovery: r.re, MBR: records.MBR.Code, NTFS: records.NTFS.Code, FAT32: records.FAT32.Code}
	if r.disk.Find(layout.System) != nil {
		c.System = r.system
	}
	plan, err := r.disk.Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk.raw")
	f, err := image.Create(path, plan.Disk.Spec.Size, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := image.Write(t.Context(), plan, func(int64) {}, f); err != nil {
		t.Fatal(err)
	}
	return path
}

// run audits paths and expects the report that winbake itself has no trouble with.
func run(t testing.TB, paths ...string) *audit.Report {
	t.Helper()
	r, err := audit.Run(paths, nil, audit.Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// one audits a path with one Windows.
func one(t testing.TB, path string) *audit.Image {
	t.Helper()
	r := run(t, path)
	if len(r.Images) != 1 {
		t.Fatalf("%d images", len(r.Images))
	}
	return r.Images[0]
}

// warnings are the ids of the findings that count, sorted.
func warnings(i *audit.Image) string {
	var out []string
	for _, f := range i.Findings {
		if f.Severity == audit.Warning && !slices.Contains(out, f.ID) {
			out = append(out, f.ID)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
