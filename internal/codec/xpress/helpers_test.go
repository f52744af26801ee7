package xpress

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// wantCorrupt checks that err is of class corrupt, and says what.
func wantCorrupt(t testing.TB, err error, what string) {
	t.Helper()
	if err == nil || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), what) {
		t.Errorf("error is %v, want corrupt input: %q", err, what)
	}
}
