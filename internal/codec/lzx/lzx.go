// Package lzx decodes and encodes LZX as Windows Imaging files use it: every chunk stands alone, its window is
// the chunk size, and x86 call targets in it have been made absolute (the "E8" translation) as if
// the chunk were a file of 12,000,000 bytes.
//
// The format is LZ77 with canonical Huffman codes, described by [MS-PATCH] section 2 and by the
// "LZX data format" document of the CAB SDK. A WIM differs from a cabinet: there is no header bit
// for the translation, a block's size has a one-bit short form for 32768, matches end at 257 bytes,
// and nothing survives from one chunk to the next. Cabinets are not read or written here.
//
// Contents are judged by their hash, so the decoder takes what libwim's takes: zeros follow the input, a
// run of code lengths may go beyond its alphabet, and a code without symbols stands for symbol 0. It is
// strict otherwise (other codes must be complete, matches must stay inside their block and the chunk),
// and never reads or writes outside the slices it is given, whatever they hold.
package lzx

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Decoder decodes one chunk after another. It allocates nothing after NewDecoder, and must not be
// used by two goroutines at once.
type Decoder struct {
	r        bitReader
	src      []byte // the chunk being decoded, for uncompressed blocks
	window   int    // bytes
	mainSyms int

	recent [numRepeats]uint32 // the recent offsets, latest first

	mainLens    [maxMainSyms + maxRun]uint8 // kept from block to block: each block codes the difference
	lengthLens  [numLengthSyms + maxRun]uint8
	mainTable   [1<<mainRoot + maxMainSyms<<(maxCodeLen-mainRoot)/(maxCodeLen-mainRoot+1)]uint32
	lengthTable [1<<lengthRoot + numLengthSyms<<(maxCodeLen-lengthRoot)/(maxCodeLen-lengthRoot+1)]uint32
	aligned     [1 << alignedRoot]uint32
	preTable    [1<<preRoot + numPreSyms<<(maxPreLen-preRoot)/(maxPreLen-preRoot+1)]uint32
}

// NewDecoder returns a decoder for chunks of at most windowSize bytes, a power of two from MinWindow
// to MaxWindow. The window size is part of the format: it decides the size of the main alphabet.
func NewDecoder(windowSize int) (*Decoder, error) {
	if err := checkWindow(windowSize); err != nil {
		return nil, err
	}
	d := &Decoder{window: windowSize, mainSyms: numLiterals + numHeaders*numSlots(windowSize)}
	d.r.grow(windowSize)
	return d, nil
}

func checkWindow(size int) error {
	if size < MinWindow || size > MaxWindow || bits.OnesCount(uint(size)) != 1 {
		return fault.Unsupportedf(fault.NoOffset,
			"LZX window of %d bytes: want a power of two from %d to %d", size, MinWindow, MaxWindow)
	}
	return nil
}

// Decode fills dst, one chunk's uncompressed size and at most the window size, from the compressed
// chunk src. Bytes of src after the last block are ignored. A chunk that was stored raw, which a WIM
// shows by equal sizes, is not for Decode.
//
// An error is of class fault.ErrCorrupt with the offset in src; dst then holds garbage.
func (d *Decoder) Decode(dst, src []byte) error {
	if len(dst) > d.window {
		return fault.Bugf("LZX chunk of %d bytes in a window of %d", len(dst), d.window)
	}
	dst = dst[:len(dst):len(dst)] // what a slice expression cannot reach, no mistake can
	d.src = src
	d.r.reset(src)
	d.recent = [numRepeats]uint32{1, 1, 1}
	clear(d.mainLens[:])
	clear(d.lengthLens[:])
	calls := false // whether dst may hold an E8 byte
	for pos := 0; pos < len(dst); {
		b, err := d.readBlockHeader(len(dst) - pos)
		if err != nil {
			return err
		}
		if b.kind == uncompressed {
			err = d.copyBlock(dst[pos : pos+b.size])
			calls = true
		} else {
			err = d.decodeBlock(dst, pos, pos+b.size)
			calls = calls || d.mainLens[callOpcode] != 0
		}
		if err != nil {
			return err
		}
		pos += b.size
	}
	if calls {
		undoCalls(dst)
	}
	return nil
}

// copyBlock fills dst with an uncompressed block's bytes, which come after three recent offsets, and
// are padded to a whole unit.
func (d *Decoder) copyBlock(dst []byte) error {
	at := d.r.consumed() / 8
	if at+len(dst) > len(d.src) {
		return d.truncated()
	}
	copy(dst, d.src[at:])
	d.r.seek(min(at+(len(dst)+1)&^1, d.r.end))
	return nil
}

// decodeBlock decodes dst[pos:end], a verbatim or aligned block, with the bytes before pos as history.
func (d *Decoder) decodeBlock(dst []byte, pos, end int) error {
	pos, bad := d.decodeFast(dst, pos, end)
	if bad == fine {
		pos, bad = d.decodeTail(dst, pos, end)
	}
	return d.blockError(pos, end, bad)
}

// blockError turns what stopped a block that ends at end, at pos, into an error.
func (d *Decoder) blockError(pos, end int, bad problem) error {
	switch bad {
	case badOffset:
		return d.corrupt("match at output byte %d reaches back %d bytes", pos, d.recent[0])
	case badLength:
		return d.corrupt("match at output byte %d crosses the end of its block at %d", pos, end)
	}
	return nil
}

// corrupt reports corrupt input at the present position. Where the input has ended, whatever else went
// wrong came of that.
func (d *Decoder) corrupt(format string, args ...any) error {
	if d.r.overrun() {
		return d.truncated()
	}
	return fault.Corruptf(d.r.offset(), "LZX: "+format, args...)
}

// truncated reports that the input ended too early.
func (d *Decoder) truncated() error {
	return fault.Corruptf(int64(len(d.src)), "LZX: compressed data ends too early")
}

// buildMain makes the main table for a block of the given kind.
func (d *Decoder) buildMain(kind blockKind) error {
	payload := verbatimPayload
	if kind == alignedOffsets {
		payload = alignedPayload
	}
	if err := huffman.Build(d.mainTable[:], mainRoot, d.mainLens[:d.mainSyms], payload); err != nil {
		return d.corrupt("main code: %v", err)
	}
	return nil
}
