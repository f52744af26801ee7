// Package inf reads INF files, which tell Windows how to install a driver package: what devices it is
// for, which files it has and what to write into the registry.
//
// Parse reads the syntax; Version, Models, Install and the others understand what the sections of a
// driver say. The rules are those of Microsoft's documentation, "General Syntax Rules for INF Files"
// and the pages of each section and directive (https://learn.microsoft.com/windows-hardware/drivers/install/).
//
// The package does not follow Include and Needs into other INF files, does not read cabinets and does
// not look at catalogs. Sections that it does not know are kept as lines.
package inf

import (
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

const (
	// maxSize bounds what is parsed. The largest INF files, of graphics drivers, have some MiB.
	maxSize = 32 << 20
	// maxField is the longest field and the longest string, in characters: 4096 with the NUL that
	// ends them ("INF Size Limits").
	maxField = 4095
	// maxSection is the longest name of a section ("Section Names").
	maxSection = 255
)

// File is one INF file. It is not safe for concurrent use.
type File struct {
	sections []*Section
	byName   map[string]*Section
	strings  map[string]string
}

// Section is a named section. Sections of the same name are one.
type Section struct {
	Name  string // as it is written where it stands first
	Lines []Line

	index map[string]int // the last line of each key, made when it is first asked for
}

// Line is one entry of a section: `key = value, value` or `value, value`. Key and Values are as
// written, without quotes and with %tokens%; File.Text and File.Expand resolve those.
type Line struct {
	Number int // in the file, from 1; that of its first line where it is continued
	HasKey bool
	Key    string
	Values []string
}

// Value returns a value of a line, "" where it has none.
func (l Line) Value(i int) string {
	if i >= len(l.Values) {
		return ""
	}
	return l.Values[i]
}

// Section returns the section of that name, or nil. Case does not matter.
func (f *File) Section(name string) *Section { return f.byName[strings.ToLower(name)] }

// Sections returns all sections in the order of the file.
func (f *File) Sections() []*Section { return f.sections }

// lines returns the lines of a section, which need not exist.
func (f *File) lines(name string) []Line {
	if s := f.Section(name); s != nil {
		return s.Lines
	}
	return nil
}

// entry returns the last line `key = ...` of a section.
func (f *File) entry(section, key string) (Line, bool) {
	s := f.Section(section)
	if s == nil {
		return Line{}, false
	}
	if s.index == nil {
		s.index = map[string]int{}
		for i, l := range s.Lines {
			if l.HasKey {
				s.index[strings.ToLower(f.Text(l.Key))] = i
			}
		}
	}
	i, ok := s.index[strings.ToLower(key)]
	if !ok {
		return Line{}, false
	}
	return s.Lines[i], true
}

// directive returns the values of every line `key = value, value` of a section, resolved.
func (f *File) directive(section, key string) []string {
	var values []string
	for _, l := range f.lines(section) {
		if !l.HasKey || !strings.EqualFold(f.Text(l.Key), key) {
			continue
		}
		for _, v := range l.Values {
			if v != "" {
				values = append(values, f.Text(v))
			}
		}
	}
	return values
}

// value returns the first value of the line `key = ...` of a section, resolved; "" where there is none.
func (f *File) value(section, key string) string { return f.Text(f.raw(section, key)) }

// raw is value with its tokens.
func (f *File) raw(section, key string) string {
	l, _ := f.entry(section, key)
	return l.Value(0)
}

// Parse reads an INF file: UTF-16 or UTF-8 with a byte order mark, UTF-8 without, or Windows-1252.
// Errors are of the class fault.ErrCorrupt and name the line.
func Parse(data []byte) (*File, error) {
	if len(data) > maxSize {
		return nil, fault.Unsupportedf(fault.NoOffset, "an INF file of %d bytes; at most %d are read", len(data), maxSize)
	}
	f := &File{byName: map[string]*Section{}, strings: map[string]string{}}
	s := scanner{text: decode(data), line: 1}
	var section *Section
	for {
		line, header, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case header != nil:
			section = f.add(*header)
		case line == nil:
			return f, f.readStrings()
		case section == nil:
			return nil, corrupt(line.Number, "text before the first [section]; is this an INF file?")
		default:
			section.Lines = append(section.Lines, *line)
		}
	}
}

// add returns the section of that name, a new one where there is none yet.
func (f *File) add(name string) *Section {
	key := strings.ToLower(name)
	if f.byName[key] == nil {
		f.byName[key] = &Section{Name: name}
		f.sections = append(f.sections, f.byName[key])
	}
	return f.byName[key]
}

func corrupt(line int, format string, args ...any) error {
	return fault.In(lineName(line), fault.Corruptf(fault.NoOffset, format, args...))
}

// tooLong says whether a text has more characters than a field can have.
func tooLong(s string) bool { return len(s) > maxField && utf8.RuneCountInString(s) > maxField }
