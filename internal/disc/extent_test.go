package disc

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestContent joins what follows on the disc, cuts what is too much, and reads holes as zeros.
func TestContent(t *testing.T) {
	r := strings.NewReader("0123456789")
	c, err := NewContent(r, 10, 9, []Extent{{2, 2}, {4, 1}, {Hole, 2}, {Hole, 1}, {0, 0}, {9, 1}, {0, 5}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Extent{{2, 3}, {Hole, 3}, {9, 1}, {0, 2}}; !slices.Equal(c.Extents(), want) {
		t.Errorf("%v", c.Extents())
	}
	if err := iotest.TestReader(io.NewSectionReader(c, 0, c.Size()), []byte("234\x00\x00\x00901")); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]Extent{{{9, 2}}, {{-2, 2}}, {{1 << 62, 1 << 62}}, {{0, 1}}, nil} {
		if _, err := NewContent(r, 10, 2, bad); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
