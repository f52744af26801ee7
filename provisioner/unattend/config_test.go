package unattend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name   string
		config map[string]any
		parts  []string // of the error; none for none
	}{
		{"nothing", map[string]any{}, []string{"there is nothing to answer"}},
		{"elsewhere", map[string]any{"packer_builder_type": "qemu", "computer_name": "x"}, []string{"works only with winbake's builders"}},
		{"file", map[string]any{"file": "unattend.xml"}, nil},
		{"script only", map[string]any{"setup_complete_inline": []string{"@echo off"}}, nil},
		{"settings", map[string]any{"computer_name": "x", "oobe": map[string]any{"hide_eula_page": true}}, nil},
		{"all at once", map[string]any{
			"computer_name": "much-too-long-a-name", "product_key": "12345", "administrator_password": "a\x01b",
			"setup_complete": "a.cmd", "setup_complete_inline": []string{"b"},
			"run_synchronous": []map[string]any{{"command": ""}},
		}, []string{"computer_name: ", "product_key: ", "administrator_password: ", "setup_complete: give either", "run_synchronous[0]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p Provisioner
			err := p.Prepare(test.config)
			if len(test.parts) == 0 && err != nil {
				t.Error(err)
			}
			for _, part := range test.parts {
				if !strings.Contains(fmt.Sprint(err), part) {
					t.Errorf("%v lacks %q", err, part)
				}
			}
			if strings.Contains(fmt.Sprint(err), "a\x01b") || strings.Contains(fmt.Sprint(err), "12345") {
				t.Errorf("a secret is in %q", err)
			}
		})
	}
}

func TestItems(t *testing.T) {
	file := filepath.Join(t.TempDir(), "unattend.xml")
	os.WriteFile(file, []byte("<unattend/>"), 0o600)
	for _, test := range []struct {
		config map[string]any
		want   string
	}{
		{map[string]any{"file": file}, "[*edit.AnswerFile]"},
		{map[string]any{"file": file, "computer_name": "x", "setup_complete_inline": []string{"a"}}, "[*edit.AnswerFile *edit.SetupComplete]"},
		{map[string]any{"setup_complete_inline": []string{"a"}}, "[*edit.SetupComplete]"},
		{map[string]any{"skip_oobe": true}, "[*edit.AnswerFile]"},
	} {
		var c Config
		if err := c.Prepare(test.config); err != nil {
			t.Fatal(err)
		}
		items, err := c.items()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range items {
			got = append(got, fmt.Sprintf("%T", item.Edit))
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("%v: %v, want %s", test.config, got, test.want)
		}
	}
	c := Config{File: "nowhere.xml"}
	if _, err := c.items(); err == nil || !strings.HasPrefix(err.Error(), "file: ") {
		t.Error(err)
	}
}
