// Package cbslog reads what Windows writes when it services itself, and finds in it what has to do
// with the recovery environment: CBS.log, dism.log, setupact.log, WindowsUpdate.log, and the output
// of "reagentc /info" and "bcdedit /enum all".
//
// None of these texts has a documented format, and some are in the language of the Windows that
// wrote them. So what is looked for is what is the same in all languages: error codes, paths, GUIDs,
// numbers, names of elements and the order of lines; never a sentence alone. The meaning of the
// codes is from Microsoft's winerror.h and wuerror.h, CbsApi.h, and from what KB5034439, KB5034441
// and KB5028997 say about them.
//
// A log is read once, line by line, whatever its length; memory is bounded.
package cbslog

import (
	"bufio"
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Kind is which program wrote a text.
type Kind string

// The kinds.
const (
	CBS           Kind = "cbs"           // CBS.log
	DISM          Kind = "dism"          // dism.log
	Setup         Kind = "setupact"      // setupact.log
	WindowsUpdate Kind = "windowsupdate" // WindowsUpdate.log
	ReAgentC      Kind = "reagentc"      // output of reagentc /info
	BCDEdit       Kind = "bcdedit"       // output of bcdedit /enum
	Text          Kind = "text"          // anything else
)

// Log is what was found in one text.
type Log struct {
	Kind  Kind
	Lines int
	// Failures are the failures that are known, in the order in which each came first.
	Failures []Failure
	// ReAgent is the output of reagentc /info, the last one if there are several; nil if none.
	ReAgent *ReAgentInfo
	// Entries are what bcdedit printed, at most maxEntries of them.
	Entries []Entry
	// Space are the lines about the room for Winre.wim.
	Space []Space
}

const (
	// maxLog bounds what is read. CBS.log is cut by Windows at some 50 MB.
	maxLog = 4 << 30
	// maxLine is how much of a line is looked at, in bytes.
	maxLine = 16 << 10
)

// Parse reads a text to its end: UTF-8, UTF-16 with or without a byte order mark, or a code page, of
// which only the ASCII characters are understood. kbs are updates for the recovery environment,
// "KB5042322", beside those of January 2024.
func Parse(r io.Reader, kbs ...string) (*Log, error) {
	in, err := decode(r)
	if err != nil {
		return nil, err
	}
	p := parser{log: &Log{}, failures: map[failureID]int{}, votes: map[Kind]int{}, context: context{kbs: kbs}}
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		p.log.Lines++
		p.line(line)
	}
	p.finish()
	return p.log, nil
}

// parser gathers what the lines say.
type parser struct {
	log      *Log
	failures map[failureID]int // the index in log.Failures
	votes    map[Kind]int
	context  context
	reagent  reagentReader
	boot     bootReader
}

func (p *parser) line(s string) {
	if k := kindOf(s); k != "" {
		p.votes[k]++
	}
	p.context.see(p.log.Lines, s)
	p.failure(s)
	p.space(s)
	p.reagent.line(s)
	p.boot.line(s)
}

func (p *parser) finish() {
	p.log.ReAgent = p.reagent.finish()
	p.log.Entries = p.boot.finish()
	p.log.Kind = Text
	most := 0
	for _, k := range []Kind{CBS, DISM, Setup, WindowsUpdate} {
		if p.votes[k] > most {
			p.log.Kind, most = k, p.votes[k]
		}
	}
	switch {
	case most > 0:
	case len(p.log.Entries) > 0:
		p.log.Kind = BCDEdit
	case p.log.ReAgent != nil:
		p.log.Kind = ReAgentC
	}
}

// lines are the lines of a text, each cut at maxLine.
type lines struct {
	r    *bufio.Reader
	read int64
}

// next returns the next line without its end, or io.EOF.
func (l *lines) next() (string, error) {
	var line []byte
	for first := true; ; first = false {
		part, err := l.r.ReadSlice('\n')
		l.read += int64(len(part))
		if l.read > maxLog {
			return "", fault.Invalidf("the log is longer than %d GiB; cut out the days that matter", maxLog>>30)
		}
		line = append(line, part[:min(len(part), maxLine-len(line))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(part) > 0 || !first):
			return clean(line), nil
		case err != nil:
			return "", err
		}
		return clean(line), nil
	}
}
