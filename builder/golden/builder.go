// Package golden is Packer's builder "winbake-golden": a bootable disk image from Windows install
// media, made offline by the engine in internal/bake. What it adds to the engine is Packer: the
// configuration, steps that -debug and -on-error work with, provisioners, and the artifact.
package golden

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/progress"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// BuilderID tells post-processors where an artifact comes from.
const BuilderID = "winbake.golden"

// engine is *bake.Bake, or what a test puts in its place.
type engine interface {
	OpenMedia(context.Context) error
	LoadTree(context.Context) error
	DecideRecovery(context.Context) error
	Windows() bake.WindowsInfo
	Tree() *tree.Tree
	InstallBoot(context.Context) error
	Compact(context.Context) error
	Plan(context.Context) error
	Write(context.Context) error
	Verify(context.Context) error
	Publish(context.Context) (*bake.Result, error)
	Close() error
}

// Builder implements packersdk.Builder.
type Builder struct {
	config Config
	// start replaces bake.New in tests.
	start func(bake.Config) engine
}

var _ packersdk.Builder = (*Builder)(nil)

// ConfigSpec tells Packer which attributes a source may have.
func (b *Builder) ConfigSpec() hcldec.ObjectSpec {
	return settings.Spec(b.config.FlatMapstructure().HCL2Spec())
}

// Prepare checks the configuration. It returns the names of the variables that provisioners and
// post-processors find in "build".
func (b *Builder) Prepare(raws ...any) (generated, warnings []string, err error) {
	warnings, err = b.config.Prepare(raws...)
	if err != nil {
		return nil, warnings, err
	}
	return generatedNames, append(warnings, b.decision()...), nil
}

// decision tells, as "packer validate" shows it, what becomes of the recovery environment and why.
func (b *Builder) decision() []string {
	c, _ := b.config.engine()
	d, err := c.Decision()
	if err != nil || d == nil {
		return nil
	}
	return bake.Explain(*d)
}

// Run bakes. It ends soon after ctx does, and then leaves nothing behind.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	c, problems := b.config.engine()
	items, more := b.config.Settings.Items()
	problems = append(problems, more...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	report := progress.New(ui)
	c.Progress = report
	run := &run{config: c, medium: &b.config.Medium, settings: items, report: report, start: b.new}

	state := new(multistep.BasicStateBag)
	state.Put("hook", hook)
	state.Put("ui", ui)
	commonsteps.NewRunnerWithPauseFn(run.steps(), b.config.PackerConfig, ui, state).Run(ctx, state)
	if err := outcome(ctx, state); err != nil {
		return nil, err
	}
	report.End()
	data, _ := state.Get("generated_data").(map[string]any)
	artifact := newArtifact(run.result, c.OutputDir, data)
	ui.Say(tryOut(run.result))
	return artifact, nil
}

func (b *Builder) new(c bake.Config) engine {
	if b.start != nil {
		return b.start(c)
	}
	return bake.New(c)
}

// outcome is why the steps ended, or nil when they all went well.
func outcome(ctx context.Context, state multistep.StateBag) error {
	if _, ok := state.GetOk(multistep.StateCancelled); ok || ctx.Err() != nil {
		return errors.New("the build was cancelled")
	}
	if err, ok := state.Get("error").(error); ok {
		return err
	}
	if _, ok := state.GetOk(multistep.StateHalted); ok {
		return errors.New("the build was halted")
	}
	return nil
}
