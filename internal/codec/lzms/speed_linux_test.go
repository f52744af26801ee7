package lzms

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// TestCompareSpeed measures against libwim where WINBAKE_BENCH is set.
func TestCompareSpeed(t *testing.T) {
	for _, size := range []int{1 << 17, 1 << 26} {
		codectest.CompareSpeed(t, newDecoder(t, size), "LZMS", size)
	}
}
