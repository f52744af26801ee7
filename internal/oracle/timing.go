package oracle

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// Usage is what a process took, its finished children included.
type Usage struct {
	Wall    time.Duration
	User    time.Duration
	System  time.Duration
	PeakRSS int64 // bytes, of the process itself; 0 where the system does not tell
}

// CPU is the processor time.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// String prints seconds and MiB.
func (u Usage) String() string {
	return fmt.Sprintf("wall %.2f s, cpu %.2f s, peak %.0f MiB", u.Wall.Seconds(), u.CPU().Seconds(), float64(u.PeakRSS)/(1<<20))
}

// Measure runs a command that must succeed and says what it took.
func Measure(cmd *exec.Cmd) (Usage, error) {
	var said bytes.Buffer
	if cmd.Stdout == nil && cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &said, &said
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return Usage{}, err
	}
	peak := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	u := Usage{Wall: time.Since(start), User: cmd.ProcessState.UserTime(), System: cmd.ProcessState.SystemTime()}
	u.PeakRSS = peak(cmd.ProcessState)
	if err != nil {
		return u, fmt.Errorf("%q: %w\n%s", cmd.Args, err, tail(said.String(), 20))
	}
	return u, nil
}

// Pair is what two programs took for the same work, one run after the other.
type Pair struct{ A, B Usage }

// MeasurePairs runs two programs in turn, n times (A B A B...), so that a load that comes and goes
// meets both alike: quote the ratio of a pair, not the seconds of a run. Each run gets its number, to
// write to a new file each time.
func MeasurePairs(n int, a, b func(run int) (Usage, error)) ([]Pair, error) {
	pairs := make([]Pair, 0, n)
	for run := range n {
		ua, err := a(run)
		if err != nil {
			return pairs, err
		}
		ub, err := b(run)
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, Pair{ua, ub})
	}
	return pairs, nil
}

// Spread is the median, least and greatest of some numbers.
type Spread struct{ Median, Min, Max float64 }

// String prints "0.45 (0.42-0.51)".
func (s Spread) String() string { return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Min, s.Max) }

// Ratios returns how a/b spreads over pairs for some quantity, such as wall time.
func Ratios(pairs []Pair, of func(Usage) float64) Spread {
	var ratios []float64
	for _, p := range pairs {
		ratios = append(ratios, of(p.A)/of(p.B))
	}
	return SpreadOf(ratios)
}

// SpreadOf sorts a copy of some numbers and picks three.
func SpreadOf(numbers []float64) Spread {
	if len(numbers) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(numbers))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Spread{median, s[0], s[len(s)-1]}
}

// Wall is the elapsed time in seconds, a quantity for Ratios.
func Wall(u Usage) float64 { return u.Wall.Seconds() }

// CPUSeconds is the processor time in seconds, a quantity for Ratios.
func CPUSeconds(u Usage) float64 { return u.CPU().Seconds() }

// PeakMiB is the peak memory in MiB, a quantity for Ratios.
func PeakMiB(u Usage) float64 { return float64(u.PeakRSS) / (1 << 20) }
