package winre

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func TestPartitionSize(t *testing.T) {
	for _, test := range []struct{ wim, wanted, want int64 }{
		{0, 0, MinPartition},
		{0, MinPartition, MinPartition},
		{0, gib, gib},
		{1, 0, MinPartition},
		{400 * mib, 0, MinPartition},
		{464 * mib, 0, MinPartition},
		{465 * mib, 0, 751 * mib},
		{695151930, 0, 950 * mib},
		{695151930, gib, gib},
		{695151930, gib - 1, gib},
		{695151930, 950 * mib, 950 * mib},
		{3 * gib, 0, 3371 * mib},
	} {
		got, err := PartitionSize(test.wim, test.wanted)
		if err != nil || got != test.want {
			t.Errorf("%d, %d: %d MiB, %v, want %d MiB", test.wim, test.wanted, got/mib, err, test.want/mib)
		}
	}
}

func TestPartitionTooSmall(t *testing.T) {
	for _, test := range []struct {
		wim, wanted int64
		wants       []string
	}{
		{0, 749 * mib, []string{"partition_size: 749 MiB", "the least is 750 MiB"}},
		{695151930, 949 * mib, []string{"partition_size: 949 MiB", "Winre.wim has 663 MiB", "250 MiB must stay free", "KB5034439", "the least is 950 MiB"}},
		{-1, 0, []string{"Winre.wim: -1 bytes"}},
		{maxWIM + 1, 0, []string{"Winre.wim: 1099511627777 bytes"}},
		{0, -1, []string{"partition_size: -1 bytes"}},
		{0, 1 << 62, []string{"partition_size: 4611686018427387904 bytes"}},
	} {
		_, err := PartitionSize(test.wim, test.wanted)
		refused(t, err, test.wants...)
	}
}

// hollow is a content that nobody reads.
type hollow int64

func (h hollow) Size() int64                         { return int64(h) }
func (hollow) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// TestFreeForUpdates plans the volume, and sees that what Windows Update asks for is free.
func TestFreeForUpdates(t *testing.T) {
	for _, wim := range []int64{1, 300 * mib, 464*mib + 1, 695151930, 2 * gib, 8 * gib} {
		size, err := PartitionSize(wim, 0)
		if err != nil {
			t.Fatal(err)
		}
		volume := tree.New(filetime.Time(1 << 56))
		for name, length := range map[string]int64{"Winre.wim": wim, "boot.sdi": 3170304, "ReAgent.xml": 2000} {
			if _, err := volume.WriteFile(Folder+"/"+name, hollow(length)); err != nil {
				t.Fatal(err)
			}
		}
		p, err := ntfs.NewPlan(volume, ntfs.Options{Size: size, Label: "Recovery"})
		if err != nil {
			t.Fatal(err)
		}
		// What Windows adds when it mounts the volume: the logs of transactions.
		if free := p.Free() - 20*mib; free < FreeForUpdates {
			t.Errorf("Winre.wim of %d bytes on %d MiB: %d MiB free", wim, size/mib, free/mib)
		}
	}
}
