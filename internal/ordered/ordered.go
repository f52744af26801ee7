// Package ordered does work in parallel and takes the results in their order again.
package ordered

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// Run has workers goroutines call do for each job. Every function of then, of which there is at least
// one, is called for each job too, in the order of jobs, by a goroutine of its own: the first after the
// job's do, the next after the one before. No more than depth jobs are between jobs and the end of
// the last function.
//
// Run stops at the first error, or when ctx ends, and returns when no function runs any more.
func Run[J any](ctx context.Context, workers, depth int, jobs iter.Seq[J], do func(J) error, then ...func(J) error) error {
	g, ctx := errgroup.WithContext(ctx)
	r := &runner[J]{ctx: ctx, slots: make(chan struct{}, depth), todo: make(chan *item[J])}
	first := make(chan *item[J], depth)
	g.Go(func() error { return r.produce(jobs, first) })
	for range workers {
		g.Go(func() error {
			for it := range r.todo {
				it.ready <- do(it.job)
			}
			return nil
		})
	}
	next := first
	for i, f := range then {
		in, out := next, make(chan *item[J], depth)
		if i == len(then)-1 {
			out = nil
		}
		g.Go(func() error { return r.follow(f, in, out) })
		next = out
	}
	return g.Wait()
}

type runner[J any] struct {
	ctx   context.Context
	slots chan struct{} // one for each job on its way
	todo  chan *item[J]
}

type item[J any] struct {
	job   J
	ready chan error
}

func (r *runner[J]) produce(jobs iter.Seq[J], queue chan<- *item[J]) error {
	defer close(r.todo)
	defer close(queue)
	for j := range jobs {
		select {
		case r.slots <- struct{}{}:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
		it := &item[J]{j, make(chan error, 1)}
		queue <- it // has room: it is as long as there are slots
		select {
		case r.todo <- it:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	return nil
}

// follow calls f for what comes in, and hands it on to out, or lets go of it where there is no next.
func (r *runner[J]) follow(f func(J) error, in <-chan *item[J], out chan<- *item[J]) error {
	if out != nil {
		defer close(out)
	}
	for it := range in {
		if err := r.await(it); err != nil {
			return err
		}
		if err := f(it.job); err != nil {
			return err
		}
		if out != nil {
			it.ready <- nil
			out <- it // has room, as queue has
		} else {
			<-r.slots
		}
	}
	return nil
}

// await waits until the function before is done with a job.
func (r *runner[J]) await(it *item[J]) error {
	select {
	case err := <-it.ready:
		return err
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}
