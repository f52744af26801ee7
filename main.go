// Command packer-plugin-winbake is a Packer plugin that bakes Windows images offline, from install media.
// Packer starts it; "packer plugins install github.com/winbake/winbake" puts it in place.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/hashicorp/packer-plugin-sdk/plugin"

	"github.com/winbake/packer-plugin-winbake/builder/golden"
	"github.com/winbake/packer-plugin-winbake/builder/hypervusb"
	"github.com/winbake/packer-plugin-winbake/builder/redact"
	"github.com/winbake/packer-plugin-winbake/datasource/media"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/post-processor/usb"
	"github.com/winbake/packer-plugin-winbake/provisioner/driver"
	"github.com/winbake/packer-plugin-winbake/provisioner/registry"
	"github.com/winbake/packer-plugin-winbake/provisioner/unattend"
	"github.com/winbake/packer-plugin-winbake/version"
)

func main() {
	bake.LimitMemory()
	log.SetOutput(redact.Writer(os.Stderr)) // the SDK logs URLs as they are
	set := plugin.NewSet()
	set.RegisterBuilder("golden", new(golden.Builder))
	set.RegisterBuilder("hypervusb", new(hypervusb.Builder))
	set.RegisterDatasource("media", new(media.Datasource))
	set.RegisterProvisioner("driver", new(driver.Provisioner))
	set.RegisterProvisioner("registry", new(registry.Provisioner))
	set.RegisterProvisioner("unattend", new(unattend.Provisioner))
	set.RegisterPostProcessor("usb", new(usb.PostProcessor))
	set.SetVersion(version.PluginVersion)
	if err := set.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
