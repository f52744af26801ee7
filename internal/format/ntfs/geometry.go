package ntfs

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Defaults, and the sizes that Windows uses for them whatever the volume.
const (
	defaultSector = 512
	minRecord     = 1024
	blockSize     = 4096
	// maxCluster is what every Windows reads; Windows 10 1709 and later read up to 2 MiB.
	maxCluster = 64 << 10
	// maxClusters is where Windows stops: cluster numbers must fit 32 bits.
	maxClusters = 1<<32 - 1
)

// DefaultCluster is the size of clusters in bytes where Options names none: the most that BIOS boot code
// reads, and what Windows takes for volumes up to 16 TiB.
const DefaultCluster = 4096

// geometry is the sizes of a volume, in bytes.
type geometry struct {
	size    int64 // of the partition
	sector  int64
	cluster int64
	record  int64 // of an MFT record: 1024, or the sector when that is longer
	block   int64 // of an index block
}

func newGeometry(o *Options) (geometry, error) {
	g := geometry{size: o.Size, sector: o.SectorSize, cluster: o.ClusterSize, block: blockSize}
	if g.sector == 0 {
		g.sector = defaultSector
	}
	if g.cluster == 0 {
		g.cluster = DefaultCluster
	}
	if g.sector != 512 && g.sector != 4096 {
		return g, fault.Unsupportedf(fault.NoOffset, "NTFS with sectors of %d bytes; 512 and 4096 are supported", g.sector)
	}
	if g.cluster < g.sector || g.cluster > maxCluster || g.cluster&(g.cluster-1) != 0 {
		return g, fault.Unsupportedf(fault.NoOffset, "NTFS clusters of %d bytes; powers of two from the sector (%d) to %d are supported",
			g.cluster, g.sector, maxCluster)
	}
	g.record = max(minRecord, g.sector)
	return g, nil
}

// check says whether a volume of this size can be at all.
func (g *geometry) check() error {
	switch {
	case g.size <= 0 || g.size%g.sector != 0:
		return fault.Invalidf("NTFS partition of %d bytes is not a whole number of %d-byte sectors", g.size, g.sector)
	case g.clusters() > maxClusters:
		return fault.Invalidf("NTFS partition of %d bytes has more than 2^32-1 clusters of %d bytes", g.size, g.cluster)
	}
	return nil
}

// sectors is what the boot sector counts: all but the last, which holds the backup boot sector.
func (g *geometry) sectors() int64 { return g.size/g.sector - 1 }

// clusters is the number of whole clusters.
func (g *geometry) clusters() int64 { return g.sectors() / (g.cluster / g.sector) }

// clustersFor is how many clusters n bytes take.
func (g *geometry) clustersFor(n int64) int64 { return (n + g.cluster - 1) / g.cluster }

// vcnPerBlock is the distance between two index blocks in the numbers that index entries point
// with: clusters, or 512-byte units when a cluster is longer than a block.
func (g *geometry) vcnPerBlock() int64 {
	if g.cluster <= g.block {
		return g.block / g.cluster
	}
	return g.block / sectorStride
}

// bootSize is the length of $Boot: 8 KiB, or a cluster when that is longer.
func (g *geometry) bootSize() int64 { return max(bootBytes, g.cluster) }

// mirrorSize is the length of $MFTMirr: four records, or a cluster when that is longer.
func (g *geometry) mirrorSize() int64 { return max(4*g.record, g.cluster) }

// bitmapSize is the length of $Bitmap: whole 64-bit words.
func (g *geometry) bitmapSize() int64 { return (g.clusters() + 63) / 64 * 8 }

// logSize is the length of $LogFile, by mkntfs's rule: Windows wants more on larger volumes and
// crashes below 256 KiB. (mkntfs gives volumes of 200 to 400 MiB less than smaller ones, which
// Windows does not: they get the 2 MiB of the smaller ones.)
func (g *geometry) logSize() int64 {
	n := int64(64 << 20)
	switch volume := g.sectors() * g.sector; {
	case volume < logSteps[0]:
		n = 256 << 10
	case volume < logSteps[1]:
		n = 512 << 10
	case volume < logSteps[2]:
		n = max(2<<20, volume/200)
	}
	return n &^ (g.cluster - 1)
}

// sparseShift is log2 of the clusters in a unit of a sparse attribute.
func (g *geometry) sparseShift() int {
	const unit = 64 << 10
	return min(4, bits.TrailingZeros64(uint64(unit/g.cluster)))
}

// logSteps are the sizes of volumes from which on $LogFile is longer.
var logSteps = [...]int64{2 << 20, 4e6, 12 << 30}
