package oracle

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Sample returns a file of the folder of real sample files, unpacked if its name ends in .xz or .gz.
// The folder is no part of the project: it is $WINBAKE_SAMPLES, or shared/samples beside the
// project's own folder. Where the file is not there the test is skipped, even under
// REQUIRE_ORACLES=1.
func Sample(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join(SamplesDir(), filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no sample %s", name)
	}
	switch filepath.Ext(name) {
	case ".xz":
		Need(t, "xz")
		return []byte(Run(t, "xz", "-dc", path))
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data, err = io.ReadAll(r)
		return fatal(t, data, err)
	}
	return data
}

// SamplesDir is the folder of real sample files, or "" where there is none.
func SamplesDir() string {
	if dir := os.Getenv("WINBAKE_SAMPLES"); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "samples")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}
