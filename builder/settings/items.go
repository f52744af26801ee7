package settings

import (
	"fmt"

	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/sanpolicy"
	"github.com/winbake/packer-plugin-winbake/internal/windows/timezone"
)

// Items returns the edits that the configuration stands for, and every mistake in it.
func (c *Config) Items() ([]edit.Item, []error) {
	l := new(list)
	if c.Hostname != "" {
		l.add("hostname", &edit.Hostname{Name: c.Hostname})
	}
	if c.TimeZone != "" { // whose errors, as those of san_policy, begin with the name
		l.add("", &edit.TimeZone{Settings: timezone.Settings{Name: c.TimeZone}})
	}
	if c.SANPolicy != "" {
		l.add("", &edit.SANPolicy{Settings: sanpolicy.Settings{Policy: c.SANPolicy}})
	}
	if c.Paging != config.TriUnset || c.PagingFile != nil {
		l.try("paging", c.paging)
	}
	if len(c.EnableFirewallRules) > 0 {
		l.add("enable_firewall_rules", &edit.EnableFirewallRules{IDs: c.EnableFirewallRules})
	}
	for i, rule := range c.FirewallRules {
		l.add(fmt.Sprintf("firewall_rule[%d]", i), rule.edit())
	}
	if c.RemoteDesktop != nil {
		l.add("remote_desktop", c.RemoteDesktop.edit())
	}
	if c.OpenSSH != nil {
		l.try("openssh", c.OpenSSH.edit)
	}
	return l.items, append(l.problems, edit.Validate(l.items)...)
}

// list collects edits, and what is wrong with those that cannot be made.
type list struct {
	items    []edit.Item
	problems []error
}

func (l *list) add(origin string, e edit.Edit) {
	l.items = append(l.items, edit.Item{Origin: origin, Edit: e})
}

func (l *list) try(origin string, f func() (edit.Edit, error)) {
	e, err := f()
	if err != nil {
		l.problems = append(l.problems, fault.In(origin, err))
		return
	}
	l.add(origin, e)
}
