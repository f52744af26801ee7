// Package golden is Packer's builder "winbake-golden": a bootable disk image from Windows install
// media, made offline by the engine in internal/bake. What it adds to the engine is Packer: the
// configuration, steps that -debug and -on-error work with, provisioners, and the artifact.
package golden

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/baker"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
)

// BuilderID tells post-processors where an artifact comes from.
const BuilderID = "winbake.golden"

// Builder implements packersdk.Builder.
type Builder struct {
	config Config
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
	return baker.GeneratedNames, append(warnings, b.decision()...), nil
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
	job := baker.Job{
		BuilderID: BuilderID, Packer: b.config.PackerConfig, Medium: &b.config.Medium, Config: c, Settings: items, Ready: baker.TryOut,
	}
	return job.Run(ctx, ui, hook)
}
