package standin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// productName is what the stand-in calls itself wherever Windows would print its name.
const productName = "winbake stand-in Server"

// reAgentXML is the state of a recovery environment that nobody has set up yet.
const reAgentXML = "<?xml version='1.0' encoding='utf-8'?>\r\n<WindowsRE version=\"2.0\"><InstallState state=\"0\"/></WindowsRE>\r\n"

// recovery nests a WIM in the image, as Windows keeps its recovery environment.
func (b *builder) recovery() {
	re := &builder{t: tree.New(stamp), o: b.o, preinstallation: true}
	re.t.Root.Security = re.t.AddSecurity(rootSecurity)
	re.hives()
	for _, name := range []string{"ntoskrnl.exe", "winload.exe", "winload.efi"} {
		re.installer(re.file("Windows/System32/"+name, re.executable(name, 16<<10)))
	}
	re.file("Windows/System32/winpeshl.ini", []byte("[LaunchApp]\r\nAppPath=X:\\sources\\recovery\\RecEnv.exe\r\n"))
	re.dir("Windows/System32/DriverStore/FileRepository")
	re.dir("Windows/INF")
	re.file("sources/recovery/RecEnv.exe", program("RecEnv.exe", 200<<10))
	data, err := wimBytes(imageSource(re, 1, "Microsoft Windows Recovery Environment (stand-in)", "WindowsPE"))
	if err = errors.Join(err, re.err); err != nil && b.err == nil {
		b.err = err
	}
	b.file("Windows/System32/Recovery/Winre.wim", data).Attributes |= tree.AttrHidden | tree.AttrSystem
	b.file("Windows/System32/Recovery/ReAgent.xml", []byte(reAgentXML))
}

func wimBytes(source wim.ImageSource) ([]byte, error) {
	f, err := os.CreateTemp("", "winbake-standin")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := wim.Write(context.Background(), f, []wim.ImageSource{source}, wim.WriteOptions{GUID: guid.Derive(nil, "winre"), BootIndex: 1}); err != nil {
		return nil, err
	}
	return os.ReadFile(f.Name())
}

func imageSource(b *builder, index int, name, installation string) wim.ImageSource {
	flags := map[string]string{"Server Core": "ServerStandardCore", "Server": "ServerStandard", "WindowsPE": "9"}[installation]
	v := b.version()
	return wim.ImageSource{Tree: b.t, Info: wim.Image{
		Index: index, Name: name, Description: name, DisplayName: name, DisplayDescription: "Has no byte of Windows in it.",
		Flags: flags, Created: stamp, Modified: stamp,
		ProductName: productName, EditionID: "ServerStandard", InstallationType: installation,
		ProductType: "ServerNT", ProductSuite: "Terminal Server", SystemRoot: "WINDOWS", Arch: "amd64",
		Version:   wim.Version{Major: uint64(v.Major), Minor: uint64(v.Minor), Build: uint64(b.o.Build), SPBuild: uint64(v.Revision), Branch: "standin"},
		Languages: []string{"en-US"}, DefaultLanguage: "en-US",
	}}
}

// Media writes a folder that looks like extracted Windows Server install media: sources/install.wim
// with two editions, and the boot files of the medium itself.
func Media(ctx context.Context, dir string, o Options) error {
	b := &builder{o: o.withDefaults()}
	core, err := Windows(o)
	if err != nil {
		return err
	}
	desktop, err := Windows(o)
	if err != nil {
		return err
	}
	if _, err := desktop.WriteFile("Windows/explorer.exe", tree.Bytes(program("explorer.exe", 300<<10))); err != nil {
		return err
	}
	images := []wim.ImageSource{
		imageSource(&builder{t: core, o: b.o}, 1, productName+" (Core)", "Server Core"),
		imageSource(&builder{t: desktop, o: b.o}, 2, productName+" (Desktop)", "Server"),
	}
	for name, data := range map[string][]byte{
		"bootmgr": bootprog.BOOTMGR(), "boot/boot.sdi": ramdiskImage(), "efi/boot/bootx64.efi": bootprog.EFI(),
		"README.txt": []byte("Stand-in install media made by winbake. No byte of Windows is in it.\r\n"),
	} {
		if err := writeHost(filepath.Join(dir, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	return writeWIM(ctx, filepath.Join(dir, "sources", "install.wim"), images)
}

func writeHost(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func writeWIM(ctx context.Context, path string, images []wim.ImageSource) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = wim.Write(ctx, f, images, wim.WriteOptions{GUID: guid.Derive(nil, "install.wim"), Integrity: true})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
