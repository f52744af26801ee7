package fat32

import (
	"io"
	"testing"
)

// blank is a volume of zeros that counts how often it is read.
type blank struct{ reads int }

func (b *blank) ReadAt(p []byte, _ int64) (int, error) {
	b.reads++
	clear(p)
	return len(p), nil
}

// TestManyRuns reads the end of a file of which no two clusters follow one another, as often as it has
// clusters: what comes before must not be gone through each time.
func TestManyRuns(t *testing.T) {
	const clusters = 1 << 20
	r := &blank{}
	f := &File{v: &Volume{r: r, cluster: 512, clusters: 2 * clusters}, size: clusters * 512}
	for i := range int64(clusters) {
		f.runs = append(f.runs, run{uint32(2 + 2*i), 1, i * 512})
	}
	p := make([]byte, 1024)
	for range clusters {
		if n, err := f.ReadAt(p, f.size-700); n != 700 || err != io.EOF {
			t.Fatal(n, err)
		}
	}
	if r.reads != 2*clusters {
		t.Errorf("%d reads", r.reads)
	}
}
