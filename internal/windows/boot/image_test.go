package boot

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// image describes a stand-in for a Windows volume.
type image struct {
	version       pe.Version
	arch          pe.Machine
	product, kind string // ProductName, InstallationType
	language      string // of the user interface
	lcid          uint32
	ex            bool
	noRegistry    bool
	template      *bcd.Store
}

var (
	server2008R2 = image{version: pe.Version{Major: 6, Minor: 1, Build: 7601, Revision: 17514}, arch: pe.AMD64, product: "Windows Server 2008 R2 Standard", kind: "Server", language: "en-US", lcid: 0x409}
	windows7     = image{version: pe.Version{Major: 6, Minor: 1, Build: 7601, Revision: 17514}, arch: pe.I386, product: "Windows 7 Professional", kind: "Client", language: "de-DE", lcid: 0x407}
	server2012R2 = image{version: pe.Version{Major: 6, Minor: 3, Build: 9600, Revision: 17031}, arch: pe.AMD64, product: "Hyper-V Server 2012 R2", kind: "Server Core", language: "en-US", lcid: 0x409}
	server2022   = image{version: pe.Version{Major: 10, Build: 20348, Revision: 587}, arch: pe.AMD64, product: "Windows Server 2022 Standard", kind: "Server Core", language: "en-US", lcid: 0x409, ex: true}
	windows10    = image{version: pe.Version{Major: 10, Build: 19041, Revision: 1}, arch: pe.AMD64, product: "Windows 10 Pro", kind: "Client", language: "en-US", lcid: 0x409}
	windows11    = image{version: pe.Version{Major: 10, Build: 22631, Revision: 1}, arch: pe.ARM64, product: "Windows 10 Pro", kind: "Client", language: "cs-CZ", lcid: 0x405}
)

// tree builds the volume: boot files with their own paths as content, and small hives.
func (m image) tree(t testing.TB) *tree.Tree {
	t.Helper()
	v := tree.New(1)
	program := tree.Bytes(pe.Stub(m.arch, m.version))
	files := map[string]tree.Content{
		"Windows/System32/winload.efi":  program,
		"Windows/Boot/EFI/bootmgfw.efi": program,
	}
	texts := []string{
		"EFI/bootmgr.efi", "EFI/de-DE/bootmgfw.efi.mui", "Fonts/wgl4_boot.ttf", "Fonts/segoe_slboot.ttf",
	}
	if m.arch != pe.ARM64 {
		files["Windows/System32/winload.exe"] = program
		texts = append(texts, "EFI/memtest.efi", "PCAT/bootmgr", "PCAT/memtest.exe", "PCAT/de-DE/bootmgr.exe.mui")
	}
	if m.version.Build >= build8 {
		texts = append(texts, "Resources/bootres.dll", "Resources/en-US/bootres.dll.mui", "EFI/boot.stl")
		if m.arch != pe.ARM64 {
			texts = append(texts, "PCAT/bootnxt")
		}
	}
	if m.ex {
		files["Windows/Boot/EFI_EX/bootmgfw_EX.efi"] = tree.Bytes(append(pe.Stub(m.arch, m.version), "2023"...))
		texts = append(texts, "EFI_EX/bootmgr_EX.efi", "EFI_EX/de-DE/bootmgfw_EX.efi.mui", "Fonts_EX/segoe_slboot_EX.ttf")
	}
	for _, name := range texts {
		files["Windows/Boot/"+name] = tree.Bytes(name)
	}
	if !m.noRegistry {
		files[registry.SoftwareHive], files[registry.SystemHive] = m.software(t), m.system(t)
	}
	if m.template != nil {
		data, err := m.template.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		files[templateFile] = tree.Bytes(data)
	}
	for path, data := range files {
		if _, err := v.WriteFile(path, data); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func (m image) software(t testing.TB) tree.Content {
	h := regf.New("SOFTWARE")
	k := create(t, h, `Microsoft\Windows NT\CurrentVersion`)
	k.Set(regf.String("ProductName", m.product))
	k.Set(regf.String("InstallationType", m.kind))
	k.Set(regf.String("EditionID", "Edition"))
	k.Set(regf.String("CurrentBuildNumber", decimal(m.version.Build)))
	k.Set(regf.String("CurrentVersion", "6."+decimal(min(m.version.Minor, 3))))
	if m.version.Major == 10 {
		k.Set(regf.String("CurrentVersion", "6.3"))
		k.Set(regf.DWord("CurrentMajorVersionNumber", 10))
		k.Set(regf.DWord("CurrentMinorVersionNumber", 0))
	}
	k.Set(regf.DWord("UBR", uint32(m.version.Revision)))
	return hiveBytes(t, h)
}

func (m image) system(t testing.TB) tree.Content {
	h := regf.New("SYSTEM")
	create(t, h, "Select").Set(regf.DWord("Current", 2))
	create(t, h, `ControlSet002\Control\Nls\Language`).Set(regf.String("InstallLanguage", hexadecimal(m.lcid)))
	create(t, h, `ControlSet002\Control\MUI\UILanguages\fr-FR`).Set(regf.DWord("LCID", 0x40C))
	create(t, h, `ControlSet002\Control\MUI\UILanguages\`+m.language).Set(regf.DWord("LCID", m.lcid))
	return hiveBytes(t, h)
}

func create(t testing.TB, h *regf.Hive, path string) *regf.Key {
	t.Helper()
	k, err := h.Root.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func hiveBytes(t testing.TB, h *regf.Hive) tree.Content {
	t.Helper()
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return tree.Bytes(data)
}
