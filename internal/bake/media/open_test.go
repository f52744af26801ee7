package media

import (
	"os"
	"path/filepath"
	"testing"
)

// A medium that cannot be opened is not there: whoever closes what they have must not meet half of one.
func TestOpenWhatIsNoWIM(t *testing.T) {
	path := filepath.Join(t.TempDir(), "install.wim")
	if err := os.WriteFile(path, []byte("this is no WIM"), 0o644); err != nil {
		t.Fatal(err)
	}
	if m, err := Open(path); err == nil || m != nil {
		t.Errorf("%v, %v", m, err)
	}
}
