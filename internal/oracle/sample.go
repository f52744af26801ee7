package oracle

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Sample returns a file of the folder of real sample files, unpacked if its name ends in .xz, .gz,
// .uu or .Z.uu.
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
	case ".uu":
		if data = uudecode(data); !strings.HasSuffix(name, ".Z.uu") {
			return data
		}
		Need(t, "gzip") // reads what compress wrote
		cmd := Command("gzip", "-dc")
		cmd.Stdin = bytes.NewReader(data)
		data, err = cmd.Output()
		return fatal(t, data, err)
	}
	return data
}

// Samples returns the names of the samples below a folder; none where there are no samples.
func Samples(t testing.TB, folder string) []string {
	t.Helper()
	dir := SamplesDir()
	if dir == "" {
		return nil
	}
	var names []string
	err := fs.WalkDir(os.DirFS(dir), folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

// uudecode decodes what uuencode wrote: lines of a length and six bits a character, from "begin" to
// "end".
func uudecode(text []byte) []byte {
	var data []byte
	begun := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if !begun || len(line) == 0 {
			begun = begun || bytes.HasPrefix(line, []byte("begin "))
			continue
		}
		if string(line) == "end" {
			break
		}
		length := int(line[0]-' ') & 63
		var out []byte
		for line = line[1:]; len(line) >= 4; line = line[4:] {
			var v uint32
			for _, c := range line[:4] {
				v = v<<6 | uint32(c-' ')&63
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
		data = append(data, out[:min(length, len(out))]...)
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
