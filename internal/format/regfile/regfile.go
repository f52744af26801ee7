// Package regfile reads and writes regedit's text files (.reg).
//
// It reads "Windows Registry Editor Version 5.00" and REGEDIT4 files into an ordered list of
// operations, and writes such a list as version 5.00, in regedit's own layout. Regedit passes over
// lines that it does not understand; here every line has a meaning or is an error with its number.
// Microsoft describes the format in https://support.microsoft.com/kb/310516 by example only. Where
// that is silent, what counts is what Wine's tests of regedit and reg.exe, which also run on
// Windows, found Windows to do (https://github.com/wine-mirror/wine, programs/regedit/tests and
// programs/reg/tests). docs/formats/regfile.md lists the facts.
//
// Keys are text here: what HKEY_LOCAL_MACHINE is, and whether a key may be changed, belongs to
// internal/windows. Windows 3.1's REGEDIT files are not read.
package regfile

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

const (
	header5 = "Windows Registry Editor Version 5.00"
	header4 = "REGEDIT4"

	// maxText is the longest file that is read. The export of a SYSTEM hive of 15 MB has 50 MB.
	maxText = 256 << 20
	// maxOps bounds the memory that a file of the shortest lines can ask for: with 80 bytes for an
	// Op, 320 MiB.
	maxOps = 4 << 20
)

// The types that the text has words of its own for, and those whose data are text ([MS-RRP]
// 3.1.1.5). Every other number is valid too.
const (
	typeSZ       = 1
	typeExpandSZ = 2
	typeBinary   = 3
	typeDWORD    = 4
	typeMultiSZ  = 7
)

// Kind says what an operation does.
type Kind uint8

// The operations, with the lines that stand for them.
const (
	CreateKey   Kind = iota + 1 // [key]: made if it is not there
	DeleteKey                   // [-key]: with all that is in it; no error if it is not there
	SetValue                    // "name"=data
	DeleteValue                 // "name"=-: no error if it is not there
)

// Op is one operation of a file.
type Op struct {
	Line int // the line it begins on, from 1; Write does not look at it
	Kind Kind
	Key  string // the path as written, with '\' between names
	Name string // of the value, "" for the default one; only for SetValue and DeleteValue
	Type uint32 // REG_*; only for SetValue, as is Data

	// Data is what the registry stores: for "text" UTF-16LE with its terminator, for dword four
	// bytes, little-endian, and for hex the bytes as written, whether they suit the type or not.
	// Only the ANSI strings of REGEDIT4 become UTF-16LE.
	Data []byte
}

// keyFault says why a path cannot stand between brackets, or is "".
func keyFault(key string) string {
	switch {
	case key == "":
		return "the key has no name"
	case strings.ContainsAny(key, "\x00\r\n"):
		return "the key's name holds a line end or a NUL"
	case strings.ContainsAny(key[:1], " \t-"):
		return "the key's name begins with a blank or a '-'"
	}
	// In `[a] ; see [1]` the first ']' ends the key for a person, the last one for regedit.
	for rest := key; ; {
		_, after, found := strings.Cut(rest, "]")
		if !found {
			return ""
		}
		if strings.HasPrefix(strings.TrimLeft(after, " \t"), ";") {
			return "with a ';' after one ']' and before another it is not clear where the key's name ends"
		}
		rest = after
	}
}

// nameFault says why a value's name cannot be written, or is "".
func nameFault(name string) string {
	if strings.IndexByte(name, 0) >= 0 {
		return "the value's name holds a NUL"
	}
	return ""
}

// tooLong is the error for a file above maxText.
func tooLong(n int) error {
	return fault.Unsupportedf(fault.NoOffset, "the file has %d bytes, more than the %d MiB that are read: split it", n, maxText>>20)
}
