//go:generate go tool packer-sdc struct-markdown

// Package medium is the part of a source that says which Windows an image is made from: local media, or a URL
// that they are downloaded from with Packer's own step. All builders and the data source of winbake share it.
package medium

import "github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"

// Which Windows is taken: `media` that are on this machine, or an `iso_url` that they are downloaded from.
type Config struct {
	// What Windows comes from: an ISO with `sources/install.wim` or `install.esd`, as Microsoft offers it, a
	// folder that holds these or `install.swm`, such as a mounted or unpacked ISO, a WIM file (`.wim`, `.esd`,
	// or the first `.swm` of several), or a disk that Windows is on, such as one that an earlier bake made: a
	// raw disk (`.raw`, `.img`, `.bin`, `.dd`), a VHD, VHDX or qcow2 image, or an NTFS volume without a disk
	// around it. What a file is, is told by its content. The WIM in an ISO is read where it is; nothing is
	// unpacked. A local path; relative paths start where Packer runs. Either this or `iso_url` (or `iso_urls`)
	// must be given.
	Media string `mapstructure:"media"`
	// Which image of the media: its edition (`ServerStandardCore`), its name
	// (`Windows Server 2022 SERVERSTANDARDCORE`) or its index (`2`). Of a disk, the images are its
	// volumes with Windows, and the label of the volume will do, too. One that does not exist is
	// answered with a list of those that do. May be left out where there is only one.
	Image string `mapstructure:"image"`
	// What the ISO, WIM or disk file must hash to: `sha256:` and 64 hexadecimal digits, with or without the
	// prefix; of a split WIM, all parts one after the other. The bake fails, and leaves no image, when it does
	// not. `none`, or leaving it out, checks nothing; the manifest records the hash all the same, unless
	// `skip_checksums` is set. It goes with `media`; what is downloaded has an `iso_checksum`.
	MediaChecksum         string `mapstructure:"media_checksum"`
	commonsteps.ISOConfig `mapstructure:",squash"`

	// prepared is what Prepare has made of the configuration.
	prepared prepared
}
