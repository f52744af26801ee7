// Package standin makes stand-in Windows install media: a tree that looks like Windows Server to
// everything that reads it from outside, without one byte of Microsoft's.
//
// Names, hives, hard links, streams, reparse points and security descriptors have the shape that
// winbake must carry over; the boot programs are the project's own (package bootprog) and say on
// the serial port how they were started. Everything else is pseudo-random filler that compresses
// like program code. The same Options give the same bytes.
package standin

import (
	"bytes"
	"fmt"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Options describe the stand-in.
type Options struct {
	// Files is roughly how many files WinSxS holds; 0 means 400.
	Files int
	// Build is the Windows build the image claims to be; 0 means 20348 (Windows Server 2022).
	Build int
	// WithoutRecovery leaves Winre.wim out.
	WithoutRecovery bool
}

func (o Options) withDefaults() Options {
	if o.Files == 0 {
		o.Files = 400
	}
	if o.Build == 0 {
		o.Build = 20348
	}
	return o
}

// stamp is the time of every file: the stand-in has no clock.
var stamp = filetime.From(time.Date(2021, 5, 8, 8, 20, 24, 0, time.UTC))

// builder fills a tree and keeps the first error.
type builder struct {
	t   *tree.Tree
	o   Options
	err error
	// preinstallation says that the tree is a Windows PE, which starts from a WIM.
	preinstallation bool
}

// Windows returns the tree of the stand-in's Windows volume.
func Windows(o Options) (*tree.Tree, error) {
	b := &builder{t: tree.New(stamp), o: o.withDefaults()}
	b.t.Root.Security = b.t.AddSecurity(rootSecurity)
	b.t.Root.Attributes |= tree.AttrHidden | tree.AttrSystem
	for _, part := range []func(){b.programs, b.system32, b.hives, b.bootFiles, b.winSxS, b.users, b.oddities} {
		part()
	}
	if !o.WithoutRecovery {
		b.recovery()
	}
	return b.t, b.err
}

// Descriptors with the shape of Windows' own.
var (
	rootSecurity = secdesc.Build(secdesc.TrustedInstaller, secdesc.TrustedInstaller,
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FullControl, SID: secdesc.Administrators},
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.ReadAndExecute, SID: secdesc.Users},
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit | secdesc.InheritOnly, Mask: secdesc.GenericAll, SID: secdesc.CreatorOwner})
	installerSecurity = secdesc.Build(secdesc.TrustedInstaller, secdesc.TrustedInstaller,
		secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.TrustedInstaller},
		secdesc.ACE{Mask: secdesc.ReadAndExecute, SID: secdesc.Administrators},
		secdesc.ACE{Mask: secdesc.ReadAndExecute, SID: secdesc.LocalSystem},
		secdesc.ACE{Mask: secdesc.ReadAndExecute, SID: secdesc.Users})
	hiveSecurity = secdesc.Build(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.Administrators})
)

func (b *builder) file(path string, data []byte) *tree.Node {
	n, err := b.t.WriteFile(path, tree.Bytes(data))
	if err != nil && b.err == nil {
		b.err = err
	}
	if n == nil {
		return b.t.NewFile(nil)
	}
	return n
}

func (b *builder) dir(path string) *tree.Node {
	n, err := b.t.MkdirAll(path)
	if err != nil && b.err == nil {
		b.err = err
	}
	if n == nil {
		return b.t.NewDirectory()
	}
	return n
}

func (b *builder) link(dir *tree.Node, name, short string, n *tree.Node) {
	if _, err := b.t.Link(dir, name, short, n); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *builder) installer(n *tree.Node) { n.Security = b.t.AddSecurity(installerSecurity) }

func (b *builder) programs() {
	b.file("Program Files/Common Files/system/readme.txt", []byte("winbake stand-in\r\n"))
	b.file("Program Files (x86)/desktop.ini", []byte("[.ShellClassInfo]\r\n")).Attributes |= tree.AttrHidden | tree.AttrSystem
	b.t.Find("Program Files").Short = "PROGRA~1"
	b.t.Find("Program Files (x86)").Short = "PROGRA~2"
	b.t.Find("Program Files/Common Files").Short = "COMMON~1"
	b.file("ProgramData/Microsoft/state.dat", nil)
	b.dir("PerfLogs")
}

// executable is a program with headers and a version resource, and filler behind them.
func (b *builder) executable(name string, n int) []byte {
	return append(pe.Stub(pe.AMD64, b.version()), program(name, n)...)
}

func (b *builder) system32() {
	for _, name := range []string{"ntoskrnl.exe", "hal.dll", "winload.exe", "winload.efi", "winresume.exe", "winresume.efi", "ntdll.dll", "kernel32.dll", "smss.exe"} {
		b.installer(b.file("Windows/System32/"+name, b.executable(name, 96<<10)))
	}
	for _, name := range []string{"disk.sys", "ntfs.sys", "partmgr.sys", "storahci.sys", "stornvme.sys"} {
		b.installer(b.file("Windows/System32/drivers/"+name, program(name, 40<<10)))
	}
	b.usbFiles()
	b.file("Windows/System32/drivers/etc/hosts", []byte("# stand-in\r\n127.0.0.1 localhost\r\n"))
	b.file("Windows/INF/disk.inf", []byte("[Version]\r\nSignature=\"$Windows NT$\"\r\n"))
	b.dir("Windows/Panther")
	b.dir("Windows/Temp")
}

func (b *builder) bootFiles() {
	locales := []string{"en-US", "de-DE", "ja-JP", "qps-ploc"}
	b.file("Windows/Boot/PCAT/bootmgr", bootprog.BOOTMGR())
	b.file("Windows/Boot/PCAT/bootnxt", []byte{0})
	b.file("Windows/Boot/PCAT/memtest.exe", program("memtest.exe", 50<<10))
	b.file("Windows/Boot/PCAT/bootvhd.dll", program("bootvhd.dll", 60<<10))
	for _, name := range []string{"bootmgfw.efi", "bootmgr.efi"} {
		b.file("Windows/Boot/EFI/"+name, bootprog.EFI())
	}
	b.file("Windows/Boot/EFI/memtest.efi", program("memtest.efi", 50<<10))
	b.file("Windows/Boot/EFI/boot.stl", program("boot.stl", 9<<10))
	b.file("Windows/Boot/EFI/CIPolicies/Active/{5DAC656C-21AD-4A02-AB49-649917162E70}.cip", program("cip", 7<<10))
	b.file("Windows/Boot/EFI_EX/bootmgfw_EX.efi", bootprog.EFI())
	b.file("Windows/Boot/EFI_EX/bootmgr_EX.efi", bootprog.EFI())
	for _, l := range locales {
		b.file("Windows/Boot/PCAT/"+l+"/bootmgr.exe.mui", program("pcat"+l, 40<<10))
		b.file("Windows/Boot/EFI/"+l+"/bootmgfw.efi.mui", program("efi"+l, 40<<10))
		b.file("Windows/Boot/EFI/"+l+"/bootmgr.efi.mui", program("efi"+l, 40<<10))
		b.file("Windows/Boot/Resources/"+l+"/bootres.dll.mui", program("res"+l, 6<<10))
	}
	for _, name := range []string{"segoe_slboot", "wgl4_boot", "chs_boot"} {
		b.file("Windows/Boot/Fonts/"+name+".ttf", program(name, 80<<10))
		b.file("Windows/Boot/Fonts_EX/"+name+"_EX.ttf", program(name, 80<<10))
	}
	b.file("Windows/Boot/Resources/bootres.dll", program("bootres.dll", 90<<10))
	for _, kind := range []string{"PCAT", "EFI"} {
		b.file("Windows/Boot/DVD/"+kind+"/boot.sdi", ramdiskImage())
	}
	for path, e := range b.t.Walk() {
		if len(path) > 13 && path[:13] == "Windows/Boot/" && !e.Node.IsDir() {
			b.installer(e.Node)
		}
	}
}

// ramdiskImage stands in for boot.sdi: the header's magic ("$SDI0001") and room for a boot sector.
func ramdiskImage() []byte {
	b := make([]byte, 64<<10)
	copy(b, "$SDI0001")
	return b
}

// winSxS is many components, of which most files have a second name in System32, as Windows does.
func (b *builder) winSxS() {
	system32, inf := b.dir("Windows/System32"), b.dir("Windows/INF")
	for i := range b.o.Files {
		hash := uint64(i)*0x9E3779B97F4A7C15 + 1
		component := fmt.Sprintf("Windows/WinSxS/amd64_winbake-standin-component-%03d_31bf3856ad364e35_10.0.%d.1_none_%016x", i/4, b.o.Build, hash)
		name := fmt.Sprintf("component%04d.dll", i)
		n := b.file(component+"/"+name, program(name, 2<<10+int(hash>>40)%(80<<10)))
		b.installer(n)
		switch i % 5 {
		case 0, 1, 2:
			b.link(system32, name, "", n)
		case 3:
			b.link(inf, fmt.Sprintf("component%04d.inf_loc", i), "", n)
		}
		manifest := fmt.Sprintf("<?xml version=\"1.0\"?>\r\n<assembly name=%q version=\"10.0.%d.1\"/>\r\n", name, b.o.Build)
		b.installer(b.file(fmt.Sprintf("Windows/WinSxS/Manifests/amd64_component-%04d_%016x.manifest", i, hash), []byte(manifest)))
	}
}

func (b *builder) users() {
	b.file("Users/Default/NTUSER.DAT", emptyHive(b, "ROOT")).Attributes |= tree.AttrHidden
	b.dir("Users/Default/AppData/Roaming").Attributes |= tree.AttrNotContentIndexed
	b.file("Users/Public/desktop.ini", []byte("[.ShellClassInfo]\r\n")).Attributes |= tree.AttrHidden | tree.AttrSystem
	b.junction("Documents and Settings", `\??\C:\Users`, `C:\Users`)
	b.t.Find("Documents and Settings").Short = "DOCUME~1"
	b.junction("Users/All Users", `\??\C:\ProgramData`, `C:\ProgramData`)
	b.symlink("Users/Default User", "Default")
}

// oddities are what few files have but every image must survive.
func (b *builder) oddities() {
	n := b.file("Windows/System32/LogFiles/streams.txt", []byte("two named streams"))
	n.Streams = []tree.Stream{
		{Name: "Zone.Identifier", Data: tree.Bytes("[ZoneTransfer]\r\nZoneId=3\r\n")},
		{Name: "large", Data: tree.Bytes(program("stream", 100<<10))},
	}
	b.file("Windows/System32/ea.bin", []byte("extended attributes")).Ensure().EA = []tree.EA{{Name: "$KERNEL.PURGE.ESBCACHE", Value: bytes.Repeat([]byte{1}, 60)}}
	b.file("Windows/System32/id.bin", []byte("object id")).Ensure().ObjectID = bytes.Repeat([]byte{0x5A}, 16)
	b.file("Windows/System32/readonly.ini", []byte("[a]\r\n")).Attributes |= tree.AttrReadOnly
	b.file("Windows/System32/空の名前 – ünïcødé.txt", []byte("name"))
	b.file("Windows/System32/empty.dat", nil)
}
