//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package golden

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/version"
)

// Config is the whole configuration of a winbake-golden source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Medium              medium.Config `mapstructure:",squash"`
	DiskConfig          `mapstructure:",squash"`
	OutputConfig        `mapstructure:",squash"`
	RecordConfig        `mapstructure:",squash"`
	Settings            settings.Config `mapstructure:",squash"`
	// Whether the image carries the Windows Recovery Environment. See [below](#recovery-environment).
	WinRE *WinREConfig `mapstructure:"winre"`

	ctx interpolate.Context
}

// What the disk is like.
type DiskConfig struct {
	// The size of the disk: a number with `KiB`, `MiB`, `GiB` or `TiB` (or `K`, `M`, `G`, `T`, as
	// QEMU has it; all binary), `KB`, `MB`, `GB` or `TB` (decimal), or plain bytes. Files are
	// sparse, so that a larger disk costs next to nothing on most file systems. Defaults to
	// `40GiB`.
	Size string `mapstructure:"size"`
	// What the disk boots from: `bios` (MBR with one active NTFS partition), `uefi` (GPT with an EFI
	// system partition), or `both` (MBR with an active FAT32 system partition that has the boot
	// files of both, as Windows To Go has it; up to 2 TiB). Defaults to `bios`, the default of QEMU,
	// of OpenStack and of Hyper-V's first generation.
	Firmware string `mapstructure:"firmware"`
	// How the boot configuration names the partitions. `explicit` gives their identifiers, as
	// Windows does. With `locate` the boot manager looks for Windows, so that the disk also starts
	// where copies get new identifiers; on a machine with several Windows disks, which one it finds
	// is a matter of luck. Defaults to `explicit`.
	BootDevices string `mapstructure:"boot_devices"`
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
type OutputConfig struct {
	// The kinds of file to make, all in one pass: `raw` (the disk itself), `vhd` (a fixed VHD),
	// `vhd-dynamic` (a dynamic VHD; its file is also called `.vhd`, so that there can be only one of
	// the two), `vhdx` (a dynamic VHDX) and `qcow2` (version 3). The last three hold only what is not
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
	// post-processors and to HCP Packer. `WinRE` is set by winbake.
	Tags map[string]string `mapstructure:"tags"`
	// The time that everything new in the image carries, in RFC 3339 form
	// (`2026-01-31T12:00:00Z`). Defaults to when the image in the media was last changed, of a disk
	// when its registry was: the same inputs give the same bytes, whenever they are baked.
	BuildTime string `mapstructure:"build_time"`
	// What the disk's identifiers are derived from; any text. Images that are to be attached to
	// one machine at the same time need different ones. Defaults to the media's own identity.
	Seed string `mapstructure:"seed"`
}

// Prepare reads the configuration, fills in defaults, and returns warnings and every mistake at once. It
// looks at nothing outside of the configuration, but for the checksums that iso_checksum = "file:..." names.
func (c *Config) Prepare(raws ...any) (warnings []string, err error) {
	err = config.Decode(c, &config.DecodeOpts{
		PluginType:         BuilderID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}, raws...)
	if err != nil {
		return nil, err
	}
	warnings = c.Medium.Prepare(&c.ctx)
	_, problems := c.engine()
	_, more := c.Settings.Items()
	problems = append(problems, more...)
	if len(problems) == 0 {
		return warnings, nil
	}
	return warnings, &packersdk.MultiError{Errors: problems}
}

// engine returns the configuration as the engine takes it, and every mistake in it.
func (c *Config) engine() (bake.Config, []error) {
	b := bake.Config{Force: c.PackerForce, Tool: "winbake " + version.PluginVersion.String()}
	var problems []error
	for _, prepare := range []func(*bake.Config) []error{
		c.Medium.Engine,
		c.DiskConfig.prepare,
		func(b *bake.Config) []error { return c.OutputConfig.prepare(c.PackerBuildName, b) },
		c.RecordConfig.prepare,
		func(b *bake.Config) (problems []error) {
			b.Recovery, problems = c.WinRE.recovery()
			return problems
		},
	} {
		problems = append(problems, prepare(&b)...)
	}
	return b, append(problems, news(problems, b.Problems())...)
}

// news are those of the engine's problems whose fields have none yet: a size that cannot be read,
// say, is not also too small. The engine's "name" is our output_name (Packer keeps "name" for
// itself in some places), and our own check of it is the stricter one.
func news(known, problems []error) []error {
	fields := map[string]bool{"name": true}
	for _, err := range known {
		fields[field(err)] = true
	}
	var out []error
	for _, err := range problems {
		if !fields[field(err)] {
			out = append(out, err)
		}
	}
	return out
}

// field is what an error is about: by convention, what stands before the first colon.
func field(err error) string {
	name, _, _ := strings.Cut(err.Error(), ":")
	return name
}

func (c *DiskConfig) prepare(b *bake.Config) (problems []error) {
	if c.Size == "" {
		c.Size = "40GiB"
	}
	if c.Firmware == "" {
		c.Firmware = string(layout.BIOS)
	}
	size, err := bytesize.Parse(c.Size)
	if err != nil {
		problems = append(problems, fault.In("size", err))
		size = 40 << 30 // so that the engine can judge the rest
	}
	b.Size, b.Firmware = size, layout.Firmware(c.Firmware)
	if !slices.Contains(layout.Firmwares, b.Firmware) {
		problems = append(problems, fault.Invalidf("firmware: %q is not one of %q", c.Firmware, layout.Firmwares))
	}
	b.Label, b.Locale, b.UseEX, b.BootDevices = c.Label, c.Locale, c.UefiCA2023, bake.BootDevices(c.BootDevices)
	b.Compact = bake.Compact(c.Compact)
	return problems
}

func (c *OutputConfig) prepare(buildName string, b *bake.Config) (problems []error) {
	if len(c.Formats) == 0 {
		c.Formats = []string{string(bake.Raw)}
	}
	if c.OutputDirectory == "" {
		c.OutputDirectory = "output-" + buildName
	}
	if c.OutputName == "" {
		c.OutputName = buildName
	}
	if err := checkFileName(c.OutputName); err != nil {
		problems = append(problems, fault.In("output_name", err))
	}
	for _, f := range c.Formats {
		b.Formats = append(b.Formats, bake.Format(f))
	}
	b.Compress = bake.Compress(c.Compress)
	b.OutputDir, b.Name, b.NoChecksums, b.VerifyContents = c.OutputDirectory, c.OutputName, c.SkipChecksums, c.VerifyContents
	return problems
}

// checkFileName says whether files can be called so on every system that an image may travel to.
func checkFileName(name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f || strings.ContainsRune(`<>:"/\|?*`, r) })
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch {
	case name == "":
		return fault.Invalidf("must not be empty")
	case bad >= 0:
		return fault.Invalidf("%q holds %q, which cannot stand in a file name everywhere", name, []rune(name[bad:])[0])
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fault.Invalidf("%q begins with a dot or ends in a dot or space, which makes it a special or unusable file name", name)
	case reserved.MatchString(stem):
		return fault.Invalidf("%q is the name of a device on Windows; choose another", name)
	}
	return nil
}

// reserved are the device names of Win32, which no file may have, whatever its extension.
var reserved = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])$`)

// Years that every time stamp on the disk can hold: FAT begins in 1980 and ends in 2107.
const firstYear, lastYear = 1980, 2107

func (c *RecordConfig) prepare(b *bake.Config) (problems []error) {
	b.Tags, b.Seed = c.Tags, c.Seed
	if c.BuildTime == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, c.BuildTime)
	if err != nil {
		return []error{fault.Invalidf("build_time: %q is not a time in RFC 3339 form, such as %q", c.BuildTime, "2026-01-31T12:00:00Z")}
	}
	if at = at.UTC(); at.Year() < firstYear || at.Year() > lastYear {
		return []error{fault.Invalidf("build_time: %s is not between %d and %d, which is what a FAT file system can hold", c.BuildTime, firstYear, lastYear)}
	}
	b.BuildTime = at
	return nil
}
