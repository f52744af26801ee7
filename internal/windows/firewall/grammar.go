package firewall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Text is a rule as the registry holds it. It keeps every field as it was written, known or not, in its
// order, so that String gives back what Parse has read.
type Text struct {
	head   string // "v2.30"
	fields []string
}

// Version is the version of the grammar that a rule is written in: 2.10 is 0x20A, as in the firewall's
// value PolicyVersion.
type Version uint16

// String is "v2.10".
func (v Version) String() string { return fmt.Sprintf("v%d.%d", v>>8, v&0xFF) }

// Parse reads a rule: "v2.30|Action=Allow|...|", fields of the form key=value, each ended by "|"
// ([MS-GPFAS] 2.2.2.19). What the values may be is not looked at. Anything else is corrupt.
func Parse(s string) (Text, error) {
	parts := strings.Split(s, "|")
	last := len(parts) - 1
	switch {
	case last < 1 || parts[last] != "":
		return Text{}, fault.Corruptf(fault.NoOffset, "the rule does not end in %q", "|")
	case strings.IndexByte(s, 0) >= 0:
		return Text{}, fault.Corruptf(fault.NoOffset, "the rule holds a NUL")
	}
	t := Text{head: parts[0], fields: parts[1:last]}
	if _, ok := t.version(); !ok {
		return Text{}, fault.Corruptf(fault.NoOffset, "the rule begins with %.20q, not with a version such as %q", t.head, "v2.10")
	}
	for _, field := range t.fields {
		if key, _, ok := strings.Cut(field, "="); !ok || key == "" {
			return Text{}, fault.Corruptf(fault.NoOffset, "field %.40q of the rule has not the form key=value", field)
		}
	}
	return t, nil
}

// String returns the rule as the registry holds it.
func (t Text) String() string {
	return t.head + "|" + strings.Join(append(slices.Clone(t.fields), ""), "|")
}

// Version returns the version that the rule is written in.
func (t Text) Version() Version {
	v, _ := t.version()
	return v
}

// version reads "v2.30"; Windows' own rules have the letter in either case.
func (t Text) version() (Version, bool) {
	if len(t.head) == 0 || t.head[0]|0x20 != 'v' {
		return 0, false
	}
	major, minor, ok := strings.Cut(t.head[1:], ".")
	a, err1 := strconv.ParseUint(major, 10, 8)
	b, err2 := strconv.ParseUint(minor, 10, 8)
	return Version(a<<8 | b), ok && err1 == nil && err2 == nil
}

// Values returns the values of all fields with that key. Case does not matter, as it does not to Windows.
func (t Text) Values(key string) []string {
	var values []string
	for _, field := range t.fields {
		if k, value, _ := strings.Cut(field, "="); strings.EqualFold(k, key) {
			values = append(values, value)
		}
	}
	return values
}

// Active says whether the rule is in force. A rule that does not say so is not ([MS-GPFAS] 2.2.2.19).
func (t Text) Active() bool {
	values := t.Values(keyActive)
	return len(values) > 0 && strings.EqualFold(values[0], "TRUE")
}

// Activated returns the rule with Active=TRUE, and everything else as it was.
func (t Text) Activated() Text {
	const active = keyActive + "=TRUE"
	fields := slices.Clone(t.fields)
	for i, field := range fields {
		if k, _, _ := strings.Cut(field, "="); strings.EqualFold(k, keyActive) {
			fields[i] = active
			return Text{t.head, fields}
		}
	}
	at := 0
	if len(fields) > 0 && strings.HasPrefix(strings.ToLower(fields[0]), "action=") {
		at = 1 // where Windows writes it
	}
	return Text{t.head, slices.Insert(fields, at, active)}
}

const keyActive = "Active"
