package regfile

import (
	"encoding/binary"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

const (
	wordDWORD  = "dword:"
	wordHex    = "hex:"
	wordHexOf  = "hex("
	maxNumber  = 8 // digits of a dword and of a type
	bytesWidth = 3 // characters of a byte and its comma
)

// data reads what stands after the '=': "text", dword:n, hex:... or hex(type):...
func (p *parser) data(op *Op) (err error) {
	switch rest := p.text[p.pos:]; {
	case strings.HasPrefix(rest, `"`):
		var s string
		if s, err = p.quoted(); err != nil {
			return err
		}
		op.Type = typeSZ
		op.Data = append(utf16le.Append(make([]byte, 0, 2*len(s)+2), s), 0, 0)
		return nil
	case strings.HasPrefix(rest, wordDWORD):
		p.pos += len(wordDWORD)
		p.blanks()
		n, err := p.number("the number of a dword")
		op.Type, op.Data = typeDWORD, binary.LittleEndian.AppendUint32(nil, n)
		return err
	case strings.HasPrefix(rest, wordHex):
		p.pos += len(wordHex)
		op.Type = typeBinary
	case strings.HasPrefix(rest, wordHexOf):
		p.pos += len(wordHexOf)
		if op.Type, err = p.number("the type of a value"); err != nil {
			return err
		}
		if !strings.HasPrefix(p.text[p.pos:], "):") {
			return p.errorf("expected '):' after the type of the value")
		}
		p.pos += len("):")
	default:
		return p.errorf(`expected "text", dword:, hex:, hex(type): or, to delete the value, '-'`)
	}
	op.Data, err = p.bytes()
	if p.ansi && isText(op.Type) {
		op.Data = utf16le.Encode(textfile.DecodeANSI(op.Data))
	}
	return err
}

// number reads one to eight hexadecimal digits.
func (p *parser) number(what string) (uint32, error) {
	var n uint32
	start := p.pos
	for ; p.pos < len(p.text); p.pos++ {
		d, ok := digit(p.text[p.pos])
		if !ok {
			break
		}
		if p.pos-start == maxNumber {
			return 0, p.errorf("expected %s in at most %d hexadecimal digits", what, maxNumber)
		}
		n = n<<4 | uint32(d)
	}
	if p.pos == start {
		return 0, p.errorf("expected %s in hexadecimal digits, without 0x", what)
	}
	return n, nil
}

// bytes reads "xx,xx,...". After a comma, or before the first byte, the list may go on in the next line
// if a backslash ends this one. A comma may also end the list.
func (p *parser) bytes() ([]byte, error) {
	out := make([]byte, 0, (p.lineEnd()-p.pos)/bytesWidth+1)
	for next := true; ; { // a byte may come next
		p.blanks()
		c := p.peek()
		switch hi, isByte := digit(c); {
		case isByte && next:
			lo, ok := digit(p.after())
			if !ok {
				return nil, p.errorf("expected a byte in two hexadecimal digits")
			}
			out = append(out, hi<<4|lo)
			p.pos += 2
			if next = p.peek() == ','; next {
				p.pos++
			}
		case c == ',' && !next:
			p.pos++
			next = true
		case c == '\\' && next:
			if err := p.continued(); err != nil {
				return nil, err
			}
		case isByte || c == '\\':
			return nil, p.errorf("expected a ',' between two bytes, also before a '\\'")
		case c == ',':
			return nil, p.errorf("expected a byte before the ','")
		default:
			return out, nil
		}
	}
}

// continued goes from the backslash at the end of a line to the bytes on the next, past empty lines and
// comments.
func (p *parser) continued() error {
	p.pos++
	p.blanks()
	switch p.peek() {
	case '\r', '\n', ';', 0:
	default:
		return p.errorf("expected the end of the line after a '\\', or a comment that begins with ';'")
	}
	for {
		p.blanks()
		switch c := p.peek(); c {
		case '\r', '\n':
			p.newline()
		case ';':
			p.comment()
		default:
			if _, ok := digit(c); !ok {
				return p.errorf("expected the bytes that the '\\' at the end of an earlier line announces")
			}
			return nil
		}
	}
}

// after returns the byte after the next one, or 0.
func (p *parser) after() byte {
	if p.pos+1 >= len(p.text) {
		return 0
	}
	return p.text[p.pos+1]
}

// quoted reads a string in quotes, in which \\ and \" stand for '\' and '"'. Line ends in it belong to it:
// regedit writes them so.
func (p *parser) quoted() (string, error) {
	open, openLine := p.pos, p.line
	var unescaped []byte
	from, escapes := p.pos+1, false
	for i := from; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			s := p.text[from:i]
			if escapes {
				s = string(append(unescaped, s...))
			}
			p.spans(openLine)
			p.pos = i + 1
			return s, nil
		case '\\':
			p.pos = i
			if c := p.after(); c != '\\' && c != '"' {
				p.spans(openLine)
				return "", p.expected(`'\\' or '\"' in a string: a backslash is written twice`)
			}
			unescaped = append(unescaped, p.text[from:i]...)
			i++
			from, escapes = i, true
		case '\n':
			p.line++
		case '\r':
			if !strings.HasPrefix(p.text[i:], "\r\n") {
				p.line++
			}
		}
	}
	p.pos, p.line = open, openLine
	return "", p.errorf("expected a closing quote for the string that begins here")
}

// spans keeps where a string began that has a line end in it.
func (p *parser) spans(openLine int) {
	if p.line != openLine {
		p.opened = openLine
	}
}

// digit returns the value of a hexadecimal digit.
func digit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
