package baker

import (
	"context"
	"fmt"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/packerbuilderdata"

	"github.com/winbake/packer-plugin-winbake/builder/offline"
	"github.com/winbake/packer-plugin-winbake/builder/outdir"
	"github.com/winbake/packer-plugin-winbake/builder/progress"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
)

// run is one Run of a job: what its steps share.
type run struct {
	*Job
	report *progress.Reporter
	// engine is there from StepOpenMedia on.
	engine Stages
	// directory is held from the first step on.
	directory *outdir.Dir
	// comm reaches the tree, from StepConnect on.
	comm *offline.Communicator
	// result is there once the image is published.
	result *bake.Result
}

// steps are the stages of the bake. Packer shows the names of the types.
func (r *run) steps() []multistep.Step {
	steps := []multistep.Step{&StepOutputDirectory{run: r}}
	steps = append(steps, r.Medium.Steps(&r.Config)...)
	return append(steps,
		&StepOpenMedia{run: r},
		&StepLoadTree{run: r},
		&StepConnect{run: r},
		&StepSettings{run: r},
		&commonsteps.StepProvision{},
		&StepDecideRecovery{run: r},
		&StepInstallBoot{run: r},
		&StepCompact{run: r},
		&StepPlan{run: r},
		&StepWrite{run: r},
		&StepVerify{run: r},
		&StepPublish{run: r},
	)
}

// act turns the outcome of a stage into what Packer's runner understands. A stage that ended because
// the build was cancelled has no error of its own to tell.
func act(ctx context.Context, state multistep.StateBag, err error) multistep.StepAction {
	if err == nil {
		return multistep.ActionContinue
	}
	if ctx.Err() == nil {
		state.Put("error", err)
	}
	return multistep.ActionHalt
}

// cleanUp reports an error that comes too late to fail the build.
func cleanUp(state multistep.StateBag, err error) {
	if err != nil {
		state.Get("ui").(packersdk.Ui).Error("while cleaning up: " + err.Error())
	}
}

// noCleanup is for steps that leave nothing to clean up.
type noCleanup struct{}

// Cleanup does nothing.
func (noCleanup) Cleanup(multistep.StateBag) {}

// StepOutputDirectory takes hold of the output directory before any work is done.
type StepOutputDirectory struct{ run *run }

// Run fails when the directory is not empty and -force is not given.
func (s *StepOutputDirectory) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	dir, err := outdir.Open(s.run.Config.OutputDir, s.run.Config.Force)
	s.run.directory = dir
	return act(ctx, state, err)
}

// Cleanup lets go of the directory, and removes it if it is new and empty.
func (s *StepOutputDirectory) Cleanup(state multistep.StateBag) {
	if s.run.directory != nil {
		cleanUp(state, s.run.directory.Close())
	}
}

// StepOpenMedia opens the install media and finds the image in them.
type StepOpenMedia struct{ run *run }

// Run starts the engine, unless the step is repeated, and opens the media.
func (s *StepOpenMedia) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	if s.run.engine == nil {
		s.run.engine = s.run.start()
	}
	return act(ctx, state, s.run.engine.OpenMedia(ctx))
}

// Cleanup closes the media, and removes whatever the bake has not published.
func (s *StepOpenMedia) Cleanup(state multistep.StateBag) { cleanUp(state, s.run.engine.Close()) }

// StepLoadTree reads the image's directory tree.
type StepLoadTree struct {
	noCleanup
	run *run
}

// Run loads the tree, and tells what Windows it is to provisioners and post-processors.
func (s *StepLoadTree) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	if err := s.run.engine.LoadTree(ctx); err != nil {
		return act(ctx, state, err)
	}
	data := packerbuilderdata.GeneratedData{State: state}
	for name, value := range generatedData(s.run.engine.Windows(), &s.run.Config) {
		data.Put(name, value)
	}
	return multistep.ActionContinue
}

// StepConnect gives the provisioners a communicator that reaches the tree.
type StepConnect struct{ run *run }

// Run makes the communicator.
func (s *StepConnect) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	s.run.report.End() // what follows is the provisioners' time
	s.run.comm = offline.New(ctx, s.run.engine.Tree())
	state.Put("communicator", s.run.comm)
	return multistep.ActionContinue
}

// Cleanup ends what provisioners may still be doing, and removes what they uploaded.
func (s *StepConnect) Cleanup(state multistep.StateBag) {
	if s.run.comm != nil {
		cleanUp(state, s.run.comm.Close())
	}
}

// StepSettings changes what the source itself asks for.
type StepSettings struct {
	noCleanup
	run *run
}

// Run makes the changes.
func (s *StepSettings) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	if len(s.run.Settings) == 0 {
		return multistep.ActionContinue
	}
	ui := state.Get("ui").(packersdk.Ui)
	ui.Say(fmt.Sprintf("Applying %d settings", len(s.run.Settings)))
	notes, err := s.run.comm.Edit(ctx, s.run.Settings)
	for _, note := range notes {
		ui.Say(note)
	}
	return act(ctx, state, err)
}

// StepDecideRecovery decides whether the image carries the recovery environment.
type StepDecideRecovery struct {
	noCleanup
	run *run
}

// Run decides.
func (s *StepDecideRecovery) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.DecideRecovery(ctx))
}

// StepInstallBoot makes the image bootable.
type StepInstallBoot struct {
	noCleanup
	run *run
}

// Run installs the boot files.
func (s *StepInstallBoot) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.InstallBoot(ctx))
}

// StepCompact compresses the files of the Windows volume where that is wanted.
type StepCompact struct {
	noCleanup
	run *run
}

// Run compresses the files.
func (s *StepCompact) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.Compact(ctx))
}

// StepPlan places everything on the disk.
type StepPlan struct {
	noCleanup
	run *run
}

// Run plans the disk.
func (s *StepPlan) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.Plan(ctx))
}

// StepWrite writes the image under a temporary name.
type StepWrite struct {
	noCleanup
	run *run
}

// Run writes the image.
func (s *StepWrite) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.Write(ctx))
}

// StepVerify reads back what was written.
type StepVerify struct {
	noCleanup
	run *run
}

// Run verifies the image.
func (s *StepVerify) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	return act(ctx, state, s.run.engine.Verify(ctx))
}

// StepPublish gives the image and its records their final names.
type StepPublish struct {
	noCleanup
	run *run
}

// Run publishes the image, and then removes what is left of the one that it replaces.
func (s *StepPublish) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	result, err := s.run.engine.Publish(ctx)
	if err != nil {
		return act(ctx, state, err)
	}
	s.run.result = result
	ui := state.Get("ui").(packersdk.Ui)
	removed, err := s.run.directory.RemoveStale(result.Files)
	for _, path := range removed {
		ui.Say("Removed " + path + ", which the earlier bake left")
	}
	if err != nil { // the new image is there and whole, so this is no failure
		ui.Error("something of the earlier bake is left: " + err.Error())
	}
	return multistep.ActionContinue
}
