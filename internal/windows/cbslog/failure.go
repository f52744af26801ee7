package cbslog

import (
	"slices"
	"strings"
)

// Failure is a failure that is known, and every line that tells of it.
type Failure struct {
	Code  string // "0x800F081F"
	Name  string // "CBS_E_SOURCE_MISSING"
	Count int    // lines
	// First and Last are the numbers of the first and last line, from 1; Text is the first.
	First, Last int
	Text        string
	// WinRE says that the lines, or those before them, speak of the recovery environment or of an
	// update for it. The same code elsewhere in a log is a failure of its own.
	WinRE bool
	// KBs are the updates that the lines name, "KB5034439".
	KBs []string
	// Meaning and Next are sentences: what has happened, and what to do about it.
	Meaning, Next string
}

// known is a failure and what it means. In the neighborhood of the recovery environment a code can
// mean something else than elsewhere.
type known struct {
	code, name        string
	meaning, next     string
	reMeaning, reNext string
	phrases           []string // lower case, that tell of it where no code does
}

const (
	resize  = "Resize the recovery partition as KB5028997 describes, or bake the image anew with a larger one."
	noWinRE = "If the image carries no WinRE on purpose, hide this update: it has nothing to change there. Otherwise enable WinRE with \"reagentc /enable\" and try again."
)

// failures are the codes that are recognized.
var failures = []known{
	{
		code: "800F081F", name: "CBS_E_SOURCE_MISSING",
		meaning:   "Servicing looked for the files of a component and did not find them, neither in the component store nor at a source.",
		next:      "Give a source of the same build: DISM /Online /Cleanup-Image /RestoreHealth /Source:wim:install.wim:1 /LimitAccess; then install the update again.",
		reMeaning: "The update for the recovery environment did not find what it updates: there is no Winre.wim where Windows believes it to be, or none at all.",
		reNext:    noWinRE,
	},
	{
		code: "80242016", name: "WU_E_UH_POSTREBOOTUNEXPECTEDSTATE",
		meaning:   "After the restart the update was not in the state that Windows Update expected: it was installed and did not stay.",
		next:      "Look in CBS.log for the first error of the same update before the restart.",
		reMeaning: "Windows Update installed the update for the recovery environment and found WinRE unchanged: there is none, or it could not be written.",
		reNext:    noWinRE,
	},
	{
		code: "80070643", name: "ERROR_INSTALL_FAILURE",
		meaning:   "The installer of an update failed; the code tells no more than that.",
		next:      "Look for the update's KB beside the code: for KB5034439, KB5034440 and KB5034441 it is the recovery partition that is too small.",
		reMeaning: "The update for the recovery environment failed. Nearly always the recovery partition has less than 250 MB free; Microsoft meant to show CBS_E_INSUFFICIENT_DISK_SPACE here.",
		reNext:    resize,
	},
	{
		code: "80070070", name: "ERROR_DISK_FULL",
		meaning:   "There was not enough space on the disk.",
		next:      "Free space on the Windows volume, or bake the image with a larger disk.",
		reMeaning: "There was not enough space for Winre.wim, on the recovery partition or where it is unpacked.",
		reNext:    resize,
		phrases:   []string{"not enough disk space", "not enough space on the disk", "error_disk_full", "operation failed: 70"},
	},
	{
		code: "800F0828", name: "CBS_E_INSUFFICIENT_DISK_SPACE",
		meaning:   "Servicing stopped because there was not enough disk space.",
		next:      "Free space on the Windows volume, or bake the image with a larger disk.",
		reMeaning: "The recovery partition has too little free space for the update of WinRE.",
		reNext:    resize,
		phrases:   []string{"cbs_e_insufficient_disk_space"},
	},
	{
		code: "800F0823", name: "CBS_E_NEW_SERVICING_STACK_REQUIRED",
		meaning:   "The package needs a newer servicing stack than the image has.",
		next:      "Add the servicing stack update (SSU) to the same image first: Winre.wim has a servicing stack of its own.",
		reMeaning: "The package needs a newer servicing stack than Winre.wim has.",
		reNext:    "Add the servicing stack update (SSU) to Winre.wim first, then the Safe OS dynamic update.",
	},
	{
		code: "80073712", name: "ERROR_SXS_COMPONENT_STORE_CORRUPT",
		meaning:   "The component store is damaged.",
		next:      "Repair it from a source of the same build with DISM /Online /Cleanup-Image /RestoreHealth, or bake the image anew.",
		reMeaning: "The component store is damaged, so that the update for the recovery environment could not be staged.",
		reNext:    "Repair it from a source of the same build with DISM /Online /Cleanup-Image /RestoreHealth, or bake the image anew.",
	},
}

// failureID tells failures apart: the same code is another matter where the recovery environment is
// concerned.
type failureID struct {
	code  string
	winRE bool
}

// maxKBs is how many updates of one failure are named.
const maxKBs = 16

// failure looks for the failures that a line tells of.
func (p *parser) failure(s string) {
	for _, k := range failuresIn(s) {
		p.found(k, s)
	}
}

func (p *parser) found(k *known, s string) {
	named := updates(s)
	id := failureID{k.code, p.context.concerns(p.log.Lines, named)}
	i, ok := p.failures[id]
	if !ok {
		i = len(p.log.Failures)
		p.failures[id] = i
		f := Failure{Code: "0x" + k.code, Name: k.name, First: p.log.Lines, Text: excerpt(s), WinRE: id.winRE, Meaning: k.meaning, Next: k.next}
		if f.WinRE {
			f.Meaning, f.Next = k.reMeaning, k.reNext
		}
		p.log.Failures = append(p.log.Failures, f)
	}
	f := &p.log.Failures[i]
	f.Count++
	f.Last = p.log.Lines
	for _, kb := range named {
		if len(f.KBs) < maxKBs && !slices.Contains(f.KBs, kb) {
			f.KBs = append(f.KBs, kb)
		}
	}
}

// failuresIn returns the failures that a line names, each once.
func failuresIn(s string) []*known {
	words := hexWords(s)
	var out []*known
	for i := range failures {
		k := &failures[i]
		if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, k.code) }) {
			out = append(out, k)
		}
	}
	if len(out) > 0 {
		return out
	}
	lower := strings.ToLower(s)
	for i := range failures {
		k := &failures[i]
		if slices.ContainsFunc(k.phrases, func(phrase string) bool { return strings.Contains(lower, phrase) }) {
			out = append(out, k)
		}
	}
	return out
}

// hexWords returns the runs of exactly eight hexadecimal digits in a line, with 0x or not.
func hexWords(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		if !isHex(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && isHex(s[i]) {
			i++
		}
		prefixed := start > 0 && s[start-1]|0x20 == 'x'
		alone := (start == 0 || !isLetter(s[start-1])) && (i == len(s) || s[i] != '-') // and no part of a GUID
		if i-start == 8 && (prefixed || alone) && (i == len(s) || !isLetter(s[i])) {
			out = append(out, s[start:i])
		}
	}
	return out
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return isDigit(c) || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// updates returns the updates that a line names.
func updates(s string) []string {
	var out []string
	for i := 0; i+2 < len(s); i++ {
		if s[i]|0x20 != 'k' || s[i+1]|0x20 != 'b' || i > 0 && isLetter(s[i-1]) {
			continue
		}
		end := i + 2
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		if n := end - i - 2; n == 6 || n == 7 {
			out = append(out, "KB"+s[i+2:end])
		}
	}
	return out
}
