package bake

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestExplainWrite: every system's way to say that there is no room is explained.
func TestExplainWrite(t *testing.T) {
	windows := runtime.GOOS == "windows"
	for code, want := range map[syscall.Errno]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: false, 39: windows, 112: windows} {
		if got := strings.Contains(explainWrite(&os.PathError{Op: "write", Path: "x", Err: code}).Error(), "is full"); got != want {
			t.Errorf("%d (%v): explained: %v", uintptr(code), code, got)
		}
	}
}
