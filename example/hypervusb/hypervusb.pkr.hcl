# Bakes the stand-in media (see `make demo`) or your own into the image of a USB stick that Windows runs from.

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
  description = "An ISO of Hyper-V Server or Windows Server, or a folder that holds sources/install.wim."
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

variable "stick" {
  type        = string
  default     = "32GB"
  description = "What the stick has, as it is sold."
}

source "winbake-hypervusb" "stick" {
  media       = var.media
  image       = var.image
  usb_size    = var.stick
  vhd_size    = "12GiB"
  hostname    = "hv-stick"
  output_name = "usb"
  tags        = { service = "hyper-v" }

  remote_desktop {}

  # All that wears flash memory out is off already. A lab may want this one back:
  flash {
    last_access = true
  }
}

build {
  source "winbake-hypervusb.stick" {
    name             = "bios"
    firmware         = "bios"
    output_directory = "${var.output}/bios"
  }

  source "winbake-hypervusb.stick" {
    name             = "both"
    firmware         = "both"
    output_directory = "${var.output}/both"
  }

  provisioner "winbake-registry" {
    set {
      key   = "HKLM\\SOFTWARE\\Example"
      name  = "Host"
      type  = "REG_SZ"
      value = "stick"
    }
  }
}
