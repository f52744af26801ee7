package oracle

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wofDecoder is a decoder in Python, written from the specifications; wimlibCodec calls libwim.
var (
	//go:embed wofdecode.py
	wofDecoder string
	//go:embed wimlibcodec.py
	wimlibCodec string
)

// The algorithms of WOF, as a reparse point names them.
const (
	WOFXpress4K  = 0
	WOFLZX       = 1
	WOFXpress8K  = 2
	WOFXpress16K = 3
)

// DecodeWOF expands the stream WofCompressedData of a file of size bytes with a decoder that shares
// nothing with winbake, and objects to anything that the specifications do not allow. It runs python3,
// which the caller has asked Need for.
func DecodeWOF(stream []byte, size int64, algorithm int) ([]byte, error) {
	return decodeChunks(stream, size, strconv.Itoa(algorithm))
}

// DecodeChunks is DecodeWOF for a stream of XPRESS or LZX chunks of any size.
func DecodeChunks(stream []byte, size int64, format string, chunk int) ([]byte, error) {
	return decodeChunks(stream, size, fmt.Sprintf("%s:%d", strings.ToLower(format), chunk))
}

func decodeChunks(stream []byte, size int64, format string) ([]byte, error) {
	cmd := Command("python3", "-c", wofDecoder, format, strconv.FormatInt(size, 10))
	out, stderr, err := feed(cmd, stream)
	if err != nil {
		return nil, judged("wofdecode.py", fmt.Sprintf("a stream of %d bytes", len(stream)), err, stderr)
	}
	return out, nil
}

// feed runs a command with standard input.
func feed(cmd *exec.Cmd, input []byte) (out []byte, stderr string, err error) {
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &o, &e
	err = cmd.Run()
	return o.Bytes(), e.String(), err
}

// ChunkStream lays chunks out as WOF and WIM do: the ends of all but the last, then the chunks. The
// contents must be below 4 GiB.
func ChunkStream(chunks [][]byte) []byte {
	var table, data []byte
	for i, c := range chunks {
		data = append(data, c...)
		if i < len(chunks)-1 {
			table = binary.LittleEndian.AppendUint32(table, uint32(len(data)))
		}
	}
	return append(table, data...)
}

// Chunk is what libwim is given: data, and the size that it has when expanded.
type Chunk struct {
	Data []byte
	Size int
}

// WimlibDecode expands chunks with libwim's own decoder, of format XPRESS or LZX with the given window.
// A chunk that it refuses becomes nil.
func WimlibDecode(t testing.TB, format string, window int, chunks []Chunk) [][]byte {
	t.Helper()
	return wimlibChunks(t, "decode", format, window, 0, chunks)
}

// WimlibEncode compresses chunks with libwim's own encoder at a level, 0 for its default. A chunk that
// does not become smaller becomes nil.
func WimlibEncode(t testing.TB, format string, window, level int, chunks [][]byte) [][]byte {
	t.Helper()
	jobs := make([]Chunk, len(chunks))
	for i, c := range chunks {
		jobs[i] = Chunk{c, len(c) - 1}
	}
	return wimlibChunks(t, "encode", format, window, level, jobs)
}

// WimlibDecodeTime returns the processor time that libwim's own decoder takes for chunks, at its best of
// three times.
func WimlibDecodeTime(t testing.TB, format string, window int, chunks []Chunk) time.Duration {
	t.Helper()
	out := runWimlibCodec(t, "time", format, window, 0, chunks)
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return time.Duration(fatal(t, ns, err))
}

func wimlibChunks(t testing.TB, what, format string, window, level int, jobs []Chunk) [][]byte {
	t.Helper()
	out := runWimlibCodec(t, what, format, window, level, jobs)
	results := make([][]byte, len(jobs))
	for i := range results {
		n := binary.LittleEndian.Uint32(out)
		out = out[4:]
		if n != math.MaxUint32 {
			results[i] = out[:n:n]
			out = out[n:]
		}
	}
	return results
}

func runWimlibCodec(t testing.TB, what, format string, window, level int, jobs []Chunk) []byte {
	t.Helper()
	Need(t, "python3", "wimlib-imagex") // libwim comes with the latter
	var in []byte
	for _, j := range jobs {
		in = binary.LittleEndian.AppendUint32(in, uint32(j.Size))
		in = binary.LittleEndian.AppendUint32(in, uint32(len(j.Data)))
		in = append(in, j.Data...)
	}
	number := map[string]string{"XPRESS": "1", "LZX": "2", "LZMS": "3"}[format]
	out, stderr, err := feed(Command("python3", "-c", wimlibCodec, what, number,
		strconv.Itoa(window), strconv.Itoa(level)), in)
	if err != nil {
		t.Fatalf("libwim: %v\n%s", err, stderr)
	}
	return out
}
