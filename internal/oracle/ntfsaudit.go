package oracle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// NTFSSecAudit fails the test if $Secure is inconsistent: an entry of $SDS with a wrong hash, offset
// or length, a difference between $SDS and its mirror, a key that $SII or $SDH lacks. It wants to be
// root, if only of its own user namespace.
func NTFSSecAudit(t testing.TB, v Volume) {
	t.Helper()
	Need(t, "ntfssecaudit", "ntfscat", "ntfscp")
	if err := mayAudit(); err != nil {
		Missing(t, "%v", err)
	}
	verdict(t, ntfsSecAudit(v.File(t)))
}

// NTFSSecurity returns what ntfssecaudit says of the security descriptor of a file, in its own words.
// Paths begin with '/'.
func NTFSSecurity(t testing.TB, image, path string) string {
	t.Helper()
	Need(t, "ntfssecaudit")
	if err := mayAudit(); err != nil {
		Missing(t, "%v", err)
	}
	program, args := auditCommand("-vv", image, path)
	return Run(t, program, args...)
}

// auditCommand is a call of ntfssecaudit, as root or what passes for it.
func auditCommand(args ...string) (string, []string) {
	if os.Getuid() == 0 {
		return "ntfssecaudit", args
	}
	return "unshare", append([]string{"-r", "ntfssecaudit"}, args...)
}

// mayAudit says why ntfssecaudit will refuse.
func mayAudit() error {
	if os.Getuid() == 0 {
		return nil
	}
	if _, stderr, err := Try("unshare", "-r", "true"); err != nil {
		return fmt.Errorf("ntfssecaudit runs as root only, and unshare -r: %w %s", err, stderr)
	}
	return nil
}

// ntfsSecAudit audits the volume, and if that fails a copy of it whose $SDS is longer by zeros.
//
// ntfssecaudit reads each entry together with the header of the next one into a buffer that it does not
// clear. Where the stream ends with its last entry, as libntfs-3g and mkntfs leave it, the next header
// is what an earlier entry left there: mostly it finds nothing behind it and stops, sometimes it
// complains, and sometimes it crashes (ntfs-3g 2022.10.3). Zeros say plainly that nothing follows.
func ntfsSecAudit(image string) error {
	if auditOnce(image) == nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "oracle-audit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	padded := filepath.Join(dir, "padded.img")
	if err := WholeFile(image).CopyTo(padded); err != nil {
		return err
	}
	if err := padSDS(padded, filepath.Join(dir, "sds")); err != nil {
		return err
	}
	return auditOnce(padded)
}

// padSDS adds zeros for two headers to the stream $SDS of record 9, $Secure.
func padSDS(image, scratch string) error {
	sds, stderr, err := Try("ntfscat", "-f", "-i", "9", "-n", "$SDS", image)
	if err != nil {
		return judged("ntfscat", image, err, stderr)
	}
	if err := os.WriteFile(scratch, append([]byte(sds), make([]byte, 40)...), 0o600); err != nil {
		return err
	}
	if out, stderr, err := Try("ntfscp", "-f", "-q", "-i", "-N", "$SDS", image, scratch, "9"); err != nil {
		return judged("ntfscp", image, err, out+stderr)
	}
	return nil
}

var (
	secEntries = regexp.MustCompile(`(?m)^(\d+) valid(?: and \d+ deleted)? entries in (\S+)$`)
	secErrors  = regexp.MustCompile(`(?m)^(\d+) errors in (\S+)$`)
)

// auditOnce runs ntfssecaudit, whose exit code does not tell everything.
func auditOnce(image string) error {
	program, args := auditCommand("-a", image)
	out, stderr, err := Try(program, args...)
	said := tail(out, 40) + stderr
	entries, faults := countsByList(secEntries, out), countsByList(secErrors, out)
	for _, list := range []string{"$SDS-1", "$SDS-2", "$SII", "$SDH"} {
		if faults[list] != "0" || entries[list] != entries["$SDS-1"] {
			err = errors.Join(err, fmt.Errorf("%s has %q entries, %q errors", list, entries[list], faults[list]))
		}
	}
	if err != nil || !strings.Contains(out, "All keys are present in all lists") {
		return judged("ntfssecaudit", image, err, said)
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
