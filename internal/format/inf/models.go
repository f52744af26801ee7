package inf

import "slices"

// Model is a device that an INF file has a driver for.
type Model struct {
	Line int
	// Description and Manufacturer are fields to be resolved; Windows keeps their tokens.
	Description, Manufacturer string
	// Install names the install section, without its decoration.
	Install string
	// HardwareID is what the device calls itself, CompatibleIDs what it is like. A model that only
	// compatible devices match has no HardwareID.
	HardwareID    string
	CompatibleIDs []string
}

// manufacturer is one line of [Manufacturer].
type manufacturer struct {
	name    string
	models  string // the undecorated name of the models sections
	targets []Target
}

func (f *File) manufacturers() []manufacturer {
	var all []manufacturer
	for _, l := range f.lines("Manufacturer") {
		m := manufacturer{name: l.Key, models: f.Text(l.Value(0))}
		if !l.HasKey {
			m.name = l.Value(0)
		}
		if m.models == "" {
			continue
		}
		for _, v := range l.Values[1:] {
			if t, ok := parseTarget(f.Text(v)); ok {
				m.targets = append(m.targets, t)
			}
		}
		all = append(all, m)
	}
	return all
}

// section is the models section for a target; "" is the undecorated one.
func (m manufacturer) section(t Target) string {
	if t.Text == "" {
		return m.models
	}
	return m.models + "." + t.Text
}

// undecorated is the target of a section without a decoration.
var undecorated = Target{Major: -1, Minor: -1, Product: -1, Build: -1}

// Models returns the devices that the file has drivers for on an OS: for each manufacturer those of
// the section that fits the OS most closely. None is no error here; Targets tells what there is.
func (f *File) Models(os OS) []Model {
	var models []Model
	for _, m := range f.manufacturers() {
		best := ""
		var target Target
		for _, t := range append(m.targets, undecorated) {
			if t.fits(os) && f.Section(m.section(t)) != nil && (best == "" || t.compare(target) > 0) {
				best, target = m.section(t), t
			}
		}
		if best != "" {
			models = append(models, f.models(best, m.name)...)
		}
	}
	return models
}

// models reads a models section: description = install section, hardware ID, compatible ID ...
func (f *File) models(section, manufacturer string) []Model {
	var models []Model
	for _, l := range f.lines(section) {
		if !l.HasKey || l.Value(0) == "" {
			continue
		}
		m := Model{
			Line: l.Number, Description: l.Key, Manufacturer: manufacturer,
			Install: f.Text(l.Value(0)), HardwareID: f.Text(l.Value(1)),
		}
		for _, id := range l.Values[min(2, len(l.Values)):] {
			if id = f.Text(id); id != "" {
				m.CompatibleIDs = append(m.CompatibleIDs, id)
			}
		}
		models = append(models, m)
	}
	return models
}

// Targets returns what the file has drivers for at all: the decorations of the models sections that
// are not empty, in the order of the file, each once.
func (f *File) Targets() []Target {
	var targets []Target
	for _, m := range f.manufacturers() {
		for _, t := range append(m.targets, undecorated) {
			known := slices.ContainsFunc(targets, func(u Target) bool { return u.compare(t) == 0 && u.String() == t.String() })
			if !known && len(f.models(m.section(t), m.name)) > 0 {
				targets = append(targets, t)
			}
		}
	}
	return targets
}
