// Package progress tells the user how far a bake is, through Packer's Ui: a line for each stage,
// and for long ones a line now and then with percent, speed and time left.
//
// A plugin cannot know whether a terminal or a build server's log is at the other end, so the lines
// are few: per stage at most one for each tenth and one every 15 seconds.
package progress

import (
	"fmt"
	"sync"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
)

const (
	// longSilence is after how much time a line is due in any case.
	longSilence = 15 * time.Second
	// shortSilence is the least time between two lines of a stage: a fast stage needs none.
	shortSilence = 2 * time.Second
	// worthTelling is the least duration that is worth a line at a stage's end.
	worthTelling = time.Second
)

// Reporter shows progress on a Ui. Its methods may be called from any goroutine.
type Reporter struct {
	ui  packersdk.Ui
	now func() time.Time

	mu          sync.Mutex
	begun       time.Time // of the stage; zero before the first
	last        time.Time // when its last line was shown
	tenth       int64     // how many tenths that line told
	done, total int64
}

// New returns a reporter that shows progress on ui.
func New(ui packersdk.Ui) *Reporter { return &Reporter{ui: ui, now: time.Now} }

// Stage ends the stage before and begins the one called name.
func (r *Reporter) Stage(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	r.begun = r.now()
	r.last = r.begun
	r.ui.Say(name)
}

// Note shows a sentence that is no progress.
func (r *Reporter) Note(text string) { r.ui.Say(text) }

// Advance says that done of total bytes of the stage are through. It may be called often.
func (r *Reporter) Advance(done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.total = done, total
	if r.begun.IsZero() || total <= 0 || done >= total {
		return
	}
	now := r.now()
	tenth := int64(float64(done) / float64(total) * 10)
	silence := now.Sub(r.last)
	if silence >= longSilence || tenth > r.tenth && silence >= shortSilence {
		r.last, r.tenth = now, tenth
		r.ui.Say(r.line(now.Sub(r.begun)))
	}
}

// End ends the last stage.
func (r *Reporter) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

func (r *Reporter) end() {
	if r.begun.IsZero() {
		return
	}
	took := r.now().Sub(r.begun)
	if took >= worthTelling {
		r.ui.Say(r.summary(took))
	}
	r.begun, r.tenth, r.done, r.total = time.Time{}, 0, 0, 0
}

// line is one line of a stage under way: "  40 % of 7.2 GiB, 210 MB/s, 21 s left".
func (r *Reporter) line(elapsed time.Duration) string {
	fraction := float64(r.done) / float64(r.total)
	s := fmt.Sprintf("  %d %% of %s", int(fraction*100), bytesize.Format(r.total))
	if r.done <= 0 || elapsed <= 0 {
		return s
	}
	left := time.Duration(float64(elapsed) * (1 - fraction) / fraction)
	return s + fmt.Sprintf(", %s, %s left", Rate(r.done, elapsed), Duration(left))
}

// summary is the last line of a stage: "  7.2 GiB in 35 s, 206 MB/s".
func (r *Reporter) summary(took time.Duration) string {
	if r.done <= 0 {
		return "  took " + Duration(took)
	}
	return fmt.Sprintf("  %s in %s, %s", bytesize.Format(r.done), Duration(took), Rate(r.done, took))
}

// Rate prints a speed in MB/s (10^6 bytes), as disks are sold.
func Rate(bytes int64, d time.Duration) string {
	mb := float64(bytes) / 1e6 / d.Seconds()
	if mb < 10 {
		return fmt.Sprintf("%.1f MB/s", mb)
	}
	return fmt.Sprintf("%.0f MB/s", mb)
}

// Duration prints a duration as a person would say it: "3.2 s", "35 s", "2 min 5 s", "1 h 5 min".
func Duration(d time.Duration) string {
	if d < 9950*time.Millisecond {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
