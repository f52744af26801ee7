package progress

import (
	"slices"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// recorder is a Ui that keeps what is said.
type recorder struct {
	packersdk.Ui
	said []string
}

func (r *recorder) Say(s string) { r.said = append(r.said, s) }

// clocked returns a reporter with a clock that the test moves.
func clocked() (*Reporter, *recorder, *time.Time) {
	ui := &recorder{}
	now := time.Unix(1e9, 0)
	r := New(ui)
	r.now = func() time.Time { return now }
	return r, ui, &now
}

func TestReporter(t *testing.T) {
	r, ui, now := clocked()
	r.Advance(1, 2) // before any stage: nothing to tell
	r.Stage("Opening the media")
	*now = now.Add(500 * time.Millisecond)
	r.Stage("Writing the image")
	for i := int64(0); i <= 100; i++ {
		r.Advance(i*60e6, 6000e6)
		*now = now.Add(400 * time.Millisecond)
	}
	r.Stage("Verifying the image")
	*now = now.Add(65 * time.Second)
	r.End()
	r.End()
	want := []string{
		"Opening the media",
		"Writing the image",
		"  10 % of 5.6 GiB, 150 MB/s, 36 s left",
		"  20 % of 5.6 GiB, 150 MB/s, 32 s left",
		"  30 % of 5.6 GiB, 150 MB/s, 28 s left",
		"  40 % of 5.6 GiB, 150 MB/s, 24 s left",
		"  50 % of 5.6 GiB, 150 MB/s, 20 s left",
		"  60 % of 5.6 GiB, 150 MB/s, 16 s left",
		"  70 % of 5.6 GiB, 150 MB/s, 12 s left",
		"  80 % of 5.6 GiB, 150 MB/s, 8.0 s left",
		"  90 % of 5.6 GiB, 150 MB/s, 4.0 s left",
		"  5.6 GiB in 40 s, 149 MB/s",
		"Verifying the image",
		"  took 1 min 5 s",
	}
	if !slices.Equal(ui.said, want) {
		t.Errorf("got %q", ui.said)
	}
}

// However long or short a stage is, and however often it reports, the log is not flooded.
func TestReporterIsQuiet(t *testing.T) {
	for _, took := range []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour} {
		r, ui, now := clocked()
		r.Stage("x")
		const calls = 100_000
		for i := range int64(calls) {
			r.Advance(i, calls)
			*now = now.Add(took / calls)
		}
		r.End()
		if limit := 12 + int(took/longSilence); len(ui.said) > limit {
			t.Errorf("%s: %d lines, want at most %d", took, len(ui.said), limit)
		}
	}
}

func TestReporterWithoutProgress(t *testing.T) {
	r, ui, now := clocked()
	r.Stage("x")
	for range 4 {
		*now = now.Add(10 * time.Second)
		r.Advance(0, 100)
	}
	if want := []string{"x", "  0 % of 100 bytes", "  0 % of 100 bytes"}; !slices.Equal(ui.said, want) {
		t.Errorf("got %q", ui.said)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 3210 * time.Millisecond: "3.2 s", 35500 * time.Millisecond: "36 s", 9960 * time.Millisecond: "10 s", 59600 * time.Millisecond: "1 min 0 s",
		125 * time.Second: "2 min 5 s", 3900 * time.Second: "1 h 5 min",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
