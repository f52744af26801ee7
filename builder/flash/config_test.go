package flash

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/windows/flash"
)

const (
	everything = "[expand_virtual_disk hibernation prefetch defragmentation last_access system_restore internal_disks]"
	usb        = "flash: usb_boot: &{}; "
	noPaging   = "; paging: &{{true  0 0}}"
)

func TestItems(t *testing.T) {
	all := map[string]any{"usb_boot": false}
	for _, name := range flash.Options() {
		all[name] = true
	}
	for _, test := range []struct {
		raw, settings map[string]any
		want          string
	}{
		{nil, nil, usb + "flash: &{{" + everything + "}}" + noPaging},
		{map[string]any{"hibernation": true, "prefetch": false}, nil, usb + "flash: &{{" + strings.Replace(everything, "hibernation ", "", 1) + "}}" + noPaging},
		{all, map[string]any{"paging": true}, ""},
		{nil, map[string]any{"paging_file": map[string]any{}, "san_policy": "online_all"}, usb + "flash: &{{" + strings.Replace(everything, " internal_disks", "", 1) + "}}"},
	} {
		var c *Config
		var s settings.Config
		if test.raw != nil {
			c = new(Config)
			if err := config.Decode(c, &config.DecodeOpts{}, test.raw); err != nil {
				t.Fatal(err)
			}
		}
		if err := config.Decode(&s, &config.DecodeOpts{}, test.settings); err != nil {
			t.Fatal(err)
		}
		items, problems := c.Items(&s)
		var got []string
		for _, item := range items {
			got = append(got, fmt.Sprintf("%s: %v", item.Origin, item.Edit))
		}
		if strings.Join(got, "; ") != test.want || len(problems) > 0 {
			t.Errorf("%v, %v:\n got %s\nwant %s\n%v", test.raw, test.settings, strings.Join(got, "; "), test.want, problems)
		}
	}
}

func TestEitherOr(t *testing.T) {
	_, problems := (&Config{InternalDisks: config.TriFalse}).Items(&settings.Config{SANPolicy: "online_all"})
	if len(problems) != 1 || !strings.HasPrefix(fmt.Sprint(problems[0]), "flash: internal_disks: ") {
		t.Error(problems)
	}
}

// Every option of the engine is an attribute, and nothing else is but usb_boot.
func TestEveryOptionHasAnAttribute(t *testing.T) {
	fields := reflect.TypeFor[Config]()
	got := map[string]bool{}
	for i := range fields.NumField() {
		got[fields.Field(i).Tag.Get("mapstructure")] = true
	}
	for _, name := range append(flash.Options(), "usb_boot") {
		if !got[name] {
			t.Errorf("no attribute %s", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Error(got)
	}
}
