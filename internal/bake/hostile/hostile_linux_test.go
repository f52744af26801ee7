// Package hostile holds every reader to one promise: whatever a file holds, reading it takes no more than a
// second of processor time and 256 MiB. It has tests only.
package hostile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const (
	maxCPU  = time.Second
	maxPeak = 256 << 20
	// envFiles makes a process of the test binary read the files that a file lists, one a line.
	envFiles = "WINBAKE_HOSTILE_FILES"
)

// TestReadFiles is the process that reads: it prints what each reader took for each file, and at last its
// own peak of memory.
func TestReadFiles(t *testing.T) {
	list, err := os.ReadFile(os.Getenv(envFiles))
	if err != nil {
		t.SkipNow() // other tests call it as a process
	}
	for _, path := range strings.Fields(string(list)) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readers {
			before := cpu()
			err := r.read(path, b)
			fmt.Printf("read\t%s\t%s\t%d\t%v\n", path, r.name, cpu()-before, err != nil)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	fmt.Printf("peak\t%s\n", bytes.TrimSpace(line))
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// result is what a process of TestReadFiles says.
type result struct {
	errs  map[string]map[string]bool // by path and reader: whether it was an error
	worst time.Duration
	what  string // the path and the reader of worst
	peak  int64
}

// measure has a process of its own read files.
func measure(t *testing.T, paths ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte(strings.Join(paths, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestReadFiles$")
	cmd.Env = append(os.Environ(), envFiles+"="+list)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-4000):])
	}
	r := result{errs: map[string]map[string]bool{}}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		switch f[0] {
		case "read":
			ns, err := strconv.ParseInt(f[3], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Duration(ns); took > r.worst {
				r.worst, r.what = took, f[2]+" of "+filepath.Base(f[1])
			}
			if r.errs[f[1]] == nil {
				r.errs[f[1]] = map[string]bool{}
			}
			r.errs[f[1]][f[2]] = f[4] == "true"
		case "peak":
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.peak = kib << 10
		}
	}
	if len(r.errs) != len(paths) || r.peak == 0 {
		t.Fatalf("%d of %d files were read, peak %d", len(r.errs), len(paths), r.peak)
	}
	return r
}

// readFiles is measure, and checks what it took.
func readFiles(t *testing.T, paths ...string) result {
	t.Helper()
	r := measure(t, paths...)
	if r.worst > maxCPU && !raceDetector {
		t.Errorf("%s takes %v", r.what, r.worst)
	}
	if r.peak > maxPeak && !raceDetector {
		t.Errorf("%s: %d MiB", filepath.Base(paths[0]), r.peak>>20)
	}
	return r
}

// malformed are words by which the list of samples says that a file is bad input.
var malformed = []string{"malformed", "bad input", "corrupt", "damaged", "overflow", "oob", "invalid"}

// TestSamples reads the samples that are marked malformed, each in a process of its own. Whoever gives one
// to winbake as a medium gets an error.
func TestSamples(t *testing.T) {
	list, err := os.Open(filepath.Join(oracle.SamplesDir(), "MANIFEST.tsv"))
	if err != nil {
		t.Skip("no samples")
	}
	defer list.Close()
	table := csv.NewReader(list)
	table.Comma, table.LazyQuotes, table.FieldsPerRecord = '\t', true, -1
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, row := range rows[1:] {
		marked := false
		for _, word := range malformed {
			marked = marked || strings.Contains(strings.ToLower(strings.Join(row[7:], " ")+row[0]), word)
		}
		if !marked || strings.HasSuffix(row[0], ".md") {
			continue
		}
		count++
		t.Run(row[0], func(t *testing.T) {
			b := oracle.Sample(t, row[0])
			path := filepath.Join(t.TempDir(), "sample")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			r := readFiles(t, path)
			if !r.errs[path]["medium"] {
				t.Error("is taken for a medium")
			}
			t.Logf("%d bytes: at most %v (%s), %d MiB", len(b), r.worst, r.what, r.peak>>20)
		})
	}
	t.Logf("%d samples", count)
	if count < 20 {
		t.Errorf("only %d samples are marked malformed", count)
	}
}

// TestCorpora reads what fuzzing has found, of every package: every input as a file.
func TestCorpora(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	folders := 0
	for _, pattern := range []string{"internal/*/*", "builder/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern, "testdata", "fuzz", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range found {
			folders++
			name, err := filepath.Rel(root, folder)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name, func(t *testing.T) {
				paths := unpackCorpus(t, folder)
				r := readFiles(t, paths...)
				t.Logf("%d inputs: at most %v (%s), %d MiB", len(paths), r.worst, r.what, r.peak>>20)
			})
		}
	}
	if folders < 20 {
		t.Errorf("only %d corpora", folders)
	}
}

// unpackCorpus writes each input of a corpus to a file.
func unpackCorpus(t *testing.T, folder string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var input []byte
		for line := range strings.Lines(string(text)) {
			kind, rest, _ := strings.Cut(strings.TrimSpace(line), "(")
			if kind != "[]byte" && kind != "string" {
				continue
			}
			s, err := strconv.Unquote(strings.TrimSuffix(rest, ")"))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			input = append(input, s...)
		}
		paths = append(paths, filepath.Join(dir, filepath.Base(file)))
		if err := os.WriteFile(paths[len(paths)-1], input, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// TestChanged reads sound files of every format with bytes changed, some of them cut short.
func TestChanged(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for name, b := range soundFiles(t) {
		t.Run(name, func(t *testing.T) {
			var paths []string
			dir := t.TempDir()
			for i := range 24 {
				bad := bytes.Clone(b)
				for range 1 + random.IntN(6) {
					// What says how much there is stands at the start of most formats.
					bad[random.IntN(1+random.IntN(len(bad)))] = byte(random.Uint32())
				}
				if i%6 == 5 {
					bad = bad[:random.IntN(len(bad))]
				}
				paths = append(paths, filepath.Join(dir, strconv.Itoa(i)))
				if err := os.WriteFile(paths[i], bad, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := readFiles(t, paths...)
			t.Logf("at most %v (%s), %d MiB", r.worst, r.what, r.peak>>20)
		})
	}
}

// soundFiles are the vectors of the formats' own tests.
func soundFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"wim/testdata/*.*", "regf/testdata/*.*", "../codec/*/testdata/*.*"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", "format", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(err, pattern)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) < 1<<20 {
				files[filepath.Base(path)] = b
			}
		}
	}
	return files
}

// TestBoundsCanFail has a file read that takes too much.
func TestBoundsCanFail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(wasteful), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := measure(t, path); r.worst <= maxCPU || r.peak <= maxPeak || r.what != "waste of file" {
		t.Errorf("%+v", r)
	}
}
