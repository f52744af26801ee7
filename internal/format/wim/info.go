package wim

// Header is what the header of a WIM tells besides what has methods of its own.
type Header struct {
	Version uint32 // 0x10d00; 0xe00 for a file with solid resources
	// Flags are the names of the flags that are set, those of compression left out.
	Flags []string
	// Parts is how many files the WIM is split into, 1 for one that is not.
	Parts int
	Solid bool
}

var flagNames = []struct {
	flag uint32
	name string
}{
	{flagReadOnly, "read-only"}, {flagSpanned, "split"}, {flagResourceOnly, "resources only"}, {flagMetadataOnly, "metadata only"},
	{flagInProgress, "write in progress"}, {flagRPFix, "reparse points fixed"},
}

// Header returns what the header tells, of a split WIM that of the first part.
func (f *File) Header() Header {
	h := Header{Version: f.header.Version, Flags: []string{}, Parts: int(f.header.Parts), Solid: f.header.Version == versionSolid}
	for _, n := range flagNames {
		if f.header.Flags&n.flag != 0 {
			h.Flags = append(h.Flags, n.name)
		}
	}
	return h
}
