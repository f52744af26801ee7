package fault

// Problem is something that contradicts itself in what a format's Check looks at.
type Problem struct {
	Check string // the step that found it
	Err   error
}

// Error says what contradicts what, and where.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }
