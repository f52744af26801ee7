package verify_test

import (
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
)

// TestBaked finds nothing in what winbake makes: every firmware, every format, with and without a recovery
// partition.
func TestBaked(t *testing.T) {
	for _, firmware := range layout.Firmwares {
		list := []bake.Format{bake.Raw}
		if firmware == layout.Both {
			list = formats
		}
		for _, path := range disks(bakeDisk(t, firmware, false, list...)) {
			clean(t, run(t, path, verify.Options{}))
		}
		for _, path := range disks(bakeDisk(t, firmware, true, bake.Raw)) {
			clean(t, run(t, path, verify.Options{NoChecksums: true}))
		}
	}
	for _, path := range disks(bakeDisk(t, layout.Both, false, bake.VHDDynamic)) {
		clean(t, run(t, path, verify.Options{}))
	}
}

// disks are the files of a bake that hold the disk.
func disks(r *bake.Result) (out []string) {
	for _, path := range r.Files {
		switch filepath.Ext(path) {
		case ".raw", ".vhd", ".vhdx", ".qcow2":
			out = append(out, path)
		}
	}
	return out
}
