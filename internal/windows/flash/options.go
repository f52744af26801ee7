package flash

import (
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/sanpolicy"
)

// Builds at which values change.
const (
	build8    = 9200  // Windows 8, Server 2012
	build1803 = 17134 // Windows 10 1803
)

// asItIs is the value VirtualDiskExpandOnMount with which a dynamic virtual disk stays dynamic; 1, what images
// come with, makes it grow to its full size when Windows starts from it. What a fixed one does, it does with both.
const asItIs = 4

func (i *Image) keepVirtualDisk() error {
	return i.set(`\Services\FsDepends\Parameters`, regf.DWord("VirtualDiskExpandOnMount", asItIs))
}

// hibernationOff also removes the file, which a used disk may have, as powercfg /hibernate off does.
func (i *Image) hibernationOff() error {
	for _, set := range i.sets {
		k, err := i.Registry.Create(set + `\Control\Power`)
		if err != nil {
			return err
		}
		k.Set(regf.DWord("HibernateEnabled", 0))
		if _, ok := k.Value("HibernateEnabledDefault"); ok { // in newer ones, for when the other is missing
			k.Set(regf.DWord("HibernateEnabledDefault", 0))
		}
	}
	if e := i.Tree.Find("hiberfil.sys"); e != nil && !e.Node.IsDir() {
		i.Tree.Unlink(e)
	}
	if i.Windows.Version.Build < build8 {
		return nil
	}
	return i.set(`\Control\Session Manager\Power`, regf.DWord("HiberbootEnabled", 0)) // fast startup
}

func (i *Image) prefetchOff() error {
	err := i.set(`\Control\Session Manager\Memory Management\PrefetchParameters`,
		regf.DWord("EnablePrefetcher", 0), regf.DWord("EnableSuperfetch", 0))
	if err != nil {
		return err
	}
	return i.disable("SysMain")
}

// defragmentationOff disables the service that moves files for whoever asks, and the moving of what is needed
// at boot. The scheduled task stays: Windows 7 refuses a task whose file does not match the hash in the
// registry, Windows 10 does not read the file at all, and the format of what it reads is not public.
func (i *Image) defragmentationOff() error {
	err := i.Registry.Set(`HKLM\SOFTWARE\Microsoft\Dfrg\BootOptimizeFunction`, regf.String("Enable", "N"))
	if err != nil {
		return err
	}
	return i.disable("defragsvc")
}

// Values of NtfsDisableLastAccessUpdate. Up to Windows 10 1709 it is 0 or 1. From 1803 on, bit 31 says that two
// bits hold the setting: bit 0 that there are no updates, bit 1 that Windows decides by the size of its
// volume, which on a small stick means updates.
const (
	noLastAccess     = 1
	noLastAccess1803 = 0x80000001
)

func (i *Image) lastAccessOff() error {
	n := uint32(noLastAccess)
	if i.Windows.Version.Build >= build1803 {
		n = noLastAccess1803
	}
	return i.set(`\Control\FileSystem`, regf.DWord("NtfsDisableLastAccessUpdate", n))
}

// systemRestoreOff sets the group policy "Turn off System Restore". Server editions have no System Restore; the
// Volume Shadow Copy service stays on either, since backups need it.
func (i *Image) systemRestoreOff() error {
	if i.Windows.Server {
		return nil
	}
	return i.Registry.Set(`HKLM\SOFTWARE\Policies\Microsoft\Windows NT\SystemRestore`, regf.DWord("DisableSR", 1))
}

// internalDisksOff sets the policy of Windows To Go, which Windows 7 and Server 2008 R2 do not know.
func (i *Image) internalDisksOff() error {
	if v := i.Windows.Version; v.Build < build8 {
		i.Note("Windows %d.%d cannot keep internal disks offline by itself, and its SAN policy stays as it is; san_policy = \"offline_all\" would be the nearest.", v.Major, v.Minor)
		return nil
	}
	return sanpolicy.Apply(i.Registry, sanpolicy.Settings{Policy: "offline_internal"})
}
