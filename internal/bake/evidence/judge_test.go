package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// schema is a published JSON schema: the file, then those that it refers to.
type schema []string

func openVEXSchema() schema { return schema{filepath.Join("testdata", "openvex_json_schema.json")} }

// cycloneDXSchema is the schema that comes with the module, in the version that go.mod pins.
func cycloneDXSchema(t *testing.T) schema {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		oracle.Missing(t, "go list does not find the schemas of CycloneDX: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	return schema{
		filepath.Join(dir, "bom-1.6.schema.json"), filepath.Join(dir, "spdx.schema.json"), filepath.Join(dir, "jsf-0.82.schemax.json"),
	}
}

// inGo has github.com/santhosh-tekuri/jsonschema, which also checks formats, judge a document.
func (s schema) inGo(t *testing.T, document []byte) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	var first string
	for i, path := range s {
		content := readJSON(t, path)
		id := content.(map[string]any)["$id"].(string)
		if err := c.AddResource(id, content); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = id
		}
	}
	compiled, err := c.Compile(first)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return compiled.Validate(instance)
}

func readJSON(t *testing.T, path string) any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// inPython has python3-jsonschema judge a document.
func (s schema) inPython(t *testing.T, document []byte) error {
	t.Helper()
	oracle.Need(t, "python3")
	path := filepath.Join(t.TempDir(), "document.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	out, stderr, err := oracle.Try("python3", append([]string{filepath.Join("testdata", "judge.py"), path}, s...)...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		oracle.Missing(t, "python3 has no jsonschema (python3-jsonschema on Debian): %s", out)
	case errors.As(err, &exit) && exit.ExitCode() == 1 && out != "":
		return fmt.Errorf("jsonschema: %s", out)
	}
	t.Fatalf("judge.py: %v\n%s%s", err, out, stderr)
	return nil
}
