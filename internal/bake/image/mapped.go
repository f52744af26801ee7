package image

import (
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// Mapped yields the ranges of a disk that its plan decides about, base bytes further on: the disk's start
// and a GPT's end, contents with the clusters that they have, metadata, and what of it has to be zero. On a
// disk that has them the plan is done, whatever else is on it: free clusters may hold anything. The ranges
// come in no order, and some overlap.
func Mapped(p *layout.Plan, base int64) iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		more := true
		add := func(offset, length int64) bool {
			more = more && yield(Extent{base + offset, length})
			return more
		}
		mapTable(p.Disk, add)
		for _, v := range p.Volumes {
			mapVolume(v.Plan, v.Partition.Offset, add)
		}
	}
}

// mapTable is everything before the first partition, where others keep boot code and tables of their own,
// and a GPT's second copy.
func mapTable(d *layout.Disk, add func(offset, length int64) bool) {
	first := d.Spec.Size
	for _, p := range d.Partitions {
		first = min(first, p.Offset)
	}
	add(0, first)
	if !d.MBR() {
		_, end := disk.GPTUsable(d.Spec.Size)
		add(end, d.Spec.Size-end)
	}
}

func mapVolume(v volume.Plan, base int64, add func(offset, length int64) bool) {
	for placement := range v.Placements() {
		for _, r := range placement.Runs {
			if !add(base+r.Offset, r.Length) {
				return
			}
		}
	}
	for _, runs := range [][]volume.Run{v.Regions(), v.Zeros()} {
		for _, r := range runs {
			if !add(base+r.Offset, r.Length) {
				return
			}
		}
	}
}
