package bake

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
)

// Format is a kind of output file.
type Format string

// The formats.
const (
	Raw        Format = "raw"         // the disk, byte for byte, sparse
	VHD        Format = "vhd"         // a fixed VHD: the disk and a footer
	VHDDynamic Format = "vhd-dynamic" // a dynamic VHD: only what is not empty, in blocks of 2 MiB
	VHDX       Format = "vhdx"        // a dynamic VHDX, in blocks of 32 MiB
	QCOW2      Format = "qcow2"       // QEMU's, version 3, in clusters of 64 KiB
)

// Formats are the accepted values.
var Formats = []Format{Raw, VHD, VHDDynamic, VHDX, QCOW2}

// extension is that of the format's files.
func (f Format) extension() string {
	if f == VHDDynamic {
		return string(VHD)
	}
	return string(f)
}

// maxSize is the largest disk that a format holds.
func (f Format) maxSize() int64 {
	switch f {
	case VHD, VHDDynamic:
		return vhd.MaxSize
	case VHDX:
		return vhdx.MaxSize
	case QCOW2:
		return qcow2.MaxSize
	}
	return math.MaxInt64
}

// Compress is how the clusters of a qcow2 image are compressed.
type Compress string

// The ways; none is NotCompressed.
const (
	NotCompressed Compress = ""
	CompressZlib  Compress = "zlib"
	CompressZstd  Compress = "zstd" // needs QEMU 5.1 or later
)

// Compresses are the accepted values.
var Compresses = []Compress{CompressZlib, CompressZstd}

// BootDevices is how the boot configuration names the partitions.
type BootDevices string

// The ways.
const (
	// Explicit names disk and partition by their identifiers, as Windows itself does.
	Explicit BootDevices = "explicit"
	// Locate has the boot manager look for Windows, so that the disk starts whatever became of its
	// identifiers: some clouds give every copy new ones.
	Locate BootDevices = "locate"
)

// Config is everything a bake needs to know. It has no defaults of its own but the documented ones.
type Config struct {
	// Media is an ISO, a WIM, a folder that holds sources/install.wim, or a disk or volume with Windows. Of
	// a medium that is downloaded it may be empty until New is called.
	Media string
	// MediaURL is where the medium was, or will be, downloaded from, for the manifest: without credentials.
	// Empty for a medium that was here.
	MediaURL string
	// MediaSHA256 is what the medium must hash to, in lower-case hexadecimal; empty for no check.
	// The bake fails, before anything has its final name, when it does not.
	MediaSHA256 string
	// MediaChecked says that whoever downloaded the medium has compared it with MediaSHA256, so that it
	// need not be read again for that.
	MediaChecked bool
	// Image selects one of its images: index, name or edition. May be empty where there is only one.
	Image string
	// Size is the disk's, in bytes.
	Size     int64
	Firmware layout.Firmware
	Formats  []Format
	// Compress is for qcow2 alone.
	Compress Compress
	// OutputDir receives <Name>.<format>, manifest.json and checksums.sha256.
	OutputDir string
	Name      string
	// Force lets the bake replace output files that are there.
	Force bool
	// Label is the Windows volume's; empty is allowed.
	Label string
	// Locale of the boot menu, such as "en-US"; empty takes the image's default language.
	Locale string
	// BootDevices is how the boot configuration names partitions; empty means Explicit.
	BootDevices BootDevices
	// Compact keeps the files of the Windows volume compressed by the Windows Overlay Filter, as
	// CompactOS does. Files that the boot loader reads are not. What the medium has compressed with
	// the same algorithm is copied as it is, without being decoded.
	Compact Compact
	// VerifyContents reads every file back from the finished disk and compares its SHA-1 with the
	// medium's.
	VerifyContents bool
	// UseEX takes the boot manager that is signed with the "Windows UEFI CA 2023" certificate.
	UseEX bool
	// Native puts Windows into a virtual disk on the disk; nil puts it onto the disk itself.
	Native *NativeBoot
	// Recovery is what becomes of the recovery environment; nil leaves it as the medium has it.
	Recovery *Recovery
	// BuildTime stamps what the bake creates; zero takes the image's own last change.
	BuildTime time.Time
	// Seed makes the disk's identifiers; empty derives it from the medium.
	Seed string
	// Tags are copied into the manifest.
	Tags map[string]string
	// BlockMap has NAME.bmap written beside a raw disk: which of its blocks have to be on a stick.
	BlockMap bool
	// NoChecksums leaves out the SHA-256 of the outputs, which takes a pass over the whole disk,
	// holes included, and of the medium, unless MediaSHA256 asks for it.
	NoChecksums bool
	// Tool and its version go into the manifest.
	Tool string
	// Progress hears how far the bake is; nil is allowed.
	Progress Progress
}

// Problems returns every mistake in the config, each naming its field. It touches nothing.
func (c *Config) Problems() []error {
	var out []error
	add := func(format string, args ...any) { out = append(out, fault.Invalidf(format, args...)) }
	if c.Media == "" && c.MediaURL == "" {
		add("media: give a WIM file, a folder that holds sources/install.wim, or a disk that Windows is on")
	}
	if c.OutputDir == "" {
		add("output_directory: must not be empty")
	}
	if c.Name == "" || strings.ContainsAny(c.Name, `/\`) || strings.HasPrefix(c.Name, ".") {
		add("name: %q is not a usable file name", c.Name)
	}
	if c.Firmware == layout.Contained { // which is not for users
		add("firmware: %q is not one of %q", c.Firmware, layout.Firmwares)
	} else if _, err := layout.New(layout.Spec{Size: c.Size, Firmware: c.Firmware}); err != nil {
		out = append(out, c.aboutStick(err))
	}
	if c.BootDevices != "" && c.BootDevices != Explicit && c.BootDevices != Locate {
		add("boot_devices: %q is not one of %q", c.BootDevices, []BootDevices{Explicit, Locate})
	}
	if err := c.compactProblem(); err != nil {
		out = append(out, err)
	}
	out = append(out, c.formatProblems()...)
	out = append(out, c.recoveryProblems()...)
	out = append(out, c.nativeProblems()...)
	if utf16le.Len(c.Label) > maxLabel {
		add("label: %q is longer than NTFS's %d characters", c.Label, maxLabel)
	}
	for key := range c.Tags {
		if key == "" {
			add("tags: a tag needs a name")
		}
		if i := slices.IndexFunc(ownTags, func(own string) bool { return strings.EqualFold(key, own) }); i >= 0 {
			add("tags: %s is set by winbake itself", ownTags[i])
		}
	}
	return out
}

func (c *Config) formatProblems() []error {
	var out []error
	if len(c.Formats) == 0 {
		out = append(out, fault.Invalidf("formats: name at least one of %q", Formats))
	}
	switch {
	case c.Compress != NotCompressed && !slices.Contains(Compresses, c.Compress):
		out = append(out, fault.Invalidf("compress: %q is not one of %q", c.Compress, Compresses))
	case c.Compress != NotCompressed && !slices.Contains(c.Formats, QCOW2):
		out = append(out, fault.Invalidf("compress: only %q is compressed, and formats does not have it", QCOW2))
	}
	for i, f := range c.Formats {
		switch {
		case !slices.Contains(Formats, f):
			out = append(out, fault.Invalidf("formats: %q is not one of %q", f, Formats))
		case slices.Contains(c.Formats[:i], f):
			out = append(out, fault.Invalidf("formats: %q stands there twice", f))
		case c.Size > f.maxSize():
			out = append(out, fault.Invalidf("formats: a disk in %q ends at %d GiB, and size is %s", f, f.maxSize()>>30, fault.Bytes(c.Size)))
		}
		for _, other := range c.Formats[:i] {
			if other != f && c.file(other) == c.file(f) {
				out = append(out, fault.Invalidf("formats: %q and %q would both be %s; ask for one of them", other, f, c.file(f)))
			}
		}
	}
	return out
}

// file returns the name of the output file of a format. What is to be written to a stick has the
// extension that tools for that look for.
func (c *Config) file(f Format) string {
	if c.Native != nil && f == Raw {
		return c.Name + ".img"
	}
	return c.Name + "." + f.extension()
}
