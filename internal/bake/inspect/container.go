package inspect

import (
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
)

// describeContainer tells about the file that a disk is in, as much as can be read of it even where the
// disk cannot.
func describeContainer(r io.ReaderAt, size int64) *Container {
	c := &Container{Format: diskfile.Raw, VirtualSize: size, FileSize: size}
	start := make([]byte, len(vhdx.Signature))
	if n, _ := r.ReadAt(start, 0); n < len(start) {
		return c
	}
	switch {
	case string(start) == vhdx.Signature:
		c.vhdx(r, size)
	case strings.HasPrefix(string(start), qcow2.Signature):
		c.qcow2(r, size)
	default:
		if is, err := vhd.Is(r, size); err == nil && is {
			c.vhd(r, size)
		}
	}
	return c
}

func (c *Container) vhd(r io.ReaderAt, size int64) {
	c.Format, c.VirtualSize = diskfile.FixedVHD, 0
	i, err := vhd.Describe(r, size)
	if i.Kind == 0 && err != nil {
		return // the file's error says what is wrong
	}
	c.VirtualSize, c.BlockSize, c.Created, c.ID = i.Size, i.BlockSize, stamp(i.Time), i.ID.String()
	c.Creator = fmt.Sprintf("%s %d.%d", strings.TrimSpace(i.Creator), i.CreatorMajor, i.CreatorMinor)
	c.CreatorHost = i.Host
	c.Geometry = fmt.Sprintf("%d/%d/%d", i.Cylinders, i.Heads, i.Sectors)
	if i.SavedState {
		c.Flags = append(c.Flags, "saved state")
	}
	if i.OriginalSize != i.Size {
		c.Flags = append(c.Flags, fmt.Sprintf("resized from %d bytes", i.OriginalSize))
	}
	switch i.Kind {
	case vhd.Dynamic:
		c.Format = diskfile.DynamicVHD
	case vhd.Differencing:
		c.Format, c.Parent, c.ParentID = "differencing VHD", i.ParentName, i.ParentID.String()
	case vhd.Fixed:
	}
}

func (c *Container) vhdx(r io.ReaderAt, size int64) {
	c.Format, c.VirtualSize = diskfile.VHDX, 0
	details, err := vhdx.Describe(r, size)
	if err != nil {
		return
	}
	c.Creator, c.FileWrite, c.DataWrite = details.Creator, details.FileWrite.String(), details.DataWrite.String()
	d, err := vhdx.Open(r, size)
	c.Log = "clean"
	if !details.Log.IsZero() {
		c.Log = "to be replayed"
	}
	if err != nil {
		return
	}
	i := d.Info()
	if i.Replayed > 0 {
		c.Log = fmt.Sprintf("%d entries to be replayed", i.Replayed)
	}
	c.VirtualSize, c.BlockSize, c.Preallocated = i.Size, i.BlockSize, i.Fixed
	c.LogicalSector, c.PhysicalSector, c.ID = i.LogicalSector, i.PhysicalSector, i.ID.String()
}

func (c *Container) qcow2(r io.ReaderAt, size int64) {
	c.Format, c.VirtualSize = diskfile.QCOW2, 0
	d, err := qcow2.Describe(r, size)
	if err != nil {
		return
	}
	c.Version, c.VirtualSize, c.BlockSize = d.Version, d.Size, d.ClusterSize
	c.Snapshots, c.Refcounts, c.Encryption, c.Parent = int64(d.Snapshots), d.RefcountBits, d.Encryption, d.Backing
	c.Compression = d.Compression.String()
	for _, f := range []struct {
		set  bool
		name string
	}{
		{d.Dirty, "dirty"}, {d.Corrupt, "corrupt"}, {d.LazyCounts, "lazy refcounts"}, {d.ExtendedL2, "extended L2"}, {d.External, "external data file"},
	} {
		if f.set {
			c.Flags = append(c.Flags, f.name)
		}
	}
}
