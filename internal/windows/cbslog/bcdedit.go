package cbslog

import (
	"regexp"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
)

// Entry is an entry of a boot configuration, as bcdedit printed it.
type Entry struct {
	// ID is the value of the first element, whose name is translated: "{current}", or a GUID in braces.
	ID string
	// Settings are the elements, whose names are the same in all languages.
	Settings []Setting
}

// Setting is one element with its values.
type Setting struct {
	Name   string
	Values []string
}

// Value returns the first value of the element called name, or "".
func (e *Entry) Value(name string) string {
	for _, s := range e.Settings {
		if strings.EqualFold(s.Name, name) && len(s.Values) > 0 {
			return s.Values[0]
		}
	}
	return ""
}

// Recovery is what bcdedit's output says of the recovery environment of the default entry.
type Recovery struct {
	Loader string // the id of the entry that starts Windows
	// Enabled is recoveryenabled; Set says that it is there.
	Enabled, Set bool
	Sequence     string // recoverysequence, or empty
	// Entry says that the entry of Sequence was printed, too; Device is its device.
	Entry  bool
	Device string
}

// Recovery finds the entry that starts Windows: the boot manager's default, or the only one that has
// a recovery entry. ok is false where there is none.
func (l *Log) Recovery() (r Recovery, ok bool) {
	loader := l.loader()
	if loader == nil {
		return r, false
	}
	r.Loader, r.Sequence = loader.ID, loader.Value("recoverysequence")
	if v := loader.Value("recoveryenabled"); v != "" {
		r.Set, r.Enabled = true, slices.Contains(yes, strings.ToLower(v))
	}
	if e := l.entry(r.Sequence); e != nil {
		r.Entry, r.Device = true, e.Value("device")
	}
	return r, true
}

// yes is how bcdedit writes it in the languages that translate it.
var yes = []string{"yes", "ja", "oui", "sí", "si", "sim", "да", "tak"}

func (l *Log) entry(id string) *Entry {
	for i := range l.Entries {
		if id != "" && strings.EqualFold(l.Entries[i].ID, id) {
			return &l.Entries[i]
		}
	}
	return nil
}

func (l *Log) loader() *Entry {
	for i := range l.Entries {
		if e := l.entry(l.Entries[i].Value("default")); e != nil {
			return e
		}
	}
	for i := range l.Entries {
		if e := &l.Entries[i]; e.Value("osdevice") != "" && e.Value("winpe") == "" {
			return e
		}
	}
	return nil
}

const (
	maxEntries  = 1000
	maxSettings = 200 // of an entry, and values of a setting
)

var (
	bootRule = regexp.MustCompile(`^-{5,}$`)
	bootPair = regexp.MustCompile(`^(\S+) +(\S.*)$`)
	bootID   = regexp.MustCompile(`^\{[0-9A-Za-z-]+\}$`)
)

// bootReader recognizes bcdedit's output: a line of dashes, the identifier, and elements up to an
// empty line.
type bootReader struct {
	entries []Entry
	state   int // 0 outside, 1 after the dashes, 2 in an entry
}

func (b *bootReader) line(s string) {
	text := strings.TrimSpace(s)
	switch {
	case bootRule.MatchString(text):
		b.state = 1
	case text == "":
		b.state = 0
	case b.state == 1:
		b.begin(text)
	case b.state == 2:
		b.element(text)
	}
}

// begin takes the line after the dashes, which must give the identifier.
func (b *bootReader) begin(text string) {
	b.state = 0
	cut := strings.LastIndexAny(text, " \t\u3000")
	if cut < 0 || len(b.entries) == maxEntries {
		return
	}
	id := text[cut:]
	if id = strings.Trim(id, " \t\u3000"); bootID.MatchString(id) {
		b.entries, b.state = append(b.entries, Entry{ID: id}), 2
	}
}

// element takes a line of an entry: an element, or one more value of the last one.
func (b *bootReader) element(text string) {
	e := &b.entries[len(b.entries)-1]
	if m := bootPair.FindStringSubmatch(text); m != nil {
		if len(e.Settings) < maxSettings {
			e.Settings = append(e.Settings, Setting{Name: m[1], Values: []string{strings.TrimSpace(m[2])}})
		}
		return
	}
	if n := len(e.Settings); n > 0 && len(e.Settings[n-1].Values) < maxSettings {
		e.Settings[n-1].Values = append(e.Settings[n-1].Values, text)
	}
}

func (b *bootReader) finish() []Entry { return b.entries }

// SameID compares identifiers as the two programs write them, with braces or not.
func SameID(bcdedit string, id guid.GUID) bool {
	g, err := guid.Parse(strings.Trim(bcdedit, "{}"))
	return err == nil && g == id
}
