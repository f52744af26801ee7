package ordered_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/ordered"
)

type job struct{ number, done, first int }

func jobs(n int) func(func(*job) bool) {
	return func(yield func(*job) bool) {
		for i := range n {
			if !yield(&job{number: i}) {
				return
			}
		}
	}
}

// TestOrder has jobs that take odd times: they come out in order, each after its own work.
func TestOrder(t *testing.T) {
	const count, depth = 200, 7
	var inFlight, most atomic.Int64
	var got []int
	err := ordered.Run(t.Context(), 3, depth, jobs(count),
		func(j *job) error {
			most.Store(max(most.Load(), inFlight.Add(1)))
			time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			j.done = j.number + 1
			return nil
		},
		func(j *job) error {
			if j.done != j.number+1 {
				t.Errorf("job %d comes before its work is done", j.number)
			}
			j.first = j.done
			return nil
		},
		func(j *job) error {
			if j.first != j.number+1 {
				t.Errorf("job %d has skipped a function", j.number)
			}
			got = append(got, j.number)
			inFlight.Add(-1)
			return nil
		})
	if err != nil || len(got) != count || !slices.IsSorted(got) {
		t.Errorf("%v, order %v", err, got)
	}
	if most.Load() > depth {
		t.Errorf("%d jobs were on their way, not %d", most.Load(), depth)
	}
}

// TestErrors ends a run from each of its functions and from outside; nothing hangs.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	fail := func(at int) func(*job) error {
		return func(j *job) error {
			if j.number == at {
				return broken
			}
			return nil
		}
	}
	pass := fail(-1)
	for at := range 20 {
		for name, f := range map[string][3]func(*job) error{
			"do": {fail(at), pass, pass}, "first": {pass, fail(at), pass}, "last": {pass, pass, fail(at)},
		} {
			if err := ordered.Run(t.Context(), 2, 3, jobs(20), f[0], f[1], f[2]); !errors.Is(err, broken) {
				t.Errorf("%s fails at job %d: %v", name, at, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := ordered.Run(ctx, 2, 3, jobs(1000), pass, func(j *job) error {
			if j.number == at {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at job %d: %v", at, err)
		}
		cancel()
	}
}
