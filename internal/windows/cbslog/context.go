package cbslog

import (
	"slices"
	"strings"
)

// recoveryUpdates are the updates of January 2024 for the recovery environment, which logs name
// without a word of WinRE.
var recoveryUpdates = []string{"KB5034439", "KB5034440", "KB5034441"}

// recoveryWords are names, the same in every language, that only lines about the recovery
// environment have.
var recoveryWords = []string{"winre", `\recovery\`, "reagent", "windows re ", "recovery environment"}

// nearby is how many lines a mention of the recovery environment reaches forward.
const nearby = 20

// context remembers where the recovery environment was last spoken of.
type context struct {
	kbs  []string // updates for it
	line int      // 0: nowhere yet
}

func (c *context) see(number int, s string) {
	lower := strings.ToLower(s)
	if slices.ContainsFunc(recoveryWords, func(w string) bool { return strings.Contains(lower, w) }) ||
		slices.ContainsFunc(updates(s), c.update) {
		c.line = number
	}
}

func (c *context) update(kb string) bool {
	return slices.Contains(recoveryUpdates, kb) || slices.Contains(c.kbs, kb)
}

// concerns says whether a failure is one of the recovery environment. A line that names updates says
// it itself: those around it may be about others.
func (c *context) concerns(number int, named []string) bool {
	if len(named) > 0 {
		return c.line == number
	}
	return c.line > 0 && number-c.line <= nearby
}
