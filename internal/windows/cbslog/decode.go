package cbslog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	encoding "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// sniff is how much of a text is looked at to tell its encoding.
const sniff = 512

// decode returns the lines of a text in UTF-8.
func decode(r io.Reader) (*lines, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(sniff)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	order, wide := encoding.LittleEndian, false
	switch zeros := bytes.Count(head, []byte{0}); {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		wide = true
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		order, wide = encoding.BigEndian, true
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		_, err = b.Discard(3)
	case zeros > len(head)/4: // PowerShell's > writes UTF-16, and a cut log has lost its mark
		wide = true
		if head[0] == 0 {
			order = encoding.BigEndian
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if wide {
		return &lines{r: bufio.NewReader(transform.NewReader(b, encoding.UTF16(order, encoding.UseBOM).NewDecoder()))}, nil
	}
	return &lines{r: b}, nil
}

// clean makes a line safe to show: valid UTF-8, and no control characters, which a terminal would
// obey.
func clean(b []byte) string {
	b = bytes.TrimRight(b, "\r\n")
	plain := utf8.Valid(b)
	for _, c := range b {
		plain = plain && c >= ' ' && c < 0x7F
	}
	if plain {
		return string(b)
	}
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) && r != '\u3000' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "\uFFFD"))
}

// maxText is how much of a line is kept, in characters.
const maxText = 240

// excerpt is what is kept of a line.
func excerpt(s string) string {
	s = strings.TrimSpace(s)
	for i := range s {
		if i > 0 && utf8.RuneCountInString(s[:i]) >= maxText {
			return s[:i] + "..."
		}
	}
	return s
}
