package winre

import "github.com/winbake/packer-plugin-winbake/internal/fault"

// The sizes that the recovery partition's follows from.
const (
	// MinPartition is the least that the partition gets. Today's Winre.wim has about half a GiB.
	MinPartition = 750 * mib
	// FreeForUpdates is what must be free beside Winre.wim so that Windows Update services it: KB5034439,
	// KB5034440 and KB5034441 say 250 MB, and so do their successors and KB5028997.
	FreeForUpdates = 250 * mib

	// overhead is what else is on the volume: boot.sdi (3 MiB), the metadata of NTFS that do not grow with
	// it, and the logs of transactions that Windows adds when it mounts the volume first.
	overhead = 32 * mib
	// logPart of a volume is its $LogFile (mkntfs's rule); the bitmap of clusters is small against it.
	logPart = 200

	// maxWIM bounds Winre.wim, so that sums of sizes stay far from their limits.
	maxWIM = 1 << 40
)

// PartitionSize returns the size of the recovery partition for a Winre.wim of wim bytes (0 if that is
// not known yet): whole MiB, at least MinPartition, with room for the file, FreeForUpdates and what the
// file system itself takes. A wanted size, if not 0, may be larger; a smaller one is an error.
func PartitionSize(wim, wanted int64) (int64, error) {
	if wim < 0 || wim > maxWIM {
		return 0, fault.Invalidf("Winre.wim: %d bytes cannot be", wim)
	}
	if wanted < 0 || wanted > 2*maxWIM {
		return 0, fault.Invalidf("partition_size: %d bytes cannot be", wanted)
	}
	least := int64(MinPartition)
	if wim > 0 {
		need := wim + FreeForUpdates + overhead
		least = max(least, up(need+need/(logPart-1)))
	}
	if wanted == 0 {
		return least, nil
	}
	if wanted < least && wim == 0 {
		return 0, fault.Invalidf("partition_size: %d MiB are too few for a recovery partition; the least is %d MiB", wanted/mib, least/mib)
	}
	if wanted < least {
		return 0, fault.Invalidf("partition_size: %d MiB are too few for a recovery partition: Winre.wim has %d MiB, and %d MiB must stay free for its updates (KB5034439 and the like fail with 0x80070643 without them); the least is %d MiB, which it gets by itself if partition_size is left out",
			wanted/mib, up(wim)/mib, FreeForUpdates/mib, least/mib)
	}
	return up(wanted), nil
}

// up rounds bytes up to whole MiB.
func up(n int64) int64 { return (n + mib - 1) / mib * mib }
