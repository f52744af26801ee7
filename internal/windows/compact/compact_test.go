package compact

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		build uint16
		a     wof.Algorithm
		ok    bool
	}{
		{7601, wof.XPRESS4K, false}, {9600, wof.XPRESS4K, false}, {10240, wof.XPRESS4K, true}, {14393, wof.XPRESS4K, true},
		{14393, wof.LZX, false}, {17763, wof.LZX, false}, {18362, wof.LZX, true}, {20348, wof.LZX, true}, {26100, wof.XPRESS4K, true},
	} {
		if err := Check(c.build, c.a); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("build %d, %v: %v", c.build, c.a, err)
		}
	}
}

// config is what images carry, shortened.
const config = "; comment\r\n\r\n[CompressionExclusionList]\r\nntoskrnl.exe\r\n\r\n[PrepopulateList]\r\nbootstat.dat\r\n*winload.*\r\n" +
	"\\Windows\\System32\\Config\\SYSTEM\r\n\\Windows\\System32\\PlatformManifest\\*\r\n\"\\Own\\*\"\r\n[ExclusionList]\r\n\\Windows\\CSC\r\n"

func TestKeep(t *testing.T) {
	kept := []string{
		"bootmgr", "Boot/BCD", "Windows/System32/winload.efi", "Windows/System32/Boot/winload.exe", "Windows/WinSxS/x/winresume.efi",
		"Windows/Boot/EFI/en-US/bootmgfw.efi.mui", "WINDOWS/system32/CONFIG/software", "Windows/System32/ntoskrnl.exe",
		"Windows/System32/halmacpi.dll", "Windows/System32/drivers/disk.sys", "Windows/System32/kdcom.dll", "Windows/System32/l_intl.nls",
		"Windows/System32/DriverStore/FileRepository/a.inf_amd64_1/a.sys", "Windows/System32/Recovery/Winre.wim",
		"pagefile.sys", "Windows/bootstat.dat", "Windows/System32/PlatformManifest/a/b", "Own/deep/er/file",
	}
	free := []string{
		"Windows/explorer.exe", "Windows/System32/notepad.exe", "Windows/System32/drivers/etc/hosts", "Windows/System32/drivers/en-US/disk.sys.mui",
		"Windows/System32/DriverStore/FileRepository/a.inf_amd64_1/a.inf", "Windows/CSC/x", "bootmgr2", "Users/pagefile.sys", "Windows/System32/shal.dll",
	}
	for name, b := range map[string][]byte{
		"UTF-8": []byte("\xEF\xBB\xBF" + config), "UTF-16": append([]byte("\xFF\xFE"), utf16le.Encode(config)...),
	} {
		tr := tree.New(1)
		for _, p := range append(kept, free...) {
			if _, err := tr.WriteFile(p, tree.Bytes("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tr.WriteFile(configFile, tree.Bytes(b)); err != nil {
			t.Fatal(err)
		}
		linked, err := tr.Link(tr.Root, "another name", "", tr.Find("Windows/System32/drivers/disk.sys").Node)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := ReadRules(tr)
		if err != nil {
			t.Fatal(err)
		}
		keep := rules.Keep(tr)
		for _, p := range kept {
			if !keep[tr.Find(p).Node] {
				t.Errorf("%s: %s may be compressed", name, p)
			}
		}
		for _, p := range free {
			if keep[tr.Find(p).Node] {
				t.Errorf("%s: %s is kept as it is", name, p)
			}
		}
		if !keep[linked.Node] {
			t.Errorf("%s: a hard link of a driver may be compressed", name)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"*.sys", "a.sys.mui", false}, {"?b", "ab", true},
		{"?b", "b", false}, {"ab", "abc", false}, {"**a", "xa", true}, {strings.Repeat("*a", 30), strings.Repeat("a", 2000) + "b", false},
	} {
		if got := wildcard(c.pattern, c.name); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.name, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(config), "Windows/System32/x")
	f.Add(append([]byte("\xFF\xFE"), utf16le.Encode(config)...), "a")
	f.Fuzz(func(_ *testing.T, b []byte, path string) {
		r := &Rules{}
		for _, p := range parseConfig(b) {
			r.add(p)
		}
		if p := tree.Split(path); len(p) > 0 {
			r.match(p)
		}
	})
}
