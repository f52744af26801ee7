package evidence

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// read parses an exceptions record, strictly.
func read(t *testing.T, b Bake) exceptionsFile {
	t.Helper()
	var f exceptionsFile
	if err := yaml.Load(records(t, b)[ExceptionsSuffix], &f, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	return f
}

// hostile is a bake whose names try to leave the line, the string and the element that they are put in.
func hostile() Bake {
	b := withoutWinRE()
	b.Name, b.Version = "we\"b <b>&\n* ]]>", "1\"\nignoreCves = [] #"
	b.Evidence = append(b.Evidence, "a line\nand another: - [", "tab\there \u2028 \x00")
	b.Windows.Name = "Windows:\n\tServer"
	return b
}

// TestPaste: every fragment is well-formed in its scanner's language and names the CVE, whatever the
// image is called.
func TestPaste(t *testing.T) {
	for name, b := range map[string]Bake{"absent": withoutWinRE(), "fixed": cases()["fixed"], "hostile": hostile()} {
		t.Run(name, func(t *testing.T) {
			p := read(t, b).Paste
			if p == nil || len(p.Nessus) != 1 || len(p.Defender) != 1 || p.Defender[0].CVE != "CVE-2024-20666" {
				t.Fatalf("%+v", p)
			}
			if !slices.Equal(p.Nessus[0].FindPlugin, []string{"CVE-2024-20666", "KB5034439"}) {
				t.Errorf("Nessus: %v", p.Nessus[0].FindPlugin)
			}
			var rules struct {
				Rules []struct {
					Level int    `xml:"level,attr"`
					Field string `xml:"field"`
					If    string `xml:"if_sid"`
				} `xml:"rule"`
			}
			if err := xml.Unmarshal([]byte(p.Wazuh), &rules); err != nil || len(rules.Rules) != 1 || rules.Rules[0].Field != "^CVE-2024-20666$" {
				t.Errorf("Wazuh: %v, %+v", err, rules)
			}
			var ignored struct {
				Ignore []map[string]string `yaml:"ignore"`
			}
			if err := yaml.Load([]byte(p.Grype), &ignored, yaml.WithKnownFields()); err != nil || len(ignored.Ignore) != 1 || ignored.Ignore[0]["vulnerability"] != "CVE-2024-20666" {
				t.Errorf("Grype: %v, %v", err, ignored)
			}
			if lines := uncommented(p.Trivy); !slices.Equal(lines, []string{"CVE-2024-20666"}) {
				t.Errorf("Trivy: %q", lines)
			}
			if lines := uncommented(p.Vuls); !slices.Equal(lines, []string{`ignoreCves = ["CVE-2024-20666"]`}) {
				t.Errorf("Vuls: %q", lines)
			}
		})
	}
}

func uncommented(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// TestPasteOutside has libxml2 and Python's TOML parser read the fragments for Wazuh and Vuls.
func TestPasteOutside(t *testing.T) {
	oracle.Need(t, "python3")
	p := read(t, hostile()).Paste
	oracle.JudgeXML(t, []byte(p.Wazuh))
	if oracle.Xmllint([]byte(strings.Replace(p.Wazuh, "&lt;", "<", 1))) == nil {
		t.Error("xmllint does not object")
	}
	const ask = "import sys, tomllib; print(tomllib.loads(sys.argv[1]))"
	if out := oracle.Run(t, "python3", "-c", ask, "[servers.web]\n"+p.Vuls); strings.TrimSpace(out) != "{'servers': {'web': {'ignoreCves': ['CVE-2024-20666']}}}" {
		t.Errorf("TOML: %s", out)
	}
	if _, _, err := oracle.Try("python3", "-c", ask, strings.Replace(p.Vuls, `= ["`, `= "`, 1)); err == nil {
		t.Error("tomllib does not object")
	}
}

// TestNothingToExcept: an affected WinRE is not excepted, and one without a CVE only where that works.
func TestNothingToExcept(t *testing.T) {
	if f := read(t, cases()["affected"]); f.Paste != nil || f.TrueWhile != nil || len(f.Findings) != 3 || f.Findings[0].Action == "" {
		t.Errorf("%+v", f)
	}
	p := read(t, cases()["no-cve"]).Paste
	if p.Wazuh+p.Trivy+p.Grype+p.Vuls != "" || p.Defender[0].CVE != "" || p.Defender[0].Updates[0] != "KB5042320" {
		t.Errorf("%+v", p)
	}
}
