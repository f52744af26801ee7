package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// HivexReg returns what hivexregedit exports of a whole hive: version 5.00, UTF-8 without a byte order
// mark, LF, every string in hex, each key's path with prefix before it. Quirks: names below U+0100 would be
// Latin-1 without PERL_UNICODE; line ends in names stand as they are; bytes are never folded.
func HivexReg(t testing.TB, path, prefix string) []byte {
	t.Helper()
	Need(t, "hivexregedit")
	out, err := hivexReg(path, prefix)
	return fatal(t, out, err)
}

func hivexReg(path, prefix string) ([]byte, error) {
	cmd := Command("hivexregedit", "--export", "--prefix", prefix, path, `\`)
	cmd.Env = append(cmd.Env, "PERL_UNICODE=O") // UTF-8 on standard output
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, judged("hivexregedit", path, err, stderr.String())
	}
	return out, nil
}

// HivexMerge merges .reg text in UTF-8, without a byte order mark, into a hive, as regedit's import would.
// prefix is cut off the paths of the keys. Quirks: a key's parent must exist; an empty line ends a key, so that
// no value may follow one; a string may not span lines; a dword has eight digits.
func HivexMerge(t testing.TB, path, prefix string, reg []byte) {
	t.Helper()
	Need(t, "hivexregedit")
	if err := hivexMerge(t.TempDir(), path, prefix, reg); err != nil {
		t.Fatal(err)
	}
}

func hivexMerge(dir, path, prefix string, reg []byte) error {
	file := filepath.Join(dir, "in.reg")
	if err := os.WriteFile(file, reg, 0o600); err != nil {
		return err
	}
	cmd := Command("hivexregedit", "--merge", "--prefix", prefix, path, file)
	cmd.Env = append(cmd.Env, "PERL_UNICODE=D") // files are UTF-8
	if out, err := cmd.CombinedOutput(); err != nil {
		return judged("hivexregedit", file, err, string(out))
	}
	return nil
}

// RegedReg returns what chntpw's reged exports of a whole hive: version 5.00, ASCII, CR LF, each key's path
// with prefix before it. Its quirks are listed in docs/formats/regf.md.
func RegedReg(t testing.TB, path, prefix string) []byte {
	t.Helper()
	Need(t, "reged")
	out, err := regedReg(path, prefix, `\`)
	return fatal(t, out, err)
}

func regedReg(path, prefix, key string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "oracle-reged-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "out.reg")
	out, stderr, err := Try("reged", "-x", path, prefix, key, file)
	if err != nil || regedFailed(out) {
		return nil, judged("reged", path, err, out+stderr)
	}
	return os.ReadFile(file)
}

// regedFailed looks for a complaint: reged says most of what is wrong on standard output, and succeeds all
// the same. It also names every key there, which may be called Error.
func regedFailed(out string) bool {
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "Exporting key") && (strings.Contains(line, "rror") || strings.Contains(line, "not found")) {
			return true
		}
	}
	return false
}

// RegedMerge merges ASCII .reg text into a hive with chntpw's reged. prefix is cut off the paths of the
// keys. Quirks: of UTF-16 text it warns that it does not read it rightly, and it does not; a ']' in a key's name
// ends it; the root cannot have values; success is exit status 2.
func RegedMerge(t testing.TB, path, prefix string, reg []byte) {
	t.Helper()
	Need(t, "reged")
	file := filepath.Join(t.TempDir(), "in.reg")
	if err := os.WriteFile(file, reg, 0o600); err != nil {
		t.Fatal(err)
	}
	out, stderr, err := Try("reged", "-I", "-C", path, prefix, file)
	if !strings.Contains(out, "operation SUCCEEDED") {
		t.Fatal(judged("reged", file, err, out+stderr))
	}
}
