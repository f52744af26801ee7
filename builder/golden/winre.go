//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type WinREConfig

package golden

import (
	"slices"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// Whether the image carries the Windows Recovery Environment. `packer validate` tells the decision and its
// reasons; the manifest, the tags and the records beside the image keep it. Without this block the image
// stays as its media have it.
type WinREConfig struct {
	// `include`, `exclude`, or `auto`, which decides by what the image is for, as [this
	// table](https://github.com/winbake/packer-plugin-winbake/blob/main/docs/winre.md) says. Defaults to
	// `auto`.
	Policy string `mapstructure:"policy"`
	// What the servers are for that the image becomes: `general`, `domain-controller`, `hyperv-cluster`,
	// `file-server`, `sql`, `iis`, `rds-gateway`, `stateless`, `build-agent` or `custom`. Defaults to
	// `general`.
	Role string `mapstructure:"role"`
	// Whether snapshots or backups cover what the recovery environment would be needed for. Defaults to
	// `false`.
	ExternalRecovery bool `mapstructure:"external_recovery"`
	// Whether servers are replaced by ones from a new image rather than repaired. Defaults to `false`.
	ImagePipeline bool `mapstructure:"image_pipeline"`
	// The `manifest.json` of another image that this one must agree with, such as that of the disaster
	// recovery site.
	ParityManifest string `mapstructure:"parity_manifest"`
	// What must stay free on the Windows volume, such as `10GiB`; a recovery environment that leaves less is
	// an error, or a reason against it.
	MinFree string `mapstructure:"min_free"`
	// The size of the recovery partition. Defaults to what Winre.wim needs with 250 MiB free for its updates,
	// at least 750 MiB.
	PartitionSize string `mapstructure:"partition_size"`
	// `enabled`: the recovery environment is ready, on its partition and in the boot configuration. `staged`:
	// it waits in `Windows\System32\Recovery`, its partition is there and empty, and Windows sets it up when
	// it starts first. Defaults to `enabled`.
	State string `mapstructure:"state"`
}

// recovery is the configuration as the engine takes it, nil without a block.
func (c *WinREConfig) recovery() (*bake.Recovery, []error) {
	if c == nil {
		return nil, nil
	}
	r := &bake.Recovery{
		Policy: winre.Policy(orDefault(c.Policy, string(winre.Auto))), Role: winre.Role(orDefault(c.Role, string(winre.General))),
		ExternalRecovery: c.ExternalRecovery, ImagePipeline: c.ImagePipeline,
		State: bake.RecoveryState(orDefault(c.State, string(bake.Enabled))),
	}
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, fault.In("winre", err))
		}
	}
	if !slices.Contains(winre.Policies, r.Policy) {
		add(fault.Invalidf("policy: %q is not one of %q", r.Policy, winre.Policies))
	}
	if !slices.Contains(winre.Roles, r.Role) {
		add(fault.Invalidf("role: %q is not one of %q", r.Role, winre.Roles))
	}
	var err error
	r.MinFree, err = size("min_free", c.MinFree)
	add(err)
	r.PartitionSize, err = size("partition_size", c.PartitionSize)
	add(err)
	if c.ParityManifest != "" {
		r.Parity, err = bake.ReadParity(c.ParityManifest)
		add(fault.In("parity_manifest", err))
	}
	return r, problems
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// size reads the size of a field; "" is 0.
func size(field, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := bytesize.Parse(text)
	return n, fault.In(field, err)
}
