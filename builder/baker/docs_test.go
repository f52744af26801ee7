package baker

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
)

// The page of the builder names every step, as -debug shows it, and every variable in "build".
func TestDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/builders/golden.mdx")
	if err != nil {
		t.Fatal(err)
	}
	_, debugging, _ := strings.Cut(string(data), "\n## Debugging\n")
	last := -1
	r := &run{Job: &Job{Medium: &medium.Config{}, Config: bake.Config{}}}
	r.Medium.ISOUrls = []string{"https://example.com/x.iso"}
	for _, step := range r.steps() {
		name := "`" + reflect.TypeOf(step).Elem().Name() + "`"
		at := strings.Index(debugging, name)
		if at <= last {
			t.Errorf("%s is not where it belongs in the list of steps", name)
		}
		last = at
	}
	for _, name := range GeneratedNames {
		if !strings.Contains(string(data), "\n- `"+name+"` - ") {
			t.Errorf("the variable %s is not documented", name)
		}
	}
}
