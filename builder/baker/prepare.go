package baker

import (
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/placeholder"
	"github.com/winbake/packer-plugin-winbake/version"
)

// Prepare decodes the configuration of a builder into c, of which m is a part, and returns warnings and, at
// once, every mistake that problems then finds, but for those in values that "packer validate" does not know yet.
func Prepare(c any, m *medium.Config, ctx *interpolate.Context, builderID string, raws []any, problems func() []error) (warnings []string, err error) {
	err = config.Decode(c, &config.DecodeOpts{PluginType: builderID, Interpolate: true, InterpolateContext: ctx}, raws...)
	if err != nil {
		return nil, err
	}
	warnings = m.Prepare(ctx)
	if found := placeholder.Forgive(raws, problems()); len(found) > 0 {
		return warnings, &packersdk.MultiError{Errors: found}
	}
	return warnings, nil
}

// Engine is a configuration as the engine takes it, filled in by its parts, and every mistake in it.
func Engine(c *common.PackerConfig, parts ...func(*bake.Config) []error) (bake.Config, []error) {
	b := bake.Config{Force: c.PackerForce, Tool: "winbake " + version.PluginVersion.String()}
	var problems []error
	for _, part := range parts {
		problems = append(problems, part(&b)...)
	}
	return b, mistakes(problems, b.Problems())
}

// mistakes are what is known to be wrong in a configuration, and those of the engine's problems whose
// fields have none yet: a size that cannot be read, say, is not also too small. The engine's "name" is our
// output_name (Packer keeps "name" for itself in some places), and our own check of it is the stricter one.
func mistakes(known, engine []error) []error {
	fields := map[string]bool{"name": true}
	for _, err := range known {
		fields[field(err)] = true
	}
	for _, err := range engine {
		if !fields[field(err)] {
			known = append(known, err)
		}
	}
	return known
}

// field is what an error is about: by convention, what stands before the first colon.
func field(err error) string {
	name, _, _ := strings.Cut(err.Error(), ":")
	return name
}
