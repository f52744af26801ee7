package ntfs_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var freeClusters = regexp.MustCompile(`Free Clusters: (\d+)`)

// TestFree compares with what ntfsinfo counts, on volumes whose bitmap ends inside a byte and not.
func TestFree(t *testing.T) {
	for _, size := range []int64{16 << 20, 16<<20 + 5*4096, 33<<20 + 512} {
		v := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: size, Label: "free"})
		m := freeClusters.FindStringSubmatch(oracle.NTFSInfo(t, v))
		if m == nil {
			t.Fatal("ntfsinfo names no free clusters")
		}
		want, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(v.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		vol, err := ntfs.Open(f, size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := vol.Free(); err != nil || got != want*vol.ClusterSize() {
			t.Errorf("%d bytes: %d free (%v), ntfsinfo says %d clusters", size, got, err, want)
		}
	}
}
