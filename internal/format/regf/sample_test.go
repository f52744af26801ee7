package regf

import (
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestSamples rewrites every real hive and asks outside programs whether the same keys, values and
// times are in the original, in the copy and in our own idea of it. Dirty hives are made to look
// clean, after being refused as such; only hivex judges them, because it is quick.
func TestSamples(t *testing.T) {
	samples(t, func(t *testing.T, data []byte) {
		if testing.Short() && len(data) > 1<<20 {
			t.Skip("large")
		}
		t.Parallel()
		if _, err := Parse(data); isDirty(data) != errors.Is(err, ErrDirty) {
			t.Errorf("dirty %v, error %v", isDirty(data), err)
		}
		data, clean := forceClean(data), !isDirty(data)
		h, err := Parse(data)
		if errors.Is(err, fault.ErrCorrupt) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		auditHive(t, data, false)
		out := marshal(t, h)
		audit(t, out)
		again := parse(t, out)
		sameHive(t, again, h)
		same(t, "rewritten twice", string(marshal(t, again)), string(out))
		sampleJudges(t, h, tempHive(t, data), tempHive(t, out), clean)
	})
}

// sampleJudges compares what outside programs see in an original, in our copy of it, and in h.
// libregf prints sizes of some strings after its own rules, so its view is not compared with ours.
func sampleJudges(t *testing.T, h *Hive, original, copied string, clean bool) {
	for _, j := range judges {
		switch j.name {
		case "python-hivex":
		case "hivexregedit":
			if !clean {
				continue
			}
		case "regfexport":
			if !clean || len(h.Root.Subkeys()) > 3 { // slow, and a SYSTEM hive has more
				continue
			}
		default:
			continue
		}
		oracle.Need(t, j.program)
		want, err := j.read(h, original)
		if err != nil {
			t.Errorf("%s cannot read the original: %v", j.name, err)
			continue
		}
		got, err := j.read(h, copied)
		if err != nil {
			t.Errorf("%s: %v", j.name, err)
		}
		same(t, j.name+": copy", got, want)
		if j.name != "regfexport" {
			same(t, j.name+": our view", j.expect(h), want)
		}
	}
}

// BenchmarkParse and BenchmarkMarshal use the largest sample.
func BenchmarkParse(b *testing.B) {
	data := largest(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	h := parse(b, largest(b))
	b.SetBytes(int64(len(marshal(b, h))))
	b.ReportAllocs()
	for b.Loop() {
		marshal(b, h)
	}
}

func largest(b *testing.B) []byte {
	if oracle.SamplesDir() == "" {
		b.Skip("no sample hives here")
	}
	const name = "/registry/mkorman90+regipy/regipy_tests/data/SYSTEM_WIN_10_1709.xz"
	return forceClean(readSample(b, oracle.SamplesDir()+name))
}
