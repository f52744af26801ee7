package bake

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// bootFiles is what the disk starts from.
type bootFiles struct {
	system  *tree.Tree // of the system partition; nil where Windows' own partition is it
	records bootcode.Records
	origins map[string]string
}

// recordSources are the files that hold Microsoft's boot records: first those of the media folder,
// then those of the image.
var recordSources = struct{ media, image []string }{
	media: []string{"boot/bootsect.exe"},
	image: []string{"Windows/System32/bootsect.exe", "Windows/System32/untfs.dll", "Windows/System32/vdsutil.dll", "Windows/System32/winsetup.dll"},
}

// bootFirmwares are the boot managers that a disk gets.
var bootFirmwares = map[layout.Firmware][]boot.Firmware{
	layout.BIOS: {boot.BIOS},
	layout.UEFI: {boot.UEFI},
	layout.Both: {boot.BIOS, boot.UEFI},
}

// InstallBoot partitions the disk and does bcdboot's and bootsect's work on the trees.
func (b *Bake) InstallBoot(ctx context.Context) (err error) {
	b.c.Progress.Stage("Installing the boot files")
	if b.c.Seed == "" {
		b.c.Seed = b.seed()
	}
	if err := b.partition(); err != nil {
		return err
	}
	if b.outer().MBR() {
		if err := b.findRecords(); err != nil {
			return err
		}
	}
	system := b.tree
	if b.host != nil {
		system = b.host.tree
	}
	if b.outer().Find(layout.System) != nil {
		b.boot.system = tree.New(b.tree.Now)
		system = b.boot.system
	}
	if err := b.installRecovery(); err != nil {
		return err
	}
	if err := b.keepDriveLetter(); err != nil {
		return err
	}
	for _, firmware := range bootFirmwares[b.c.Firmware] {
		o := b.bootOptions(firmware)
		o.Windows = b.windows
		if err := boot.Install(b.tree, system, o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// keepDriveLetter tells a Windows that comes from another disk where it is now. Where its registry cannot be
// read, Windows is on its own, as it is without this.
func (b *Bake) keepDriveLetter() error {
	r := registry.Open(b.tree)
	r.Store = b.store
	if err := boot.KeepDriveLetter(r, deviceOf(b.disk, layout.Windows)); err != nil {
		if !errors.Is(err, registry.ErrNoHive) {
			b.c.Progress.Note("Drive letters of the image stay as they are: " + err.Error())
		}
		return nil
	}
	return r.Flush()
}

// partition lays out the disk that Windows is on, and the one around it where there is one.
func (b *Bake) partition() (err error) {
	spec := b.c.windowsDisk()
	spec.Recovery, spec.Seed, spec.Time = b.recovery.partition(), []byte(b.c.Seed), filetime.From(b.c.BuildTime)
	if b.disk, err = layout.New(spec); err != nil || b.c.Native == nil {
		return err
	}
	if err := b.checkNative(); err != nil {
		return err
	}
	b.host, err = b.newHost()
	return err
}

// outer is the disk that the firmware sees.
func (b *Bake) outer() *layout.Disk {
	if b.host != nil {
		return b.host.disk
	}
	return b.disk
}

// seed identifies the medium and the image without reading all of it.
func (b *Bake) seed() string {
	sum := b.medium.Fingerprint(b.image.Index)
	return hex.EncodeToString(sum[:])
}

func (b *Bake) findRecords() error {
	var sources []bootcode.Source
	for _, path := range recordSources.media {
		if c := b.medium.Host(path); c != nil {
			sources = append(sources, bootcode.Source{Name: path, Content: c})
		}
	}
	for _, path := range recordSources.image {
		if e := b.tree.Find(path); e != nil && e.Node.Data != nil {
			sources = append(sources, bootcode.Source{Name: path, Content: e.Node.Data})
		}
	}
	records, err := bootcode.Select(sources)
	if err != nil {
		return fault.In("boot records", err)
	}
	b.boot.records = records
	b.boot.origins = map[string]string{"mbr": records.MBR.Origin}
	if b.c.Firmware == layout.BIOS {
		b.boot.origins["ntfs"] = records.NTFS.Origin
	} else {
		b.boot.origins["fat32"] = records.FAT32.Origin
	}
	return nil
}

// identify finds out which Windows the image is. The image's own registry knows best; where it
// cannot be read, such as a damaged hive, the medium's description does.
func (b *Bake) identify() (boot.Windows, error) {
	w, err := boot.Detect(b.tree)
	if err != nil {
		return w, err
	}
	w.ProductName = cmp.Or(w.ProductName, b.image.ProductName)
	w.EditionID = cmp.Or(w.EditionID, b.image.EditionID)
	if w.Installation == "" {
		w.Installation = b.image.InstallationType
		w.Server = b.image.ProductType == "ServerNT"
	}
	return w, nil
}

func (b *Bake) bootOptions(firmware boot.Firmware) boot.Options {
	loader, resume := boot.IDs([]byte(b.disk.Identifier("boot entries").String()))
	o := boot.Options{
		Firmware: firmware,
		Locale:   b.c.Locale,
		EX:       b.c.UseEX,
		LoaderID: loader,
		ResumeID: resume,
		Time:     b.tree.Now,
	}
	o.Hypervisor = b.host != nil && b.hypervisor()
	o.System, o.OS = b.bootDevices()
	switch r := b.recovery; {
	case r.enabled():
		recovery := b.recoveryIDs()
		recovery.Device = deviceOf(b.disk, layout.Recovery)
		o.Recovery = &recovery
	case r.decision != nil && !r.decision.Include:
		o.NoRecovery = true
	}
	if o.Locale == "" {
		o.Locale = b.image.DefaultLanguage
	}
	return o
}

// bootDevices says how the boot configuration finds the system partition and Windows.
func (b *Bake) bootDevices() (system bcd.Device, windows boot.Place) {
	one := b.boot.system == nil // Windows, or its virtual disk, lies on the system partition
	main := layout.Windows
	if b.host != nil {
		main = layout.Host
	}
	switch {
	case b.c.BootDevices == Locate && !one:
		return bcd.Boot{}, boot.Search()
	case b.c.BootDevices == Locate:
		return bcd.Boot{}, b.on(bcd.Boot{})
	case one:
		return deviceOf(b.outer(), main), b.on(deviceOf(b.outer(), main))
	}
	return deviceOf(b.outer(), layout.System), b.on(deviceOf(b.outer(), main))
}

// on is Windows on a volume, or in the virtual disk there.
func (b *Bake) on(volume bcd.Device) boot.Place {
	if b.host != nil {
		return boot.InVHD(volume, `\`+b.c.Native.File)
	}
	return boot.On(volume)
}

// deviceOf names a partition for the boot configuration.
func deviceOf(d *layout.Disk, r layout.Role) bcd.Partition {
	p := d.Find(r)
	if d.MBR() {
		return bcd.MBRPartition(d.Signature, uint64(p.Offset))
	}
	return bcd.GPTPartition(d.ID, p.ID)
}
