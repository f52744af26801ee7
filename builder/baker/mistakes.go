package baker

import "strings"

// Mistakes are what is known to be wrong in a configuration, and those of the engine's problems whose
// fields have none yet: a size that cannot be read, say, is not also too small. The engine's "name" is our
// output_name (Packer keeps "name" for itself in some places), and our own check of it is the stricter one.
func Mistakes(known, engine []error) []error {
	fields := map[string]bool{"name": true}
	for _, err := range known {
		fields[field(err)] = true
	}
	for _, err := range engine {
		if !fields[field(err)] {
			known = append(known, err)
		}
	}
	return known
}

// field is what an error is about: by convention, what stands before the first colon.
func field(err error) string {
	name, _, _ := strings.Cut(err.Error(), ":")
	return name
}
