package boot

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// sampleStore returns a real store from the folder of sample files, or skips the test.
func sampleStore(t *testing.T, name string) *bcd.Store {
	t.Helper()
	s, err := bcd.Parse(oracle.Sample(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func element(t *testing.T, o *bcd.Object, id bcd.ElementID) bcd.Element {
	t.Helper()
	e, ok := o.Element(id)
	if !ok {
		t.Fatalf("%s has no %s", o.ID, o.Type.Name(id))
	}
	return e
}

// like returns the options that should give the store that Windows made.
func like(t *testing.T, s *bcd.Store, firmware Firmware) Options {
	t.Helper()
	manager, loader := s.Object(bcd.BootManager), s.Resolve(bcd.Default)
	o := Options{Firmware: firmware, LoaderID: loader.ID, Time: s.Time}
	var err error
	if o.System, err = element(t, manager, bcd.ElemDevice).Device(); err != nil {
		t.Fatal(err)
	}
	volume, err := element(t, loader, bcd.ElemOSDevice).Device()
	if err != nil {
		t.Fatal(err)
	}
	o.OS = On(volume)
	if o.ResumeID, err = element(t, loader, bcd.ElemResumeObject).Object(); err != nil {
		t.Fatal(err)
	}
	if o.Locale, err = element(t, loader, bcd.ElemLocale).Text(); err != nil {
		t.Fatal(err)
	}
	if o.Description, err = element(t, loader, bcd.ElemDescription).Text(); err != nil {
		t.Fatal(err)
	}
	return o
}

// lines returns what each object of a store prints, without the elements named.
func lines(t *testing.T, s *bcd.Store, without ...string) map[string]string {
	t.Helper()
	var b strings.Builder
	if err := s.Print(&b, bcd.PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	objects := map[string]string{}
	for object := range strings.SplitSeq(b.String(), "\n\n") {
		kept := slices.DeleteFunc(strings.Split(strings.TrimSpace(object), "\n"), func(line string) bool {
			name, _, _ := strings.Cut(line, " ")
			return slices.Contains(without, name)
		})
		objects[kept[2]] = strings.Join(kept, "\n")
	}
	return objects
}

// Setup's own store of a Windows 10 on UEFI has the same objects with the same elements, but for
// what reagentc adds and for the firmware's entries.
func TestLikeSetupUEFI(t *testing.T) {
	s := sampleStore(t, "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz")
	ours, err := NewStore(windows10.tree(t), like(t, s, UEFI))
	if err != nil {
		t.Fatal(err)
	}
	reagentc := []string{"recoverysequence", "recoveryenabled", "displaymessageoverride"}
	want := lines(t, s, reagentc...)
	got := lines(t, ours)
	if len(got) != 11 {
		t.Errorf("%d objects", len(got))
	}
	for id, text := range got {
		if want[id] != text {
			t.Errorf("ours:\n%s\nSetup's:\n%s", text, want[id])
		}
	}
}

// likeRecovery returns the recovery environment of a store that Windows made.
func likeRecovery(t *testing.T, s *bcd.Store) *Recovery {
	t.Helper()
	sequence, err := element(t, s.Resolve(bcd.Default), bcd.ElemRecoverySequence).Objects()
	if err != nil || len(sequence) != 1 {
		t.Fatalf("recoverysequence %v, %v", sequence, err)
	}
	device, err := element(t, s.Object(sequence[0]), bcd.ElemDevice).Device()
	if err != nil {
		t.Fatal(err)
	}
	ramdisk, ok := device.(bcd.Ramdisk)
	if !ok {
		t.Fatalf("the recovery environment's device is %s", device)
	}
	return &Recovery{Device: ramdisk.On, WIM: ramdisk.Path, LoaderID: sequence[0], OptionsID: ramdisk.Options}
}

// With a recovery environment the store is what Setup and reagentc left, byte for byte in every
// element of the entries for Windows, its resume application and the recovery environment.
func TestLikeReagentc(t *testing.T) {
	s := sampleStore(t, "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz")
	o := like(t, s, UEFI)
	o.Recovery = likeRecovery(t, s)
	system := tree.New(2)
	if err := Install(windows10.tree(t), system, o); err != nil {
		t.Fatal(err)
	}
	ours := readStore(t, system, UEFI.StorePath())
	want := lines(t, s)
	got := lines(t, ours)
	if len(got) != 13 {
		t.Errorf("%d objects", len(got))
	}
	for id, text := range got {
		if want[id] != text {
			t.Errorf("ours:\n%s\nWindows':\n%s", text, want[id])
		}
	}
	r := o.Recovery
	for _, id := range []guid.GUID{o.LoaderID, o.ResumeID, r.LoaderID, r.OptionsID} {
		sameElements(t, ours.Object(id), s.Object(id))
	}
	second := readStore(t, system, RecoveryStorePath)
	for _, id := range []guid.GUID{r.LoaderID, r.OptionsID} {
		sameElements(t, second.Object(id), s.Object(id))
	}
}

// The same for a BIOS store by bcdboot, which a Linux deployer edited: it starts Windows from the
// boot device, and has two languages.
func TestLikeBcdbootBIOS(t *testing.T) {
	s := sampleStore(t, "bcd/mhkarimi1383+windeploy-linux/BCD")
	ours, err := NewStore(windows10.tree(t), like(t, s, BIOS))
	if err != nil {
		t.Fatal(err)
	}
	edited := []string{"device", "locale"}
	want := lines(t, s, edited...)
	// bcdboot adds no filedevice before the first hibernation; Setup does, as above.
	got := lines(t, ours, append(edited, "filedevice", "debugoptionenabled")...)
	if len(got) != 11 {
		t.Errorf("%d objects", len(got))
	}
	for id, text := range got {
		if !strings.EqualFold(want[id], text) {
			t.Errorf("ours:\n%s\nbcdboot's:\n%s", text, want[id])
		}
	}
	if s.Description.KeyName != ours.Description.KeyName || s.Description.System != ours.Description.System || ours.Description.FirmwareModified {
		t.Errorf("description %+v, bcdboot's %+v", ours.Description, s.Description)
	}
}

// Hives of real Windows installations say which language they have.
func TestRealLanguages(t *testing.T) {
	for _, name := range []string{"SYSTEM.xz", "SYSTEM_WIN_10_1709.xz"} {
		t.Run(name, func(t *testing.T) {
			hive, err := regf.Parse(oracle.Sample(t, "registry/mkorman90+regipy/regipy_tests/data/"+name))
			if errors.Is(err, regf.ErrDirty) {
				t.Skip("the hive needs its logs")
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := defaultLanguage(hive); got != "en-US" {
				t.Errorf("language %q", got)
			}
		})
	}
}
