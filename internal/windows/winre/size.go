package winre

import "github.com/winbake/packer-plugin-winbake/internal/fault"

// The sizes that the recovery partition's follows from.
const (
	// MinPartition is the least that the partition gets: what fits today's Winre.wim, and what
	// Microsoft's own partitioning samples have grown to.
	MinPartition = 750 * mib
	// FreeForUpdates is what must be free beside Winre.wim so that Windows Update can service it
	// (KB5034439, KB5034440, KB5034441, KB5028997).
	FreeForUpdates = 250 * mib
)

// PartitionSize returns the size of the recovery partition for a Winre.wim of wim bytes (0 if that is
// not known yet): whole MiB, at least MinPartition, with room for the file, FreeForUpdates and what the
// file system itself takes. A wanted size, if not 0, may be larger; a smaller one is an error.
func PartitionSize(wim, wanted int64) (int64, error) {
	return 0, fault.Bugf("winre.PartitionSize is not there yet (%d, %d)", wim, wanted)
}
