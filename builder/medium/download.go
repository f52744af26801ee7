package medium

import (
	"context"
	"errors"
	"log"
	"net/url"
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/redact"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Local is a medium that is on this machine.
type Local struct {
	Path string
	// URL is where it was downloaded from, without credentials; empty for a local file.
	URL string
	// SHA256 is what it was compared with when it was downloaded, in lower-case hexadecimal, or "".
	SHA256 string
}

// Fetch downloads the medium, or finds it in Packer's cache; local media are where they are. It is called after
// Prepare, if that found no mistakes. No credential of a URL is shown on ui, or is in an error.
func (c *Config) Fetch(ctx context.Context, ui packersdk.Ui) (Local, error) {
	d := c.prepared.download
	if d == nil {
		return Local{Path: c.Media}, nil
	}
	const result = "path"
	state := new(multistep.BasicStateBag)
	state.Put("ui", redact.UI(&teller{Ui: ui}, c.secrets()...))
	step := commonsteps.StepDownload{
		Checksum: d.ISOChecksum, Description: "Windows media", ResultKey: result,
		TargetPath: d.TargetPath, Url: d.ISOUrls, Extension: d.TargetExtension,
	}
	defer step.Cleanup(state)
	if step.Run(ctx, state) != multistep.ActionContinue {
		return Local{}, c.explain(ctx, state)
	}
	path, _ := state.Get(result).(string)
	source, _ := state.Get("SourceImageURL").(string)
	local := Local{Path: path}
	if hasScheme.MatchString(source) && !strings.HasPrefix(strings.ToLower(source), "file:") {
		local.URL = redact.URL(source)
	}
	if sum, ok := strings.CutPrefix(d.ISOChecksum, "sha256:"); ok && checksumOfFile(source) {
		local.SHA256 = sum
	}
	return local, nil
}

// checksumOfFile says whether the checksum of a download is that of the file it leaves. It is not if go-getter
// unpacks the file, or if the URL has a checksum of its own, which go-getter prefers.
func checksumOfFile(source string) bool {
	plain, query, _ := strings.Cut(source, "?")
	values, err := url.ParseQuery(query)
	known := strings.HasSuffix(strings.ToLower(plain), "."+extension(plain))
	return err == nil && known && !values.Has("checksum") && !values.Has("archive") && !strings.Contains(plain, "::")
}

// explain turns the SDK's error into one that names the attribute, and what to do.
func (c *Config) explain(ctx context.Context, state multistep.StateBag) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err, _ := state.Get("error").(error)
	if err == nil {
		return fault.Bugf("the download ended without a file and without an error")
	}
	text := redact.Text(err.Error(), c.secrets()...)
	if strings.Contains(text, "Checksums did not match") {
		return fault.In("iso_checksum", &fault.Error{Class: fault.ErrCorrupt, Offset: fault.NoOffset,
			Detail: "what was downloaded is not what is expected, or not whole; see whether the checksum belongs to this file", Err: errors.New(text)})
	}
	return fault.In(c.field(), errors.New(text))
}

// teller passes on what the SDK's step says, but nothing twice in a row: what differed was the checksum, which
// it adds to the URL. Errors are logged only, since Fetch returns them.
type teller struct {
	packersdk.Ui
	last string
}

func (t *teller) Say(s string) {
	if s != t.last {
		t.Ui.Say(s)
	}
	t.last = s
}

func (t *teller) Error(s string) { log.Printf("[WARN] %s", s) }

// StepDownload downloads the medium, before the engine starts. Packer shows its name.
type StepDownload struct {
	// Config has been prepared.
	Config *Config
	// Engine is told where the medium is.
	Engine *bake.Config
}

// Steps are the steps that bring the media to this machine: none if they are here already.
func (c *Config) Steps(engine *bake.Config) []multistep.Step {
	if len(c.urls()) == 0 {
		return nil
	}
	return []multistep.Step{&StepDownload{Config: c, Engine: engine}}
}

// Run downloads the medium. It ends soon after ctx does.
func (s *StepDownload) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	local, err := s.Config.Fetch(ctx, state.Get("ui").(packersdk.Ui))
	if err != nil {
		if ctx.Err() == nil {
			state.Put("error", err)
		}
		return multistep.ActionHalt
	}
	s.Engine.Media, s.Engine.MediaURL = local.Path, local.URL
	s.Engine.MediaSHA256, s.Engine.MediaChecked = local.SHA256, local.SHA256 != ""
	return multistep.ActionContinue
}

// Cleanup does nothing: what was downloaded stays in the cache.
func (s *StepDownload) Cleanup(multistep.StateBag) {}
