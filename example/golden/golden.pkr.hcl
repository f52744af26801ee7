# Bakes the stand-in media (see `make demo`) or your own into bootable disks.

packer {
  required_plugins {
    winbake = {
      version = ">= 0.1.0"
      source  = "github.com/winbake/winbake"
    }
  }
}

variable "media" {
  type        = string
  description = "A folder that holds sources/install.wim, or a .wim file."
}

variable "image" {
  type        = string
  default     = "ServerStandardCore"
  description = "The image in it: edition, name or index."
}

variable "drivers" {
  type        = string
  default     = ""
  description = "A folder with a driver package, such as virtio-win's viostor/2k22/amd64. None if empty."
}

variable "password" {
  type        = string
  default     = ""
  sensitive   = true
  description = "The Administrator's password; best from a file: -var-file=secret.pkrvars.hcl. None is set if empty."
}

variable "output" {
  type    = string
  default = "output"
}

source "winbake-golden" "standin" {
  media = var.media
  image = var.image
  size  = "2GiB"
  label = "Windows"
  tags  = { service = "example" }

  # What everybody sets, in the source itself.
  hostname  = "example"
  time_zone = "W. Europe Standard Time"
  paging    = false
  remote_desktop {}
  firewall_rule {
    name        = "example-web"
    protocol    = "tcp"
    local_ports = ["80", "443"]
  }
}

build {
  source "winbake-golden.standin" {
    name             = "bios"
    firmware         = "bios"
    formats          = ["raw", "vhd"]
    output_directory = "${var.output}/bios"
    output_name      = "standin-bios"
  }

  source "winbake-golden.standin" {
    name             = "uefi"
    firmware         = "uefi"
    formats          = ["raw"]
    output_directory = "${var.output}/uefi"
    output_name      = "standin-uefi"
  }

  source "winbake-golden.standin" {
    name             = "both"
    firmware         = "both"
    formats          = ["raw"]
    output_directory = "${var.output}/both"
    output_name      = "standin-both"
  }

  # Packer's own file provisioner works on the image, although it does not run.
  provisioner "file" {
    source      = "${path.root}/files/agent.cmd"
    destination = "C:/Tools/agent.cmd"
  }

  provisioner "file" {
    source      = "${path.root}/files/web"
    destination = "C:/inetpub"
  }

  provisioner "winbake-registry" {
    reg_files = ["${path.root}/files/hardening.reg"]

    set {
      key   = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\TimeZoneInformation"
      name  = "RealTimeIsUniversal"
      type  = "REG_DWORD"
      value = "1"
    }
    set {
      key    = "HKLM\\SOFTWARE\\Example"
      name   = "Servers"
      type   = "REG_MULTI_SZ"
      values = ["a.example.com", "b.example.com"]
    }
    delete {
      key = "HKLM\\SOFTWARE\\Policies"
    }
  }

  dynamic "provisioner" {
    labels   = ["winbake-driver"]
    for_each = var.drivers == "" ? [] : [var.drivers]
    content {
      paths   = [provisioner.value]
      targets = ["os", "winre"]
    }
  }

  provisioner "winbake-unattend" {
    administrator_password = var.password
    skip_oobe              = true
    input_locale           = "de-DE"
    setup_complete         = "${path.root}/files/setup.cmd"

    run_synchronous {
      command     = "cmd.exe /c echo specialize"
      description = "An example"
    }
  }

  provisioner "file" {
    direction   = "download"
    source      = "C:/Windows/System32/drivers/etc/hosts"
    destination = "${var.output}/hosts-${source.name}.txt"
  }
}
