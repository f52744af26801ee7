package registry

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// maxValueName is the longest name of a value in UTF-16 units (Microsoft, "Registry element size
// limits").
const maxValueName = 16383

// CheckValue says whether Windows can hold a value: its name is not too long and has no NUL.
func CheckValue(v regf.Value) error {
	switch n := utf16le.Len(v.Name); {
	case n > maxValueName:
		return fault.Invalidf("name: %d characters, at most %d are possible", n, maxValueName)
	case strings.Contains(v.Name, "\x00"):
		return fault.Invalidf("name: it holds a NUL character")
	}
	return nil
}

// types are those that can be written as text, in the order of messages.
var types = []regf.Type{
	regf.REG_SZ, regf.REG_EXPAND_SZ, regf.REG_MULTI_SZ, regf.REG_DWORD, regf.REG_QWORD, regf.REG_BINARY,
	regf.REG_NONE, regf.REG_DWORD_BIG_ENDIAN, regf.REG_LINK, regf.REG_RESOURCE_LIST,
	regf.REG_FULL_RESOURCE_DESCRIPTOR, regf.REG_RESOURCE_REQUIREMENTS_LIST,
}

// ParseType reads the name of a type, such as REG_DWORD, in any case. "" is REG_SZ, as with reg.exe.
func ParseType(name string) (regf.Type, error) {
	if name == "" {
		return regf.REG_SZ, nil
	}
	for _, t := range types {
		if strings.EqualFold(name, t.String()) {
			return t, nil
		}
	}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return 0, fault.Invalidf("type: %q is not one of %s", name, strings.Join(names, ", "))
}

// NewValue makes a value from text, as people write it: numbers in decimal or, with 0x, hexadecimal;
// bytes as pairs of hexadecimal digits, with or without blanks, commas or 0x. items are the strings of
// a REG_MULTI_SZ and must be nil for every other type.
func NewValue(name string, t regf.Type, text string, items []string) (regf.Value, error) {
	v, err := newValue(name, t, text, items)
	if err != nil {
		return v, err
	}
	return v, CheckValue(v)
}

func newValue(name string, t regf.Type, text string, items []string) (regf.Value, error) {
	if t == regf.REG_MULTI_SZ {
		return newMultiString(name, text, items)
	}
	if items != nil {
		return regf.Value{}, fault.Invalidf("values: a list is for REG_MULTI_SZ only; give value for %s", t)
	}
	switch t {
	case regf.REG_SZ, regf.REG_EXPAND_SZ, regf.REG_LINK:
		return newString(name, t, text)
	case regf.REG_DWORD:
		n, err := number(t, text, math.MaxUint32)
		return regf.DWord(name, uint32(n)), err
	case regf.REG_DWORD_BIG_ENDIAN:
		n, err := number(t, text, math.MaxUint32)
		return regf.Value{Name: name, Type: t, Data: binary.BigEndian.AppendUint32(nil, uint32(n))}, err
	case regf.REG_QWORD:
		n, err := number(t, text, math.MaxUint64)
		return regf.QWord(name, n), err
	}
	data, err := bytesOf(t, text)
	return regf.Value{Name: name, Type: t, Data: data}, err
}

func newString(name string, t regf.Type, text string) (regf.Value, error) {
	if strings.Contains(text, "\x00") {
		return regf.Value{}, fault.Invalidf("value: a string ends at its first NUL character; this one holds one")
	}
	if t == regf.REG_LINK {
		return regf.Value{Name: name, Type: t, Data: regf.LinkTarget(text).Data}, nil
	}
	v := regf.String(name, text)
	v.Type = t
	return v, nil
}

func newMultiString(name, text string, items []string) (regf.Value, error) {
	if text != "" {
		return regf.Value{}, fault.Invalidf("value: a REG_MULTI_SZ is a list; write values = [\"...\"]")
	}
	if i := slices.IndexFunc(items, func(s string) bool { return s == "" || strings.Contains(s, "\x00") }); i >= 0 {
		return regf.Value{}, fault.Invalidf("values: item %d is empty or holds a NUL character, which ends a REG_MULTI_SZ", i+1)
	}
	return regf.MultiString(name, items...), nil
}

// number reads a whole number from 0 to limit.
func number(t regf.Type, text string, limit uint64) (uint64, error) {
	text = strings.TrimSpace(text)
	digits, base := text, 10
	if rest, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		digits, base = rest, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil || n > limit {
		return 0, fault.Invalidf("value: %q is no %s: give a whole number from 0 to %d, or in hexadecimal from 0x0 to %#x", text, t, limit, limit)
	}
	return n, nil
}

// bytesOf reads hexadecimal bytes.
func bytesOf(t regf.Type, text string) ([]byte, error) {
	digits := strings.NewReplacer("0x", "", "0X", "", ",", "", " ", "", "\t", "", "\r", "", "\n", "").Replace(text)
	data, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fault.Invalidf("value: not the bytes of a %s: give pairs of hexadecimal digits, such as 01ff00", t)
	}
	return data, nil
}
