package cbslog

import (
	"strconv"
	"strings"
)

// Space is a line about the room that Winre.wim needs, as setupact.log has it. Sizes are in bytes,
// 0 where the line does not give one.
type Space struct {
	Line int
	Text string
	// Needed is what must be free: the size of Winre.wim and 52 MiB. Free is what is.
	Needed, Free int64
}

// Short says that there is less than what is needed.
func (s Space) Short() bool { return s.Needed > 0 && s.Free > 0 && s.Free < s.Needed }

const (
	maxSpace = 32
	// smallest is what a number must be to be the size of a Winre.wim or of a partition.
	smallest = 1 << 20
	// SetupReserve is what Setup wants free beside Winre.wim: 52 MiB.
	SetupReserve = 54525952
)

// sizeWords name, in front of a number, what it is.
var sizeWords = []struct {
	word   string
	needed bool
}{{"required", true}, {"need", true}, {"free", false}, {"available", false}}

// space looks for a line that tells sizes around the recovery environment.
func (p *parser) space(s string) {
	if len(p.log.Space) == maxSpace || p.context.line != p.log.Lines {
		return
	}
	lower := strings.ToLower(s)
	if !strings.Contains(lower, "free") && !strings.Contains(lower, "space") && !strings.Contains(lower, "required") {
		return
	}
	out := Space{Line: p.log.Lines, Text: excerpt(s)}
	last := 0
	for at, end := number(lower, 0); at >= 0; at, end = number(lower, end) {
		n, err := strconv.ParseInt(lower[at:end], 10, 64)
		if err == nil && n >= smallest {
			out.assign(lower[last:at], n)
		}
		last = end
	}
	if out.Needed > 0 || out.Free > 0 {
		p.log.Space = append(p.log.Space, out)
	}
}

// assign takes a number by the word that stands nearest before it. "required free" is what is needed.
func (s *Space) assign(before string, n int64) {
	best, needed := -1, false
	for _, w := range sizeWords {
		if at := strings.LastIndex(before, w.word); at > best {
			best, needed = at, w.needed
		}
	}
	if strings.Contains(before, "required free") {
		needed = true
	}
	switch {
	case best < 0:
	case needed && s.Needed == 0:
		s.Needed = n
	case !needed && s.Free == 0:
		s.Free = n
	}
}

// number finds the next run of digits that is a word of its own.
func number(s string, from int) (start, end int) {
	for i := from; i < len(s); {
		if !isDigit(s[i]) {
			i++
			continue
		}
		start = i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if (start == 0 || !isLetter(s[start-1])) && (i == len(s) || !isLetter(s[i])) && i-start <= 18 {
			return start, i
		}
	}
	return -1, len(s)
}
