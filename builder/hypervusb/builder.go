// Package hypervusb is Packer's builder "winbake-hypervusb": a USB stick that Hyper-V Server, or any other
// Windows that can, starts from. Windows is on a virtual disk, a file on the stick, which the boot manager
// looks into (Microsoft's "native boot").
package hypervusb

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/baker"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
)

// BuilderID tells post-processors where an artifact comes from.
const BuilderID = "winbake.hypervusb"

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
	if warnings, err = b.config.Prepare(raws...); err != nil {
		return nil, warnings, err
	}
	return baker.GeneratedNames, warnings, nil
}

// Run bakes. It ends soon after ctx does, and then leaves nothing behind.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	c, problems := b.config.engine()
	items, more := b.config.items()
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	job := baker.Job{
		BuilderID: BuilderID, Packer: b.config.PackerConfig, Medium: &b.config.Medium, Config: c, Settings: items, Ready: baker.TryOutStick,
	}
	return job.Run(ctx, ui, hook)
}
