// Package bootprog holds stand-ins for the boot managers of Windows, so that winbake's examples
// and tests can boot what they baked without a byte of Windows: a BOOTMGR for BIOS machines and an
// EFI application for x86-64 UEFI machines. Each says what it saw on COM1 and on the screen, in one
// line that starts with its name, and switches the machine off.
//
// The programs are written for winbake; bootmgr.asm and efi.asm are their sources and say what they
// check. BOOTMGR carries its size and a sum of all its bytes, so that a boot record that loads part
// of it wrongly is found out.
package bootprog

//go:generate ./build.sh

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var (
	//go:embed bootmgr.bin
	bootmgr []byte
	//go:embed efi.bin
	efi []byte
)

// What the programs print.
const (
	// BIOSName and EFIName begin the line that each program prints.
	BIOSName = "winbake stand-in BOOTMGR"
	EFIName  = "winbake stand-in boot manager"

	// BIOSLine is all that BOOTMGR prints after a faultless boot from the first disk.
	BIOSLine = BIOSName + ": bios, drive 0x80, 2000:0000, checksum ok"

	// MaxName is the longest name, in bytes, that a program has room for.
	MaxName = 47

	// Size is that of BOOTMGR: like the real one several 64 KiB segments and no multiple of a
	// sector.
	Size = 300_004
)

// Offsets in bootmgr.bin and the marks before the names; see the sources.
const (
	biosSize = 0x0C
	biosSum  = 0x10
	biosName = 0x14
	biosMark = "WBSTANDB"
	efiMark  = "WBSTANDE"
)

// BOOTMGR returns the BIOS stand-in, named BIOSName and of Size bytes.
func BOOTMGR() []byte {
	return must(NewBOOTMGR(BIOSName, Size))
}

// EFI returns the UEFI stand-in, named EFIName. Its line ends with the path of the file that the
// firmware loaded: `winbake stand-in boot manager: uefi, \EFI\Boot\bootx64.efi`.
func EFI() []byte {
	return must(NewEFI(EFIName))
}

// NewBOOTMGR returns a BIOS stand-in whose line starts with name, padded to size bytes. Size must
// be a multiple of 4 and at least MinSize.
func NewBOOTMGR(name string, size int) ([]byte, error) {
	if size < MinSize() || size%4 != 0 {
		return nil, fault.Invalidf("a stand-in BOOTMGR of %d bytes: want a multiple of 4, at least %d", size, MinSize())
	}
	b := make([]byte, size)
	n := copy(b, bootmgr)
	pad(b[n:])
	if err := setName(b, biosMark, biosName, name); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(b[biosSize:], uint32(size))
	binary.LittleEndian.PutUint32(b[biosSum:], sum(b))
	return b, nil
}

// NewEFI returns a UEFI stand-in whose line starts with name.
func NewEFI(name string) ([]byte, error) {
	b := bytes.Clone(efi)
	at := bytes.Index(b, []byte(efiMark))
	if at < 0 {
		return nil, fault.Bugf("efi.bin has no mark")
	}
	return b, setName(b, efiMark, at+len(efiMark), name)
}

// MinSize returns the size in bytes of the smallest BOOTMGR: small enough to be resident in a file
// record of 1 KiB.
func MinSize() int { return len(bootmgr) }

// setName puts name, ASCII only, into its field at offset at, which follows the mark or, in
// bootmgr.bin, the mark and two numbers.
func setName(b []byte, mark string, at int, name string) error {
	if !bytes.Contains(b[:at], []byte(mark)) {
		return fault.Bugf("no mark %q before the name", mark)
	}
	if len(name) > MaxName {
		return fault.Invalidf("the name %q is longer than %d bytes", name, MaxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return fault.Invalidf("the name %q is not plain ASCII", name)
		}
	}
	clear(b[at : at+MaxName+1])
	copy(b[at:], name)
	return nil
}

// pad fills b with numbers that do not repeat, so that no two sectors are alike.
func pad(b []byte) {
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
}

// sum computes what bootmgr.asm computes: dwords, rotated so that their order matters.
func sum(b []byte) uint32 {
	var s uint32
	for ; len(b) >= 4; b = b[4:] {
		s = bits.RotateLeft32(s, 5) + binary.LittleEndian.Uint32(b)
	}
	return s
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err) // the arguments are constants
	}
	return b
}
