package ntfs

import (
	"errors"
	"io"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Free is the number of bytes in clusters that $Bitmap says are not in use. It reads all of
// $Bitmap, a bit for each cluster. A bitmap that is too short for the volume is corrupt.
func (v *Volume) Free() (int64, error) {
	free, err := v.freeClusters()
	return free * v.g.cluster, fault.In("NTFS volume", err)
}

func (v *Volume) freeClusters() (int64, error) {
	f, err := v.file(recordBitmap)
	if err != nil {
		return 0, err
	}
	bitmap, err := v.open(f, typeData, "")
	if err != nil {
		return 0, err
	}
	if bitmap == nil || bitmap.size*8 < v.clusters {
		return 0, f.corrupt("$Bitmap is too short for %d clusters", v.clusters)
	}
	used := int64(0)
	buf := make([]byte, 64<<10)
	for left, off := v.clusters, int64(0); left > 0; {
		n := min(int64(len(buf)), (left+7)/8)
		if _, err := bitmap.ReadAt(buf[:n], off); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for _, b := range buf[:n] {
			if left < 8 { // what follows the last cluster is padding
				b &= 1<<left - 1
			}
			used += int64(bits.OnesCount8(b))
			left -= 8
		}
		off += n
	}
	return v.clusters - used, nil
}
