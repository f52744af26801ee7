// Package deliver brings the edits of a provisioner to the builder that holds the image. Packer runs
// the two as separate processes; what joins them is the builder's communicator.
package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/placeholder"
)

// builders are the components of winbake that a provisioner works with. What stands before them in a
// source's type is the name that the template gives to the plugin.
var builders = []string{"golden", "hypervusb"}

// CheckBuilder says, before anything runs, that a provisioner stands with a builder of another plugin.
func CheckBuilder(c common.PackerConfig) error {
	kind := c.PackerBuilderType
	if kind == "" || slices.ContainsFunc(builders, func(b string) bool { return kind == b || strings.HasSuffix(kind, "-"+b) }) {
		return nil
	}
	return wrongBuilder(fmt.Sprintf("%q is another builder", kind))
}

func wrongBuilder(why string) error {
	names := make([]string, len(builders))
	for i, b := range builders {
		names[i] = "winbake-" + b
	}
	return fault.Invalidf("this provisioner changes images that are not running, and works only with winbake's builders (%s): %s; "+
		"use only = [...] to keep it to them", strings.Join(names, ", "), why)
}

// Prepare decodes the configuration of a provisioner into c, and returns every mistake that problems then
// finds at once, but for those in values that are not known before the build runs.
func Prepare(c any, ctx *interpolate.Context, name string, raws []any, problems func() []error) error {
	err := config.Decode(c, &config.DecodeOpts{PluginType: "winbake." + name, Interpolate: true, InterpolateContext: ctx}, raws...)
	if err != nil {
		return err
	}
	if found := placeholder.Forgive(raws, problems()); len(found) > 0 {
		return &packersdk.MultiError{Errors: found}
	}
	return nil
}

// Edits has the builder make the edits, all of them in one go, and shows what it has to say. Nothing is
// sent to a communicator that does not answer as an image does: edits may hold passwords.
func Edits(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, items []edit.Item) error {
	answer, err := request(ctx, comm, edit.HelloCommand, nil)
	if err != nil || string(answer) != edit.Hello {
		return wrongBuilder("the machine of this build did not answer as an image")
	}
	body, err := json.Marshal(edit.Request{Items: items})
	if err != nil {
		return err
	}
	answer, err = request(ctx, comm, edit.Command, body)
	if err != nil {
		return err
	}
	var reply edit.Reply
	if err := json.Unmarshal(answer, &reply); err != nil {
		return fault.Bugf("the builder's reply cannot be read: %v", err)
	}
	for _, note := range reply.Notes {
		ui.Say(note)
	}
	return nil
}

// request runs a command and returns its output. What a command writes to standard error is the text
// of the error.
func request(ctx context.Context, comm packersdk.Communicator, command string, stdin []byte) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := &packersdk.RemoteCmd{Command: command, Stdin: bytes.NewReader(stdin), Stdout: &stdout, Stderr: &stderr}
	if err := comm.Start(ctx, cmd); err != nil {
		return nil, err
	}
	if code := cmd.Wait(); code != 0 {
		return nil, errors.New(strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), ctx.Err()
}
