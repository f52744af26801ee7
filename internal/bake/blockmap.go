package bake

import (
	"context"
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/bake/evidence"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
)

// mapped yields the ranges of the disk that have to be written to make it, from Plan on.
func (b *Bake) mapped() iter.Seq[bmap.Range] {
	return func(yield func(bmap.Range) bool) {
		base := int64(0)
		if h := b.host; h != nil {
			base = h.diskOffset()
			for e := range image.Mapped(h.plan, 0) {
				if !yield(bmap.Range(e)) {
					return
				}
			}
			// What the file of the virtual disk has before the disk, and behind it.
			end := base + b.disk.Spec.Size
			if !yield(bmap.Range{Offset: h.start, Length: base - h.start}) || !yield(bmap.Range{Offset: end, Length: h.start + h.kind.FileSize() - end}) {
				return
			}
		}
		for e := range image.Mapped(b.plan, base) {
			if !yield(bmap.Range(e)) {
				return
			}
		}
	}
}

// blockMaps makes the block map of the raw disk, if there is one and the user wants it. It comes from the
// plan and not from the holes of the file: what has to be zero is a hole, and still matters on a stick.
func (b *Bake) blockMaps(ctx context.Context) ([]evidence.Record, error) {
	var out []evidence.Record
	for _, o := range b.out.files {
		if !b.c.BlockMap || o.format != Raw {
			continue
		}
		b.c.Progress.Stage("Block map")
		m, err := bmap.Create(ctx, o.file, o.disk, b.mapped(), nil)
		if err != nil {
			return nil, fault.In(o.name, err)
		}
		data, err := m.Marshal()
		if err != nil {
			return nil, err
		}
		out = append(out, evidence.Record{Name: o.name + bmap.Suffix, Data: data})
	}
	return out, nil
}
