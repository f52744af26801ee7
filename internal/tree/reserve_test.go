package tree

import (
	"errors"
	"io"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestReserve(t *testing.T) {
	tr := New(1)
	n, err := tr.Reserve("dir/disk.vhd", 1000, 512)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := tr.Lookup("DIR/DISK.VHD"); found != n {
		t.Errorf("not found: %v", err)
	}
	b, err := io.ReadAll(NewReader(n.Data))
	if err != nil || len(b) != 1000 || n.Data.(*Reserved).Align() != 512 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for _, c := range [][2]int64{{0, 0}, {-1, 0}, {1, -1}, {1, 3}} {
		if _, err := tr.Reserve("f", c[0], c[1]); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes aligned to %d: %v", c[0], c[1], err)
		}
	}
}
