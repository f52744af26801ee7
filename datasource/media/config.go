//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,DatasourceOutput,Image

package media

import (
	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/medium"
)

// Which media are described, as in a source, and how thoroughly. With `image`, that one is described alone.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Medium              medium.Config `mapstructure:",squash"`
	// Whether to read the directory tree of each image, which tells whether it boots and which recovery
	// environment it carries. It takes about a second for each image. With `false`, those attributes are
	// `null`. Defaults to `true`.
	Details config.Trilean `mapstructure:"details"`
	// Whether to read the media as a whole for their SHA-256. `media_checksum` does so, too; `iso_checksum`
	// has it done by the download. Defaults to `false`.
	SHA256 bool `mapstructure:"sha256"`

	ctx interpolate.Context
}
