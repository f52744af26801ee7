package lzx

import (
	"bytes"
	"encoding/binary"
)

// The E8 translation ([MS-PATCH] 2.3.3.1 and the CAB SDK): before compression, the operand of what looks
// like an x86 CALL, opcode E8 and a 32-bit relative target, is made absolute, so that calls of the
// same function look the same. The decoder turns it back.
const (
	callOpcode   = 0xe8
	callSize     = 5          // bytes: opcode and operand
	callTail     = 10         // bytes at the end of a chunk in which no translated call begins
	callFileSize = 12_000_000 // the file size every WIM chunk pretends to have
)

// translateCalls makes the relative call targets in a chunk absolute, for an encoder.
func translateCalls(chunk []byte) { eachCall(chunk, absoluteTarget) }

// undoCalls makes translated call targets in a chunk relative again.
func undoCalls(chunk []byte) { eachCall(chunk, relativeTarget) }

// eachCall replaces the operand of whatever looks like a call.
func eachCall(chunk []byte, translate func(target uint32, pos int) uint32) {
	for i := 0; i+callTail < len(chunk); {
		n := bytes.IndexByte(chunk[i:len(chunk)-callTail], callOpcode)
		if n < 0 {
			return
		}
		i += n
		operand := chunk[i+1 : i+callSize]
		binary.LittleEndian.PutUint32(operand, translate(binary.LittleEndian.Uint32(operand), i))
		i += callSize
	}
}

// absoluteTarget translates one operand of the call at byte pos, if it leads into the pretended file.
// Those that already look absolute, though not inside it, are pushed out of the way of the results.
func absoluteTarget(target uint32, pos int) uint32 {
	switch t, p := int32(target), int32(pos); {
	case t >= -p && t < callFileSize-p:
		return uint32(t + p)
	case t >= callFileSize-p && t < callFileSize:
		return uint32(t - callFileSize)
	}
	return target
}

// relativeTarget undoes the translation of one operand of the call at byte pos. Absolute targets
// inside the pretended file stand for relative ones; those that the encoder pushed out of the way,
// to keep the mapping one to one, come back by its size; others were never changed.
func relativeTarget(target uint32, pos int) uint32 {
	switch t, p := int32(target), int32(pos); {
	case t >= 0 && t < callFileSize:
		return uint32(t - p)
	case t < 0 && t >= -p:
		return uint32(t + callFileSize)
	}
	return target
}
