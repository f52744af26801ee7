package sparse

import (
	"cmp"
	"slices"
)

// Claims are ranges of a file that each belong to one thing.
type Claims struct{ list []claim }

type claim struct{ start, length, by int64 }

// Claim takes a range of length bytes that its own place accounts for.
func (c *Claims) Claim(start, length int64) { c.ClaimFor(start, length, start) }

// ClaimFor takes a range for what lies at by, such as an entry of a table. An empty one is nowhere.
func (c *Claims) ClaimFor(start, length, by int64) {
	if length > 0 {
		c.list = append(c.list, claim{start, length, by})
	}
}

// Overlap returns who took a range that was taken already, in the order of the file.
func (c *Claims) Overlap() (by int64, ok bool) {
	slices.SortStableFunc(c.list, func(a, b claim) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(c.list); i++ {
		if a := c.list[i-1]; a.start+a.length > c.list[i].start {
			return max(a.by, c.list[i].by), true
		}
	}
	return 0, false
}
