// Package oracle asks other people's programs about what winbake wrote: wimlib, ntfs-3g, hivex,
// GRUB, QEMU and the rest. Only tests use it.
//
// A judge that is not installed skips the test on a laptop and fails it under REQUIRE_ORACLES=1,
// which CI sets, so that a missing judge is never mistaken for a content one. Each wrapper has a test
// here that shows it a flipped byte: a judge that cannot object proves nothing.
//
//   - JudgeNTFS, JudgeDisk, JudgeWIM and their parts, FsckFAT, SevenZip, Grub, Hivex, QemuImg... read
//     one artefact each and object in the program's own words.
//   - CompareNTFS compares two volumes file by file with all NT metadata; WimlibNTFS makes the one to
//     compare with.
//   - Ntfs3 boots a Linux kernel in QEMU and has its driver read and change volumes; CompareNtfs3 compares
//     what it shows with a tree.
//   - DecodeWOF and DecodeChunks expand chunks with a decoder in Python, written from the specifications;
//     WimlibDecode and WimlibEncode call libwim's codecs.
//   - Genisoimage and Mkudffs make discs; FileSums and CompareSums compare what is on them.
//   - JudgeXML and ReadXML have libxml2 and Python's expat read XML.
//   - RealTreeWIM and BenchWIM make material from the machine's own files, once, in a cache.
//   - Measure and MeasurePairs time whole processes.
package oracle

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need skips the test, or fails it under REQUIRE_ORACLES=1, unless every program is on PATH
// (sbin directories included).
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := find(p); err != nil {
			Missing(t, "%s is not installed (make judges installs it on Debian)", p)
		}
	}
}

// Missing skips the test, or fails it under REQUIRE_ORACLES=1, for the reason given.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("REQUIRE_ORACLES") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// find is exec.LookPath that also looks where Debian keeps disk tools.
func find(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		p := filepath.Join(dir, program)
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", exec.ErrNotFound
}

// Command returns a command for a program that Need has found, with a neutral locale.
func Command(program string, args ...string) *exec.Cmd {
	path, err := find(program)
	if err != nil {
		path = program
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LANG=C.UTF-8")
	return cmd
}

// Run runs a judge that must succeed and returns what it printed on standard output.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, stderr, err := Try(program, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", program, args, err, out, stderr)
	}
	return out
}

// Try runs a judge that may fail and returns what it printed.
func Try(program string, args ...string) (stdout, stderr string, err error) {
	cmd := Command(program, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}
