// Package fault holds the error classes that every reader and writer in winbake shares.
//
// A person at the terminal needs to know which of three things happened: the input is corrupt
// (get another copy), the input uses something winbake does not support (use another tool or
// another option), or winbake itself is wrong (report it). Every error made here says which, names
// the place, and keeps the class reachable through errors.Is.
package fault

import (
	"errors"
	"fmt"
)

// The classes. Test with errors.Is.
var (
	// ErrCorrupt marks input that breaks its own format's rules.
	ErrCorrupt = errors.New("corrupt input")
	// ErrUnsupported marks valid input that needs a feature winbake does not have.
	ErrUnsupported = errors.New("unsupported input")
	// ErrInvalid marks a value the user chose that cannot work (a name, a size, an option).
	ErrInvalid = errors.New("invalid value")
	// ErrBug marks a state that winbake's own code should have made impossible.
	ErrBug = errors.New("winbake bug")
)

// NoOffset says that an error has no byte position.
const NoOffset = -1

// Error is one fault with its place. Offset is a byte offset within Where, or NoOffset.
type Error struct {
	Class  error
	Where  string // a file, or a structure inside it ("blob table"); may be empty
	Offset int64
	Detail string
	Err    error // the cause, if another error caused this one
}

// Error prints "where at offset 0x..: detail: cause".
func (e *Error) Error() string {
	s := e.Detail
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	if e.Offset >= 0 {
		s = fmt.Sprintf("at offset %#x: %s", e.Offset, s)
	}
	if e.Where != "" {
		if e.Offset >= 0 {
			return e.Where + " " + s
		}
		return e.Where + ": " + s
	}
	return s
}

// Unwrap gives both the class and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Class}
	}
	return []error{e.Class, e.Err}
}

// Corruptf reports corrupt input at byte offset off (or NoOffset).
func Corruptf(off int64, format string, args ...any) error {
	return &Error{Class: ErrCorrupt, Offset: off, Detail: fmt.Sprintf(format, args...)}
}

// Unsupportedf reports a feature that winbake does not support, at byte offset off (or NoOffset).
func Unsupportedf(off int64, format string, args ...any) error {
	return &Error{Class: ErrUnsupported, Offset: off, Detail: fmt.Sprintf(format, args...)}
}

// Invalidf reports a value chosen by the user that cannot work.
func Invalidf(format string, args ...any) error {
	return &Error{Class: ErrInvalid, Offset: NoOffset, Detail: fmt.Sprintf(format, args...)}
}

// Bugf reports a state that should be impossible; the text asks for a report.
func Bugf(format string, args ...any) error {
	return &Error{Class: ErrBug, Offset: NoOffset, Detail: "bug in winbake, please report it: " + fmt.Sprintf(format, args...)}
}

// In adds the place to err: the file or structure it happened in. Nil stays nil.
// The innermost fault keeps its class and offset; places read from the outside in.
func In(where string, err error) error {
	if err == nil {
		return nil
	}
	//nolint:errorlint // only an error that nobody has wrapped yet takes its place in
	if e, ok := err.(*Error); ok && e.Where == "" {
		return &Error{Class: e.Class, Where: where, Offset: e.Offset, Detail: e.Detail, Err: e.Err}
	}
	return fmt.Errorf("%s: %w", where, err)
}
