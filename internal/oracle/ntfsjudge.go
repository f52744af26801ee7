package oracle

import (
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
	if err := mayAudit(); err != nil {
		t.Logf("$Secure is not audited: %v", err)
	} else {
		NTFSSecAudit(t, v)
	}
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
