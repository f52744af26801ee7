// Package usb is Packer's post-processor "winbake-usb": it writes a disk image to a USB stick, with the
// engine in internal/bake/stick.
package usb

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/builder/progress"
	"github.com/winbake/packer-plugin-winbake/internal/bake/stick"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// PostProcessor implements packersdk.PostProcessor.
type PostProcessor struct {
	config Config
	// run replaces the engine in tests.
	run func(context.Context, stick.Job, stick.Progress) (*stick.Result, error)
}

var _ packersdk.PostProcessor = (*PostProcessor)(nil)

// ConfigSpec tells Packer which attributes the post-processor may have.
func (p *PostProcessor) ConfigSpec() hcldec.ObjectSpec {
	return p.config.FlatMapstructure().HCL2Spec()
}

// Configure checks the configuration.
func (p *PostProcessor) Configure(raws ...any) error { return p.config.Prepare(raws...) }

// PostProcess writes the artifact's image to the stick. The artifact is handed on as it is, and kept
// whatever keep_input_artifact says: it is what was returned.
func (p *PostProcessor) PostProcess(ctx context.Context, ui packersdk.Ui, a packersdk.Artifact) (_ packersdk.Artifact, keep, forceOverride bool, err error) {
	image, err := pick(a.Files(), p.config.Image)
	if err != nil {
		return nil, true, true, fault.In("image", err)
	}
	job := p.config.job(image)
	job.Ask = ui.Ask
	report := progress.New(ui)
	r, err := p.engine()(ctx, job, report)
	if err != nil {
		return nil, true, true, err
	}
	report.End()
	ui.Say(told(image, r))
	return a, true, true, nil
}

func (p *PostProcessor) engine() func(context.Context, stick.Job, stick.Progress) (*stick.Result, error) {
	if p.run != nil {
		return p.run
	}
	return func(ctx context.Context, j stick.Job, report stick.Progress) (*stick.Result, error) {
		return j.Run(ctx, report)
	}
}

func told(image string, r *stick.Result) string {
	s := fmt.Sprintf("%s is on the stick: %s written", filepath.Base(image), bytesize.Format(r.Written))
	if r.Verified > 0 {
		s += fmt.Sprintf(", %s read back and found equal", bytesize.Format(r.Verified))
	}
	return s + "."
}

// kinds are the suffixes of images, what is a disk as it is first.
var kinds = [][]string{{".img", ".raw"}, {".vhd", ".vhdx", ".qcow2"}}

// pick finds the image among the artifact's files.
func pick(files []string, name string) (string, error) {
	if name != "" {
		return named(files, name)
	}
	for _, suffixes := range kinds {
		var found []string
		for _, f := range files {
			if slices.Contains(suffixes, strings.ToLower(filepath.Ext(f))) {
				found = append(found, f)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fault.Invalidf("the artifact has several images; name one of %q", bases(found))
		}
	}
	return "", fault.Invalidf("the artifact has no image among its files %q; let the builder make one in the format raw", bases(files))
}

// named finds the file with a path or, if it is the only one, a name.
func named(files []string, name string) (string, error) {
	var found []string
	for _, f := range files {
		if filepath.Clean(f) == filepath.Clean(name) {
			return f, nil
		}
		if filepath.Base(f) == name {
			found = append(found, f)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return "", fault.Invalidf("%q fits %d files of the artifact; there are %q", name, len(found), bases(files))
}

func bases(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = filepath.Base(f)
	}
	return out
}
