package inf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

const sample = `[Inst]
CopyFiles = none
[Inst.NT]
CopyFiles = one, @two.dll
CopyFiles = three
AddReg = soft
DelReg = gone
Needs = Common, Other.Inf.Section
Include = machine.inf
FeatureScore = F9
[Inst.NT.HW]
AddReg = hard
Needs = PciIoSpaceNotRequired.HW
[Inst.NT.Services]
AddService = Svc, 0x00000002, SvcInst, EventLog
AddService = ,2
AddService = Filter,,FilterInst
[Inst.NT.CoInstallers]
CopyFiles = co
[Common]
AddReg = more
Needs = Inst.NT
[DestinationDirs]
DefaultDestDir = 11
one = 12
three = 13,sub\dir
[one]
a.sys,,,2
b.sys,source.sys,,0x20
[three]
c.bin
[co]
co.dll
[SourceDisksNames]
1 = %d%,,,
2 = %d%,tag,,"\disk two"
[SourceDisksNames.amd64]
1 = %d%,,,amd64
3 = %d%,files.cab
[SourceDisksFiles]
a.sys = 1
b.sys = 2,deep
packed.dll = 3
[SourceDisksFiles.amd64]
a.sys = 1,x64,1234
[soft]
HKR,,One,,text
[more]
HKR,Sub,Two,0x10001,0x10
[gone]
HKR,,Old
[hard]
HKR,"Interrupt Management",,0x10
[SvcInst]
DisplayName = %svc%
ServiceType = %kernel%
StartType = 0
ErrorControl = 0x1
ServiceBinary = %12%\a.sys
LoadOrderGroup = SCSI miniport
Dependencies = +Base, disk
BootFlags = 0x14
AddReg = svcreg
Security = "D:P(A;;GA;;;SY)"
[svcreg]
HKR,Parameters\PnpInterface,5,0x10001,1
[FilterInst]
ServiceType=1
StartType=3
ErrorControl=0
ServiceBinary=%13%\f.sys
[Strings]
d = disk
svc = "The, service"
kernel = 1`

func TestInstall(t *testing.T) {
	f := parse(t, sample)
	in, err := f.Install("inst", AMD64, 1)
	if err != nil {
		t.Fatal(err)
	}
	var copies []string
	for _, c := range in.Copies {
		copies = append(copies, strings.Join([]string{c.Name, c.Source, string(rune('0' + c.Dir/10)), string(rune('0' + c.Dir%10)), c.Subdir}, "|"))
	}
	if want := []string{"a.sys|a.sys|1|2|", "b.sys|source.sys|1|2|", "two.dll|two.dll|1|1|", `c.bin|c.bin|1|3|sub\dir`, "co.dll|co.dll|1|1|"}; !reflect.DeepEqual(copies, want) {
		t.Errorf("copies %q", copies)
	}
	if in.Section != "Inst.NT" || in.FeatureScore != 0xF9 || !in.CoInstallers || len(in.Driver) != 2 || len(in.DelDriver) != 1 || len(in.Device) != 1 ||
		!reflect.DeepEqual(in.Include, []string{"machine.inf"}) || !reflect.DeepEqual(in.Needs, []string{"Other.Inf.Section", "PciIoSpaceNotRequired.HW"}) {
		t.Errorf("%+v", in)
	}
	if len(in.Services) != 2 {
		t.Fatalf("%+v", in.Services)
	}
	s := in.Services[0]
	if s.Name != "Svc" || s.Flags != 2 || s.Type != 1 || s.Start != 0 || s.ErrorControl != 1 || s.Binary != `%12%\a.sys` || s.Group != "SCSI miniport" ||
		s.BootFlags != 0x14 || s.DisplayName != "%svc%" || s.Security != "D:P(A;;GA;;;SY)" || len(s.AddReg) != 1 ||
		!reflect.DeepEqual(s.DependOnGroup, []string{"Base"}) || !reflect.DeepEqual(s.DependOnService, []string{"disk"}) {
		t.Errorf("%+v", s)
	}
	if in, err = f.Install("Common", X86, 1); err != nil || in.Section != "Common" {
		t.Errorf("undecorated: %+v %v", in, err)
	}
}

func TestSource(t *testing.T) {
	f := parse(t, sample)
	for _, c := range []struct {
		name   string
		arch   Arch
		want   string
		listed bool
	}{
		{"A.SYS", AMD64, "amd64/x64/A.SYS", true},
		{"a.sys", X86, "a.sys", true},
		{"b.sys", AMD64, "disk two/deep/b.sys", true},
		{"other.dll", AMD64, "other.dll", false},
		{`..\..\etc\passwd`, AMD64, "etc/passwd", false},
	} {
		got, listed, err := f.Source(c.name, c.arch)
		if got != c.want || listed != c.listed || err != nil {
			t.Errorf("%s on %s: %q %v %v", c.name, c.arch, got, listed, err)
		}
	}
	if _, _, err := f.Source("packed.dll", AMD64); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "files.cab") {
		t.Errorf("cabinet: %v", err)
	}
	if got := f.SourceFiles(AMD64); !reflect.DeepEqual(got, []string{"a.sys", "a.sys", "b.sys", "packed.dll"}) {
		t.Errorf("%q", got)
	}
}

func TestRegistry(t *testing.T) {
	text := func(s ...string) string {
		var b []byte
		for _, s := range s {
			b = append(utf16le.Append(b, s), 0, 0)
		}
		return hex.EncodeToString(b)
	}
	for _, c := range []struct {
		line    string
		kind    uint32
		keyOnly bool
		data    string
	}{
		{"HKR,,a,,text", 1, false, text("text")},
		{"HKR,,a", 1, false, text("")},
		{"HKR,Sub", 1, true, text("")},
		{"HKR,Sub,,0x10", 1, true, text("")},
		{"HKR,Sub,,0,default", 1, false, text("default")},
		{"hkr,,a,0x20000,%%SystemRoot%%\\x", 2, false, text(`%SystemRoot%\x`)},
		{"HKLM,k,a,0x10000,one,,two", 7, false, text("one", "two", "")},
		{"HKR,,a,0x10000", 7, false, text("")},
		{"HKR,,a,0x10001,0x12", 4, false, "12000000"},
		{"HKR,,a,65537,-1", 4, false, "ffffffff"},
		{"HKR,,a,0x10001", 4, false, "00000000"},
		{"HKR,,a,0x10001,01,02,03,04", 4, false, "01020304"},
		{"HKR,,a,1,1,0xfe,3", 3, false, "01fe03"},
		{"HKR,,a,0x20001,aa", 0, false, "aa"},
		{"HKR,,a,0xb0001,1,0,0,0,0,0,0,0", 11, false, "0100000000000000"},
	} {
		f := parse(t, "[i]\nAddReg=r\n[r]\n"+c.line)
		entries, err := f.registry("i", "AddReg")
		if err != nil || len(entries) != 1 {
			t.Fatalf("%s: %v", c.line, err)
		}
		e := entries[0]
		data, err := e.Data(f.Text)
		if e.Type() != c.kind || e.KeyOnly() != c.keyOnly || hex.EncodeToString(data) != c.data || err != nil {
			t.Errorf("%s: type %d, key only %v, %x, %v", c.line, e.Type(), e.KeyOnly(), data, err)
		}
	}
}

func TestInstallErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "line 7: there is no install section [i] and none for amd64"},
		{"[i]\nCopyFiles=x\n[x]\na.sys", "line 2: [DestinationDirs] has no entry for x"},
		{"[i]\nCopyFiles=@x", "line 2: [DestinationDirs] has no entry for DefaultDestDir"},
		{"[i]\nCopyFiles=@x\n[DestinationDirs]\nDefaultDestDir=here", `line 4: [DestinationDirs] has the directory "here"`},
		{"[i]\nAddReg=r\n[r]\nHKXX,a", `line 4: [r] begins with "HKXX"`},
		{"[i]\nAddReg=r\n[r]\nHKR,,a,q", `line 4: "q" is not a number`},
		{"[i]\n[i.Services]\nAddService=a,,b", "line 3: there is no service install section [b]"},
		{"[i]\n[i.Services]\nAddService=a,,b\n[b]\nServiceType=1", "line 3: [b] has no StartType"},
		{"[i]\n[i.Services]\nAddService=a,,b\n[b]\nServiceType=1\nStartType=5000000000\nErrorControl=1", "line 6: \"5000000000\" is not a number of 32 bits"},
		{"[i]\n[i.Services]\nAddService=a,,b\n[b]\nServiceType=1\nStartType=0\nErrorControl=1", "line 3: [b] has no ServiceBinary"},
	} {
		_, err := parse(t, c.text).Install("i", AMD64, 7)
		if err == nil || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
	for _, text := range []string{"CopyFiles=x", "AddReg=x"} {
		long := "[i]\n" + strings.Repeat(text+"\n", 1000) + "[DestinationDirs]\nx=12\n[x]\n" + strings.Repeat("HKR,a\n", 1000)
		if _, err := parse(t, long).Install("i", AMD64, 7); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "more than 32768") {
			t.Error(err)
		}
	}
	f := parse(t, "[i]\nAddReg=r\n[r]\nHKR,,a,1,xyz")
	entries, _ := f.registry("i", "AddReg")
	if _, err := entries[0].Data(f.Text); err == nil || !strings.Contains(err.Error(), `line 4: "xyz"`) {
		t.Error(err)
	}
}

func use(data []byte) {
	f, err := Parse(data)
	if err != nil {
		return
	}
	f.UseLanguage(0x0407)
	for _, t := range f.Targets() {
		_ = t.String()
	}
	for _, os := range []OS{s2022, win7x86} {
		_, _ = f.Version(os.Arch)
		installs := map[string]bool{}
		for _, m := range f.Models(os) {
			if installs[m.Install] || len(installs) > 10 {
				continue
			}
			installs[m.Install] = true
			in, err := f.Install(m.Install, os.Arch, m.Line)
			if err != nil {
				continue
			}
			for _, c := range in.Copies {
				if name, _, err := f.Source(c.Source, os.Arch); err == nil && strings.HasPrefix(name, "..") {
					panic(name)
				}
			}
			for _, e := range in.Device {
				_, _ = e.Data(f.Text)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("[Version]\nSignature=\"$Windows NT$\"\nDriverVer=1/2/2006,1.2.3.4\n[Manufacturer]\n%a%=b,NTamd64.10.0...16299\n[b.NTamd64.10.0...16299]\nc=Inst,d,e\n" + sample))
	f.Add(append([]byte{0xFF, 0xFE}, utf16le.Encode(sample)...))
	f.Add([]byte("[a]\n%\\\n;\"\x1A"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) < 1<<16 {
			use(bytes.Clone(data))
		}
	})
}
