package hypervusb

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// attributes is a configuration that needs nothing else, with changes.
func attributes(changes map[string]any) map[string]any {
	a := map[string]any{"packer_build_name": "hvs", "media": "hvs.iso"}
	maps.Copy(a, changes)
	return a
}

func TestDefaults(t *testing.T) {
	var c Config
	warnings, err := c.Prepare(attributes(nil))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], `more than a stick has that is sold as 32 GB`) {
		t.Fatal(warnings, err)
	}
	b, _ := c.engine()
	want := bake.NativeBoot{File: "hvsOS.vhd", Size: 24 << 30, Label: "HVUSB", Overrides: map[bake.Rule]string{}}
	if b.Size != 32<<30 || b.Firmware != layout.BIOS || !reflect.DeepEqual(*b.Native, want) || b.Recovery.Policy != winre.Exclude ||
		b.Name != "hvs" || b.OutputDir != "output-hvs" {
		t.Errorf("%+v, %+v", b, b.Native)
	}
	items, _ := c.items()
	if kinds := kindsOf(items); !slices.Equal(kinds, []string{"*edit.USBBoot", "*edit.Flash", "*edit.Paging"}) {
		t.Errorf("edits %s", kinds)
	}
}

func kindsOf(items []edit.Item) (kinds []string) {
	for _, i := range items {
		kinds = append(kinds, reflect.TypeOf(i.Edit).String())
	}
	return kinds
}

func TestEverythingSet(t *testing.T) {
	var c Config
	warnings, err := c.Prepare(attributes(map[string]any{
		"usb_size": "14GB", "usb_label": "S", "vhd_size": "10GiB", "vhd_name": "w.VHDX", "firmware": "both", "hypervisor": "off", "keep_winre": true,
		"overrides": map[string]string{"usb_size": "a lab", "usb_free": "read only", "vhd_size": "no updates"}, "paging": true, "hostname": "h",
		"flash": map[string]any{"usb_boot": false, "hibernation": true}, "formats": []string{"raw", "qcow2"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"usb_size is overridden (a lab)", "usb_free is overridden (read only)", "vhd_size is overridden (no updates)"} {
		if !slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, rule) }) {
			t.Errorf("%q is not in %q", rule, warnings)
		}
	}
	b, _ := c.engine()
	if b.Size != 14e9 || b.Native.File != "w.VHDX" || b.Native.Size != 10<<30 || b.Native.Hypervisor != bake.HypervisorOff || b.Recovery != nil {
		t.Errorf("%+v, %+v", b, b.Native)
	}
	items, _ := c.items()
	if kinds := kindsOf(items); !slices.Equal(kinds, []string{"*edit.Flash", "*edit.Hostname", "*edit.Paging"}) {
		t.Errorf("edits %s", kinds)
	}
}

// Sizes that are allowed, but not recommended, are warned of.
func TestAdvice(t *testing.T) {
	var c Config
	warnings, err := c.Prepare(attributes(map[string]any{"usb_size": "17.2GB", "vhd_size": "12GiB"}))
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], "32 GB are recommended") || !strings.Contains(warnings[1], "The virtual disk has 12 GiB; 24 GB are recommended") {
		t.Errorf("%q, %v", warnings, err)
	}
}

// A stick that is sold as 32 GB, with the largest virtual disk that goes onto it, is what is recommended.
func TestNoAdvice(t *testing.T) {
	var c Config
	if warnings, err := c.Prepare(attributes(map[string]any{"usb_size": "32GB", "vhd_size": "24GB"})); err != nil || len(warnings) != 0 {
		t.Errorf("%q, %v", warnings, err)
	}
	for size, want := range map[string]int{"32GB": 0, "33GB": 1, "64GiB": 1, "69GB": 0} {
		var c Config
		warnings, err := c.Prepare(attributes(map[string]any{"usb_size": size, "vhd_size": "22GiB"}))
		warnings = slices.DeleteFunc(warnings, func(w string) bool { return !strings.Contains(w, "is sold as") })
		if err != nil || len(warnings) != want {
			t.Errorf("%s: %q, %v", size, warnings, err)
		}
	}
}

// Each mistake names its attribute.
func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		field string
		value any
		want  string
	}{
		{"media", "", "give a WIM"},
		{"usb_size", "thirty", `such as "30GiB"`},
		{"usb_size", "100MiB", "too small"},
		{"usb_size", "15GB", "a stick of 15 GB is smaller than 16 GB"},
		{"usb_free", nil, "leaves less than a quarter of the stick's 32 GiB free, which flash needs to stay fast; make vhd_size 24 GiB at the most"},
		{"usb_label", strings.Repeat("x", 33), "32 characters"},
		{"vhd_size", "x", `such as "30GiB"`},
		{"vhd_size", "2GiB", "a virtual disk of 2 GiB is smaller than 12 GiB"},
		{"vhd_name", "x.img", "must end in"},
		{"vhd_name", "a/b.vhd", "cannot stand in a file name"},
		{"vhd_name", "aux.vhd", "device on Windows"},
		{"firmware", "x", `not one of ["bios" "uefi" "both"]`},
		{"hypervisor", "x", `not one of ["on" "off"]`},
		{"boot_devices", "x", `not one of ["explicit" "locate"]`},
		{"overrides", map[string]string{"x": "y"}, "there is no rule"},
		{"overrides", map[string]string{"usb_size": " "}, "needs a reason"},
		{"output_name", "a/b", "'/'"},
		{"flash", map[string]any{"internal_disks": true}, "san_policy"},
	} {
		changes := map[string]any{test.field: test.value}
		if test.value == nil {
			changes = map[string]any{"vhd_size": "24.5GiB"}
		}
		if test.field == "flash" {
			changes["san_policy"] = "online_all"
		}
		var c Config
		_, err := c.Prepare(attributes(changes))
		var all *packersdk.MultiError
		if !errors.As(err, &all) || !slices.ContainsFunc(all.Errors, func(e error) bool {
			return strings.HasPrefix(e.Error(), test.field+":") && strings.Contains(e.Error(), test.want)
		}) {
			t.Errorf("%s = %q: %v, want %q", test.field, test.value, err, test.want)
		}
		if len(all.Errors) > 2 {
			t.Errorf("%s = %q: %d problems: %v", test.field, test.value, len(all.Errors), err)
		}
	}
}
