package output

import (
	"regexp"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Engine tells the engine, which knows what is wrong.
func (c *VolumeConfig) Engine(b *bake.Config) []error {
	b.Label, b.Locale, b.UseEX, b.Compact = c.Label, c.Locale, c.UefiCA2023, bake.Compact(c.Compact)
	return nil
}

// Engine tells the engine, and returns the mistakes. buildName is what outputs are called after.
func (c *Config) Engine(buildName string, b *bake.Config) (problems []error) {
	if len(c.Formats) == 0 {
		c.Formats = []string{string(bake.Raw)}
	}
	if c.OutputDirectory == "" {
		c.OutputDirectory = "output-" + buildName
	}
	if c.OutputName == "" {
		c.OutputName = buildName
	}
	if err := CheckFileName(c.OutputName); err != nil {
		problems = append(problems, fault.In("output_name", err))
	}
	for _, f := range c.Formats {
		b.Formats = append(b.Formats, bake.Format(f))
	}
	b.Compress = bake.Compress(c.Compress)
	b.OutputDir, b.Name, b.NoChecksums, b.VerifyContents = c.OutputDirectory, c.OutputName, c.SkipChecksums, c.VerifyContents
	b.BlockMap = c.BlockMap
	return problems
}

// CheckFileName says whether files can be called so on every system that an image may travel to.
func CheckFileName(name string) error {
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

// Engine tells the engine, and returns the mistakes.
func (c *RecordConfig) Engine(b *bake.Config) (problems []error) {
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
