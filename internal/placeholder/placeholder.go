// Package placeholder knows what Packer puts in the place of values that it does not have yet. "packer validate"
// reads no data sources, and what a builder tells in "build" is known once the build runs; Packer
// prepares the components all the same, and once more when it has the values.
package placeholder

import (
	"slices"
	"strings"
)

// Unknown stands for a string that is not known yet, and for one that holds such a string. (A number is 0 then,
// and a list is empty, which cannot be told from what somebody has written.)
// Source: WriteUnknownPlaceholderValues in Packer's hcl2template/shim.
const Unknown = "<unknown>"

// Forgive leaves out those problems of a configuration that may come from values that are not known yet: those
// of attributes that have such a value, and those of attributes that were not given, which other values may be
// behind. By convention, what stands before the first colon or bracket names the attribute. raws are the
// configuration as Packer gives it, decoded to maps. When all values are known, every problem stays.
func Forgive(raws []any, problems []error) []error {
	given, unknown := map[string]bool{}, map[string]bool{}
	for _, raw := range raws {
		attributes, _ := raw.(map[string]any)
		for name, value := range attributes {
			given[name] = given[name] || value != nil
			unknown[name] = unknown[name] || holds(value)
		}
	}
	some := false
	for _, is := range unknown {
		some = some || is
	}
	if !some {
		return problems
	}
	return slices.DeleteFunc(slices.Clone(problems), func(err error) bool {
		text := err.Error()
		name := text[:max(0, strings.IndexAny(text, ":["))]
		return !given[name] || unknown[name] || strings.Contains(text, Unknown)
	})
}

// holds says whether Unknown is anywhere in a value.
func holds(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.Contains(v, Unknown)
	case []any:
		return slices.ContainsFunc(v, holds)
	case map[string]any:
		for _, element := range v {
			if holds(element) {
				return true
			}
		}
	}
	return false
}
