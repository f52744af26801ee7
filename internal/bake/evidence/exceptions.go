package evidence

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// exceptionsVersion is the version of the schema of NAME.exceptions.yaml.
const exceptionsVersion = 1

const exceptionsHead = `# What winbake knows about the recovery environment (WinRE) of this image, for scanners that read no VEX.
# Nothing reads this file: a person pastes from it. docs/evidence.md of winbake says how.
# Each exception is for machines made from this image, and only as long as true_while holds.
`

// exceptionsFile is NAME.exceptions.yaml. Its fields are in the order in which a person reads them.
type exceptionsFile struct {
	SchemaVersion int              `yaml:"schema_version"`
	Image         exceptionsImage  `yaml:"image"`
	BuildTime     string           `yaml:"build_time"`
	Tool          string           `yaml:"tool"`
	Author        string           `yaml:"author,omitempty"`
	WinRE         exceptionsWinRE  `yaml:"winre"`
	Evidence      []string         `yaml:"evidence"`
	TrueWhile     []string         `yaml:"true_while,omitempty"`
	Findings      []exceptionsFact `yaml:"findings"`
	// Paste is empty where nothing is to be excepted: an affected WinRE is no exception.
	Paste *paste `yaml:"paste,omitempty"`
}

type exceptionsImage struct {
	Name    string            `yaml:"name"`
	Version string            `yaml:"version,omitempty"`
	Windows exceptionsWindows `yaml:"windows"`
	Files   []exceptionsBytes `yaml:"files"`
}

type exceptionsWindows struct {
	Name    string `yaml:"name,omitempty"`
	Version string `yaml:"version,omitempty"`
	Arch    string `yaml:"architecture,omitempty"`
	CPE     string `yaml:"cpe,omitempty"`
}

type exceptionsBytes struct {
	Name   string `yaml:"name"`
	SHA256 string `yaml:"sha256"`
}

type exceptionsWinRE struct {
	Present bool   `yaml:"present"`
	Version string `yaml:"version,omitempty"`
}

// exceptionsFact is one finding.
type exceptionsFact struct {
	ID      string   `yaml:"id"` // the CVE, or the update where there is none
	Title   string   `yaml:"title,omitempty"`
	KBs     []string `yaml:"kbs,omitempty,flow"`
	Status  string   `yaml:"status"`
	Label   string   `yaml:"label,omitempty"`
	Reason  string   `yaml:"reason"`
	Action  string   `yaml:"action,omitempty"`
	Sources []string `yaml:"sources,omitempty"`
}

// exceptions is the record for scanners without VEX.
func exceptions(b *Bake, claims []claim) ([]byte, error) {
	f := exceptionsFile{
		SchemaVersion: exceptionsVersion, BuildTime: b.timestamp(), Tool: b.Tool, Author: b.Author,
		Image: exceptionsImage{Name: b.Name, Version: b.Version, Windows: exceptionsWindows(b.Windows)},
		WinRE: exceptionsWinRE(b.WinRE), Evidence: []string{}, Findings: []exceptionsFact{},
	}
	for _, file := range b.Files {
		f.Image.Files = append(f.Image.Files, exceptionsBytes{file.Name, strings.ToLower(file.SHA256)})
	}
	f.Evidence = append(f.Evidence, b.Evidence...)
	var excepted []claim
	for i := range claims {
		c := &claims[i]
		fact := exceptionsFact{
			ID: c.id, Title: c.title, KBs: c.kbs, Status: string(c.status), Reason: c.grounds,
			Action: c.action, Sources: c.sources,
		}
		if c.status == winre.NotAffected {
			fact.Label = justification(b)
		}
		if c.status == winre.NotAffected || c.status == winre.Fixed {
			excepted = append(excepted, *c)
		}
		f.Findings = append(f.Findings, fact)
	}
	if len(excepted) > 0 {
		f.TrueWhile = trueWhile(b)
		f.Paste = pasteFor(b, excepted)
	}
	text, err := dump(f)
	return append([]byte(exceptionsHead), text...), err
}

// trueWhile are the conditions on which machines made from the image are what the image is.
func trueWhile(b *Bake) []string {
	s := []string{fmt.Sprintf("the machine was made from %s with one of the SHA-256 above", imageName(b))}
	if b.WinRE.Present {
		return append(s,
			"its Winre.wim is the one of the image, or a later one: reagentc /info, and the WinREVersion under HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion")
	}
	return append(s,
		"reagentc /info says that Windows RE is disabled, and no Winre.wim was put into \\Windows\\System32\\Recovery or onto a recovery partition",
		"no in-place upgrade or reset of Windows brought WinRE back")
}

// imageName is "image web 1.4.0", for sentences.
func imageName(b *Bake) string {
	return strings.TrimSpace("image " + oneLine(b.Name) + " " + oneLine(b.Version))
}

func dump(v any) ([]byte, error) {
	var out bytes.Buffer
	d, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, err
	}
	if err := d.Dump(v); err != nil {
		return nil, err
	}
	err = d.Close()
	return out.Bytes(), err
}
