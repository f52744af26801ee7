package regf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Type is the type of a value. Other numbers than those named here are valid too: device
// properties, for one, keep a type of their own in it.
type Type uint32

// The types that Windows names (winnt.h).
const (
	REG_NONE                       Type = 0
	REG_SZ                         Type = 1
	REG_EXPAND_SZ                  Type = 2
	REG_BINARY                     Type = 3
	REG_DWORD                      Type = 4
	REG_DWORD_BIG_ENDIAN           Type = 5
	REG_LINK                       Type = 6
	REG_MULTI_SZ                   Type = 7
	REG_RESOURCE_LIST              Type = 8
	REG_FULL_RESOURCE_DESCRIPTOR   Type = 9
	REG_RESOURCE_REQUIREMENTS_LIST Type = 10
	REG_QWORD                      Type = 11
)

var typeNames = [...]string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK",
	"REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD",
}

// String returns the name in winnt.h, or the number of a type that has none.
func (t Type) String() string {
	if int64(t) < int64(len(typeNames)) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %#x", uint32(t))
}

// ValueFlags are the flags of a value record that survive a rewrite.
type ValueFlags uint16

// TombstoneValue marks a value of a differencing hive that hides the one below it (Windows 10
// 1607 and later, containers).
const TombstoneValue ValueFlags = 1 << 1

// Value is one value of a key. Name "" is the default value, which regedit shows as "(Default)".
// Data is as stored: strings are UTF-16LE, mostly with a terminator. Data of a parsed hive aliases
// the parsed bytes: replace it, do not change it in place.
type Value struct {
	Name  string
	Type  Type
	Flags ValueFlags
	Data  []byte
}

// ErrType says that a value is not of the type that was asked for.
var ErrType = errors.New("value has another type")

// String returns a REG_SZ value.
func String(name, text string) Value {
	return Value{Name: name, Type: REG_SZ, Data: terminated(text)}
}

// ExpandString returns a REG_EXPAND_SZ value: text with %VARIABLES%.
func ExpandString(name, text string) Value {
	return Value{Name: name, Type: REG_EXPAND_SZ, Data: terminated(text)}
}

// MultiString returns a REG_MULTI_SZ value. The format ends a list at its first empty string, so
// readers do not see anything from an empty item on.
func MultiString(name string, items ...string) Value {
	var data []byte
	for _, s := range items {
		data = append(utf16le.Append(data, s), 0, 0)
	}
	return Value{Name: name, Type: REG_MULTI_SZ, Data: append(data, 0, 0)}
}

// DWord returns a REG_DWORD value.
func DWord(name string, n uint32) Value {
	return Value{Name: name, Type: REG_DWORD, Data: le.AppendUint32(nil, n)}
}

// QWord returns a REG_QWORD value.
func QWord(name string, n uint64) Value {
	return Value{Name: name, Type: REG_QWORD, Data: le.AppendUint64(nil, n)}
}

// Binary returns a REG_BINARY value that holds data itself, not a copy.
func Binary(name string, data []byte) Value {
	return Value{Name: name, Type: REG_BINARY, Data: data}
}

// LinkTarget returns the REG_LINK value that a symbolic link key has: the absolute target,
// "\REGISTRY\MACHINE\...", without a terminator.
func LinkTarget(target string) Value {
	return Value{Name: "SymbolicLinkValue", Type: REG_LINK, Data: utf16le.Encode(target)}
}

func terminated(s string) []byte { return append(utf16le.Encode(s), 0, 0) }

// Text returns the text of a REG_SZ, REG_EXPAND_SZ or REG_LINK value up to its terminator, which
// may be missing; an odd last byte is ignored, as Windows does. Other types give ErrType.
func (v Value) Text() (string, error) {
	switch v.Type {
	case REG_SZ, REG_EXPAND_SZ, REG_LINK:
		s, _, _ := strings.Cut(utf16le.Decode(v.Data), "\x00")
		return s, nil
	}
	return "", v.typeError("a string")
}

// Strings returns the items of a REG_MULTI_SZ value up to the empty one that ends it, which may be
// missing. Other types give ErrType.
func (v Value) Strings() ([]string, error) {
	if v.Type != REG_MULTI_SZ {
		return nil, v.typeError("a list of strings")
	}
	var items []string
	for rest := utf16le.Decode(v.Data); rest != ""; {
		var s string
		if s, rest, _ = strings.Cut(rest, "\x00"); s == "" {
			break
		}
		items = append(items, s)
	}
	return items, nil
}

// Integer returns the number in a REG_DWORD, REG_DWORD_BIG_ENDIAN or REG_QWORD value. Other types
// give ErrType; data of a wrong length are corrupt.
func (v Value) Integer() (uint64, error) {
	want := 4
	switch v.Type {
	case REG_DWORD, REG_DWORD_BIG_ENDIAN:
	case REG_QWORD:
		want = 8
	default:
		return 0, v.typeError("an integer")
	}
	if len(v.Data) != want {
		return 0, fault.Corruptf(fault.NoOffset, "value %q: %v of %d bytes, must have %d", v.Name, v.Type, len(v.Data), want)
	}
	switch v.Type {
	case REG_DWORD_BIG_ENDIAN:
		return uint64(be.Uint32(v.Data)), nil
	case REG_DWORD:
		return uint64(le.Uint32(v.Data)), nil
	}
	return le.Uint64(v.Data), nil
}

func (v Value) typeError(want string) error {
	return &fault.Error{
		Class: fault.ErrInvalid, Offset: fault.NoOffset, Err: ErrType,
		Detail: fmt.Sprintf("value %q is %v, not %s", v.Name, v.Type, want),
	}
}
