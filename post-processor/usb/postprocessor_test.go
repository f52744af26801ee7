package usb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/bake/stick"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestPrepare(t *testing.T) {
	for _, test := range []struct {
		config map[string]any
		says   string // of the error; "" for none
	}{
		{map[string]any{"device": "4C53"}, ""},
		{map[string]any{"device": "/dev/disk/by-id/usb-x", "confirm": "4C53", "verify": false, "eject": false, "discard": true, "image": "usb.img"}, ""},
		{map[string]any{"device": "/dev/loop0", "allow_loop": true}, ""},
		{map[string]any{}, "device: give the stick's serial number"},
		{map[string]any{"device": "/dev/loop0"}, "device: /dev/loop0 is a loop device"},
		{map[string]any{"device": "/dev/sdb"}, "device: /dev/sdb may be another disk tomorrow; give the stick's serial number, or its path in /dev/disk/by-id/"},
		{map[string]any{"device": "x", "image": "."}, "image: "},
		{map[string]any{"devcie": "x"}, "devcie"},
	} {
		var p PostProcessor
		err := p.Configure(test.config)
		if test.says == "" && err != nil || test.says != "" && !strings.Contains(fmt.Sprint(err), test.says) {
			t.Errorf("%v: %v", test.config, err)
		}
	}
}

func TestPick(t *testing.T) {
	for _, test := range []struct {
		files      []string
		name, want string // want begins with "error: " for an error
	}{
		{[]string{"out/x.raw", "out/x.vhd", "out/manifest.json"}, "", "out/x.raw"},
		{[]string{"out/usb.img", "out/hvsOS.vhd"}, "", "out/usb.img"},
		{[]string{"out/x.QCOW2", "out/manifest.json"}, "", "out/x.QCOW2"},
		{[]string{"out/x.raw", "out/y.img"}, "", "error: several images"},
		{[]string{"out/x.vhd", "out/x.vhdx"}, "", "error: several images"},
		{[]string{"out/manifest.json"}, "", "error: no image"},
		{[]string{"out/x.raw", "out/y.img"}, "y.img", "out/y.img"},
		{[]string{"a/x.raw", "b/x.raw"}, "./b/x.raw", "b/x.raw"},
		{[]string{"a/x.raw", "b/x.raw"}, "x.raw", "error: fits 2 files"},
		{[]string{"a/x.raw"}, "y.raw", "error: fits 0 files"},
	} {
		got, err := pick(test.files, test.name)
		if want, isError := strings.CutPrefix(test.want, "error: "); isError {
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q of %q: %q, %v", test.name, test.files, got, err)
			}
		} else if err != nil || got != want {
			t.Errorf("%q of %q: %q, %v", test.name, test.files, got, err)
		}
	}
}

func TestPostProcess(t *testing.T) {
	var p PostProcessor
	if err := p.Configure(map[string]any{"device": "4C53", "allow_fixed": true, "verify": false}); err != nil {
		t.Fatal(err)
	}
	var got stick.Job
	p.run = func(_ context.Context, j stick.Job, report stick.Progress) (*stick.Result, error) {
		got = j
		report.Stage("Writing")
		return &stick.Result{Written: 3 << 20}, nil
	}
	out := new(bytes.Buffer)
	ui := &packersdk.BasicUi{Writer: out, ErrorWriter: out}
	artifact := &packersdk.MockArtifact{FilesValue: []string{"out/x.raw"}}
	a, keep, force, err := p.PostProcess(t.Context(), ui, artifact)
	if err != nil || a != packersdk.Artifact(artifact) || !keep || !force {
		t.Errorf("%v, %t, %t, %v", a, keep, force, err)
	}
	if got.Image != "out/x.raw" || got.Device != "4C53" || !got.Allow.Fixed || got.Options.Verify || !got.Eject || got.Ask == nil {
		t.Errorf("%+v", got)
	}
	if s := out.String(); !strings.Contains(s, "Writing\n") || !strings.Contains(s, "x.raw is on the stick: 3 MiB written.") {
		t.Error(s)
	}
	p.run = func(context.Context, stick.Job, stick.Progress) (*stick.Result, error) {
		return nil, fault.Invalidf("refused")
	}
	if a, keep, _, err := p.PostProcess(t.Context(), ui, artifact); err == nil || a != nil || !keep {
		t.Errorf("%v, %t, %v", a, keep, err)
	}
}
