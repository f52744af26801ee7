// Package baker runs a bake as Packer's builders do: in steps that -debug and -on-error work with, with
// provisioners in between, and with an artifact at the end. All builders of winbake share it; each adds its
// own configuration.
package baker

import (
	"context"
	"errors"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/builder/progress"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Stages is *bake.Bake, or what a test puts in its place.
type Stages interface {
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

// Job is a bake that a builder is asked for.
type Job struct {
	// BuilderID tells post-processors where the artifact comes from.
	BuilderID string
	Packer    common.PackerConfig
	// Medium has been prepared.
	Medium *medium.Config
	// Config is without problems, but for its medium and its progress, which Run sees to.
	Config bake.Config
	// Settings are the edits that the source itself asks for.
	Settings []edit.Item
	// Ready says what to do with the finished image.
	Ready func(*bake.Result) string
	// Start replaces bake.New in tests.
	Start func(bake.Config) Stages
}

// Run bakes. It ends soon after ctx does, and then leaves nothing behind.
func (j *Job) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	report := progress.New(ui)
	j.Config.Progress = report
	run := &run{Job: j, report: report}

	state := new(multistep.BasicStateBag)
	state.Put("hook", hook)
	state.Put("ui", ui)
	commonsteps.NewRunnerWithPauseFn(run.steps(), j.Packer, ui, state).Run(ctx, state)
	if err := outcome(ctx, state); err != nil {
		return nil, err
	}
	report.End()
	data, _ := state.Get("generated_data").(map[string]any)
	artifact := newArtifact(j.BuilderID, run.result, j.Config.OutputDir, data)
	ui.Say(j.Ready(run.result))
	return artifact, nil
}

// start makes the engine, once the media are on this machine.
func (j *Job) start() Stages {
	if j.Start != nil {
		return j.Start(j.Config)
	}
	return bake.New(j.Config)
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
