package unattend

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Bounds on what is parsed. Real files have some ten KiB, a hundred with scripts in them, and are not
// deeper than a dozen elements.
const (
	maxSize       = 1 << 20
	maxDepth      = 100
	maxAttributes = 64 // of one element
)

// document is an answer file as a tree of elements.
type document struct{ xml *etree.Document }

// parse reads an answer file: UTF-8, or UTF-16 with a byte order mark. It is an error if it is too long,
// not well-formed, has a document type (and with it entities), or is something else than an answer file.
// No error repeats any of the file's text but names of elements.
func parse(data []byte) (*document, error) {
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	if err := wellFormed(text); err != nil {
		return nil, err
	}
	d := &document{etree.NewDocument()}
	d.xml.ReadSettings = etree.ReadSettings{CharsetReader: asItIs, PreserveCData: true, PreserveDuplicateAttrs: true, MaxDepth: maxDepth}
	d.xml.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	if err := d.xml.ReadFromBytes(text); err != nil {
		return nil, fault.Invalidf("is not well-formed XML") // the cause may repeat a part of a password
	}
	if err := checkNames(&d.xml.Element, map[string]int{"": 1, "xml": 1, "xmlns": 1}, ""); err != nil {
		return nil, err
	}
	root := d.xml.Root()
	if root.Tag != "unattend" || root.NamespaceURI() != namespace {
		return nil, fault.Invalidf("is no answer file: its root element is %.40q in the namespace %.60q, expected \"unattend\" in %q", root.Tag, root.NamespaceURI(), namespace)
	}
	return d, nil
}

// asItIs is for texts that are UTF-8 already, whatever their declaration says.
func asItIs(_ string, input io.Reader) (io.Reader, error) { return input, nil }

// declaration finds the encoding in the XML declaration at the start of a text.
var declaration = regexp.MustCompile(`^<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// decode returns the text of a file as UTF-8 without a byte order mark. What the declaration says must be
// true, because Windows believes it.
func decode(data []byte) ([]byte, error) {
	if len(data) > maxSize {
		return nil, fault.Invalidf("is %d bytes long; an answer file may have %d", len(data), maxSize)
	}
	text, mark := textfile.Unmark(data)
	encoding := "utf-8"
	switch {
	case mark == textfile.UTF16 && len(text)%2 != 0:
		return nil, fault.Invalidf("is UTF-16, but has an odd number of bytes")
	case mark == textfile.UTF16:
		text, encoding = []byte(utf16le.Decode(text)), "utf-16"
	case bytes.HasPrefix(text, []byte{'<', 0}) || bytes.HasPrefix(text, []byte{0, '<'}):
		return nil, fault.Invalidf("is UTF-16 without a byte order mark; save it as UTF-8")
	}
	declared := encoding
	if m := declaration.FindSubmatch(text); m != nil {
		declared = strings.ToLower(string(m[1]))
	}
	if declared != encoding && (declared == "utf-16" || encoding == "utf-16") {
		return nil, fault.Invalidf("is %s, but declares the encoding %.40q, and Windows would not read it; save it as UTF-8", encoding, declared)
	}
	if declared != encoding && !ascii(text) {
		return nil, fault.Unsupportedf(fault.NoOffset, "declares the encoding %.40q; save it as UTF-8", declared)
	}
	if !utf8.Valid(text) {
		return nil, fault.Invalidf("is not valid %s", encoding)
	}
	return text, nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wellFormed reads a text token by token, for errors with a line in them, and for what etree passes over:
// what stands outside of the root element, and document types.
func wellFormed(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = asItIs
	depth, roots := 0, 0
	for first := true; ; first = false {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && roots == 1 {
			return nil
		}
		line, _ := d.InputPos()
		if err != nil {
			return syntaxError(line, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			if len(t.Attr) > maxAttributes {
				return fault.Invalidf("line %d: an element has more than %d attributes", line, maxAttributes)
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return fault.Invalidf("line %d: a document type is not allowed in an answer file", line)
		case xml.ProcInst:
			if strings.EqualFold(t.Target, "xml") && (!first || t.Target != "xml") {
				return fault.Invalidf("line %d: the XML declaration must be the first thing in the file", line)
			}
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return fault.Invalidf("line %d: there is text outside of the root element", line)
			}
		}
		if depth > maxDepth {
			return fault.Invalidf("line %d: elements are nested more than %d deep", line, maxDepth)
		}
		if roots > 1 {
			return fault.Invalidf("line %d: there is a second root element", line)
		}
	}
}

// syntaxError says where a text is not XML. The decoder's own message may repeat a part of a password
// that has an unescaped '&' or '<' in it, so only its kind is told.
func syntaxError(line int, err error) error {
	var s *xml.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return fault.Invalidf("has no root element")
	case !errors.As(err, &s):
	case strings.HasPrefix(s.Msg, "invalid character entity"):
		return fault.Invalidf("line %d: '&' begins no known entity; write &amp; for the character itself", line)
	case strings.HasPrefix(s.Msg, "unexpected EOF"):
		return fault.Invalidf("ends in the middle of an element")
	case strings.HasPrefix(s.Msg, "unescaped <"):
		return fault.Invalidf("line %d: '<' in the value of an attribute; write &lt;", line)
	case strings.HasPrefix(s.Msg, "illegal character code"):
		return fault.Invalidf("line %d: holds a character that XML does not allow", line)
	case strings.HasPrefix(s.Msg, "element <") || strings.HasPrefix(s.Msg, "unexpected end element"):
		return fault.Invalidf("line %d: an element is closed that is not the last one opened", line)
	}
	return fault.Invalidf("line %d: is not well-formed XML", line)
}

// checkNames makes sure that each prefix below e is declared and that no attribute stands twice: the
// parser lets both pass, Windows' does not. scope counts the declarations of each prefix that are in force.
func checkNames(e *etree.Element, scope map[string]int, component string) error {
	for _, child := range e.ChildElements() {
		if child.Tag == "component" {
			component = attr(child, "name")
		}
		for i, a := range child.Attr {
			if slices.ContainsFunc(child.Attr[:i], func(b etree.Attr) bool { return a.Space == b.Space && a.Key == b.Key }) {
				return fault.Invalidf("in the component %.60q an element has an attribute twice", component)
			}
			if a.Space == "xmlns" && a.Value != "" {
				scope[a.Key]++
			}
		}
		known := scope[child.Space] > 0
		for _, a := range child.Attr {
			known = known && scope[a.Space] > 0
		}
		if !known {
			return fault.Invalidf("in the component %.60q a name has a prefix that is not declared (xmlns:...)", component)
		}
		if err := checkNames(child, scope, component); err != nil {
			return err
		}
		for _, a := range child.Attr {
			if a.Space == "xmlns" && a.Value != "" {
				scope[a.Key]--
			}
		}
	}
	return nil
}

// uriOf returns the namespace that a prefix stands for at e, or "".
func uriOf(e *etree.Element, prefix string) string {
	for ; e != nil; e = e.Parent() {
		if a := e.SelectAttr("xmlns:" + prefix); a != nil {
			return a.Value
		}
	}
	return ""
}

// bytes returns the document as UTF-8, with a declaration that says so.
func (d *document) bytes() ([]byte, error) {
	d.declareUTF8()
	out, err := d.xml.WriteToBytes()
	if err != nil {
		return nil, err
	}
	if len(out) > maxSize {
		return nil, fault.Invalidf("the answer file would have %d bytes; it may have %d", len(out), maxSize)
	}
	return out, nil
}

// declareUTF8 makes the XML declaration, which the document may lack or have for another encoding.
func (d *document) declareUTF8() {
	const inst = `version="1.0" encoding="utf-8"`
	if len(d.xml.Child) > 0 {
		if p, ok := d.xml.Child[0].(*etree.ProcInst); ok && p.Target == "xml" {
			p.Inst = inst
			return
		}
	}
	d.xml.InsertChildAt(0, etree.NewText("\n"))
	d.xml.InsertChildAt(0, etree.NewProcInst("xml", inst))
}
