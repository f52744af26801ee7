package bake

import "testing"

// TestSparse: Windows attaches no VHD or VHDX whose file is marked as sparse (0xC03A001A).
func TestSparse(t *testing.T) {
	for _, f := range Formats {
		if want := f.extension() != "vhd" && f.extension() != "vhdx"; f.sparse() != want {
			t.Errorf("%s: %v", f, f.sparse())
		}
	}
}
