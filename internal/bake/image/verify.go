package image

import (
	"bytes"
	"context"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// Verify reads back what Write wrote: the partition table through its own reader, and every byte
// of metadata. It finds what the host lost and anything that was written over something else.
func Verify(ctx context.Context, p *layout.Plan, r io.ReaderAt) error {
	if err := verifyTable(r, p); err != nil {
		return err
	}
	for _, v := range p.Volumes {
		if err := verifyMetadata(ctx, v, io.NewSectionReader(r, v.Partition.Offset, v.Partition.Size)); err != nil {
			return fault.In(string(v.Partition.Role)+" partition", err)
		}
	}
	return nil
}

func verifyTable(r io.ReaderAt, p *layout.Plan) error {
	got, err := disk.Read(r, p.Disk.Spec.Size)
	if err != nil {
		return err
	}
	if len(got) != len(p.Disk.Partitions) {
		return fault.Bugf("the partition table reads back with %d partitions, not %d", len(got), len(p.Disk.Partitions))
	}
	for i, want := range p.Disk.Partitions {
		if got[i].Offset != want.Offset || got[i].Size != want.Size {
			return fault.Bugf("partition %d reads back at %d, %d bytes, not at %d, %d bytes", i+1, got[i].Offset, got[i].Size, want.Offset, want.Size)
		}
	}
	return nil
}

func verifyMetadata(ctx context.Context, v layout.Volume, r io.ReaderAt) error {
	g, stop := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, region := range v.Regions() {
		if stop.Err() != nil {
			break
		}
		g.Go(func() error { return verifyRegion(v, i, region, r) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func verifyRegion(v volume.Plan, i int, region volume.Run, r io.ReaderAt) error {
	want, got := make([]byte, region.Length), make([]byte, region.Length)
	if err := v.Emit(i, want); err != nil {
		return err
	}
	if _, err := r.ReadAt(got, region.Offset); err != nil {
		return fault.In("reading back", err)
	}
	if !bytes.Equal(want, got) {
		at := 0
		for want[at] == got[at] {
			at++
		}
		return fault.Corruptf(region.Offset+int64(at), "the written metadata reads back differently: %#x, not %#x; the disk or file system below the output directory loses data, or this is a bug in winbake", got[at], want[at])
	}
	return nil
}
