package inf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	win7    = OS{Arch: AMD64, Major: 6, Minor: 1, Build: 7601, Product: Workstation}
	win7x86 = OS{Arch: X86, Major: 6, Minor: 1, Build: 7601, Product: Workstation}
	win81   = OS{Arch: AMD64, Major: 6, Minor: 3, Build: 9600, Product: Workstation}
	win10a  = OS{Arch: AMD64, Major: 10, Build: 10240, Product: Workstation}
	s2016   = OS{Arch: AMD64, Major: 10, Build: 14393, Product: Server}
	s2022   = OS{Arch: AMD64, Major: 10, Build: 20348, Product: Server}
	win11   = OS{Arch: ARM64, Major: 10, Build: 26100, Product: Workstation}
)

// Which of the decorations of a [Manufacturer] line is chosen; Microsoft's own examples are among them.
func TestModelsSection(t *testing.T) {
	datacenter := win7x86
	datacenter.Suite = 0x80
	xp := OS{Arch: X86, Major: 5, Minor: 1, Build: 2600, Product: Workstation}
	xpDatacenter := xp
	xpDatacenter.Suite = 0x80
	for _, c := range []struct {
		targets string // with a leading comma: without the undecorated section
		os      OS
		want    string // "-" for none
	}{
		{"NT, NT.5, NT.5.5, NT....0x80", xp, "NT.5"},
		{"NT, NT.5, NT.5.5, NT....0x80", xpDatacenter, "NT.5"},
		{"NTx86....0x80, NTamd64", datacenter, "NTx86....0x80"},
		{"NTx86....0x80, NTamd64", win7x86, ""},
		{",NTx86....0x80, NTamd64", win7x86, "-"},
		{"NTx86....0x80, NTamd64", win7, "NTamd64"},
		{",NTx86.6.0, NT.6.1", win7x86, "NT.6.1"},
		{"NT.7.8, NT", win7x86, "NT"},
		{"", win7x86, ""},
		{"", win7, "-"},
		{"NT", win7, "-"},
		{"ntAMD64", win7, "ntAMD64"},
		{"NTamd64.6.1", win7, "NTamd64.6.1"},
		{"NTamd64.6.3", win7, "-"},
		{"NTamd64.6.3", s2022, "NTamd64.6.3"},
		{"NTamd64.6.1, NTamd64.6.3, NTamd64.10.0", win81, "NTamd64.6.3"},
		{"NTamd64.6.1, NTamd64.6.3, NTamd64.10.0", win10a, "NTamd64.10.0"},
		{"NTamd64, NTamd64.10.0...16299", s2016, "NTamd64"},
		{"NTamd64, NTamd64.10.0...16299", s2022, "NTamd64.10.0...16299"},
		{"NTamd64.10.0...14310", win10a, "-"},
		{"NTamd64.10.0...17763, NTamd64.10.0...16299", s2022, "NTamd64.10.0...17763"},
		{"NTamd64.6.3...16299", s2022, "NTamd64.6.3...16299"},
		{"NTamd64...3, NTamd64...1", s2022, "NTamd64...3"},
		{"NTamd64...3, NTamd64...1", win7, "NTamd64...1"},
		{"NTamd64...2", s2022, "-"},
		{"NTamd64.10.0, NTamd64...3", s2022, "NTamd64.10.0"},
		{"NTARM64.6.3, NTamd64", win11, "NTARM64.6.3"},
		{"NTamd64.10.x, NTriscv, foo", s2022, "-"},
	} {
		text := "[Manufacturer]\nm=Mfg"
		sections := ""
		if !strings.HasPrefix(c.targets, ",") {
			sections = "[Mfg]\nundecorated=inst,id\n"
		}
		for target := range strings.SplitSeq(c.targets, ",") {
			if target = strings.TrimSpace(target); target != "" {
				text += "," + target
				sections += fmt.Sprintf("[Mfg.%s]\n%s=inst,id\n", target, target)
			}
		}
		models := parse(t, text+"\n"+sections).Models(c.os)
		got := "-"
		if len(models) > 0 {
			got = strings.TrimPrefix(models[0].Description, "undecorated")
		}
		if got != c.want {
			t.Errorf("%q on %v: %q, want %q", c.targets, c.os, got, c.want)
		}
	}
}

func TestModels(t *testing.T) {
	f := parse(t, `[Manufacturer]
%Me% = Mine, NTamd64
Yours, NTamd64
Nothing=
[Mine.NTamd64]
%Dev% = Inst, PCI\VEN_1&DEV_2&REV_3, PCI\VEN_1&DEV_2,, PCI\VEN_1
"Only compatible" = Inst2,,ACPI\X
[Yours.NTamd64]
x=I,y
[Strings]
Me=us
Dev=device`)
	models := f.Models(s2022)
	if len(models) != 3 {
		t.Fatalf("%+v", models)
	}
	m := models[0]
	if m.Description != "%Dev%" || m.Manufacturer != "%Me%" || m.Install != "Inst" || m.HardwareID != `PCI\VEN_1&DEV_2&REV_3` ||
		!slices.Equal(m.CompatibleIDs, []string{`PCI\VEN_1&DEV_2`, `PCI\VEN_1`}) {
		t.Errorf("%+v", m)
	}
	if m = models[1]; m.HardwareID != "" || len(m.CompatibleIDs) != 1 {
		t.Errorf("%+v", m)
	}
	if models[2].Manufacturer != "Yours" {
		t.Errorf("%+v", models[2])
	}
}

// An empty section keeps a Windows out.
func TestTargets(t *testing.T) {
	f := parse(t, `[Manufacturer]
a = A, NTamd64.10.0...16299, NTx86, NTarm64.6.3, NTamd64.6.1.3.0x80
b = B, NTx86
[A.NTamd64.10.0...16299]
d=i,x
[A.NTx86]
d=i,x
[A.NTarm64.6.3]
[A.NTamd64.6.1.3.0x80]
d=i,x
[B.NTx86]
d=i,x
[B]
d=i,x`)
	var got []string
	for _, target := range f.Targets() {
		got = append(got, target.String())
	}
	want := []string{"amd64 (Windows 10.0 build 16299 and newer)", "x86", "amd64 (Windows 6.1 and newer, server, suite 0x80)"}
	if !slices.Equal(got[:3], want) {
		t.Errorf("%q", got)
	}
	if len(f.Models(win11)) != 0 {
		t.Error("models of an empty section")
	}
}
