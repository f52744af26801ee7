package boot

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

var (
	gptRecovery = bcd.GPTPartition(disk, guid.MustParse("6cdfcd69-de75-4490-8f99-5a84bf264917"))
	mbrRecovery = bcd.MBRPartition(0x43DA9AB1, 0x4E2000000)
)

// withRecovery adds a recovery environment on a partition of its own.
func withRecovery(o Options) Options {
	r := &Recovery{Device: gptRecovery}
	if o.Firmware == BIOS {
		r.Device = mbrRecovery
	}
	r.LoaderID, r.OptionsID = RecoveryIDs([]byte("seed"))
	o.Recovery = r
	return o
}

func withoutRecovery(o Options) Options {
	o.NoRecovery = true
	return o
}

// entries prints the objects of a store that a recovery environment has to do with.
func entries(t *testing.T, system *tree.Tree, path string) string {
	t.Helper()
	kept := []string{path}
	for object := range strings.SplitSeq(printStore(t, system, path), "\n\n") {
		title, _, _ := strings.Cut(object, "\n")
		if slices.Contains([]string{"Windows Boot Manager", "Windows Boot Loader", "Resume from Hibernate", "Device options"}, title) {
			kept = append(kept, strings.TrimSpace(object))
		}
	}
	return strings.Join(kept, "\n\n") + "\n"
}

func TestRecovery(t *testing.T) {
	search := withRecovery(biosOptions())
	search.OS, search.System = Search(), bcd.Boot{}
	elsewhere := withRecovery(biosOptions())
	elsewhere.Recovery.Device = bcd.Boot{}
	elsewhere.Recovery.WIM, elsewhere.Recovery.SDI = `\Recovery\re\Winre.wim`, `\Recovery\re\boot.sdi`
	for _, c := range []struct {
		name    string
		image   image
		options Options
	}{
		{"recovery-windows7-bios", windows7, elsewhere},
		{"recovery-server2008r2-uefi", server2008R2, withRecovery(uefiOptions())},
		{"recovery-server2012r2-bios-search", server2012R2, search},
		{"recovery-server2022-bios", server2022, withRecovery(biosOptions())},
		{"recovery-server2022-uefi", server2022, withRecovery(uefiOptions())},
		{"recovery-windows11-arm64-uefi", windows11, withRecovery(uefiOptions())},
		{"norecovery-windows7-bios", windows7, withoutRecovery(biosOptions())},
		{"norecovery-server2022-uefi", server2022, withoutRecovery(uefiOptions())},
	} {
		t.Run(c.name, func(t *testing.T) {
			system := tree.New(2)
			if err := Install(c.image.tree(t), system, c.options); err != nil {
				t.Fatal(err)
			}
			text := entries(t, system, c.options.Firmware.StorePath())
			if c.options.Firmware == UEFI {
				text += "\n" + entries(t, system, RecoveryStorePath)
			}
			golden(t, c.name+".txt", text)
		})
	}
}

// A disk for both firmwares has two stores with the same entries, which differ in the programs only.
func TestRecoveryForBothFirmwares(t *testing.T) {
	v, system := server2022.tree(t), tree.New(2)
	for _, firmware := range []Firmware{BIOS, UEFI} {
		o := withRecovery(biosOptions())
		o.Firmware = firmware
		if err := Install(v, system, o); err != nil {
			t.Fatal(err)
		}
	}
	loader, options := RecoveryIDs([]byte("seed"))
	bios, uefi := readStore(t, system, BIOS.StorePath()), readStore(t, system, UEFI.StorePath())
	path := element(t, bios.Object(loader), bcd.ElemPath)
	if text, _ := path.Text(); text != `\windows\system32\winload.exe` {
		t.Errorf("BIOS: %q", text)
	}
	uefi.Object(loader).Set(path)
	for _, id := range []guid.GUID{loader, options} {
		sameElements(t, bios.Object(id), uefi.Object(id))
	}
	second := readStore(t, system, RecoveryStorePath)
	if text, _ := element(t, second.Resolve(bcd.Default), bcd.ElemPath).Text(); text != `\windows\system32\winload.efi` {
		t.Errorf("second store: %q", text)
	}
}

// The template's word on recovery counts only where the options have none.
func TestRecoveryAndTemplate(t *testing.T) {
	m := server2022
	m.template = &bcd.Store{}
	m.template.Put(bcd.NewObject(bcd.TemplateLoaderUEFI, bcd.TypeOSLoader, bcd.ElemRecoveryEnabled.Bool(true)))
	for want, o := range map[bool]Options{true: uefiOptions(), false: withoutRecovery(uefiOptions())} {
		s, err := NewStore(m.tree(t), o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := element(t, s.Object(o.LoaderID), bcd.ElemRecoveryEnabled).Bool(); got != want || err != nil {
			t.Errorf("recoveryenabled %v (%v), want %v", got, err, want)
		}
	}
}

func TestBadRecovery(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"which volume":    func(o *Options) { o.Recovery.Device = nil },
		"cannot be":       func(o *Options) { o.Recovery.Device = bcd.Locate{Path: RecoveryWIM} },
		`"Winre.wim"`:     func(o *Options) { o.Recovery.WIM = "Winre.wim" },
		`"/boot.sdi"`:     func(o *Options) { o.Recovery.SDI = "/boot.sdi" },
		"need identifier": func(o *Options) { o.Recovery.OptionsID = guid.GUID{} },
		"two boot":        func(o *Options) { o.Recovery.LoaderID = o.Recovery.OptionsID },
		"identifier {":    func(o *Options) { o.Recovery.LoaderID = o.ResumeID },
		"none is to be":   func(o *Options) { o.NoRecovery = true },
	} {
		o := withRecovery(uefiOptions())
		change(&o)
		system := tree.New(2)
		err := Install(server2022.tree(t), system, o)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if system.Root.Len() != 0 {
			t.Errorf("%s: the system partition was changed", name)
		}
	}
}

func TestRecoveryIDs(t *testing.T) {
	seen := map[guid.GUID]bool{}
	for _, seed := range []string{"a", "b"} {
		loader, resume := IDs([]byte(seed))
		recovery, options := RecoveryIDs([]byte(seed))
		for _, id := range []guid.GUID{loader, resume, recovery, options} {
			if id.IsZero() || seen[id] {
				t.Errorf("%s: %s", seed, id)
			}
			seen[id] = true
		}
	}
}

// What hivex reads of the entries is, byte for byte, what Microsoft's tools wrote for the same ids
// (the first is of a Windows 10 of 2020, but for the ids).
func TestRecoveryDeviceBytes(t *testing.T) {
	oracle.Need(t, "hivexget")
	const (
		nulls = "00000000000000000000000000000000"
		wim   = "5c005200650063006f0076006500720079005c00570069006e0064006f0077007300520045005c00570069006e00720065002e00770069006d000000"
		ram   = "0000000001000000b800000000000000" + "030000000000000000000000000000000000000000000000" + "010000009000000005000000"
		gpt   = "06000000000000004800000000000000" + "69cddf6c75de90448f995a84bf264917" + "0000000000000000" + "7cfb48d181be124d8dcf62260299abde" + nulls
		mbr   = "06000000000000004800000000000000" + "000000e2040000000000000000000000" + "0000000001000000" + "b19ada43000000000000000000000000" + nulls
	)
	_, options := RecoveryIDs([]byte("seed"))
	for _, c := range []struct {
		options Options
		volume  string
	}{{withRecovery(uefiOptions()), gpt}, {withRecovery(biosOptions()), mbr}} {
		system := tree.New(2)
		if err := Install(server2022.tree(t), system, c.options); err != nil {
			t.Fatal(err)
		}
		for _, store := range []string{c.options.Firmware.StorePath(), RecoveryStorePath} {
			if system.Find(store) == nil {
				continue
			}
			path := hostFile(t, system, store)
			get := func(id guid.GUID, element string) string {
				return fmt.Sprintf("%x", oracle.Run(t, "hivexget", path, `Objects\`+id.Braced()+`\Elements\`+element, "Element"))
			}
			ramdisk := fmt.Sprintf("%x", options[:]) + ram + c.volume + wim
			for _, e := range []string{"11000001", "21000001"} {
				if got := get(c.options.Recovery.LoaderID, e); got != ramdisk {
					t.Errorf("%s %s: %s, want %s", store, e, got, ramdisk)
				}
			}
			if got := get(options, "31000003"); got != nulls+c.volume {
				t.Errorf("%s: ramdisksdidevice %s, want %s", store, got, nulls+c.volume)
			}
		}
	}
}

func readStore(t *testing.T, v *tree.Tree, path string) *bcd.Store {
	t.Helper()
	s, err := ReadStore(v, path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameElements fails unless two objects hold the same bytes. Some of Microsoft's tools end some
// strings with a second NUL; that does not count.
func sameElements(t *testing.T, got, want *bcd.Object) {
	t.Helper()
	if got.Type != want.Type || len(got.Elements()) != len(want.Elements()) {
		t.Errorf("%s: type %08x with %d elements, want %08x with %d", got.ID, uint32(got.Type), len(got.Elements()), uint32(want.Type), len(want.Elements()))
	}
	for _, w := range want.Elements() {
		g, ok := got.Element(w.ID)
		if !ok {
			t.Errorf("%s: no %s", got.ID, want.Type.Name(w.ID))
			continue
		}
		wanted, had := w.Value.Data, g.Value.Data
		if w.ID.Format() == bcd.FormatString {
			wanted, had = bytes.TrimRight(wanted, "\x00"), bytes.TrimRight(had, "\x00")
		}
		if g.Value.Type != w.Value.Type || !bytes.Equal(had, wanted) {
			t.Errorf("%s: %s is %x, want %x", got.ID, want.Type.Name(w.ID), g.Value.Data, w.Value.Data)
		}
	}
}
