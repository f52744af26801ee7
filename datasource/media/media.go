// Package media is Packer's data source "winbake-media": what is in install media, or on a disk, for locals and
// the attributes of sources to use.
package media

import (
	"context"
	"io"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/hcl2helper"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/zclconf/go-cty/cty"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/catalog"
	"github.com/winbake/packer-plugin-winbake/internal/placeholder"
)

// Datasource implements packersdk.Datasource.
type Datasource struct{ config Config }

var _ packersdk.Datasource = (*Datasource)(nil)

// ConfigSpec tells Packer which attributes the data source takes.
func (d *Datasource) ConfigSpec() hcldec.ObjectSpec { return d.config.FlatMapstructure().HCL2Spec() }

// OutputSpec tells Packer which attributes the data source has.
func (*Datasource) OutputSpec() hcldec.ObjectSpec {
	return (&DatasourceOutput{}).FlatMapstructure().HCL2Spec()
}

// Configure reads the configuration, and returns every mistake at once.
func (d *Datasource) Configure(raws ...any) error {
	err := config.Decode(&d.config, &config.DecodeOpts{
		PluginType: "winbake.media", Interpolate: true, InterpolateContext: &d.config.ctx,
	}, raws...)
	if err != nil {
		return err
	}
	d.config.Medium.Prepare(&d.config.ctx)
	if problems := placeholder.Forgive(raws, d.config.Medium.Engine(new(bake.Config))); len(problems) > 0 {
		return &packersdk.MultiError{Errors: problems}
	}
	return nil
}

// none is the value that goes with an error: the SDK sends it to Packer, and cannot send cty.NilVal.
var none = cty.NullVal(cty.EmptyObject)

// Execute downloads the media, if it is asked to, and describes what is in them. A data source has no Ui: what
// the download says is in Packer's log only.
func (d *Datasource) Execute() (cty.Value, error) {
	ctx := context.Background() // Packer has none for data sources
	quiet := &packersdk.BasicUi{Writer: io.Discard, ErrorWriter: io.Discard, PB: &packersdk.NoopProgressTracker{}}
	local, err := d.config.Medium.Fetch(ctx, quiet)
	if err != nil {
		return none, err
	}
	var expected bake.Config
	d.config.Medium.Engine(&expected)
	c, err := catalog.Read(ctx, catalog.Options{
		Path: local.Path, Image: d.config.Medium.Image, Details: !d.config.Details.False(),
		Hash: d.config.SHA256 && local.SHA256 == "", SHA256: expected.MediaSHA256,
	})
	if err != nil {
		return none, err
	}
	out := output(c)
	out.Path, out.URL = local.Path, local.URL
	if local.SHA256 != "" {
		out.SHA256 = local.SHA256
	}
	return hcl2helper.HCL2ValueFromConfig(out, d.OutputSpec()), nil
}
