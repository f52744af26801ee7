package golden

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

// attributes is a configuration that needs nothing else, with changes.
func attributes(changes map[string]any) map[string]any {
	a := map[string]any{"packer_build_name": "ws2022", "media": "install.wim"}
	maps.Copy(a, changes)
	return a
}

func TestDefaults(t *testing.T) {
	var c Config
	if _, err := c.Prepare(attributes(nil)); err != nil {
		t.Fatal(err)
	}
	b, problems := c.engine()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if b.Size != 40<<30 || b.Firmware != layout.BIOS || !slices.Equal(b.Formats, []bake.Format{bake.Raw}) ||
		b.OutputDir != "output-ws2022" || b.Name != "ws2022" || b.Force || !b.BuildTime.IsZero() || b.Seed != "" || b.NoChecksums {
		t.Errorf("%+v", b)
	}
	if !strings.HasPrefix(b.Tool, "winbake ") {
		t.Errorf("the tool is %q", b.Tool)
	}
}

func TestEverythingSet(t *testing.T) {
	const sum = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
	var c Config
	_, err := c.Prepare(attributes(map[string]any{
		"packer_force": true, "image": "ServerStandardCore", "media_checksum": "sha256:" + sum, "size": "24 GB", "firmware": "uefi",
		"label": "Windows", "locale": "de-DE", "uefi_ca_2023": true, "formats": []string{"vhd", "raw"}, "output_directory": "out/x",
		"output_name": "golden", "skip_checksums": true, "tags": map[string]string{"service": "iis"}, "build_time": "2026-01-31T13:00:00+01:00",
		"seed": "s",
	}))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := c.engine()
	if b.Image != "ServerStandardCore" || b.MediaSHA256 != strings.ToLower(sum) || b.Size != 24e9 || b.Firmware != layout.UEFI ||
		b.Label != "Windows" || b.Locale != "de-DE" || !b.UseEX || !slices.Equal(b.Formats, []bake.Format{bake.VHD, bake.Raw}) ||
		b.OutputDir != "out/x" || b.Name != "golden" || !b.NoChecksums || b.Tags["service"] != "iis" || b.Seed != "s" || !b.Force {
		t.Errorf("%+v", b)
	}
	if want := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC); !b.BuildTime.Equal(want) {
		t.Error(b.BuildTime)
	}
}

// mistakes are the problems of a configuration, one text each.
func mistakes(t *testing.T, changes map[string]any) []string {
	t.Helper()
	var c Config
	_, err := c.Prepare(attributes(changes))
	if err == nil {
		return nil
	}
	var all *packersdk.MultiError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range all.Errors {
		out = append(out, e.Error())
	}
	return out
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		field string
		value any
		want  string
	}{
		{"media", "", "media: give a WIM"},
		{"media", "https://example.com/x.iso", "a URL is given as iso_url"},
		{"media_checksum", "md5:d41d8cd98f00b204e9800998ecf8427e", "not a kind of checksum"},
		{"media_checksum", "sha256:abc", "is not a SHA-256"},
		{"media_checksum", "xyz", "is not a SHA-256"},
		{"size", "thirty", `such as "30GiB"`},
		{"size", "1MiB", "too small"},
		{"size", "1000000001", "sectors"},
		{"size", "3TiB", "ends at 2 TiB"},
		{"firmware", "biso", `not one of ["bios" "uefi" "both"]`},
		{"boot_devices", "luck", `not one of ["explicit" "locate"]`},
		{"compact", "zip", `not one of ["xpress4k" "lzx"]`},
		{"formats", []string{"vmdk"}, `not one of ["raw" "vhd" "vhd-dynamic" "vhdx" "qcow2"]`},
		{"formats", []string{"vhd", "vhd-dynamic"}, "would both be"},
		{"compress", "lz4", `not one of ["zlib" "zstd"]`},
		{"compress", "zstd", `only "qcow2" is compressed`},
		{"formats", []string{"raw", "raw"}, "twice"},
		{"output_name", "a/b", "'/'"},
		{"output_name", "NUL", "device"},
		{"output_name", "com1.img", "device"},
		{"output_name", ".hidden", "begins with a dot"},
		{"output_name", "x ", "ends in a dot or space"},
		{"output_name", "a\nb", `'\n'`},
		{"label", strings.Repeat("x", 33), "32 characters"},
		{"tags", map[string]string{"winre": "x"}, "set by winbake"},
		{"tags", map[string]string{"": "x"}, "needs a name"},
		{"build_time", "yesterday", "RFC 3339"},
		{"build_time", "1601-01-01T00:00:00Z", "between 1980 and 2107"},
		{"build_time", "2107-12-31T23:30:00-01:00", "between 1980 and 2107"},
	} {
		got := mistakes(t, map[string]any{test.field: test.value})
		if len(got) != 1 || !strings.HasPrefix(got[0], test.field+":") || !strings.Contains(got[0], test.want) {
			t.Errorf("%s = %q: %q, want one problem with %q", test.field, test.value, got, test.want)
		}
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	bad := map[string]any{
		"media": "", "media_checksum": "x", "size": "x", "firmware": "x", "compact": "x", "formats": []string{"x"}, "output_name": "x?",
		"label": strings.Repeat("x", 33), "tags": map[string]string{"WinRE": "x"}, "build_time": "x",
	}
	var fields []string
	for _, m := range mistakes(t, bad) {
		name, _, _ := strings.Cut(m, ":")
		fields = append(fields, name)
	}
	slices.Sort(fields)
	if want := slices.Sorted(maps.Keys(bad)); !slices.Equal(fields, want) {
		t.Errorf("problems with %s, want %s", fields, want)
	}
}

func TestUnknownAttribute(t *testing.T) {
	if got := mistakes(t, map[string]any{"sizes": "1GiB"}); len(got) != 1 || !strings.Contains(got[0], "sizes") {
		t.Error(got)
	}
}
