package bake_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Set by tools/acceptance-bootmgr.sh.
const (
	envBootmgr    = "WINBAKE_BOOTMGR"    // a bootmgr of Windows, for BIOS
	envBootmgfw   = "WINBAKE_BOOTMGFW"   // a bootmgfw.efi of Windows
	envAcceptance = "WINBAKE_ACCEPTANCE" // the folder for pictures and report
)

// managers are boot managers to put in place of the stand-in's; nil keeps the stand-in's.
type managers struct{ bios, uefi []byte }

// TestGenuineBootManager boots disks with boot managers of Windows, which the user names. It is not
// part of the tests: see "Try a genuine boot manager" in docs/compatibility.md.
func TestGenuineBootManager(t *testing.T) {
	out := os.Getenv(envAcceptance)
	if out == "" {
		t.Skip("for make acceptance-bootmgr")
	}
	m := managers{bios: readManager(t, envBootmgr, checkBIOSManager), uefi: readManager(t, envBootmgfw, checkUEFIManager)}
	if m.bios == nil && m.uefi == nil {
		t.Fatalf("name a boot manager in %s or %s", envBootmgr, envBootmgfw)
	}
	report := accept(t, m, out, 3*time.Minute)
	if err := os.WriteFile(filepath.Join(out, "report.txt"), []byte(report.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if !report.passed() {
		t.Fatal("not accepted")
	}
}

func readManager(t *testing.T, variable string, check func([]byte) error) []byte {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = check(b)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

// checkBIOSManager: bootmgr is a 16-bit program with a packed 32-bit one behind it.
func checkBIOSManager(b []byte) error {
	if len(b) < 512 || bytes.HasPrefix(b, []byte("MZ")) || b[0] != 0xE9 && b[0] != 0xEB {
		return fmt.Errorf("this is no bootmgr for BIOS: it does not begin with a jump. It is Windows/Boot/PCAT/bootmgr in install.wim, or bootmgr (not bootmgr.efi) on the media")
	}
	return nil
}

func checkUEFIManager(b []byte) error {
	info, err := pe.Read(tree.Bytes(b))
	if err == nil && info.Machine != pe.AMD64 {
		err = fmt.Errorf("it is for %v", info.Machine)
	}
	if err != nil {
		return fmt.Errorf("this is no bootmgfw.efi for x86-64 (%w). It is Windows/Boot/EFI/bootmgfw.efi in install.wim, or efi/boot/bootx64.efi on the media", err)
	}
	return nil
}

// attempt is one start of one disk.
type attempt struct {
	disk     layout.Firmware
	firmware oracle.Firmware
	ems      bool
	report   oracle.BootReport
	picture  string
}

func (a attempt) name() string {
	name := fmt.Sprintf("%s-disk-%s", a.disk, a.firmware)
	if a.ems {
		name += "-ems"
	}
	return name
}

// acceptance is all attempts.
type acceptance struct {
	out      string
	attempts []attempt
}

// accept starts every disk that has a given manager with its firmware. A screen that tells nothing is
// tried again with the boot manager's text sent to COM1, too.
func accept(t *testing.T, m managers, out string, timeout time.Duration) acceptance {
	t.Helper()
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	r := acceptance{out: out}
	for _, disk := range firmwares {
		for _, firmware := range m.starters(disk) {
			for _, ems := range []bool{false, true} {
				a := attempt{disk: disk, firmware: firmware, ems: ems}
				a.start(t, m, out, timeout)
				r.attempts = append(r.attempts, a)
				if a.report.Verdict != oracle.VerdictUnknown {
					break
				}
			}
		}
	}
	return r
}

// starters are the kinds of firmware that start a disk with a boot manager that was given.
func (m managers) starters(disk layout.Firmware) (list []oracle.Firmware) {
	if m.bios != nil && disk != layout.UEFI {
		list = append(list, oracle.BIOS)
	}
	if m.uefi != nil && disk != layout.BIOS {
		list = append(list, oracle.UEFI)
	}
	return list
}

// start bakes the disk, boots it, and keeps what it showed.
func (a *attempt) start(t *testing.T, m managers, out string, timeout time.Duration) {
	t.Helper()
	r := run(t, config(t, a.disk), func(tr *tree.Tree) error { return m.install(tr, a.ems) })
	shown, err := oracle.WatchScreen(t, oracle.BootOptions{
		Disk: r.Files[0], Firmware: a.firmware, Memory: 1024, Timeout: timeout,
	}, func(s oracle.Shown) bool { return oracle.JudgeShown(s).Verdict != oracle.VerdictUnknown })
	if err != nil {
		t.Fatal(err)
	}
	a.report = oracle.JudgeShown(shown)
	if err := os.WriteFile(filepath.Join(out, a.name()+".txt"), []byte(shown.All()), 0o644); err != nil {
		t.Fatal(err)
	}
	if shown.Picture == nil {
		return
	}
	a.picture = filepath.Join(out, a.name()+".png")
	if err := oracle.SavePicture(a.picture, shown.Picture); err != nil {
		t.Fatal(err)
	}
}

// Elements that only this test sets; see names.go.
const (
	elemEMSPort     bcd.ElementID = 0x15000022
	elemEMSBaudRate bcd.ElementID = 0x15000023
	elemBootErrorUX bcd.ElementID = 0x1500007d // 0: legacy, the text screen
)

// install puts the managers into the tree. The stand-in's fonts and translations are filler: without
// them the boot manager falls back on what it has inside.
func (m managers) install(tr *tree.Tree, ems bool) error {
	for _, folder := range []string{"Windows/Boot/Fonts", "Windows/Boot/Resources"} {
		if err := tr.Remove(folder); err != nil {
			return err
		}
	}
	for path, manager := range map[string][]byte{"Windows/Boot/PCAT/bootmgr": m.bios, "Windows/Boot/EFI/bootmgfw.efi": m.uefi} {
		folder, err := tr.Lookup(filepath.ToSlash(filepath.Dir(path)))
		if err != nil {
			return err
		}
		for _, e := range tr.Entries(folder) {
			if e.Node.IsDir() && strings.Contains(e.Name, "-") { // a language
				if err := tr.Remove(e.Node.Path()); err != nil {
					return err
				}
			}
		}
		if manager == nil {
			continue
		}
		if _, err := tr.WriteFile(path, tree.Bytes(manager)); err != nil {
			return err
		}
	}
	if !ems {
		return nil
	}
	return writeTemplate(tr)
}

// writeTemplate adds a BCD-Template, whose shared settings a bake takes over: text instead of the blue
// screen, and all text on COM1 as well (Emergency Management Services).
func writeTemplate(tr *tree.Tree) error {
	s := &bcd.Store{Time: tr.Now, Description: bcd.Description{KeyName: bcd.KeyNameOther}}
	s.Put(
		bcd.NewObject(bcd.GlobalSettings, bcd.TypeInherit,
			bcd.ElemInherit.Objects(bcd.DebuggerSettings, bcd.EMSSettings, bcd.BadMemory), elemBootErrorUX.Integer(0)),
		bcd.NewObject(bcd.EMSSettings, bcd.TypeInherit,
			bcd.ElemBootEMS.Bool(true), elemEMSPort.Integer(1), elemEMSBaudRate.Integer(115200)),
		bcd.NewObject(bcd.DebuggerSettings, bcd.TypeInherit), bcd.NewObject(bcd.BadMemory, bcd.TypeInherit))
	if err := s.Validate(); err != nil {
		return err
	}
	data, err := s.Marshal()
	if err != nil {
		return err
	}
	_, err = tr.WriteFile("Windows/System32/config/BCD-Template", tree.Bytes(data))
	return err
}

// passed says whether every disk got to the loader at last.
func (r acceptance) passed() bool {
	last := map[string]oracle.BootVerdict{}
	for _, a := range r.attempts {
		a.ems = false
		last[a.name()] = a.report.Verdict
	}
	for _, v := range last {
		if v != oracle.VerdictLoader {
			return false
		}
	}
	return len(last) > 0
}

// meaning is what a verdict is to the person who tries.
var meaning = map[oracle.BootVerdict]string{
	oracle.VerdictLoader:  "good: boot record, file system, store and devices are accepted, and the loader was read",
	oracle.VerdictMissing: "bad: it reached the volume and did not find the loader on it",
	oracle.VerdictDevice:  "bad: it did not find the partition that the boot configuration names",
	oracle.VerdictStore:   "bad: it does not accept the boot configuration data",
	oracle.VerdictNone:    "bad: firmware or boot record did not start it",
	oracle.VerdictUnknown: "not told: look at the picture",
}

// String is for the terminal.
func (r acceptance) String() string {
	var s strings.Builder
	for _, a := range r.attempts {
		how := fmt.Sprintf("%q disk, started by %s", a.disk, strings.ToUpper(string(a.firmware)))
		if a.ems {
			how += ", text on COM1"
		}
		fmt.Fprintf(&s, "%s: %s\n  %s\n  it shows:  file %s, status %s: %s\n  picture:   %s\n  text:      %s\n", how, a.report.Verdict, meaning[a.report.Verdict],
			cmp.Or(a.report.File, "none"), cmp.Or(a.report.Status, "none"), a.report.Why, cmp.Or(a.picture, "none"), filepath.Join(r.out, a.name()+".txt"))
	}
	if r.passed() {
		s.WriteString("\nAccepted. Please report it, with the version of the boot manager: docs/compatibility.md wants to know.\n")
	} else {
		s.WriteString("\nNot accepted. Please report it with the pictures, the texts, and the version of the boot manager.\n")
	}
	return s.String()
}

// TestAcceptance tries stand-ins that show what the boot manager of Windows would: the way from the
// file that the user names to the verdict must lead through every disk.
func TestAcceptance(t *testing.T) {
	if testing.Short() {
		t.Skip("starts virtual machines")
	}
	oracle.Need(t, "qemu-system-x86_64", "tesseract")
	for want, c := range map[oracle.BootVerdict]struct{ bios, uefi string }{
		oracle.VerdictLoader: {`File: \Windows\system32\winload.exe 0xc0000428`, `File: \Windows\system32\winload.efi 0xc000007b`},
		oracle.VerdictStore:  {`File: \Boot\BCD Status: 0xc000000f`, ""},
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			var m managers
			var err error
			attempts := 2
			if m.bios, err = bootprog.NewBOOTMGR(c.bios, bootprog.Size); err != nil {
				t.Fatal(err)
			}
			if c.uefi != "" {
				attempts = 4
				if m.uefi, err = bootprog.NewEFI(c.uefi); err != nil {
					t.Fatal(err)
				}
			}
			if err := checkBIOSManager(m.bios); err != nil {
				t.Error(err)
			}
			r := accept(t, m, filepath.Join(t.TempDir(), "out"), time.Minute)
			for _, a := range r.attempts {
				if a.report.Verdict != want {
					t.Errorf("%s: %+v", a.name(), a.report)
				}
			}
			if len(r.attempts) != attempts || r.passed() != (want == oracle.VerdictLoader) {
				t.Errorf("%d attempts, passed %t:\n%s", len(r.attempts), r.passed(), r)
			}
		})
	}
}

// TestAcceptanceStore has the settings that send text to COM1 arrive in the store of the disk.
func TestAcceptanceStore(t *testing.T) {
	oracle.Need(t, "ntfscat")
	r := run(t, config(t, layout.BIOS), func(tr *tree.Tree) error { return managers{}.install(tr, true) })
	s, err := bcd.Parse([]byte(oracle.Run(t, "ntfscat", windows(t, r).File(t), "Boot/BCD")))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := s.Print(&text, bcd.PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bootems", "emsport", "booterrorux"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
}

// TestManagerChecks refuses files that are not what they are given for.
func TestManagerChecks(t *testing.T) {
	if checkBIOSManager(bootprog.EFI()) == nil || checkUEFIManager(bootprog.BOOTMGR()) == nil || checkBIOSManager(nil) == nil {
		t.Error("a boot manager for the other firmware is accepted")
	}
	if err := checkUEFIManager(bootprog.EFI()); err != nil {
		t.Error(err)
	}
}
