package inf

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// Flags of a line of an AddReg section ("INF AddReg Directive").
const (
	RegBinary        = 1 << 0 // FLG_ADDREG_BINVALUETYPE
	RegNoClobber     = 1 << 1
	RegDelete        = 1 << 2
	RegAppend        = 1 << 3
	RegKeyOnly       = 1 << 4
	RegOverwriteOnly = 1 << 5
	Reg64Bit         = 1 << 12
	RegKeyOnlyCommon = 1 << 13
	Reg32Bit         = 1 << 14
)

// The types of registry values that have a form of their own in an INF file.
const (
	regNone     = 0
	regSZ       = 1
	regExpandSZ = 2
	regBinary   = 3
	regDWord    = 4
	regMultiSZ  = 7
)

// RegEntry is one line of an AddReg or DelReg section.
type RegEntry struct {
	Line int
	// Root is HKR, HKLM, HKCR, HKCU or HKU, in upper case.
	Root string
	// Key, Name and Values are fields to be resolved with File.Expand.
	Key, Name string
	HasName   bool // whether the line names a value, be it the default one
	Flags     uint32
	Values    []string
}

// registry reads the sections that the AddReg or DelReg directives of a section name.
func (f *File) registry(section, directive string) ([]RegEntry, error) {
	var entries []RegEntry
	for _, list := range f.directive(section, directive) {
		for _, l := range f.lines(list) {
			e := RegEntry{Line: l.Number, Root: strings.ToUpper(f.Text(l.Value(0))), Key: l.Value(1), Name: l.Value(2)}
			switch e.Root {
			case "HKR", "HKLM", "HKCR", "HKCU", "HKU":
			default:
				return nil, corrupt(l.Number, "[%s] begins with %q, must be HKR, HKLM, HKCR, HKCU or HKU", list, e.Root)
			}
			var err error
			if e.Flags, err = f.number(l.Value(3), l.Number); err != nil {
				return nil, err
			}
			e.HasName = len(l.Values) > 3 || e.Name != ""
			if len(l.Values) > 4 {
				e.Values = l.Values[4:]
			}
			if entries = append(entries, e); len(entries) > maxItems {
				return nil, tooMany(section, "registry entries")
			}
		}
	}
	return entries, nil
}

// Type is the type of the registry value that the flags ask for.
func (e RegEntry) Type() uint32 {
	high := e.Flags >> 16
	if e.Flags&RegBinary == 0 {
		switch high {
		case 1:
			return regMultiSZ
		case 2:
			return regExpandSZ
		}
		return regSZ
	}
	switch high {
	case 0:
		return regBinary
	case 1:
		return regDWord
	case 2:
		return regNone
	}
	return high
}

// KeyOnly says that the line makes a key and sets no value.
func (e RegEntry) KeyOnly() bool {
	return e.Flags&(RegKeyOnly|RegKeyOnlyCommon) != 0 || !e.HasName && len(e.Values) == 0
}

// Data returns what the value holds, as the registry keeps it. Expand resolves a field.
func (e RegEntry) Data(expand func(string) string) ([]byte, error) {
	kind := e.Type()
	if kind == regDWord && len(e.Values) < 4 {
		n, err := parseDWord(expand(first(e.Values)))
		if err != nil {
			return nil, corrupt(e.Line, "%q is not a number of 32 bits", first(e.Values))
		}
		return binary.LittleEndian.AppendUint32(nil, n), nil
	}
	if e.Flags&RegBinary != 0 {
		return e.bytes(expand)
	}
	var data []byte
	if kind != regMultiSZ {
		return append(utf16le.Append(data, expand(first(e.Values))), 0, 0), nil
	}
	for _, v := range e.Values {
		if s := expand(v); s != "" {
			data = append(utf16le.Append(data, s), 0, 0)
		}
	}
	return append(data, 0, 0), nil
}

// bytes reads binary data: one byte in hexadecimal to a field.
func (e RegEntry) bytes(expand func(string) string) ([]byte, error) {
	data := make([]byte, 0, len(e.Values))
	for _, v := range e.Values {
		text := strings.TrimSpace(expand(v))
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(text), "0x"), 16, 8)
		if err != nil {
			return nil, corrupt(e.Line, "%q is not a byte in hexadecimal", text)
		}
		data = append(data, byte(n))
	}
	return data, nil
}

func parseDWord(text string) (uint32, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err == nil && (n < -1<<31 || n >= 1<<32) {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
