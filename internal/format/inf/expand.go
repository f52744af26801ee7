package inf

import (
	"strings"
	"unicode/utf8"
)

// readStrings fills the table of %tokens%: from [Strings], and, for what is not in there, from
// [Strings.0409], the American English.
func (f *File) readStrings() error {
	for _, section := range []string{"Strings", "Strings.0409"} {
		for _, l := range f.lines(section) {
			if !l.HasKey {
				continue
			}
			key := strings.ToLower(l.Key)
			if _, ok := f.strings[key]; ok {
				continue
			}
			if tooLong(l.Value(0)) {
				return corrupt(l.Number, "a string of more than %d characters", maxField)
			}
			f.strings[key] = l.Value(0)
		}
	}
	return nil
}

// UseLanguage prefers the strings of a language, [Strings.LanguageID], where there are any. The
// identifier is a Windows one, such as 0x0407.
func (f *File) UseLanguage(id uint16) {
	const digits = "0123456789ABCDEF"
	name := []byte{digits[id>>12], digits[id>>8&15], digits[id>>4&15], digits[id&15]}
	for _, l := range f.lines("Strings." + string(name)) {
		if l.HasKey && !tooLong(l.Value(0)) {
			f.strings[strings.ToLower(l.Key)] = l.Value(0)
		}
	}
}

// String returns the string of a token, written without its percent signs.
func (f *File) String(token string) (string, bool) {
	s, ok := f.strings[strings.ToLower(token)]
	return s, ok
}

// Text resolves the %tokens% of a field, and makes a percent sign of two. A directory's number (%12%)
// stays as it is, and so does a token that no [Strings] section has.
func (f *File) Text(field string) string { return f.Expand(field, nil) }

// Expand is Text that asks dir for what to put in place of a directory's number; where that does not
// know, the token stays. What is longer than a field can be is cut off there.
func (f *File) Expand(field string, dir func(id string) (string, bool)) string {
	if !strings.Contains(field, "%") {
		return field
	}
	var b strings.Builder
	for field != "" && b.Len() <= utf8.UTFMax*maxField {
		before, after, found := strings.Cut(field, "%")
		b.WriteString(before)
		if !found {
			break
		}
		token, rest, closed := strings.Cut(after, "%")
		if !closed {
			b.WriteString("%" + after)
			break
		}
		b.WriteString(f.token(token, dir))
		field = rest
	}
	return cut(b.String())
}

func (f *File) token(token string, dir func(id string) (string, bool)) string {
	if token == "" {
		return "%"
	}
	if s, ok := f.String(token); ok {
		return s
	}
	if dir != nil {
		if s, ok := dir(token); ok {
			return s
		}
	}
	return "%" + token + "%"
}

// Tokens returns the names of the tokens of a field that the file has strings for, in lower case.
func (f *File) Tokens(field string) []string {
	var tokens []string
	for {
		_, after, _ := strings.Cut(field, "%")
		token, rest, closed := strings.Cut(after, "%")
		if !closed {
			return tokens
		}
		if _, ok := f.String(token); ok {
			tokens = append(tokens, strings.ToLower(token))
		}
		field = rest
	}
}

// cut shortens a text to what a field can hold.
func cut(s string) string {
	if !tooLong(s) {
		return s
	}
	n := 0
	for i := range s {
		if n == maxField {
			return s[:i]
		}
		n++
	}
	return s
}
