package evidence

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// wazuhRule is the first of the rule ids that the fragment for Wazuh uses. 100000 to 120000 are for users.
const wazuhRule = 100920

// onlyThis keeps people from excepting a cumulative update, which Windows needs with and without WinRE.
const onlyThis = "the plugin is about this alone; a plugin for a cumulative update of Windows covers more, and must stay"

// paste is what a person carries into each scanner. Texts are whole fragments of the scanner's own
// configuration; where there is no such file, the fields are those of the form to fill in.
type paste struct {
	Nessus   []nessusRule        `yaml:"nessus_recast_rules"`
	Defender []defenderException `yaml:"defender_exceptions"`
	Wazuh    string              `yaml:"wazuh_local_rules_xml,omitempty"`
	Trivy    string              `yaml:"trivyignore,omitempty"`
	Grype    string              `yaml:"grype_yaml,omitempty"`
	Vuls     string              `yaml:"vuls_config_toml,omitempty"`
}

// nessusRule is an Accept or Recast rule of Tenable. Plugins are numbered by Tenable, and where a cumulative
// update brings the fix, the plugin of that update covers much more: a person has to look.
type nessusRule struct {
	FindPlugin []string `yaml:"find_plugin_by,flow"`
	OnlyIf     string   `yaml:"only_if"`
	Action     string   `yaml:"action"`
	Targets    string   `yaml:"targets"`
	Comment    string   `yaml:"comment"`
}

// defenderException is a CVE exception of Defender Vulnerability Management, or for an advisory without a
// CVE an exception for the recommendation of the update.
type defenderException struct {
	CVE           string   `yaml:"cve,omitempty"`
	Updates       []string `yaml:"recommendation_for_update,omitempty,flow"`
	Scope         string   `yaml:"device_groups"`
	Justification string   `yaml:"justification"`
	Context       string   `yaml:"justification_context"`
}

// pasteFor makes the fragments for claims that say a scanner's finding is wrong.
func pasteFor(b *Bake, claims []claim) *paste {
	p := &paste{}
	var cves []claim // only Nessus and Defender know vulnerabilities by anything else
	for _, c := range claims {
		why := comment(b, &c)
		names := append([]string{c.id}, slices.DeleteFunc(slices.Clone(c.kbs), func(kb string) bool { return kb == c.id })...)
		p.Nessus = append(p.Nessus, nessusRule{
			FindPlugin: names, OnlyIf: onlyThis,
			Action: "accept, or recast to info", Targets: "machines made from " + imageName(b), Comment: why,
		})
		d := defenderException{
			CVE: c.cve, Scope: "a group with only machines made from " + imageName(b), Justification: "False positive", Context: why,
		}
		if c.cve == "" {
			d.Updates = c.kbs
		} else {
			cves = append(cves, c)
		}
		p.Defender = append(p.Defender, d)
	}
	if len(cves) > 0 {
		p.Wazuh, p.Trivy, p.Vuls = wazuh(b, cves), trivyignore(b, cves), vuls(b, cves)
		p.Grype = grype(b, cves)
	}
	return p
}

// comment is the reason that is kept with an exception.
func comment(b *Bake, c *claim) string {
	why := "the image has no WinRE"
	switch {
	case c.status == winre.Fixed:
		why = strings.TrimSpace("fixed in the WinRE of the image " + oneLine(b.WinRE.Version))
	case b.WinRE.Present:
		why = "the WinRE of the image lacks the vulnerable code"
	}
	return fmt.Sprintf("%s: %s (%s, SHA-256 %s)", c.id, why, imageName(b), strings.ToLower(b.Files[0].SHA256))
}

// wazuh overrules the alerts of Wazuh 4 (rules 23503 to 23506 of 0520-vulnerability-detector_rules.xml).
func wazuh(b *Bake, claims []claim) string {
	var s strings.Builder
	s.WriteString("<group name=\"local,vulnerability-detector,\">\n")
	for i := range claims {
		c := &claims[i]
		fmt.Fprintf(&s, "  <rule id=\"%d\" level=\"0\">\n", wazuhRule+i)
		s.WriteString("    <if_sid>23503,23504,23505,23506</if_sid>\n")
		fmt.Fprintf(&s, "    <field name=\"vulnerability.cve\">^%s$</field>\n    <description>", c.cve)
		_ = xml.EscapeText(&s, []byte(comment(b, c))) // a strings.Builder takes everything
		s.WriteString("</description>\n  </rule>\n")
	}
	return s.String() + "</group>\n"
}

func trivyignore(b *Bake, claims []claim) string {
	var s strings.Builder
	for i := range claims {
		fmt.Fprintf(&s, "# %s\n%s\n", comment(b, &claims[i]), claims[i].cve)
	}
	return s.String()
}

// grype is a part of .grype.yaml.
func grype(b *Bake, claims []claim) string {
	var s strings.Builder
	s.WriteString("ignore:\n")
	for i := range claims {
		fmt.Fprintf(&s, "  # %s\n  - vulnerability: %s\n", comment(b, &claims[i]), claims[i].cve)
	}
	return s.String()
}

// vuls is a line for [servers.NAME] of config.toml.
func vuls(b *Bake, claims []claim) string {
	var s strings.Builder
	var cves []string
	for i := range claims {
		fmt.Fprintf(&s, "# %s\n", comment(b, &claims[i]))
		cves = append(cves, `"`+claims[i].cve+`"`)
	}
	return s.String() + "ignoreCves = [" + strings.Join(cves, ", ") + "]\n"
}
