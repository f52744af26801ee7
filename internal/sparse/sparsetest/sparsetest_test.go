package sparsetest

import (
	"bytes"
	"io"
	"testing"
)

// TestSameCanFail shows the comparison a disk with one wrong byte, one that is shorter, and one
// that reports its end too late.
func TestSameCanFail(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	if err := same(bytes.NewReader(want), want); err != nil {
		t.Error(err)
	}
	wrong := bytes.Clone(want)
	wrong[70_000] ^= 1
	long := append(bytes.Clone(want), 0)
	for name, d := range map[string]Disk{
		"byte": bytes.NewReader(wrong), "short": bytes.NewReader(want[1:]), "long": bytes.NewReader(long),
		"end": endless{bytes.NewReader(long), int64(len(want))},
	} {
		if same(d, want) == nil {
			t.Errorf("%s: no difference", name)
		}
	}
}

type endless struct {
	io.ReaderAt
	size int64
}

func (e endless) Size() int64 { return e.size }

func TestImage(t *testing.T) {
	m := Image{Size: 10, Pieces: []Piece{{2, []byte("abcd")}, {4, []byte("X")}, {9, []byte("yz")}}}
	got, err := io.ReadAll(io.NewSectionReader(&m, 0, 20))
	if want := "\x00\x00abXd\x00\x00\x00y"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(&m, 3, 3)); err != nil || string(got) != "bXd" {
		t.Errorf("%q, %v", got, err)
	}
}
