package winre

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Bounds of ReAgent.xml. Real files have 2 KiB, some twenty elements, and at most five attributes each.
const (
	maxReAgent    = 64 << 10
	maxElements   = 200
	maxAttributes = 20
	rootElement   = "WindowsRE"
)

// ParseReAgent reads a ReAgent.xml of version 1.0 or 2.0: UTF-8, or UTF-16 with a byte order mark. Elements and
// attributes that are not known are kept, comments are not. A file that is not well-formed is corrupt, and so is
// one in which a number or a GUID is none; elements with anything in them are not supported.
func ParseReAgent(data []byte) (*ReAgent, error) {
	if len(data) > maxReAgent {
		return nil, fault.Corruptf(fault.NoOffset, "%d bytes; a %s has about 2000, at most %d are read", len(data), stateName, maxReAgent)
	}
	text, encoding := textfile.Unmark(data)
	if encoding == textfile.UTF16 {
		if len(text)%2 != 0 {
			return nil, fault.Corruptf(int64(len(data)-1), "half a character at the end of UTF-16")
		}
		text = []byte(utf16le.Decode(text))
	}
	if !utf8.Valid(text) {
		return nil, fault.Corruptf(fault.NoOffset, "the text is neither UTF-8 nor UTF-16 with a byte order mark")
	}
	r := &ReAgent{}
	if err := r.read(text); err != nil {
		return nil, err
	}
	return r, r.take()
}

// read reads the elements and the version.
func (r *ReAgent) read(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	// The text is UTF-8 by now, whatever its declaration says.
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	depth := 0
	for {
		token, err := d.Token()
		line, _ := d.InputPos()
		if errors.Is(err, io.EOF) && r.Version != "" {
			return nil
		}
		if err != nil {
			return notXML(line, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := r.start(t, depth, line); err != nil {
				return err
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return fault.Unsupportedf(fault.NoOffset, "line %d: a document type", line)
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return fault.Unsupportedf(fault.NoOffset, "line %d: text between the elements", line)
			}
		}
	}
}

func notXML(line int, err error) error {
	if errors.Is(err, io.EOF) {
		return fault.Corruptf(fault.NoOffset, "there is no element %s", rootElement)
	}
	var s *xml.SyntaxError
	if errors.As(err, &s) {
		return fault.Corruptf(fault.NoOffset, "line %d: not well-formed XML: %s", s.Line, s.Msg)
	}
	return fault.Corruptf(fault.NoOffset, "line %d: not well-formed XML: %v", line, err)
}

// start takes an element in; depth is 0 for the root.
func (r *ReAgent) start(t xml.StartElement, depth, line int) error {
	e := element{name: t.Name.Local, line: line}
	if t.Name.Space != "" || strings.Contains(e.name, ":") {
		return fault.Unsupportedf(fault.NoOffset, "line %d: %.40q is in a namespace", line, e.name)
	}
	if len(t.Attr) > maxAttributes {
		return fault.Corruptf(fault.NoOffset, "line %d: %.40q has %d attributes", line, e.name, len(t.Attr))
	}
	for _, a := range t.Attr {
		if a.Name.Space != "" || a.Name.Local == "xmlns" || strings.Contains(a.Name.Local, ":") {
			return fault.Unsupportedf(fault.NoOffset, "line %d: %.40q has an attribute in a namespace", line, e.name)
		}
		if e.has(a.Name.Local) {
			return fault.Corruptf(fault.NoOffset, "line %d: %.40q has the attribute %.40q twice", line, e.name, a.Name.Local)
		}
		e.attr = append(e.attr, attribute{a.Name.Local, a.Value})
	}
	switch {
	case depth == 0 && r.Version != "":
		return fault.Corruptf(fault.NoOffset, "line %d: a second root element", line)
	case depth == 0:
		return r.root(&e)
	case depth > 1:
		return fault.Unsupportedf(fault.NoOffset, "line %d: an element within another, %.40q", line, e.name)
	case slices.ContainsFunc(r.found, func(f element) bool { return f.name == e.name }):
		return fault.Corruptf(fault.NoOffset, "line %d: a second %.40q", line, e.name)
	case len(r.found) == maxElements:
		return fault.Corruptf(fault.NoOffset, "line %d: more than %d elements", line, maxElements)
	}
	r.found = append(r.found, e)
	return nil
}

func (r *ReAgent) root(e *element) error {
	if e.name != rootElement {
		return fault.Corruptf(fault.NoOffset, "line %d: the root element is %.40q, expected %s", e.line, e.name, rootElement)
	}
	version, _ := e.get("version")
	if version != version1 && version != version2 {
		return fault.Unsupportedf(fault.NoOffset, "line %d: %s of version %.20q; %s and %s are known", e.line, rootElement, version, version1, version2)
	}
	r.Version, r.found = version, []element{}
	return nil
}

// declaration is how the file begins when Windows writes it, after the byte order mark.
const declaration = "\ufeff<?xml version='1.0' encoding='utf-8'?>\r\n\r\n"

// Marshal returns the file as Windows writes it: UTF-8 with a byte order mark, the elements in their order,
// those that are not known behind them. It fails for values that XML or the file cannot hold.
func (r *ReAgent) Marshal() ([]byte, error) {
	if r.Version != version1 && r.Version != version2 {
		return nil, fault.Bugf("%s of version %q", stateName, r.Version)
	}
	if r.Location.Offset < 0 {
		return nil, fault.Bugf("a recovery partition at offset %d", r.Location.Offset)
	}
	var b bytes.Buffer
	b.WriteString(declaration + "<" + rootElement + ` version="` + r.Version + "\">\r\n")
	for _, e := range r.elements() {
		b.WriteString("  <" + e.name)
		for _, a := range e.attr {
			b.WriteString(" " + a.name + `="`)
			if err := xml.EscapeText(&b, []byte(a.value)); err != nil {
				return nil, fault.Bugf("%s of %s: %v", a.name, e.name, err)
			}
			b.WriteString(`"`)
		}
		b.WriteString("/>\r\n")
	}
	b.WriteString("</" + rootElement + ">\r\n")
	return b.Bytes(), nil
}
