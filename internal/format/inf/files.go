package inf

import (
	"path"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Directory numbers ("Using Dirids"). Others exist.
const (
	DirWindows = 10
	DirSystem  = 11
	DirDrivers = 12
	DirPackage = 13 // the package's folder in the driver store
)

// Copy is a file that an install section copies.
type Copy struct {
	Line int
	// Name is the file's name at its destination, Source its name in the package.
	Name, Source string
	// Dir and Subdir are the destination: a directory's number, and a path below it with '\'.
	Dir    int
	Subdir string
	Flags  uint32
}

// copyFiles reads the CopyFiles directives of a section: names of file-list sections, and @file.
func (f *File) copyFiles(section string) ([]Copy, error) {
	var copies []Copy
	for _, l := range f.lines(section) {
		if !l.HasKey || !strings.EqualFold(f.Text(l.Key), "CopyFiles") {
			continue
		}
		for _, v := range l.Values {
			more, err := f.copyFrom(f.Text(v), l.Number)
			if err != nil {
				return nil, err
			}
			if copies = append(copies, more...); len(copies) > maxItems {
				return nil, tooMany(section, "files")
			}
		}
	}
	return copies, nil
}

func (f *File) copyFrom(list string, line int) ([]Copy, error) {
	if list == "" {
		return nil, nil
	}
	if name, ok := strings.CutPrefix(list, "@"); ok {
		dir, subdir, err := f.destination("DefaultDestDir", line)
		return []Copy{{Line: line, Name: name, Source: name, Dir: dir, Subdir: subdir}}, err
	}
	section := f.Section(list)
	if section == nil || len(section.Lines) == 0 {
		return nil, nil // Windows passes over a list that is not there
	}
	dir, subdir, err := f.destination(list, line)
	if err != nil {
		return nil, err
	}
	var copies []Copy
	for _, l := range section.Lines {
		c := Copy{Line: l.Number, Name: f.Text(l.Value(0)), Source: f.Text(l.Value(1)), Dir: dir, Subdir: subdir}
		if c.Name == "" {
			continue
		}
		if c.Source == "" {
			c.Source = c.Name
		}
		if c.Flags, err = f.number(l.Value(3), l.Number); err != nil {
			return nil, err
		}
		copies = append(copies, c)
	}
	return copies, nil
}

// destination finds where the files of a list go: [DestinationDirs] list = number, subdirectory.
func (f *File) destination(list string, line int) (dir int, subdir string, err error) {
	l, ok := f.entry("DestinationDirs", list)
	if !ok {
		if l, ok = f.entry("DestinationDirs", "DefaultDestDir"); !ok {
			return 0, "", corrupt(line, "[DestinationDirs] has no entry for %s and no DefaultDestDir", list)
		}
	}
	n, err := strconv.ParseInt(f.Text(l.Value(0)), 0, 32)
	if err != nil {
		return 0, "", corrupt(l.Number, "[DestinationDirs] has the directory %q, must be a number", l.Value(0))
	}
	return int(n), f.Text(l.Value(1)), nil
}

// Source returns the path of a source file below the package's folder, with '/'. A file that
// [SourceDisksFiles] does not list is looked for beside the INF file; listed tells. A cabinet is not
// supported.
func (f *File) Source(name string, arch Arch) (file string, listed bool, err error) {
	l, ok := f.source("SourceDisksFiles", name, arch)
	if !ok {
		return clean(name), false, nil
	}
	disk, ok := f.source("SourceDisksNames", f.Text(l.Value(0)), arch)
	if !ok {
		return clean(f.Text(l.Value(1)), name), true, nil
	}
	if cabinet := f.Text(disk.Value(1)); strings.EqualFold(path.Ext(cabinet), ".cab") {
		return "", true, fault.In(lineName(disk.Number), fault.Unsupportedf(fault.NoOffset,
			"%s is in the cabinet %s; unpack it first", name, cabinet))
	}
	return clean(f.Text(disk.Value(3)), f.Text(l.Value(1)), name), true, nil
}

// source finds an entry in the section for the architecture, then in the undecorated one.
func (f *File) source(section, key string, arch Arch) (Line, bool) {
	if l, ok := f.entry(section+"."+string(arch), key); ok {
		return l, true
	}
	return f.entry(section, key)
}

// SourceFiles returns the names of all files that [SourceDisksFiles] lists for an architecture.
func (f *File) SourceFiles(arch Arch) []string {
	var names []string
	for _, section := range []string{"SourceDisksFiles." + string(arch), "SourceDisksFiles"} {
		for _, l := range f.lines(section) {
			if l.HasKey {
				names = append(names, f.Text(l.Key))
			}
		}
	}
	return names
}

// clean joins parts of a Windows path to one with '/' that stays below its start.
func clean(parts ...string) string {
	joined := strings.ReplaceAll(strings.Join(parts, `\`), `\`, "/")
	return strings.TrimPrefix(path.Clean("/"+joined), "/")
}

// number reads a field that holds a number, decimal or with 0x; an empty one is 0.
func (f *File) number(field string, line int) (uint32, error) {
	text := strings.TrimSpace(f.Text(field))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 {
		return 0, corrupt(line, "%q is not a number of 32 bits", text)
	}
	return uint32(n), nil
}
