package inf

import (
	"fmt"
	"strings"
)

// scanner cuts a text into section headers and entries.
type scanner struct {
	text string
	at   int
	line int // the number of the line that at is in
}

func lineName(line int) string { return fmt.Sprintf("line %d", line) }

// next returns the next entry, or the next section's name, or neither at the end of the text.
func (s *scanner) next() (entry *Line, header *string, err error) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case isSpace(c) || c == '\r' || c == '\n' || c == 0:
			s.skip()
		case c == ';':
			s.skipComment()
		case c == '[':
			name, err := s.header()
			return nil, &name, err
		default:
			entry, err := s.entry()
			return entry, nil, err
		}
	}
	return nil, nil, nil
}

// skip passes one character and counts lines.
func (s *scanner) skip() {
	if s.text[s.at] == '\n' || s.text[s.at] == '\r' && !strings.HasPrefix(s.text[s.at:], "\r\n") {
		s.line++
	}
	s.at++
}

// skipComment goes to the end of the line, or past it where the comment follows a continuation.
func (s *scanner) skipComment() {
	for s.at < len(s.text) && !isEnd(s.text[s.at]) {
		s.at++
	}
}

// header reads a section's name. Nothing but a comment may follow it; what else does is passed over,
// since files in use have it.
func (s *scanner) header() (string, error) {
	s.at++
	name := s.text[s.at:]
	if i := strings.IndexAny(name, "\r\n"); i >= 0 {
		name = name[:i]
	}
	s.at += len(name)
	name, _, closed := strings.Cut(name, "]")
	if !closed {
		return "", corrupt(s.line, "a section's name has no closing ]")
	}
	name = strings.Trim(name, " \t")
	if len(name) > maxSection {
		return "", corrupt(s.line, "a section's name of %d characters; at most %d are possible", len(name), maxSection)
	}
	return name, nil
}

// entry reads one entry, with the lines that continue it.
func (s *scanner) entry() (*Line, error) {
	l := &Line{Number: s.line}
	for {
		field, end := s.field(len(l.Values) == 0 && !l.HasKey)
		if tooLong(field) {
			return nil, corrupt(l.Number, "a field of more than %d characters", maxField)
		}
		if end == '=' {
			l.HasKey, l.Key = true, field
			continue
		}
		l.Values = append(l.Values, field)
		if end != ',' {
			return l, nil
		}
	}
}

// field reads a field up to the character that ends it: ',', or '=' where that is one, or 0 at the end
// of the entry. Space around it goes, unless it is quoted.
func (s *scanner) field(key bool) (text string, end byte) {
	var b strings.Builder
	keep := 0 // so much of b stays whatever follows
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == ',' || c == '=' && key:
			s.at++
			return b.String()[:keep], c
		case isEnd(c):
			return b.String()[:keep], 0
		case c == ';':
			s.skipComment()
			continue
		case c == '"':
			s.quoted(&b)
			keep = b.Len()
			continue
		case c == '\\' && s.continued():
			continue
		case c == '%':
			n := tokenLength(s.text[s.at:])
			b.WriteString(s.text[s.at : s.at+n])
			s.at += n
			keep = b.Len()
			continue
		case isSpace(c) && b.Len() == 0:
		default:
			b.WriteByte(c)
			if !isSpace(c) {
				keep = b.Len()
			}
		}
		s.at++
	}
	return b.String()[:keep], 0
}

// quoted reads a quoted string, in which a doubled quote stands for one. The end of the line ends it too.
func (s *scanner) quoted(b *strings.Builder) {
	for s.at++; s.at < len(s.text) && !isEnd(s.text[s.at]); s.at++ {
		if s.text[s.at] != '"' {
			b.WriteByte(s.text[s.at])
			continue
		}
		if !strings.HasPrefix(s.text[s.at:], `""`) {
			s.at++
			return
		}
		s.at++
		b.WriteByte('"')
	}
}

// continued says whether the backslash at hand is the last of its line but for a comment, and goes to
// the next line then.
func (s *scanner) continued() bool {
	i := s.at + 1
	for i < len(s.text) && isSpace(s.text[i]) {
		i++
	}
	if i < len(s.text) && s.text[i] == ';' {
		for i < len(s.text) && !isEnd(s.text[i]) {
			i++
		}
	}
	if i < len(s.text) && !isEnd(s.text[i]) {
		return false
	}
	s.at = i
	if strings.HasPrefix(s.text[s.at:], "\r\n") {
		s.at++
	}
	if s.at < len(s.text) {
		s.skip()
	}
	return true
}

// tokenLength returns the length of the %token% that text starts with, 1 if it is a lone percent sign.
// A semicolon in a token starts no comment, so that tokens are found before comments are.
func tokenLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '%':
			if name := text[1:i]; name != strings.Trim(name, " \t") {
				return 1
			}
			return i + 1
		case c == ',' || c == '"' || c == '=' || isEnd(c):
			return 1
		}
	}
	return 1
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
func isEnd(c byte) bool   { return c == '\r' || c == '\n' }
