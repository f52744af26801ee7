package oracle

import "testing"

// The wording of the boot manager's screens, by generation: the text screen of Windows 7, the blue one
// since Windows 8, and what a reader of pictures makes of it.
const (
	legacyLoader = `                              Windows Boot Manager

 Windows failed to start. A recent hardware or software change might be the
 cause. To fix the problem:

   1. Insert your Windows installation disc and restart your computer.
   2. Choose your language settings, and then click "Next."
   3. Click "Repair your computer."

     File: \Windows\system32\winload.exe

     Status: 0xc0000428

     Info: Windows cannot verify the digital signature for this file.

 ENTER=Continue                                                     ESC=Exit`
	blueLoader = `Recovery
Your PC/Device needs to be repaired
The application or operating system couldn't be loaded because a required file is missing or contains errors.
File: \Windows\system32\winload.efi
Error code: 0xc000007b
You'll need to use recovery tools. If you don't have any installation media (like a disc or USB device), contact your PC administrator.`
	blueStore = `Recovery
Your PC/Device needs to be repaired
The Boot Configuration Data for your PC is missing or contains errors.
File: \EFI\Microsoft\Boot\BCD
Error code: 0xc000014c`
	blueDevice = `Recovery
Your PC/Device needs to be repaired
A required device isn't connected or can't be accessed.
Error code: 0xc000000e`
)

func TestJudgeBootScreen(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		want   BootVerdict
		status string
	}{
		"loader, text screen":     {legacyLoader, VerdictLoader, "0xc0000428"},
		"loader, blue screen":     {blueLoader, VerdictLoader, "0xc000007b"},
		"loader, badly read":      {"Flle: \\Wlndows\\system32\\wlnIoad.efl Error code: Oxc0O0007b", VerdictLoader, "0xc000007b"},
		"loader, in pieces":       {"File:\\Windows\\sys tem32\\winload .efi Status: 0xc0000 221", VerdictLoader, "0xc0000221"},
		"loader not found":        {"File: \\Windows\\system32\\winload.exe Status: 0xc000000f Info: The selected entry could not be loaded because the application is missing or corrupt.", VerdictMissing, "0xc000000f"},
		"loader's device":         {"File: \\Windows\\system32\\winload.exe Status: 0xc000000e Info: The selected entry could not be loaded because the application is missing or corrupt.", VerdictDevice, "0xc000000e"},
		"loader's device, blue":   {"A required device isn't connected or can't be accessed. File: \\Windows\\system32\\winload.efi Error code: 0xc0000225", VerdictDevice, "0xc0000225"},
		"loader, no status":       {"File: \\Windows\\system32\\winload.efi", VerdictUnknown, ""},
		"loader, another status":  {"File: \\Windows\\system32\\winload.efi Error code: 0xc0001234", VerdictUnknown, "0xc0001234"},
		"store, blue screen":      {blueStore, VerdictStore, "0xc000014c"},
		"store, text screen":      {"Windows failed to start. File: \\Boot\\BCD Status: 0xc000000f Info: An error occurred while attempting to read the boot configuration data.", VerdictStore, "0xc000000f"},
		"store, letter twice":     {"File: \\EFI\\Microsoft\\Boot\\BCcD Status: OxcOO0000f", VerdictStore, "0xc000000f"},
		"store, short path":       {"missing some required information File: \\BCD Error code: 0xc0000034", VerdictStore, "0xc0000034"},
		"device":                  {blueDevice, VerdictDevice, "0xc000000e"},
		"device, text screen":     {"Status: 0xc0000225 Info: The boot selection failed because a required device is inaccessible.", VerdictDevice, "0xc0000225"},
		"boot record":             {"BOOTMGR is missing\nPress Ctrl+Alt+Del to restart", VerdictNone, ""},
		"firmware":                {"No bootable device.", VerdictNone, ""},
		"nothing":                 {" \n", VerdictUnknown, ""},
		"menu":                    {"Choose an operating system to start, or press TAB to select a tool:", VerdictUnknown, ""},
		"the stand-in":            {"winbake stand-in boot manager: uefi, \\EFI\\Boot\\bootx64.efi", VerdictUnknown, ""},
		"memory, nothing of ours": {"Status: 0xc0000017 Info: there is not enough memory", VerdictUnknown, "0xc0000017"},
	} {
		r := JudgeBootScreen(c.text)
		if r.Verdict != c.want || r.Status != c.status || r.Why == "" {
			t.Errorf("%s: %+v, want %s %s", name, r, c.want, c.status)
		}
	}
}

func TestJudgeShown(t *testing.T) {
	for want, s := range map[BootVerdict]Shown{
		VerdictLoader:  {Text: "Booting from Hard Disk...", Serial: legacyLoader, Read: blueStore},
		VerdictStore:   {Text: "Booting from Hard Disk...", Read: blueStore},
		VerdictNone:    {Text: "No bootable device.", Serial: "BdsDxe", Read: "N0 b00t"},
		VerdictUnknown: {},
	} {
		if r := JudgeShown(s); r.Verdict != want || r.Why == "" {
			t.Errorf("%+v, want %s", r, want)
		}
	}
}
