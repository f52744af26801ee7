package regfile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Parse reads a .reg file and returns its operations in the order of the file. The text may be UTF-16
// with a byte order mark, UTF-8 with or without one, and in REGEDIT4 files Windows-1252.
//
// The first line that is not understood is an error of class fault.ErrInvalid that begins with its
// number and tells what was expected. It never quotes the file, whose data may be secret. Names and keys
// share the memory of one copy of the text. Time and memory are proportional to the file's length.
func Parse(data []byte) ([]Op, error) {
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	p := parser{text: text, line: 1}
	if at := strings.IndexByte(text, 0); at >= 0 {
		return nil, fault.In(lineName(text, at), fault.Invalidf("the line holds a NUL: this is not the text of a .reg file"))
	}
	if err := p.header(); err != nil {
		return nil, err
	}
	for p.pos < len(p.text) {
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	return p.ops, nil
}

// parser reads a text from front to back.
type parser struct {
	text string
	pos  int // next byte
	line int // its line, from 1
	ops  []Op

	ansi   bool   // REGEDIT4: text in hexadecimal data is ANSI
	key    string // of the values that follow, "" for none
	opened int    // line of the last string that goes over a line end, 0 for none
}

// header reads the first line. Windows takes nothing before it but blanks.
func (p *parser) header() error {
	first := p.text[:p.lineEnd()]
	switch strings.Trim(first, " \t") {
	case header5:
	case header4:
		p.ansi = true
	case "REGEDIT":
		return fault.In("line 1", fault.Unsupportedf(fault.NoOffset, "this is a file of Windows 3.1: winbake reads %q and %q", header5, header4))
	default:
		return p.errorf("expected %q or %q: this is no .reg file, or something stands before its header", header5, header4)
	}
	p.pos = len(first)
	p.newline()
	return nil
}

// statement reads one line, or several that belong together.
func (p *parser) statement() error {
	p.opened = 0
	p.blanks()
	switch p.peek() {
	case 0:
		return nil
	case '\r', '\n':
		p.newline()
		return nil
	case ';', '#': // regedit passes over '#' lines as it does over all that it does not know
		p.comment()
		return nil
	case '[':
		return p.keyLine()
	case '"', '@':
		return p.valueLine()
	}
	return p.errorf(`expected [key], "name"=data, @=data or a comment that begins with ';'`)
}

// keyLine reads [key] or [-key]. The last ']' of the line ends the path, which may hold others.
func (p *parser) keyLine() error {
	op := Op{Line: p.line, Kind: CreateKey}
	inside := p.text[p.pos+1 : p.lineEnd()]
	end := strings.LastIndexByte(inside, ']')
	if end < 0 {
		return p.errorf("expected a ']' at the end of the key's path")
	}
	path, deleted := strings.CutPrefix(inside[:end], "-")
	if why := keyFault(path); why != "" {
		return p.errorf("expected [key] or [-key], but %s", why)
	}
	op.Key, p.key = path, path
	if deleted {
		op.Kind, p.key = DeleteKey, ""
	}
	p.pos += end + 2
	if err := p.endLine(); err != nil {
		return err
	}
	return p.add(op)
}

// valueLine reads "name"=data or @=data.
func (p *parser) valueLine() error {
	if p.key == "" {
		return p.errorf("expected a line with [key] before the first value (a [-key] does not count)")
	}
	op := Op{Line: p.line, Kind: SetValue, Key: p.key}
	if p.peek() == '@' {
		p.pos++
	} else {
		name, err := p.quoted()
		if err != nil {
			return err
		}
		op.Name = name
	}
	p.blanks()
	if p.peek() != '=' {
		return p.expected("a '=' after the value's name")
	}
	p.pos++
	p.blanks()
	if p.peek() == '-' {
		p.pos++
		op.Kind = DeleteValue
	} else if err := p.data(&op); err != nil {
		return err
	}
	if err := p.endLine(); err != nil {
		return err
	}
	return p.add(op)
}

func (p *parser) add(op Op) error {
	if len(p.ops) == maxOps {
		return p.errorf("the file has more than %d keys and values: split it", maxOps)
	}
	p.ops = append(p.ops, op)
	return nil
}

// endLine takes what may follow a statement on its line: blanks and a comment.
func (p *parser) endLine() error {
	p.blanks()
	switch p.peek() {
	case 0:
	case '\r', '\n':
		p.newline()
	case ';':
		p.comment()
	default:
		return p.expected("the end of the line, or a comment that begins with ';'")
	}
	return nil
}

// peek returns the next byte, or 0 at the end of the text, which itself holds no NUL.
func (p *parser) peek() byte {
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *parser) blanks() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

// lineEnd returns where the line ends: before CR, LF or the end of the text.
func (p *parser) lineEnd() int {
	if n := strings.IndexAny(p.text[p.pos:], "\r\n"); n >= 0 {
		return p.pos + n
	}
	return len(p.text)
}

// newline takes one line end, if one is next. A CR alone is one too, as it is for regedit.
func (p *parser) newline() {
	if p.pos == len(p.text) {
		return
	}
	if strings.HasPrefix(p.text[p.pos:], "\r\n") {
		p.pos++
	}
	p.pos++
	p.line++
}

// comment passes over the rest of the line.
func (p *parser) comment() {
	p.pos = p.lineEnd()
	p.newline()
}

// expected is errorf with a hint at the usual reason for text that makes no sense after a string.
func (p *parser) expected(what string) error {
	if p.opened != 0 {
		return p.errorf("expected %s: if the string that begins on line %d should not end here, its closing quote is missing", what, p.opened)
	}
	return p.errorf("expected %s", what)
}

// errorf reports what is wrong at the next byte.
func (p *parser) errorf(format string, args ...any) error {
	start := 1 + strings.LastIndexAny(p.text[:p.pos], "\r\n")
	column := 1 + utf8.RuneCountInString(p.text[start:p.pos])
	return fault.In(fmt.Sprintf("line %d, column %d", p.line, column), fault.Invalidf(format, args...))
}

// lineName names the line that a byte is on.
func lineName(text string, at int) string {
	before := text[:at]
	crlf := strings.Count(before, "\r\n")
	return fmt.Sprintf("line %d", 1+strings.Count(before, "\r")+strings.Count(before, "\n")-crlf)
}
