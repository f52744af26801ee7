// Package image fills a disk from a plan: partition tables, boot records, file systems, contents.
//
// It writes each byte once, contents in the order of the medium, and leaves holes where nothing is.
package image

import (
	"context"
	"hash/maphash"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Total is the number of bytes that Write will report to its progress function.
func Total(p *layout.Plan) int64 {
	var n int64
	for _, v := range p.Volumes {
		for placement := range v.Placements() {
			n += tree.SizeOf(placement.Content)
		}
		for _, r := range v.Regions() {
			n += r.Length
		}
	}
	return n
}

// Written is what Verify has to know of what was written: a hash of each region of metadata, by volume.
type Written struct {
	seed    maphash.Seed
	regions [][]uint64
}

// Write fills the targets, each of them a disk of zeros. progress is called from one goroutine
// with the number of bytes written so far. All targets get the same bytes.
func Write(ctx context.Context, p *layout.Plan, progress func(done int64), targets ...io.WriterAt) (*Written, error) {
	for _, target := range targets {
		if err := writeTable(target, p); err != nil {
			return nil, err
		}
	}
	written := &Written{seed: maphash.MakeSeed()}
	var done int64
	advance := func(n int64) {
		done += n
		progress(done)
	}
	line := newPipeline(targets, advance)
	for _, v := range p.Volumes {
		base := v.Partition.Offset
		if err := line.run(ctx, dataJobs(v.Placements(), base)); err != nil {
			return nil, fault.In(string(v.Partition.Role)+" partition", err)
		}
		sums := make([]uint64, len(v.Regions()))
		if err := line.run(ctx, metadataJobs(v.Plan, base, written.seed, sums)); err != nil {
			return nil, fault.In(string(v.Partition.Role)+" partition", err)
		}
		written.regions = append(written.regions, sums)
	}
	return written, nil
}

// At are the targets from an offset on: a disk within a disk.
func At(targets []io.WriterAt, offset int64) []io.WriterAt {
	out := make([]io.WriterAt, len(targets))
	for i, t := range targets {
		out[i] = shifted{t, offset}
		if c, ok := t.(contentWriter); ok {
			out[i] = shiftedContent{shifted{t, offset}, c}
		}
	}
	return out
}

// shifted is a target from an offset on.
type shifted struct {
	target io.WriterAt
	offset int64
}

func (s shifted) WriteAt(p []byte, off int64) (int, error) {
	return s.target.WriteAt(p, s.offset+off)
}

// shiftedContent is a shifted contentWriter.
type shiftedContent struct {
	shifted
	content contentWriter
}

func (s shiftedContent) WriteContentAt(p []byte, off int64) (int, error) {
	return s.content.WriteContentAt(p, s.offset+off)
}

func writeTable(w io.WriterAt, p *layout.Plan) error {
	partitions := make([]disk.Partition, len(p.Disk.Partitions))
	for i := range partitions {
		partitions[i] = p.Disk.Partitions[i].Partition
	}
	size := p.Disk.Spec.Size
	if p.Disk.MBR() {
		return disk.WriteMBR(w, size, p.Disk.Signature, p.MBRCode, partitions)
	}
	return disk.WriteGPT(w, size, p.Disk.ID, partitions)
}
