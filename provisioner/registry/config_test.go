package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
)

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name   string
		config map[string]any
		parts  []string // of the error; none for none
	}{
		{"nothing", map[string]any{}, []string{"there is nothing to do"}},
		{"elsewhere", map[string]any{"packer_builder_type": "qemu"}, []string{"works only with winbake's builders"}},
		{"fine", map[string]any{"packer_builder_type": "winbake-golden", "set": []map[string]any{
			{"key": `HKLM\SOFTWARE\A`, "value": "text"},
			{"key": `HKLM\SOFTWARE\A`, "type": "REG_MULTI_SZ", "values": []string{"a"}},
			{"key": `HKLM\SOFTWARE\A`, "type": "REG_MULTI_SZ"},
		}, "delete": []map[string]any{{"key": `HKU\Default\A`}, {"key": `HKU\Default\A`, "default_value": true}}}, nil},
		{"all at once", map[string]any{"set": []map[string]any{
			{"key": `HKLM\SOFTWARE\A`, "type": "REG_DWORD", "value": "x"},
			{"key": "", "value": "x"},
			{"key": `HKCU\Software`},
			{"key": `HKLM\SOFTWARE\A`, "type": "REG_WORD"},
			{"key": `HKLM\SOFTWARE\A`, "type": "REG_MULTI_SZ", "value": "a"},
		}, "delete": []map[string]any{{"key": `HKLM\SOFTWARE\A`, "name": "x", "default_value": true}}}, []string{
			`set[0]: value: "x" is no REG_DWORD`, "set[1]: key: must not be empty", `set[2]: key: HKCU\Software: nobody is logged on`,
			`set[3]: type: "REG_WORD" is not one of`, "set[4]: value: a REG_MULTI_SZ is a list", "delete[0]: default_value:",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p Provisioner
			err := p.Prepare(test.config)
			if len(test.parts) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			for _, part := range test.parts {
				if !strings.Contains(fmt.Sprint(err), part) {
					t.Errorf("%v lacks %q", err, part)
				}
			}
		})
	}
}

// Files come first, then what is removed, then what is set.
func TestOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.reg")
	text := "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\n\"v\"=dword:1\n\"gone\"=-\n[-HKEY_LOCAL_MACHINE\\SOFTWARE\\B]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	err := c.Prepare(map[string]any{
		"set":       []map[string]any{{"key": `HKLM\SOFTWARE\C`}},
		"delete":    []map[string]any{{"key": `HKLM\SOFTWARE\D`}},
		"reg_files": []string{file},
	})
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.items()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range items {
		got = append(got, fmt.Sprintf("%s: %s", strings.TrimPrefix(item.Origin, file), strings.TrimPrefix(fmt.Sprintf("%T", item.Edit), "*edit.")))
	}
	want := []string{", line 3: CreateKey", ", line 4: SetValue", ", line 5: DeleteValue", ", line 6: DeleteKey", "delete[0]: DeleteKey", "set[0]: SetValue"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
	if problems := edit.Validate(items); len(problems) > 0 {
		t.Error(problems)
	}
	os.WriteFile(file, []byte("REGEDIT4\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\n\"v\"=what\n"), 0o600)
	if _, err := c.items(); err == nil || !strings.HasPrefix(err.Error(), "reg_files[0]: "+file) || !strings.Contains(err.Error(), "line 3") {
		t.Error(err)
	}
}
