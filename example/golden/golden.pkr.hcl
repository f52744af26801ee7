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
}

build {
  source "winbake-golden.standin" {
    name             = "bios"
    firmware         = "bios"
    formats          = ["raw", "vhd"]
    output_directory = "${var.output}/bios"
    output_name         = "standin-bios"
  }

  source "winbake-golden.standin" {
    name             = "uefi"
    firmware         = "uefi"
    formats          = ["raw"]
    output_directory = "${var.output}/uefi"
    output_name         = "standin-uefi"
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

  provisioner "file" {
    direction   = "download"
    source      = "C:/Windows/System32/drivers/etc/hosts"
    destination = "${var.output}/hosts-${source.name}.txt"
  }
}
