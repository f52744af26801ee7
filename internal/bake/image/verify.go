package image

import (
	"context"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
)

// Verify reads back what Write wrote: the partition table through its own reader, every byte of
// metadata, and NTFS volumes through the reader, which checks that all of it fits together. It finds
// what the host lost, anything that was written over something else, and mistakes of the writer.
func Verify(ctx context.Context, p *layout.Plan, w *Written, r io.ReaderAt) error {
	if err := verifyTable(r, p); err != nil {
		return err
	}
	for i, v := range p.Volumes {
		section := io.NewSectionReader(r, v.Partition.Offset, v.Partition.Size)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return verifyMetadata(ctx, v, w.seed, w.regions[i], section) })
		if v.Partition.FileSystem == layout.NTFS {
			g.Go(func() error { return checkNTFS(section) })
		}
		if err := g.Wait(); err != nil {
			return fault.In(string(v.Partition.Role)+" partition", err)
		}
	}
	return nil
}

// checkNTFS has the reader judge what the writer made.
func checkNTFS(section *io.SectionReader) error {
	v, err := ntfs.Open(section, section.Size())
	if err != nil {
		return fault.Bugf("the volume cannot be read back: %v", err)
	}
	if problems := v.Check(); len(problems) > 0 {
		return fault.Bugf("the volume reads back with %d problems, the first of them: %v", len(problems), problems[0])
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

func verifyMetadata(ctx context.Context, v layout.Volume, seed maphash.Seed, sums []uint64, r io.ReaderAt) error {
	regions := v.Regions()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			var buf []byte
			for i := int(next.Add(1)) - 1; i < len(regions); i = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				n := int(regions[i].Length)
				buf = slices.Grow(buf[:0], n)[:n]
				if _, err := r.ReadAt(buf, regions[i].Offset); err != nil {
					return fault.In("reading back", err)
				}
				if maphash.Bytes(seed, buf) != sums[i] {
					return explainRegion(v, i, buf)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// explainRegion says where what was read of a region is not what was written.
func explainRegion(v layout.Volume, i int, got []byte) error {
	want := make([]byte, len(got))
	if err := v.Emit(i, want); err != nil {
		return err
	}
	offset := v.Regions()[i].Offset
	for at := range want {
		if want[at] != got[at] {
			return fault.Corruptf(offset+int64(at), "the written metadata reads back differently: %#x, not %#x; the disk or file system below the output directory loses data, or this is a bug in winbake", got[at], want[at])
		}
	}
	return fault.Bugf("the metadata at %#x was not written as it is planned", offset)
}
