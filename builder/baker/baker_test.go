package baker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// fake is an engine that notes what is asked of it.
type fake struct {
	config bake.Config
	tree   *tree.Tree
	calls  []string
	fail   string // the stage that fails
	during func(stage string)
}

var errStage = errors.New("the stage failed")

func (f *fake) stage(ctx context.Context, name string) error {
	f.calls = append(f.calls, name)
	f.config.Progress.Stage(name)
	if f.during != nil {
		f.during(name)
	}
	if f.fail == name {
		return errStage
	}
	return ctx.Err()
}

func (f *fake) OpenMedia(ctx context.Context) error { return f.stage(ctx, "OpenMedia") }
func (f *fake) LoadTree(ctx context.Context) error {
	f.tree = tree.New(1)
	return f.stage(ctx, "LoadTree")
}
func (f *fake) Windows() bake.WindowsInfo {
	return bake.WindowsInfo{Index: 2, Name: "Windows", Edition: "ServerStandard", Version: "10.0.20348.1", Architecture: "amd64", Languages: []string{"en-US", "de-DE"}}
}
func (f *fake) Tree() *tree.Tree                         { return f.tree }
func (f *fake) DecideRecovery(ctx context.Context) error { return f.stage(ctx, "DecideRecovery") }
func (f *fake) InstallBoot(ctx context.Context) error    { return f.stage(ctx, "InstallBoot") }
func (f *fake) Compact(ctx context.Context) error        { return f.stage(ctx, "Compact") }
func (f *fake) Plan(ctx context.Context) error           { return f.stage(ctx, "Plan") }
func (f *fake) Write(ctx context.Context) error          { return f.stage(ctx, "Write") }
func (f *fake) Verify(ctx context.Context) error         { return f.stage(ctx, "Verify") }
func (f *fake) Close() error {
	f.calls = append(f.calls, "Close")
	return nil
}

func (f *fake) Publish(ctx context.Context) (*bake.Result, error) {
	if err := f.stage(ctx, "Publish"); err != nil {
		return nil, err
	}
	r := &bake.Result{Manifest: &bake.Manifest{
		Windows: f.Windows(), Disk: bake.DiskInfo{Firmware: f.config.Firmware}, Tags: map[string]string{"WinRE": "False", "service": "iis"},
		Inputs: []bake.Input{{Name: "install.wim", SHA256: "abc"}},
		Files:  []bake.File{{Name: "ws2022.raw", Format: bake.Raw, Size: 3 << 20}},
	}}
	for _, name := range []string{"ws2022.raw", "manifest.json"} {
		path := filepath.Join(f.config.OutputDir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return nil, err
		}
		r.Files = append(r.Files, path)
	}
	return r, nil
}

// quiet is a Ui that keeps what it is told.
type quiet struct {
	packersdk.Ui
	lines []string
}

func (q *quiet) Say(s string)   { q.lines = append(q.lines, s) }
func (q *quiet) Error(s string) { q.lines = append(q.lines, "error: "+s) }

// hook is the provisioners.
type hook func(packersdk.Communicator) error

func (h hook) Run(_ context.Context, name string, _ packersdk.Ui, c packersdk.Communicator, _ any) error {
	if h == nil || name != packersdk.HookProvision {
		return nil
	}
	return h(c)
}

const builderID = "winbake.test"

// jobWith is a job on a fake engine.
func jobWith(f *fake, out string) *Job {
	media := &medium.Config{Media: "install.wim"}
	media.Prepare(nil)
	return &Job{
		BuilderID: builderID, Medium: media, Ready: TryOut,
		Config: bake.Config{Media: "install.wim", OutputDir: out, Name: "ws2022", Firmware: layout.BIOS, Formats: []bake.Format{bake.Raw}},
		Start: func(c bake.Config) Stages {
			f.config = c
			return f
		},
	}
}

// bakeWith runs a job on a fake engine.
func bakeWith(t *testing.T, ctx context.Context, f *fake, h hook) (packersdk.Artifact, *quiet, string, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	job := jobWith(f, out)
	ui := &quiet{}
	artifact, err := job.Run(ctx, ui, h)
	return artifact, ui, out, err
}

var stages = []string{"OpenMedia", "LoadTree", "DecideRecovery", "InstallBoot", "Compact", "Plan", "Write", "Verify", "Publish"}

func TestRun(t *testing.T) {
	f := &fake{}
	artifact, ui, out, err := bakeWith(t, t.Context(), f, func(c packersdk.Communicator) error {
		return c.Upload("C:/a.txt", strings.NewReader("a"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := append(slices.Clone(stages), "Close"); !slices.Equal(f.calls, want) {
		t.Errorf("calls %s, want %s", f.calls, want)
	}
	if f.tree.Find("a.txt") == nil {
		t.Error("the provisioner's file is not in the tree")
	}
	if want := []string{filepath.Join(out, "ws2022.raw"), filepath.Join(out, "manifest.json")}; !slices.Equal(artifact.Files(), want) {
		t.Error(artifact.Files())
	}
	if last := ui.lines[len(ui.lines)-1]; !strings.Contains(last, "qemu-system-x86_64") {
		t.Error(last)
	}
	data, ok := artifact.State("generated_data").(map[string]any)
	if !ok || data["Edition"] != "ServerStandard" || data["Languages"] != "en-US,de-DE" {
		t.Errorf("generated data %v", data)
	}
	for _, name := range GeneratedNames {
		if _, ok := data[name].(string); !ok {
			t.Errorf("build.%s is %v", name, data[name])
		}
	}
}

func TestEachStageMayFail(t *testing.T) {
	for i, name := range stages {
		f := &fake{fail: name}
		artifact, _, out, err := bakeWith(t, t.Context(), f, nil)
		if !errors.Is(err, errStage) || artifact != nil {
			t.Errorf("%s: %v, %v", name, artifact, err)
		}
		if want := append(slices.Clone(stages[:i+1]), "Close"); !slices.Equal(f.calls, want) {
			t.Errorf("%s: calls %s, want %s", name, f.calls, want)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the new output directory is still there", name)
		}
	}
}

func TestProvisionerFails(t *testing.T) {
	f := &fake{}
	_, _, _, err := bakeWith(t, t.Context(), f, func(c packersdk.Communicator) error {
		return c.Upload("D:/x", strings.NewReader(""), nil)
	})
	if err == nil || !strings.Contains(err.Error(), "no drive D:") || !slices.Equal(f.calls, []string{"OpenMedia", "LoadTree", "Close"}) {
		t.Errorf("%v, calls %s", err, f.calls)
	}
}

func TestCancel(t *testing.T) {
	for _, name := range stages {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{during: func(stage string) {
			if stage == name {
				cancel()
			}
		}}
		artifact, ui, out, err := bakeWith(t, ctx, f, nil)
		if err == nil || err.Error() != "the build was cancelled" || artifact != nil {
			t.Errorf("%s: %v, %v", name, artifact, err)
		}
		if f.calls[len(f.calls)-1] != "Close" {
			t.Errorf("%s: calls %s", name, f.calls)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the new output directory is still there", name)
		}
		for _, line := range ui.lines {
			if strings.HasPrefix(line, "error:") {
				t.Errorf("%s: %s", name, line)
			}
		}
		cancel()
	}
}

// A directory that is not empty stops the bake before it has done anything.
func TestOutputDirectoryNotEmpty(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := &fake{}
	for _, force := range []bool{false, true} {
		job := jobWith(f, out)
		job.Config.Force = force
		_, err := job.Run(t.Context(), &quiet{}, hook(nil))
		if force != (err == nil) || !force && len(f.calls) > 0 {
			t.Errorf("force %v: %v, calls %s", force, err, f.calls)
		}
	}
}
