package oracle

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// JudgeNTFS asks every checker of NTFS about a volume: NTFSFix, NTFSInfo, NTFSResize, NTFSSecAudit and
// SevenZip. None of them is chkdsk; together they read the boot sectors, $MFT and its mirror, every
// attribute's runs against $Bitmap, and $Secure with its indexes. The directory indexes are read by
// CompareNTFS and Grub.
func JudgeNTFS(t testing.TB, v Volume) {
	t.Helper()
	v = WholeFile(v.File(t))
	NTFSFix(t, v)
	NTFSInfo(t, v)
	NTFSResize(t, v)
	NTFSSecAudit(t, v)
	SevenZip(t, v, "NTFS")
}

// NTFSFix fails the test if ntfsfix would fix something: boot sector and its copy, $MFT and $MFTMirr,
// the journal, the dirty flag.
func NTFSFix(t testing.TB, v Volume) {
	t.Helper()
	Need(t, "ntfsfix")
	verdict(t, ntfsFix(v.File(t)))
}

func ntfsFix(image string) error {
	out, stderr, err := Try("ntfsfix", "-n", image)
	if err != nil || strings.Contains(out, "FAILED") || strings.Contains(out, "BAD") || strings.Contains(out, "dirty") {
		return judged("ntfsfix", image, err, out+stderr)
	}
	return nil
}

// NTFSInfo fails the test if ntfsinfo cannot read the volume's own files. It returns what it prints
// of them.
func NTFSInfo(t testing.TB, v Volume) string {
	t.Helper()
	Need(t, "ntfsinfo")
	out, err := ntfsInfo(v.File(t))
	verdict(t, err)
	return out
}

func ntfsInfo(image string) (string, error) {
	out, stderr, err := Try("ntfsinfo", "-m", image)
	if err != nil {
		return "", judged("ntfsinfo", image, err, out+stderr)
	}
	return out, nil
}

// NTFSResize fails the test if the runs of all attributes and $Bitmap do not account for each cluster
// once, or a record cannot be read.
func NTFSResize(t testing.TB, v Volume) {
	t.Helper()
	Need(t, "ntfsresize")
	verdict(t, ntfsResize(v.File(t)))
}

func ntfsResize(image string) error {
	out, stderr, err := Try("ntfsresize", "-i", "-f", "-P", image)
	// What it says of a record in passing does not change its exit code, which is about resizing.
	said := out + stderr
	if err != nil || strings.Contains(said, "orrupt") || strings.Contains(said, "ERROR") {
		return judged("ntfsresize", image, err, said)
	}
	return nil
}

// NTFSSecAudit fails the test if $Secure is inconsistent: an entry of $SDS with a wrong hash, offset
// or length, a difference between $SDS and its mirror, a key that $SII or $SDH lacks.
func NTFSSecAudit(t testing.TB, v Volume) {
	t.Helper()
	Need(t, "ntfssecaudit")
	verdict(t, ntfsSecAudit(v.File(t)))
}

var (
	secEntries = regexp.MustCompile(`(?m)^(\d+) valid(?: and \d+ deleted)? entries in (\S+)$`)
	secErrors  = regexp.MustCompile(`(?m)^(\d+) errors in (\S+)$`)
)

func ntfsSecAudit(image string) error {
	out, stderr, err := Try("ntfssecaudit", "-a", image)
	if err != nil {
		return judged("ntfssecaudit", image, err, out+stderr)
	}
	entries, faults := countsByList(secEntries, out), countsByList(secErrors, out)
	// At the end of a stream whose length is no multiple of 16 (as libntfs-3g leaves it), the audit of
	// the mirror takes stale bytes for one more header, after it has found every entry good.
	if faults["$SDS-2"] == "1" && strings.Contains(out, "** Security attribute is too long") {
		faults["$SDS-2"] = "0"
	}
	for _, list := range []string{"$SDS-1", "$SDS-2", "$SII", "$SDH"} {
		if faults[list] != "0" || entries[list] != entries["$SDS-1"] {
			return judged("ntfssecaudit", image, fmt.Errorf("%s has %q entries, %q errors", list, entries[list], faults[list]), tail(out, 40)+stderr)
		}
	}
	if !strings.Contains(out, "All keys are present in all lists") {
		return judged("ntfssecaudit", image, nil, tail(out, 40)+stderr)
	}
	return nil
}

// countsByList maps the second group of each match to the first.
func countsByList(re *regexp.Regexp, text string) map[string]string {
	counts := map[string]string{}
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		counts[m[2]] = m[1]
	}
	return counts
}

// tail returns the last n lines of a long output.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
