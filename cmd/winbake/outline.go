package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// outline is text under way whose lines are indented by their depth.
type outline struct {
	b     bytes.Buffer
	depth int
}

// most is how many lines of a list are shown; --json shows all.
const most = 200

// line writes a line. Nothing in it may move a terminal's cursor: names must have come through quoted.
func (o *outline) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.b.WriteString(strings.Repeat("  ", o.depth) + strings.TrimRight(printable(text), " ") + "\n")
}

// field writes a name and what there is to say of it, unless that is nothing.
func (o *outline) field(name string, parts ...string) {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	if len(said) > 0 {
		o.line("%-16s %s", name, strings.Join(said, ", "))
	}
}

// in writes what is below the last line.
func (o *outline) in(write func()) {
	o.depth++
	write()
	o.depth--
}

// list calls write for the first of n lines, and says how many are left out.
func (o *outline) list(n int, write func(i int)) {
	for i := range min(n, most) {
		write(i)
	}
	if n > most {
		o.line("... and %d more, which --json shows", n-most)
	}
}

// quoted is a name from a medium for a terminal: as it is if all of it can be printed, else in quotes,
// with escapes. A long one is cut off.
func quoted(s string) string {
	const longest = 1000
	runes := []rune(s)
	cut := ""
	if len(runes) > longest {
		s, cut = string(runes[:longest]), "..."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.ContainsRune(s, unicode.ReplacementChar) {
		s = strconv.Quote(s)
	}
	return s + cut
}

// labeled is "name value", "" for no value.
func labeled(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

// when is text if yes.
func when(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}
