// Package verdict is what reports about images come to.
package verdict

// Verdict is what an image or a whole report comes to.
type Verdict string

// The verdicts, the better first.
const (
	OK         Verdict = "ok"
	Findings   Verdict = "findings"
	Unreadable Verdict = "unreadable"
)

// Worse returns the worse of two verdicts.
func (v Verdict) Worse(other Verdict) Verdict {
	rank := map[Verdict]int{OK: 0, Findings: 1, Unreadable: 2}
	if rank[other] > rank[v] {
		return other
	}
	return v
}
