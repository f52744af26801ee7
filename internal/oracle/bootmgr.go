package oracle

import (
	"fmt"
	"regexp"
	"strings"
)

// BootVerdict is how far Microsoft's boot manager came, by what it complains about. On a disk whose
// Windows is a stand-in it must complain about the loader, which is none.
type BootVerdict string

// The verdicts, from the farthest.
const (
	VerdictLoader  BootVerdict = "loader"  // it read the loader and refuses it
	VerdictMissing BootVerdict = "missing" // it found the volume, and on it not the loader, which is there
	VerdictDevice  BootVerdict = "device"  // it did not find the volume that the store names
	VerdictStore   BootVerdict = "store"   // it refuses the boot configuration data
	VerdictNone    BootVerdict = "none"    // firmware or boot record gave up before it started
	VerdictUnknown BootVerdict = "unknown" // it shows something else, or nothing that can be read
)

// BootReport is a verdict with what it rests on.
type BootReport struct {
	Verdict BootVerdict
	File    string // that the boot manager names, as far as it matters: "winload", "BCD" or ""
	Status  string // NTSTATUS that it shows: "0xc000007b", or ""
	Why     string
}

// NTSTATUS values ([MS-ERREF] 2.3.1) by what they say when the loader is named.
var (
	deviceStatus = []string{
		"0xc000000e", // STATUS_NO_SUCH_DEVICE
		"0xc0000011", // STATUS_END_OF_FILE: the disk is shorter than its partition
		"0xc0000185", // STATUS_IO_DEVICE_ERROR
		"0xc00000e9", // STATUS_UNEXPECTED_IO_ERROR
	}
	missingStatus = []string{
		"0xc000000f", // STATUS_NO_SUCH_FILE
		"0xc0000034", // STATUS_OBJECT_NAME_NOT_FOUND
		"0xc000003a", // STATUS_OBJECT_PATH_NOT_FOUND
		"0xc0000225", // STATUS_NOT_FOUND
		"0xc0000032", // STATUS_DISK_CORRUPT_ERROR
		"0xc0000102", // STATUS_FILE_CORRUPT_ERROR
		"0xc000014f", // STATUS_UNRECOGNIZED_VOLUME
	}
	loaderStatus = []string{
		"0xc000007b", // STATUS_INVALID_IMAGE_FORMAT
		"0xc0000221", // STATUS_IMAGE_CHECKSUM_MISMATCH
		"0xc0000428", // STATUS_INVALID_IMAGE_HASH: the signature
		"0xc0000605", // STATUS_IMAGE_CERT_EXPIRED
		"0xc0000603", // STATUS_IMAGE_CERT_REVOKED
		"0xc0000359", // STATUS_INVALID_IMAGE_WIN_64
		"0xc000035a", // an image for another machine
		"0xc0000098", // STATUS_FILE_INVALID
		"0xc000000d", // STATUS_INVALID_PARAMETER
		"0xc000012f", // STATUS_INVALID_IMAGE_NOT_MZ
	}
)

// JudgeBootScreen says from the text of the boot manager's error screen how far it came. The text may
// come from a reader of pictures: spaces, punctuation, and letters that look alike do not matter.
func JudgeBootScreen(text string) BootReport {
	s := foldRepeats(foldLookalikes(text))
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(s, foldRepeats(foldLookalikes(w))) {
				return true
			}
		}
		return false
	}
	status := readStatus(foldLookalikes(text))
	r := BootReport{Verdict: VerdictUnknown, Status: status}
	switch {
	case has(`\Boot\BCD`, "Boot Configuration Data", `File: \BCD`):
		r.Verdict, r.File, r.Why = VerdictStore, "BCD", "it objects to the boot configuration data"
	case has("winload.exe", "winload.efi"):
		r.File = "winload"
		r.Verdict, r.Why = judgeLoader(status, has("required device"))
	case has("required device", "boot selection failed") || contains(deviceStatus, status):
		r.Verdict, r.Why = VerdictDevice, "it does not reach a device, and names no file"
	case has("BOOTMGR is missing", "BOOTMGR is compressed", "Ctrl+Alt+Del to restart", "No bootable device", "UEFI Interactive Shell"):
		r.Verdict, r.Why = VerdictNone, "the boot manager was not started"
	case strings.TrimSpace(text) == "":
		r.Why = "nothing was shown"
	default:
		r.Why = "what is shown is none of the error screens that are known"
	}
	return r
}

// JudgeShown judges what each of the readers of a machine saw, the surest first, and takes the first
// that can be told.
func JudgeShown(s Shown) BootReport {
	var last BootReport
	for _, text := range []string{s.Text, s.Serial, s.Read} {
		r := JudgeBootScreen(text)
		if r.Verdict != VerdictUnknown && r.Verdict != VerdictNone {
			return r
		}
		if last.Verdict != VerdictNone && strings.TrimSpace(text) != "" {
			last = r
		}
	}
	if last.Verdict == "" {
		return JudgeBootScreen("")
	}
	return last
}

// judgeLoader is for screens that name the loader.
func judgeLoader(status string, device bool) (BootVerdict, string) {
	switch {
	case device || contains(deviceStatus, status):
		return VerdictDevice, "it names the loader, but did not find the device that it is on"
	case contains(missingStatus, status):
		return VerdictMissing, "it does not find the loader on the volume, although it is there"
	case contains(loaderStatus, status):
		return VerdictLoader, "it has read the loader, and refuses the stand-in that it is"
	case status == "":
		return VerdictUnknown, "it names the loader, but no status can be read"
	}
	return VerdictUnknown, fmt.Sprintf("it names the loader, with a status that says nothing here: %s", status)
}

// contains compares as text that was read from a picture.
func contains(list []string, status string) bool {
	for _, s := range list {
		if status != "" && foldLookalikes(s) == foldLookalikes(status) {
			return true
		}
	}
	return false
}

// lookalikes are letters that a reader of pictures takes for one another.
var lookalikes = strings.NewReplacer("0", "o", "q", "o", "1", "l", "i", "l", "|", "l", "!", "l", "5", "s", "8", "b", "ı", "l")

var notAlphanumeric = regexp.MustCompile(`[^a-z0-9]+`)

// foldLookalikes makes equal what a reader of pictures may confuse.
func foldLookalikes(text string) string {
	return notAlphanumeric.ReplaceAllString(lookalikes.Replace(strings.ToLower(text)), "")
}

// foldRepeats makes one letter of several in a row: some are seen twice.
func foldRepeats(folded string) string {
	var last rune
	return strings.Map(func(r rune) rune {
		if r == last {
			return -1
		}
		last = r
		return r
	}, folded)
}

var foldedStatus = regexp.MustCompile(`oxco[olsb234679acdef]{6}`)

// readStatus finds an NTSTATUS of an error in folded text. Which of the known ones it is decides
// between letters that look alike.
func readStatus(folded string) string {
	found := foldedStatus.FindString(folded)
	if found == "" {
		return ""
	}
	for _, list := range [][]string{deviceStatus, missingStatus, loaderStatus} {
		for _, s := range list {
			if foldLookalikes(s) == found {
				return s
			}
		}
	}
	return strings.NewReplacer("o", "0", "l", "1", "s", "5").Replace(found)
}
