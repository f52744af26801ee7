package driver

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
)

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		config map[string]any
		part   string // of the error; "" for none
	}{
		{map[string]any{}, "paths: name at least one"},
		{map[string]any{"paths": []string{"a", ""}}, "paths[1]: must not be empty"},
		{map[string]any{"paths": []string{"a"}, "targets": []string{"os", "pe"}}, `targets: "pe" is not one of ["os" "winre"]`},
		{map[string]any{"paths": []string{"a"}, "packer_builder_type": "null"}, "works only with winbake's builders"},
		{map[string]any{"paths": []string{"a"}, "targets": []string{"winre"}, "recurse": true}, ""},
	} {
		var p Provisioner
		err := p.Prepare(test.config)
		if (err == nil) != (test.part == "") || !strings.Contains(fmt.Sprint(err), test.part) && err != nil {
			t.Errorf("%v: %v, want %q", test.config, err, test.part)
		}
	}
}

// Relative paths mean the same to the builder as to whoever wrote them.
func TestPathsAreAbsolute(t *testing.T) {
	c := Config{Paths: []string{"drivers"}, Recurse: true}
	items, err := c.items()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := filepath.Abs("drivers")
	if d := items[0].Edit.(*edit.Driver); d.Paths[0] != want || !d.Recurse {
		t.Errorf("%+v", d)
	}
}
