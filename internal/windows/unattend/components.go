package unattend

import (
	"cmp"
	_ "embed" // components.txt
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// componentList is the names of the components that Microsoft documents for answer files, one a line;
// '#' begins a comment.
//
//go:embed components.txt
var componentList string

// componentNames returns the known names by their lower-case form: Windows does not tell case apart, and
// neither do the documents.
func componentNames(extra []string) map[string]string {
	names := map[string]string{}
	for line := range strings.Lines(componentList) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			names[strings.ToLower(line)] = line
		}
	}
	for _, name := range extra {
		names[strings.ToLower(name)] = name
	}
	return names
}

// Bounds on suggestions: how many, for names of what length, and what share of a name may differ.
const (
	maxSuggestions = 3
	maxTypo        = 100
	typoShare      = 4
)

// suggestion words the names that an unknown one may have been meant to be, or says what to do.
func (c *checker) suggestion(name string) string {
	const advice = `; if the image has it all the same, list it as an extra component`
	near := c.near(strings.ToLower(name))
	if len(near) == 0 {
		return advice
	}
	return "; did you mean " + strings.Join(near, ", ") + "?"
}

// near returns the known names that are closest to an unknown one in lower case.
func (c *checker) near(name string) []string {
	if name == "" || len(name) > maxTypo {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	for lower, known := range c.names {
		distance := levenshtein.Distance(name, lower, nil)
		if strings.HasSuffix(lower, "-"+name) { // the name without its "Microsoft-Windows-"
			distance = 0
		}
		if distance <= len(lower)/typoShare {
			found = append(found, candidate{known, distance})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var names []string
	for _, f := range found[:min(len(found), maxSuggestions)] {
		if f.distance > found[0].distance+2 {
			break
		}
		names = append(names, f.name)
	}
	return names
}
