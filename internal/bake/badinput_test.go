package bake_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// damaged writes a changed copy of the stand-in's WIM and returns its path.
func damaged(t *testing.T, change func([]byte) []byte) string {
	t.Helper()
	b := read(t, filepath.Join(mediaDir(t), "sources", "install.wim"))
	path := filepath.Join(t.TempDir(), "install.wim")
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// marker is content of the stand-in that stands in a blob of its own, in the clear.
const marker = "MZ winbake stand-in memtest.exe"

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bake.Config)
		class  error
		says   []string
	}{
		{"no media", func(c *bake.Config) { c.Media = "/nowhere/install.wim" }, fault.ErrInvalid, []string{"media", "/nowhere/install.wim"}},
		{"folder without a WIM", func(c *bake.Config) { c.Media = t.TempDir() }, fault.ErrInvalid, []string{"media", "sources/install.wim"}},
		{"ISO", func(c *bake.Config) { c.Media = touch(t, "server.iso") }, fault.ErrUnsupported, []string{"server.iso", "sources/install.wim"}},
		{"not a WIM", func(c *bake.Config) { c.Media = touch(t, "x.wim") }, fault.ErrCorrupt, []string{"x.wim"}},
		{"truncated", func(c *bake.Config) {
			c.Media = damaged(t, func(b []byte) []byte { return b[:len(b)/2] })
		}, fault.ErrCorrupt, []string{"install.wim"}},
		{"header only", func(c *bake.Config) {
			c.Media = damaged(t, func(b []byte) []byte { return b[:208] })
		}, fault.ErrCorrupt, []string{"install.wim"}},
		{"a content's byte", func(c *bake.Config) {
			c.Media = damaged(t, func(b []byte) []byte {
				b[bytes.Index(b, []byte(marker))+1000] ^= 1
				return b
			})
		}, fault.ErrCorrupt, []string{"SHA-1", "memtest.exe"}},
		{"unknown image", func(c *bake.Config) { c.Image = "ServerDatacenter" }, fault.ErrInvalid, []string{"ServerDatacenter", "ServerStandardCore"}},
		{"image not chosen", func(c *bake.Config) { c.Image = "" }, fault.ErrInvalid, []string{"image", "ServerStandardCore"}},
		{"wrong checksum", func(c *bake.Config) { c.MediaSHA256 = strings.Repeat("0", 64) }, fault.ErrInvalid, []string{"media_checksum"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := config(t, layout.BIOS)
			config.Formats = together
			c.change(&config)
			_, err := bake.Run(t.Context(), config, nil)
			if !errors.Is(err, c.class) {
				t.Fatalf("error %v is not of class %q", err, c.class)
			}
			t.Log(err)
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one message: %q", err)
			}
			empty(t, config.OutputDir)
		})
	}
}

func touch(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xA5}, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGarbageInLZX damages compressed data, which must not pass for other data.
func TestGarbageInLZX(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	path := filepath.Join(t.TempDir(), "lzx.wim")
	oracle.Run(t, "wimlib-imagex", "export", "--compress=LZX", filepath.Join(mediaDir(t), "sources", "install.wim"), "1", path)
	b := read(t, path)
	for i := len(b) / 3; i < len(b)/3+100_000; i++ {
		b[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config(t, layout.BIOS)
	c.Media, c.Image = path, ""
	_, err := bake.Run(t.Context(), c, nil)
	if !errors.Is(err, fault.ErrCorrupt) {
		t.Fatalf("error: %v", err)
	}
	t.Log(err)
	empty(t, c.OutputDir)
}

func TestNoRoom(t *testing.T) {
	c := config(t, layout.BIOS)
	c.Size = 600 << 20
	_, err := bake.Run(t.Context(), c, func(t *tree.Tree) error {
		_, err := t.WriteFile("big.bin", tree.NewPart(bytes.NewReader(nil), 0, 1*gib))
		return err
	})
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "size") {
		t.Errorf("error: %v", err)
	}
	t.Log(err)
	empty(t, c.OutputDir)
}

// TestProblemsComeAllAtOnce reports every mistake of a config.
func TestProblemsComeAllAtOnce(t *testing.T) {
	c := bake.Config{Size: 12345, Firmware: "efi", Formats: []bake.Format{"qcow3", bake.Raw, bake.Raw, bake.VHDDynamic, bake.VHD}, Name: "../x", Tags: map[string]string{"winre": "x"}}
	var all []string
	for _, err := range c.Problems() {
		all = append(all, err.Error())
	}
	text := strings.Join(all, "\n")
	for _, field := range []string{"media:", "output_directory:", "name:", "size:", "formats: \"qcow3\"", "formats: \"raw\" stands", "formats: \"vhd-dynamic\" and \"vhd\" would both be ../x.vhd", "tags: WinRE"} {
		if !strings.Contains(text, field) {
			t.Errorf("%s is not among:\n%s", field, text)
		}
	}
}

// TestLabelLength counts a label as NTFS does: in UTF-16 units.
func TestLabelLength(t *testing.T) {
	for label, fits := range map[string]bool{
		strings.Repeat("x", 32): true, strings.Repeat("ä", 32): true, strings.Repeat("💾", 16): true,
		strings.Repeat("x", 33): false, strings.Repeat("💾", 17): false,
	} {
		c := config(t, layout.UEFI)
		c.Label = label
		if problems := c.Problems(); (len(problems) == 0) != fits {
			t.Errorf("%q: %v", label, problems)
		}
	}
}
