package medium

import (
	"encoding/hex"
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/redact"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// prepared is a configuration that has been checked.
type prepared struct {
	problems []error
	// download has Packer's defaults, and the checksum itself where a file was named that holds it; nil for
	// local media.
	download *commonsteps.ISOConfig
	// sha256 is what local media must hash to, or "".
	sha256 string
}

// Prepare checks the configuration, once, and returns warnings; Engine returns the mistakes. Nothing is looked
// at but, as other builders do it, the file that iso_checksum = "file:..." names.
func (c *Config) Prepare(ctx *interpolate.Context) (warnings []string) {
	c.prepared = prepared{}
	switch urls := c.urls(); {
	case len(urls) > 0:
		warnings = c.prepareDownload(ctx, urls)
	default:
		c.prepareLocal()
	}
	return warnings
}

// Engine fills in what the engine is told of the media, and returns the mistakes that Prepare has found. Media
// that are yet to be downloaded have a URL, and no path before StepDownload has run.
func (c *Config) Engine(b *bake.Config) []error {
	b.Image = c.Image
	b.Media, b.MediaSHA256 = c.Media, c.prepared.sha256
	if urls := c.urls(); len(urls) > 0 {
		b.MediaURL = redact.URL(urls[0])
	}
	return c.prepared.problems
}

// urls are where the media can be downloaded from.
func (c *Config) urls() []string {
	if c.RawSingleISOUrl != "" {
		return append([]string{c.RawSingleISOUrl}, c.ISOUrls...)
	}
	return c.ISOUrls
}

func (c *Config) problem(format string, args ...any) {
	c.prepared.problems = append(c.prepared.problems, fault.Invalidf(format, args...))
}

var hasScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:(//|:)`)

func (c *Config) prepareLocal() {
	switch {
	case c.Media == "":
		c.problem("media: give a WIM file, an ISO, a folder that holds sources/install.wim, or a disk that Windows is on; or the URL of one as iso_url")
	case hasScheme.MatchString(c.Media):
		c.problem("media: %q is not a local path; a URL is given as iso_url, with iso_checksum", redact.Text(c.Media, c.Media))
	}
	for _, f := range []struct{ name, value string }{
		{"iso_checksum", c.ISOChecksum}, {"iso_target_path", c.TargetPath}, {"iso_target_extension", c.TargetExtension},
	} {
		if f.value != "" && c.Media != "" {
			c.problem("%s: goes with iso_url, and there is none; for media there is media_checksum", f.name)
		}
	}
	var err error
	if c.prepared.sha256, err = parseSHA256(c.MediaChecksum); err != nil {
		c.prepared.problems = append(c.prepared.problems, fault.In("media_checksum", err))
	}
}

// prepareDownload has the SDK check what it will download.
func (c *Config) prepareDownload(ctx *interpolate.Context, urls []string) (warnings []string) {
	if c.Media != "" {
		c.problem("media: is given together with %s; give only one of them", c.field())
	}
	if c.MediaChecksum != "" {
		c.problem("media_checksum: goes with media; for what is downloaded there is iso_checksum")
	}
	if c.RawSingleISOUrl != "" && len(c.ISOUrls) > 0 {
		c.problem("iso_urls: is given together with iso_url; give only one of them")
	}
	readable := true
	for _, u := range urls {
		if subfolder(u) {
			c.problem("%s: %q has // in its path, behind which go-getter looks for a folder of an archive; write / instead", c.field(), redact.URL(u))
		}
		if !isReadable(u) {
			readable = false
			c.problem("%s: %q is not a URL that can be read; what is special in it, such as / or @ in a password, is written with %% and two hexadecimal digits", c.field(), redact.URL(u))
		}
	}
	if c.ISOChecksum == "" {
		c.problem(`iso_checksum: must be given with %s: the checksum, such as "sha256:" and 64 hexadecimal digits, or "file:" and where a file of checksums is; or "none"`, c.field())
		return nil
	}
	if !readable {
		return nil
	}
	iso := c.ISOConfig // stays as it is, so that it can be prepared again
	iso.ISOUrls, iso.RawSingleISOUrl = urls, ""
	if iso.TargetExtension == "" {
		iso.TargetExtension = extension(urls[0])
	}
	warnings, errs := iso.Prepare(ctx)
	for _, err := range errs {
		c.prepared.problems = append(c.prepared.problems, fault.In("iso_checksum", errors.New(redact.Text(err.Error(), c.secrets()...))))
	}
	c.prepared.download = &iso
	return warnings
}

// field is what the user has called the URLs.
func (c *Config) field() string {
	if c.RawSingleISOUrl != "" {
		return "iso_url"
	}
	return "iso_urls"
}

// isReadable says whether a URL can be parsed. What has no scheme may be a path, for go-getter to judge.
func isReadable(s string) bool {
	if !strings.Contains(s, "://") {
		return s != ""
	}
	_, err := url.Parse(s)
	return err == nil
}

// subfolder says whether go-getter would take what it downloads for an archive, and what is behind a // of the
// path for a folder in it. A file is then left nowhere. Paths of this machine are cleaned before.
func subfolder(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	path, _, _ := strings.Cut(rest, "?")
	return ok && !strings.EqualFold(scheme, "file") && strings.Contains(path, "//")
}

// secrets are the texts that may hold credentials.
func (c *Config) secrets() []string {
	return append(slices.Clone(c.urls()), strings.TrimPrefix(c.ISOChecksum, "file:"))
}

// extensions are those of the files that media can be, but for the parts of a split WIM, which would not be
// found beside the first.
var extensions = []string{"iso", "wim", "esd", "vhd", "vhdx", "qcow2", "raw", "img", "bin", "dd"}

// extension is that of the file in the cache: as the URL has it or, as with other builders, iso.
func extension(u string) string {
	u, _, _ = strings.Cut(u, "?")
	if ext := strings.ToLower(strings.TrimPrefix(path.Ext(u), ".")); slices.Contains(extensions, ext) {
		return ext
	}
	return "iso"
}

// parseSHA256 returns the digest in lower-case hexadecimal, or "" where none is wanted.
func parseSHA256(text string) (string, error) {
	if text == "" || text == "none" {
		return "", nil
	}
	digits := strings.ToLower(text)
	if kind, rest, ok := strings.Cut(digits, ":"); ok {
		if kind != "sha256" {
			return "", fault.Invalidf("%q is not a kind of checksum that is supported; give \"sha256:\" and 64 hexadecimal digits", text)
		}
		digits = rest
	}
	if sum, err := hex.DecodeString(digits); err != nil || len(sum) != 32 {
		return "", fault.Invalidf("%q is not a SHA-256; give \"sha256:\" and 64 hexadecimal digits", text)
	}
	return digits, nil
}
