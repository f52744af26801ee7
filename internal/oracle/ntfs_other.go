//go:build !linux

package oracle

import (
	"errors"
	"testing"
)

var errNoMount = errors.New("NTFS volumes are mounted for comparison on Linux only")

// MountNTFS needs FUSE, which only Linux gives us.
func MountNTFS(t testing.TB, v Volume) string {
	t.Helper()
	needMount(t)
	return ""
}

// NTFSDiff needs FUSE, which only Linux gives us.
func NTFSDiff(a, b Volume, opts ...NTFSOption) ([]string, error) { return nil, errNoMount }

func needMount(t testing.TB) {
	t.Helper()
	Missing(t, "%v", errNoMount)
}
