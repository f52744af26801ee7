package tree_test

import (
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Win32 opens a device, not a file, by these names.
func TestDeviceNames(t *testing.T) {
	for name, refused := range map[string]bool{
		"NUL": true, "con": true, "Aux.txt": true, "prn.a.b": true, "COM1": true, "lpt9.log": true, "com¹": true, "nul .txt": true,
		"CONSOLE": false, "com": false, "com10": false, "comx": false, "lpt": false, "null": false, "a.nul": false, "COM0 1": false,
	} {
		tr := tree.New(0)
		_, err := tr.WriteFile(name, nil)
		if errors.Is(err, fault.ErrInvalid) != refused {
			t.Errorf("%q: %v", name, err)
		}
	}
}
