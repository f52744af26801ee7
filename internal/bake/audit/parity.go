package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// maxManifest bounds a manifest, which has a few KiB.
const maxManifest = 4 << 20

// isManifest says whether a file is JSON and so perhaps a manifest: no disk begins like that.
func isManifest(f io.ReaderAt) bool {
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0)
	return bytes.HasPrefix(bytes.TrimLeft(b[:n], " \t\r\n\uFEFF"), []byte("{"))
}

// manifest is what is compared of a manifest.json.
type manifest struct {
	SchemaVersion int `json:"schema_version"`
	Windows       *struct {
		Name         string `json:"name"`
		Edition      string `json:"edition"`
		Installation string `json:"installation_type"`
		Version      string `json:"version"`
		Architecture string `json:"architecture"`
	} `json:"windows"`
	WinRE *struct {
		Present bool   `json:"present"`
		Version string `json:"version"`
		State   State  `json:"state"`
	} `json:"winre"`
}

// inspectManifest takes what a bake has noted. It says nothing about the disk as it is now.
func inspectManifest(path string, f *os.File, size int64) *Image {
	i := newImage(path, KindManifest)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, min(size, maxManifest)))
	if err != nil {
		return i.fail(err)
	}
	var m manifest
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\uFEFF")), &m); err != nil {
		return i.fail(fault.Corruptf(fault.NoOffset, "%s is no manifest.json of winbake: %v", path, err))
	}
	if m.SchemaVersion == 0 || m.WinRE == nil || m.Windows == nil {
		return i.fail(fault.Corruptf(fault.NoOffset, "%s is no manifest.json of winbake: it has no schema_version, windows or winre", path))
	}
	v, _ := winre.ParseVersion(m.Windows.Version) // one that is none has no build
	i.Windows = &Windows{
		Name: m.Windows.Name, Product: m.Windows.Name, Edition: m.Windows.Edition, Installation: m.Windows.Installation, Version: m.Windows.Version,
		Build: int(v.Build), Architecture: m.Windows.Architecture,
	}
	i.WinRE.Present, i.WinRE.Version, i.WinRE.State = m.WinRE.Present, m.WinRE.Version, m.WinRE.State
	i.Summary = "The bake noted that the image carries no WinRE."
	if m.WinRE.Present {
		i.Summary = fmt.Sprintf("The bake noted WinRE %s, %s.", cmp.Or(m.WinRE.Version, "of an unknown version"), cmp.Or(string(m.WinRE.State), "in an unknown state"))
	}
	return i
}

// compare says whether two images agree on their recovery environment.
func compare(images []*Image, a, b string) *Parity {
	p := &Parity{A: a, B: b, Differences: []Difference{}}
	if len(images) != 2 {
		p.differ("windows", "one Windows in each", fmt.Sprintf("%d in both together", len(images)))
		return p
	}
	x, y := images[0], images[1]
	if x.Verdict == Unreadable || y.Verdict == Unreadable {
		p.differ("windows", known(x), known(y))
		return p
	}
	p.equal("present", yesNo(x.WinRE.Present), yesNo(y.WinRE.Present))
	if x.WinRE.Present || y.WinRE.Present {
		p.equal("version", cmp.Or(x.WinRE.Version, unknown), cmp.Or(y.WinRE.Version, unknown))
		p.equal("state", cmp.Or(string(x.WinRE.State), unknown), cmp.Or(string(y.WinRE.State), unknown))
	}
	p.Equal = len(p.Differences) == 0
	return p
}

const unknown = "not known"

func known(i *Image) string {
	if i.Verdict == Unreadable {
		return "could not be read"
	}
	return "read"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// equal notes two values that differ, or that cannot be compared.
func (p *Parity) equal(field, a, b string) {
	if a != b || a == unknown {
		p.differ(field, a, b)
	}
}

func (p *Parity) differ(field, a, b string) {
	p.Differences = append(p.Differences, Difference{Field: field, A: a, B: b})
}
