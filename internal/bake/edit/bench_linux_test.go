package edit_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Environment: WINBAKE_BENCH=1 runs the comparison; the others make a process of the test binary edit
// a hive, so that its time and memory can be measured like those of any program.
const (
	envBench   = "WINBAKE_BENCH"
	envHive    = "WINBAKE_BENCH_HIVE"
	envRequest = "WINBAKE_BENCH_REQUEST"
	envOut     = "WINBAKE_BENCH_OUT"
)

// TestEditProcess answers one request, as the builder does, when it is called as a process of its own.
// The hive is in a file, as it is in install media, and the new one goes into another, as in a
// communicator's store. The bytes of memory that it took beyond what the process had, the hive as it was
// read included, go into a file.
func TestEditProcess(t *testing.T) {
	if os.Getenv(envHive) == "" {
		t.SkipNow() // other tests call it as a process
	}
	bake.LimitMemory()
	request, err := os.ReadFile(os.Getenv(envRequest))
	if err != nil {
		t.Fatal(err)
	}
	content, err := tree.OpenHostFile(os.Getenv(envHive))
	if err != nil {
		t.Fatal(err)
	}
	tr := tree.New(filetime.Time(132_000_000_000_000_000))
	if _, err := tr.WriteFile(registry.SystemHive, content); err != nil {
		t.Fatal(err)
	}
	write(t, "/proc/self/clear_refs", []byte("5")) // the peak is from now on (proc(5))
	before := memory(t, "VmRSS")
	store := func(r io.Reader) (tree.Content, error) { return storeFile(os.Getenv(envOut), r) }
	if _, err := edit.Serve(t.Context(), tr, store, request); err != nil {
		t.Fatal(err)
	}
	after := memory(t, "VmHWM")
	write(t, os.Getenv(envOut)+".memory", []byte(strconv.FormatInt(after-before, 10)))
}

func storeFile(path string, r io.Reader) (tree.Content, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return nil, err
	}
	return tree.OpenHostFile(path)
}

// memory reads a line of /proc/self/status, in bytes.
func memory(t testing.TB, field string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestCompareWithHivexregedit times a provisioner's request of 10,000 edits to a hive against
// hivexregedit merging the same, as whole processes, in pairs, and prints the ratio and the memory
// that the request needs. Both results must hold the same.
func TestCompareWithHivexregedit(t *testing.T) {
	if os.Getenv(envBench) == "" {
		t.SkipNow()
	}
	oracle.Need(t, "hivexregedit")
	const runs = 7
	m := newMaterial(t)
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	info, err := os.Stat(m.hive)
	if err != nil {
		t.Fatal(err)
	}
	var extra []float64
	pairs, err := oracle.MeasurePairs(runs,
		func(int) (oracle.Usage, error) {
			u, err := editProcess(t, m, ours)
			if err == nil {
				extra = append(extra, readNumber(t, ours+".memory")/float64(info.Size()))
			}
			return u, err
		},
		func(int) (oracle.Usage, error) {
			if err := copyFile(m.hive, theirs); err != nil {
				return oracle.Usage{}, err
			}
			return oracle.Measure(oracle.Command("hivexregedit", "--merge", theirs, m.reg))
		})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs {
		t.Logf("run %d: winbake %v, %.2f times the hive; hivexregedit --merge %v; ratio %.3f", i+1, p.A, extra[i], p.B, oracle.Wall(p.A)/oracle.Wall(p.B))
	}
	fmt.Printf("%d edits to a hive of %.1f MB: edits / hivexregedit --merge: wall %v, CPU %v; memory for them %.2f times the hive\n",
		benchEdits, float64(info.Size())/1e6, oracle.Ratios(pairs, oracle.Wall), oracle.Ratios(pairs, oracle.CPUSeconds), slices.Max(extra))
	oracle.CompareHives(t, oracle.Hivex(t, theirs), oracle.Hivex(t, ours))
}

func editProcess(t *testing.T, m material, out string) (oracle.Usage, error) {
	self, err := os.Executable()
	if err != nil {
		return oracle.Usage{}, err
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestEditProcess$")
	cmd.Env = append(os.Environ(), envHive+"="+m.hive, envRequest+"="+m.request, envOut+"="+out)
	return oracle.Measure(cmd)
}

func readNumber(t testing.TB, path string) float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func encode(t testing.TB, r edit.Request) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
