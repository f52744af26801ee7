package pe

import (
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Places in a program ("PE Format", "MS-DOS Stub" and "Optional Header").
const (
	newHeaderAt = 0x3C // u32: where "PE\0\0" is
	checksumAt  = 88   // from there: the optional header's CheckSum
)

// Checksum returns the checksum that a program of size bytes states, and the one that it has. A stated
// one of zero is none: few programs but drivers and boot programs have one. (The sum is that of
// ImageHlp's CheckSumMappedFile: 16-bit words with the carry added again, and the length of the file.)
func Checksum(r io.ReaderAt, size int64) (stated, actual uint32, err error) {
	head := make([]byte, 4)
	if _, err := r.ReadAt(head, newHeaderAt); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	field := int64(le.Uint32(head)) + checksumAt
	if field%2 != 0 || field > size-4 {
		return 0, 0, fault.Corruptf(newHeaderAt, "the program's header is at %#x of %d bytes", le.Uint32(head), size)
	}
	buf := make([]byte, 64<<10)
	var sum uint32
	for off := int64(0); off < size; {
		n := int(min(int64(len(buf)), size-off))
		if got, err := r.ReadAt(buf[:n], off); got < n {
			return 0, 0, errors.Join(io.ErrUnexpectedEOF, err)
		}
		for i := max(field-off, 0); i < min(field+4-off, int64(n)); i++ {
			stated |= uint32(buf[i]) << (8 * (off + i - field))
			buf[i] = 0
		}
		if n%2 != 0 { // the last piece: buf has an even length
			buf[n] = 0
		}
		for i := 0; i < n; i += 2 {
			sum += uint32(le.Uint16(buf[i:]))
			sum = sum&0xFFFF + sum>>16
		}
		off += int64(n)
	}
	sum = sum&0xFFFF + sum>>16
	return stated, sum + uint32(size), nil
}
