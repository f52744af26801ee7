package verify_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
)

// patched is a file with other bytes at some places.
type patched struct {
	io.ReaderAt
	with patch
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, off)
	for at, with := range p.with {
		for i, c := range with {
			if j := at + int64(i) - off; j >= 0 && j < int64(n) {
				b[j] = c
			}
		}
	}
	return n, err
}

// patch is bytes for places of a disk.
type patch map[int64][]byte

// TestDoesNotStart has disks that are sound in all their parts, and that no firmware starts.
func TestDoesNotStart(t *testing.T) {
	bios := openScene(t, disks(bakeDisk(t, layout.BIOS, false, bake.Raw))[0])
	uefi := openScene(t, disks(bakeDisk(t, layout.UEFI, true, bake.Raw))[0])
	for _, c := range []struct {
		name, check, text string
		s                 *scene
		with              func(s *scene) patch
	}{
		{"no partition is active", "boot-none", "active", bios, func(*scene) patch { return patch{0x1BE: {0}} }},
		{"boot record without a program", "boot-sector", "no program", bios, func(s *scene) patch {
			at := s.ntfs(1).at
			return patch{at + 0x54: make([]byte, 510-0x54), at + s.partition(1).Size - 512 + 0x54: make([]byte, 510-0x54)}
		}},
		{"boot record with a notice", "boot-sector", "no program", bios, func(s *scene) patch {
			at, notice := s.ntfs(1).at, make([]byte, 510-0x54)
			copy(notice[16:], "This is not a bootable disk.")
			return patch{at + 0x54: notice, at + s.partition(1).Size - 512 + 0x54: notice}
		}},
		{"boot record of Windows XP", "boot-sector", "NTLDR", bios, func(s *scene) patch {
			at, old := s.ntfs(1).at, make([]byte, 510-0x54)
			copy(old[16:], "NTLDR is missing")
			return patch{at + 0x54: old, at + s.partition(1).Size - 512 + 0x54: old}
		}},
		{"loader of the other firmware", "boot-file", "cannot start", uefi, func(s *scene) patch {
			return patch{s.bcd(utf16(`\Windows\system32\winload.efi`)) + 2*26: utf16("exe")}
		}},
		{"loader and Windows for another processor", "boot-file", "arm64", uefi, func(s *scene) patch {
			out := patch{}
			for _, name := range []string{"winload.efi", "winresume.efi", "ntoskrnl.exe"} {
				at := s.ntfs(3).content("Windows/System32/" + name)
				out[at+s.u32(at+0x3C)+4] = []byte{0x64, 0xAA}
			}
			return out
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := verify.Disk(patched{c.s.r, c.with(&scene{t, c.s.r, c.s.size})}, c.s.size, "disk")
			if !slices.ContainsFunc(f.Findings, func(x verify.Finding) bool {
				return x.Check == c.check && x.Severity != verify.Note && strings.Contains(x.Text, c.text)
			}) {
				t.Errorf("%s did not find it", c.check)
				log(t, f)
			}
			for _, x := range f.Findings {
				if x.Check != c.check {
					t.Errorf("%s [%s] %s: %s", x.Severity, x.Check, x.Where, x.Text)
				}
			}
		})
	}
}

// TestChained has an inactive partition that a program of another maker in the boot record may start.
func TestChained(t *testing.T) {
	s := openScene(t, disks(bakeDisk(t, layout.BIOS, false, bake.Raw))[0])
	code := make([]byte, bootcode.MBRSize)
	copy(code[0x180:], "GRUB \x00Geom\x00")
	f := verify.Disk(patched{s.r, patch{0: code, 0x1BE: {0}}}, s.size, "disk")
	if f.Verdict != verify.OK || strings.Join(checks(f), " ") != "boot-none" {
		t.Errorf("%s", f.Verdict)
		log(t, f)
	}
}
