// Package version is the plugin's version, as Packer and every manifest show it.
package version

import "github.com/hashicorp/packer-plugin-sdk/version"

// The parts of the version. A release build sets them with -ldflags -X; "dev" is the only
// pre-release that Packer installs from a local file.
var (
	// Version is the main version number.
	Version = "0.1.0"
	// VersionPrerelease is empty for a release.
	VersionPrerelease = "dev"
	// VersionMetadata is further information that does not order versions.
	VersionMetadata = ""
)

// PluginVersion is what Packer asks the plugin for.
var PluginVersion = version.NewPluginVersion(Version, VersionPrerelease, VersionMetadata)
