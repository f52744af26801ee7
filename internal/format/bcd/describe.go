package bcd

// InPrintOrder returns the objects in the order in which bcdedit shows them.
func (s *Store) InPrintOrder() []*Object { return s.inPrintOrder() }

// Title is what bcdedit calls an object: "Windows Boot Loader".
func (o *Object) Title() string { return o.title() }

// Values returns the value of an element of o as bcdedit shows it, each item of a list by itself.
func (s *Store) Values(o *Object, e Element, options PrintOptions) ([]string, error) {
	p := printer{options: options}
	if d := s.Resolve(Default); d != nil {
		p.defaultEntry = d.ID
	}
	return p.decode(o.Type, e)
}
