//go:generate go tool packer-sdc struct-markdown

// Package output is the part of a source that says where an image goes, as what, and what is recorded of it.
// All builders of winbake share it.
package output

// What the volume that Windows is on is like, and what its boot manager shows.
type VolumeConfig struct {
	// The label of the Windows volume, at most 32 characters. None by default, as with Windows
	// Setup.
	Label string `mapstructure:"label"`
	// The language of the boot menu, such as `en-US`. Defaults to the image's default language.
	Locale string `mapstructure:"locale"`
	// How the files of the Windows volume are compressed, as Windows' `compact` command and CompactOS
	// do it: `xpress4k` (Windows 10, Server 2016 and newer) or `lzx` (Windows 10 1903, Server 2022 and
	// newer). The image takes about half the room. What the boot loader reads is never compressed.
	// With `lzx`, the files of usual install media are copied as they are, without being decoded and
	// compressed again, which makes the bake several times faster; their SHA-1 can then be checked with
	// `verify_contents` only. Windows decodes such files when they are read, which costs it CPU, and
	// stores a file uncompressed once it is written to. Not compressed by default.
	Compact string `mapstructure:"compact"`
	// Whether to take the boot manager that is signed with the "Windows UEFI CA 2023"
	// certificate, which the image must hold. Machines whose firmware does not trust that
	// certificate yet will not start it with Secure Boot on. Defaults to `false`.
	UefiCA2023 bool `mapstructure:"uefi_ca_2023"`
}

// Where the image goes.
type Config struct {
	// The kinds of file to make, all in one pass: `raw` (the disk itself; the
	// file is called `.raw`, that of a stick `.img`), `vhd` (a fixed VHD),
	// `vhd-dynamic` (a dynamic VHD; its file is also called `.vhd`, so that there can be only one of
	// the two), `vhdx` (a dynamic VHDX) and `qcow2` (version 3). VHDs end at 2040 GiB, VHDX at 64 TiB. The
	// last three hold only what is not
	// empty, whatever the size of the disk. Defaults to `["raw"]`.
	Formats []string `mapstructure:"formats"`
	// How the clusters of the `qcow2` image are compressed: `zstd` (QEMU 5.1 or later reads it) or
	// `zlib` (any QEMU does). Virtual machines write what they change uncompressed. Not compressed by
	// default.
	Compress string `mapstructure:"compress"`
	// The directory for the image and its records. It must be empty or not exist yet; with
	// `packer build -force` the image of an earlier bake in it is replaced, and nothing else is
	// touched. Two builds cannot share one. Defaults to `output-` and the name of the build.
	OutputDirectory string `mapstructure:"output_directory"`
	// The name of the image files, without the extension that stands for the format. Defaults to
	// the name of the build.
	OutputName string `mapstructure:"output_name"`
	// Whether to write a block map (`.bmap`) beside the `raw` image, with which `winbake-usb` and bmaptool write only
	// what is not empty to a stick. `winbake-hypervusb` always does. Defaults to `false`.
	BlockMap bool `mapstructure:"block_map"`
	// Whether to leave out the SHA-256 of the image files, which takes a pass over the whole disk, and
	// of the media, unless `media_checksum` asks for it.
	// Defaults to `false`.
	SkipChecksums bool `mapstructure:"skip_checksums"`
	// Whether to read every file of the Windows volume back from the finished disk and compare it with
	// the SHA-1 that the media have of it. What is decoded on the way to the disk has been checked
	// against its SHA-1 already, and all metadata is read back in any case. Defaults to `false`.
	VerifyContents bool `mapstructure:"verify_contents"`
}

// What is recorded in the image and beside it, and what makes one bake the same as another.
type RecordConfig struct {
	// Tags of the image. They are written to the manifest and go with the artifact to
	// post-processors and to HCP Packer. `WinRE`, `WinREVersion` and
	// `WinREAdvisories` are set by winbake.
	Tags map[string]string `mapstructure:"tags"`
	// The time that everything new in the image carries, in RFC 3339 form
	// (`2026-01-31T12:00:00Z`). Defaults to when the image in the media was last changed, of a disk
	// when its registry was: the same inputs give the same bytes, whenever they are baked.
	BuildTime string `mapstructure:"build_time"`
	// What the disk's identifiers are derived from; any text. Images that are to be attached to
	// one machine at the same time need different ones. Defaults to the media's own identity.
	Seed string `mapstructure:"seed"`
}
