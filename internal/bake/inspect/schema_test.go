package inspect_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

// fields lists the JSON fields of a type and of what it holds, as "type.field".
func fields(typ reflect.Type, into map[string]string) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		key := typ.Name() + "." + name
		if into[key] == "" {
			into[key] = f.Type.String()
			fields(f.Type, into)
		}
	}
}

// TestSchema keeps names and types of the report's fields: who changes or takes one away raises
// SchemaVersion, and the list in testdata. Each is in the documentation.
func TestSchema(t *testing.T) {
	all := map[string]string{}
	fields(reflect.TypeFor[inspect.Report](), all)
	var lines []string
	for name, typ := range all {
		lines = append(lines, name+" "+typ)
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	want, err := os.ReadFile("testdata/schema.txt")
	if err != nil || got != string(want) {
		t.Errorf("the schema is (%v):\n%s", err, got)
	}
	doc, err := os.ReadFile("../../../docs/inspect.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		if _, field, _ := strings.Cut(name, "."); !bytes.Contains(doc, []byte("`"+field+"`")) {
			t.Errorf("docs/inspect.md does not mention %s", field)
		}
	}
}

// TestJSON reads reports back, in which no field may be unknown, and lists are never null.
func TestJSON(t *testing.T) {
	disk := bakeDisk(t, layout.Both, func(c *bake.Config) { c.Formats = []bake.Format{bake.QCOW2} }).Files[0]
	dir, key := "Windows", `HKLM\SYSTEM\Select`
	for _, r := range []*inspect.Report{
		inspect.Run([]string{disk, mediaDir(t) + "/sources/install.wim", "nothing"}, inspect.Options{Tool: "test"}),
		inspect.Run([]string{disk}, inspect.Options{Folder: &dir}), inspect.Run([]string{disk}, inspect.Options{Key: &key}), inspect.Run(nil, inspect.Options{}),
	} {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(":null")) {
			t.Errorf("null in %s", b)
		}
		var back inspect.Report
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&back); err != nil || !reflect.DeepEqual(&back, r) {
			t.Errorf("%v: it reads back as another", err)
		}
	}
}
