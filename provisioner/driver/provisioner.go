// Package driver is Packer's provisioner "winbake-driver": it puts driver packages into the image that a
// winbake builder makes, and has those for storage start at boot.
package driver

import (
	"context"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/provisioner/deliver"
)

// Provisioner implements packersdk.Provisioner.
type Provisioner struct {
	config Config
}

var _ packersdk.Provisioner = (*Provisioner)(nil)

// ConfigSpec tells Packer which attributes and blocks the provisioner may have.
func (p *Provisioner) ConfigSpec() hcldec.ObjectSpec { return p.config.FlatMapstructure().HCL2Spec() }

// Prepare checks the configuration.
func (p *Provisioner) Prepare(raws ...any) error { return p.config.Prepare(raws...) }

// Provision changes the image.
func (p *Provisioner) Provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, _ map[string]any) error {
	items, err := p.config.items()
	if err != nil {
		return err
	}
	ui.Say("Injecting drivers")
	return deliver.Edits(ctx, ui, comm, items)
}
