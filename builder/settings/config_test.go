package settings

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/packer-plugin-sdk/template/config"
)

func decode(t *testing.T, raw map[string]any) Config {
	t.Helper()
	var c Config
	if err := config.Decode(&c, &config.DecodeOpts{}, raw); err != nil {
		t.Fatal(err)
	}
	return c
}

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"

func TestItems(t *testing.T) {
	for _, test := range []struct {
		raw  map[string]any
		want string // origins and edits
	}{
		{map[string]any{}, ""},
		{map[string]any{"paging": false}, "paging: &{{true  0 0}}"},
		{map[string]any{"paging": true}, "paging: &{{false  0 0}}"},
		{map[string]any{"paging_file": map[string]any{"initial": "1GiB"}}, "paging: &{{false C 1024 1024}}"},
		{map[string]any{"paging_file": map[string]any{"initial": "1GiB", "maximum": "2GiB", "drive": "D"}}, "paging: &{{false D 1024 2048}}"},
		{map[string]any{"paging_file": map[string]any{}}, "paging: &{{false C 0 0}}"},
		{map[string]any{"hostname": "a", "time_zone": "UTC", "san_policy": "online_all"}, "hostname: &{a}; : &{{UTC}}; : &{{online_all}}"},
		{map[string]any{"remote_desktop": map[string]any{}}, "remote_desktop: &{{<nil> 0 false}}"},
		{map[string]any{"openssh": map[string]any{"authorized_keys": []string{key}, "port": 2222}}, "openssh: &{{ 2222 [" + key + "] }}"},
		{map[string]any{"enable_firewall_rules": []string{"x"}, "firewall_rule": []map[string]any{{"name": "a", "protocol": "tcp", "local_ports": []string{"80"}}}},
			"enable_firewall_rules: &{[x]}; firewall_rule[0]: &{{a      tcp [80] [] [] []   []}}"},
	} {
		c := decode(t, test.raw)
		items, problems := c.Items()
		if len(problems) > 0 {
			t.Errorf("%v: %v", test.raw, problems)
		}
		var got []string
		for _, item := range items {
			got = append(got, fmt.Sprintf("%s: %v", item.Origin, item.Edit))
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%v:\n got %s\nwant %s", test.raw, strings.Join(got, "; "), test.want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		raw  map[string]any
		want string
	}{
		{map[string]any{"paging": true, "paging_file": map[string]any{}}, "paging: give either"},
		{map[string]any{"paging_file": map[string]any{"initial": "much"}}, "paging: initial: "},
		{map[string]any{"paging_file": map[string]any{"initial": "16777217"}}, "whole number of MiB"},
		{map[string]any{"paging_file": map[string]any{"initial": "2GiB", "maximum": "1GiB"}}, "paging: maximum: "},
		{map[string]any{"hostname": "a b"}, "hostname: "},
		{map[string]any{"san_policy": "sometimes"}, "san_policy: "},
		{map[string]any{"remote_desktop": map[string]any{"port": 70000}}, "remote_desktop: port: "},
		{map[string]any{"openssh": map[string]any{"authorized_keys": []string{"nonsense"}}}, "openssh: authorized_keys"},
		{map[string]any{"firewall_rule": []map[string]any{{"name": "a", "protocol": "smoke"}}}, "firewall_rule[0]: protocol: "},
		{map[string]any{"enable_firewall_rules": []string{""}}, "enable_firewall_rules: "},
	} {
		c := decode(t, test.raw)
		_, problems := c.Items()
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.raw, problems, test.want)
		}
	}
}

// A relative path means the same to the builder as where it was written.
func TestSourceIsAbsolute(t *testing.T) {
	c := decode(t, map[string]any{"openssh": map[string]any{"source": "OpenSSH-Win64.zip"}})
	items, _ := c.Items()
	want, _ := filepath.Abs("OpenSSH-Win64.zip")
	if got := fmt.Sprintf("%v", items[0].Edit); !strings.Contains(got, want) {
		t.Error(got)
	}
}
