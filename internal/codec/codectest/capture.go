package codectest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Capture has wimlib-imagex write a WIM with one file for each of contents, and returns its blobs.
// compression is LZX or XPRESS; chunkSize is in bytes. The test is skipped without wimlib-imagex.
func Capture(t testing.TB, compression string, chunkSize int, contents ...[]byte) []WIMBlob {
	t.Helper()
	oracle.Need(t, "wimlib-imagex")
	dir := t.TempDir()
	tree, wim := filepath.Join(dir, "tree"), filepath.Join(dir, "out.wim")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, b := range contents {
		if err := os.WriteFile(filepath.Join(tree, fmt.Sprintf("%03d", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, "wimlib-imagex", "capture", tree, wim, "--compress="+compression,
		"--chunk-size="+strconv.Itoa(chunkSize), "--threads=1", "--no-acls")
	blobs, size := WIMBlobs(t, wim)
	if size != chunkSize {
		t.Fatalf("wimlib-imagex wrote chunks of %d bytes, want %d", size, chunkSize)
	}
	return blobs
}

// Materials returns contents that exercise a decoder: code, text, repeating and constant bytes, none
// at all that compress, and lengths around the chunk sizes.
func Materials() [][]byte {
	all := [][]byte{
		Machine(700_001, 1), Text(300_000), Periods(400_003), make([]byte, 1<<20), Noise(70_000, 3),
		append(append(Noise(3000, 4), make([]byte, 1<<20)...), Noise(3000, 4)...),
	}
	for _, n := range []int{40, 300, 4095, 4096, 4097, 32767, 32768, 32769, 65537} {
		all = append(all, Machine(n, uint64(n)), Text(n))
	}
	return all
}

// Vector is a chunk in testdata: what it decodes to is generated.
type Vector struct {
	Name      string // the file in testdata
	ChunkSize int    // bytes; of the WIM it came from
	Want      []byte // the chunk's contents
}

// Load returns the vector's compressed chunk. With update set it has wimlib-imagex make it anew.
func (v Vector) Load(t testing.TB, compression string, update bool) []byte {
	t.Helper()
	path := filepath.Join("testdata", v.Name)
	if update {
		blobs := Capture(t, compression, v.ChunkSize, v.Want)
		for _, b := range blobs {
			if b.Size == len(v.Want) {
				if err := os.WriteFile(path, b.Chunks[0].Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}
