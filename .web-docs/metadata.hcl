# What HashiCorp's integrations page shows of this plugin. Everything else in this folder is generated from docs.
integration {
  name        = "winbake"
  description = "Bakes Windows disk images offline: install media in, a disk that boots out, without Windows, root or a virtual machine."
  identifier  = "packer/winbake/winbake"
  flags       = ["hcp-ready"]
  docs {
    process_docs    = true
    readme_location = "./README.md"
    external_url    = "https://github.com/winbake/packer-plugin-winbake"
  }
  license {
    type = "MPL-2.0"
    url  = "https://github.com/winbake/packer-plugin-winbake/blob/main/LICENSE"
  }
  component {
    type = "builder"
    name = "winbake golden"
    slug = "golden"
  }
  component {
    type = "builder"
    name = "winbake hypervusb"
    slug = "hypervusb"
  }
  component {
    type = "data-source"
    name = "winbake media"
    slug = "media"
  }
  component {
    type = "post-processor"
    name = "winbake usb"
    slug = "usb"
  }
  component {
    type = "provisioner"
    name = "winbake driver"
    slug = "driver"
  }
  component {
    type = "provisioner"
    name = "winbake registry"
    slug = "registry"
  }
  component {
    type = "provisioner"
    name = "winbake unattend"
    slug = "unattend"
  }
}
