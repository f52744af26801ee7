// Package firewall is the rules of the Windows firewall in an image: those that Windows brings along,
// which can be enabled, and one's own.
//
// A rule is a text in the key FirewallPolicy\FirewallRules. Its grammar is that of group policies
// ([MS-GPFAS] 2.2.2, with the meaning of [MS-FASP] 2.2.37); that the local rules use it, too, and in
// which order Windows writes the fields, was read from the SYSTEM hives of Windows 7 to 10.
//
// Changes are made in every control set, so that they hold whichever Windows starts with.
package firewall

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const (
	policy = `\Services\SharedAccess\Parameters\FirewallPolicy`
	rules  = policy + `\FirewallRules`
	// oldest is the version of Windows 7 and Server 2008 R2, which every newer one reads.
	oldest Version = 0x020A
)

// Enable puts rules of the image in force. Nothing else of them changes, and one that is in force
// already stays byte for byte. A rule that no control set has is an error that names similar ones.
func Enable(r *registry.Registry, ids ...string) error {
	sets, err := r.ControlSets()
	if err != nil {
		return err
	}
	for _, id := range ids {
		found := false
		for _, set := range sets {
			here, err := enable(r, set, id)
			if err != nil {
				return err
			}
			found = found || here
		}
		if !found {
			return unknown(r, id)
		}
	}
	return nil
}

func enable(r *registry.Registry, set, id string) (found bool, err error) {
	text, found, err := lookup(r, set, id)
	if err != nil || !found || text.Active() {
		return found, err
	}
	return true, r.Set(set+rules, regf.String(id, text.Activated().String()))
}

// Lookup returns the rule with that id of the control set that Windows starts with, and whether there
// is one. A rule that does not follow the grammar is corrupt.
func Lookup(r *registry.Registry, id string) (Text, bool, error) {
	return lookup(r, `HKLM\SYSTEM\CurrentControlSet`, id)
}

func lookup(r *registry.Registry, set, id string) (Text, bool, error) {
	k, err := r.Key(set + rules)
	if k == nil {
		return Text{}, false, err
	}
	v, ok := k.Value(id)
	if !ok {
		return Text{}, false, nil
	}
	s, err := v.Text()
	if err != nil {
		return Text{}, false, fault.In(set+rules+`\`+id, err)
	}
	text, err := Parse(s)
	return text, err == nil, fault.In(set+rules+`\`+id, err)
}

// unknown is the error for a rule that the image does not have.
func unknown(r *registry.Registry, id string) error {
	k, err := r.Key(`HKLM\SYSTEM\CurrentControlSet` + rules)
	if err != nil {
		return err
	}
	var near []string
	if k != nil {
		// What Windows' own ids have in common stands at their beginning: RemoteDesktop-UserMode-In-TCP.
		word, _, _ := strings.Cut(strings.ToLower(id), "-")
		for _, v := range k.Values() {
			if strings.Contains(strings.ToLower(v.Name), word) {
				near = append(near, v.Name)
			}
		}
	}
	slices.Sort(near)
	const most = 12
	switch {
	case len(near) == 0:
		return fault.Invalidf("the image has no firewall rule %q, and none with a similar id", id)
	case len(near) > most:
		near = append(near[:most], "...")
	}
	return fault.Invalidf("the image has no firewall rule %q; similar ids are %s", id, strings.Join(near, ", "))
}

// Add adds a rule, in place of one that has the same id. It is written in the newest version of the
// grammar that the image's own rules use.
func Add(r *registry.Registry, rule Rule) error {
	if err := rule.Validate(); err != nil {
		return err
	}
	return r.EachControlSet(func(set string) error {
		v, err := versionOf(r, set)
		if err != nil {
			return err
		}
		text, err := rule.text(v)
		if err != nil {
			return err
		}
		if err := r.Set(set+rules, regf.String(rule.ID, text.String())); err != nil {
			return err
		}
		return nil
	})
}

// versionOf returns the version to write rules in: the highest among those of the control set, or what
// the firewall says of itself, or what every Windows reads.
func versionOf(r *registry.Registry, set string) (Version, error) {
	highest := Version(0)
	k, err := r.Key(set + rules)
	if err != nil {
		return 0, err
	}
	if k != nil {
		for _, v := range k.Values() {
			s, _ := v.Text()
			if text, err := Parse(s); err == nil {
				highest = max(highest, text.Version())
			}
		}
	}
	if highest > 0 {
		return max(highest, oldest), nil
	}
	k, err = r.Key(set + policy)
	if k == nil {
		return oldest, err
	}
	v, _ := k.Value("PolicyVersion")
	n, _ := v.Integer()
	if n > 0xFFFF {
		n = 0
	}
	return max(Version(n), oldest), nil
}
