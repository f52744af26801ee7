// Package lznt1 decodes LZNT1, the compression that NTFS applies to files with attribute 0x800
// ([MS-XCA] 2.5). Nothing is compressed.
//
// The data is a series of chunks, each standing for 4,096 bytes. A chunk begins with a 16-bit
// header: bits 0 to 11 are the length of what follows less one, bits 12 to 14 the signature 3, bit
// 15 says that it is compressed; a header of zero ends the data. A compressed chunk is groups of a
// flag byte and eight elements: where the bit is 0 a literal byte, where it is 1 a 16-bit pair of
// distance and length, whose border moves with the position in the chunk.
package lznt1

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Numbers of the format.
const (
	// ChunkSize is what a chunk stands for, in bytes.
	ChunkSize = 4096

	headerSize      = 2
	lengthMask      = 0x0FFF // of a header
	signatureMask   = 0x7000
	signature       = 0x3000
	compressed      = 0x8000
	pairBits        = 16
	minDistanceBits = 4
	minMatch        = 3
)

// Decode fills dst from src. What the data does not reach stays zero, also the rest of a chunk that
// ends early, as in Windows. Chunks of src that begin after the end of dst are ignored.
//
// An error is of class fault.ErrCorrupt with the offset in src; dst then holds garbage.
func Decode(dst, src []byte) error {
	clear(dst)
	for at := 0; len(dst) > 0 && at+headerSize <= len(src); {
		header := binary.LittleEndian.Uint16(src[at:])
		if header == 0 {
			return nil
		}
		start := at + headerSize
		end := start + int(header&lengthMask) + 1
		if header&signatureMask != signature {
			return fault.Corruptf(int64(at), "LZNT1: chunk header is %#04x", header)
		}
		if end > len(src) {
			return fault.Corruptf(int64(at), "LZNT1: chunk of %d bytes ends after the data, which has %d", end-start, len(src))
		}
		chunk := dst[:min(ChunkSize, len(dst))]
		if header&compressed == 0 {
			copy(chunk, src[start:end])
		} else if err := decodeChunk(chunk, src[:end], start); err != nil {
			return err
		}
		dst = dst[len(chunk):]
		at = end
	}
	return nil
}

// decodeChunk decodes src[at:]. Of the last chunk of dst there may be less than was compressed.
func decodeChunk(dst, src []byte, at int) error {
	for pos := 0; at < len(src); {
		flags := src[at]
		at++
		for range 8 {
			if at >= len(src) || pos >= len(dst) {
				break
			}
			if flags&1 == 0 {
				dst[pos] = src[at]
				pos, at = pos+1, at+1
			} else {
				n, err := decodePair(dst, pos, src, at)
				if err != nil {
					return err
				}
				pos, at = pos+n, at+pairBits/8
			}
			flags >>= 1
		}
		if pos >= len(dst) {
			return endOf(dst, src, at)
		}
	}
	return nil
}

// endOf complains about what a full chunk has left, unless dst was cut short.
func endOf(dst, src []byte, at int) error {
	if len(dst) == ChunkSize && at < len(src) {
		return fault.Corruptf(int64(at), "LZNT1: chunk holds more than %d bytes", ChunkSize)
	}
	return nil
}

// decodePair copies the match that src[at:] describes to dst[pos:] and returns its length. The
// distance has as many bits as are needed to reach the start of the chunk, but at least four.
func decodePair(dst []byte, pos int, src []byte, at int) (int, error) {
	if at+pairBits/8 > len(src) {
		return 0, fault.Corruptf(int64(at), "LZNT1: chunk ends inside a match")
	}
	pair := int(binary.LittleEndian.Uint16(src[at:]))
	lengthBits := pairBits - max(minDistanceBits, bits.Len(uint(max(pos, 1)-1)))
	distance := pair>>lengthBits + 1
	length := pair&(1<<lengthBits-1) + minMatch
	if distance > pos {
		return 0, fault.Corruptf(int64(at), "LZNT1: match at byte %d reaches back %d bytes", pos, distance)
	}
	if pos+length > len(dst) {
		if len(dst) == ChunkSize {
			return 0, fault.Corruptf(int64(at), "LZNT1: match of %d bytes at byte %d of %d", length, pos, ChunkSize)
		}
		length = len(dst) - pos
	}
	lz.Copy(dst, pos, distance, length)
	return length, nil
}
