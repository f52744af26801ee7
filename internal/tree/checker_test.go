package tree

import (
	"crypto/sha1"
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// summed is a Blob in memory.
type summed struct {
	Bytes
	sum [sha1.Size]byte
}

func (s *summed) SHA1() [sha1.Size]byte { return s.sum }
func (s *summed) Position() int64       { return 0 }
func (s *summed) ChunkSize() int64      { return 1 }

// TestChecker follows contents whole and in pieces, one after another, right and wrong ones.
func TestChecker(t *testing.T) {
	text := Bytes("bytes that come by in pieces")
	good := &summed{text, sha1.Sum(text)}
	bad := &summed{text, sha1.Sum(text[1:])}
	var k Checker
	for _, piece := range []int{len(text), 1, 7, len(text) - 1} {
		for _, c := range []Content{good, bad, text, good} {
			var err error
			for off := 0; off < len(text) && err == nil; off += piece {
				end := min(off+piece, len(text))
				if err = k.Check(c, int64(off), text[off:end]); err != nil && end < len(text) {
					t.Errorf("pieces of %d: %v before the end", piece, err)
				}
			}
			var content *ContentError
			switch {
			case c != Content(bad) && err != nil:
				t.Errorf("pieces of %d: %v", piece, err)
			case c == Content(bad) && (!errors.Is(err, fault.ErrCorrupt) || !errors.As(err, &content) || content.Content != c):
				t.Errorf("pieces of %d: a wrong content gives %v", piece, err)
			}
		}
	}
}
