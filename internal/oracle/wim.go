package oracle

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// JudgeWIM fails the test if wimlib cannot open a WIM, read its metadata or verify every blob's SHA-1,
// and returns what it says about it. For a split WIM, pass the first part and a glob of all.
func JudgeWIM(t testing.TB, path string, parts ...string) WIMInfo {
	t.Helper()
	Need(t, "wimlib-imagex")
	verdict(t, wimVerify(path, parts...))
	info, err := wimInfo(path)
	return fatal(t, info, err)
}

func wimVerify(path string, parts ...string) error {
	args := []string{"verify", path}
	for _, glob := range parts {
		args = append(args, "--ref="+glob)
	}
	if out, stderr, err := Try("wimlib-imagex", args...); err != nil {
		return judged("wimlib-imagex verify", path, err, tail(out, 5)+stderr)
	}
	return nil
}

// WIMInfo is what wimlib says about a WIM: "Key: value" lines, of the file and of each image.
type WIMInfo struct {
	File   map[string]string
	Images []map[string]string
	XML    string // the XML data, in UTF-8, without the byte order mark
}

func wimInfo(path string) (WIMInfo, error) {
	out, stderr, err := Try("wimlib-imagex", "info", path)
	if err != nil {
		return WIMInfo{}, judged("wimlib-imagex info", path, err, out+stderr)
	}
	xml, stderr, err := Try("wimlib-imagex", "info", "--xml", path)
	if err != nil {
		return WIMInfo{}, judged("wimlib-imagex info", path, err, stderr)
	}
	info := WIMInfo{File: map[string]string{}, XML: decode16(xml)}
	at := info.File
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !ok {
			continue
		}
		if key == "Index" {
			at = map[string]string{}
			info.Images = append(info.Images, at)
		}
		at[key] = strings.TrimSpace(value)
	}
	return info, nil
}

// decode16 decodes UTF-16LE with or without a byte order mark.
func decode16(s string) string {
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = uint16(s[2*i]) | uint16(s[2*i+1])<<8
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
}

// WIMEntry is one path of an image as wimlib lists it. Times have a resolution of a second there.
type WIMEntry struct {
	ShortName  string
	Attributes uint32
	Security   string               // hexadecimal
	Times      [3]string            // creation, last write, last access
	ReparseTag string               // "" for none
	ObjectID   string               // hexadecimal, "" for none
	LinkGroup  string               // the first path of those that are this file; "" for a single one
	Streams    map[string]WIMStream // by name; "" is the unnamed one, ReparseStream the reparse data
}

// ReparseStream is the name under which WIMEntry keeps the reparse data, which no stream can have.
const ReparseStream = ":reparse"

// WIMStream is the content of a stream.
type WIMStream struct {
	SHA1 string // hexadecimal; zeros for an empty stream
	Size int64
}

// WIMDir lists an image with wimlib: all paths, beginning with '/', with all metadata.
func WIMDir(t testing.TB, path string, index int) map[string]WIMEntry {
	t.Helper()
	Need(t, "wimlib-imagex")
	entries, err := wimDir(path, index)
	return fatal(t, entries, err)
}

func wimDir(path string, index int) (map[string]WIMEntry, error) {
	out, stderr, err := Try("wimlib-imagex", "dir", path, strconv.Itoa(index), "--detailed")
	if err != nil {
		return nil, judged("wimlib-imagex dir", path, err, stderr)
	}
	entries := map[string]WIMEntry{}
	groups := map[string]string{}
	for block := range strings.SplitSeq(out, "\n"+strings.Repeat("-", 76)+"\n") {
		name, e, err := parseWIMEntry(strings.TrimPrefix(block, strings.Repeat("-", 76)+"\n"))
		if err != nil {
			return nil, fmt.Errorf("wimlib-imagex dir %s: %w", path, err)
		}
		entries[name] = e
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e := entries[name]
		if e.LinkGroup == "" {
			continue
		}
		if groups[e.LinkGroup] == "" {
			groups[e.LinkGroup] = name
		}
		e.LinkGroup = groups[e.LinkGroup]
		entries[name] = e
	}
	return entries, nil
}

// parseWIMEntry reads one block of dir --detailed: "Key = value" lines, then for each stream a line
// with its name and "Key = value" lines again.
func parseWIMEntry(block string) (path string, e WIMEntry, err error) {
	e.Streams = map[string]WIMStream{}
	stream := ""
	for line := range strings.Lines(block) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "Full Path":
			path, err = unquote(value)
		case "Short Name":
			e.ShortName, err = unquote(value)
		case "Attributes":
			var n uint64
			n, err = strconv.ParseUint(value, 0, 32)
			e.Attributes = uint32(n)
		case "Security Descriptor":
			e.Security = value
		case "Creation Time":
			e.Times[0] = value
		case "Last Write Time":
			e.Times[1] = value
		case "Last Access Time":
			e.Times[2] = value
		case "Reparse Tag":
			e.ReparseTag = value
		case "Object ID":
			e.ObjectID = value
		case "Link Group ID":
			e.LinkGroup = value
		case "Link Count":
			if value == "1" {
				e.LinkGroup = ""
			}
		default:
			stream, err = e.streamLine(stream, key, value)
		}
		if err != nil {
			return "", e, fmt.Errorf("line %q: %w", line, err)
		}
	}
	return path, e, nil
}

// streamLine reads a line about streams and returns the name of the stream that the next is about.
func (e *WIMEntry) streamLine(stream, key, value string) (string, error) {
	s := e.Streams[stream]
	var err error
	switch {
	case key == "Unnamed data stream:":
		return "", nil
	case key == "Reparse point stream:":
		return ReparseStream, nil
	case strings.HasPrefix(key, "Named data stream "):
		return unquote(strings.TrimSuffix(strings.TrimPrefix(key, "Named data stream "), ":"))
	case key == "Hash":
		s.SHA1 = strings.TrimPrefix(value, "0x")
	case key == "Uncompressed size":
		s.Size, err = strconv.ParseInt(strings.TrimSuffix(value, " bytes"), 10, 64)
	default:
		return stream, nil
	}
	e.Streams[stream] = s
	return stream, err
}

// unquote strips the quotes; wimlib escapes nothing.
func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", fmt.Errorf("%q is not in quotes", s)
	}
	return s[1 : len(s)-1], nil
}

// CompareWIMDirs fails the test unless two listings are the same. Edit, if not nil, is called for each
// entry of both and may blank what is not to be compared.
func CompareWIMDirs(t testing.TB, want, got map[string]WIMEntry, edit func(path string, e *WIMEntry)) {
	t.Helper()
	if diff := diffLines(listWIM(want, edit), listWIM(got, edit)); diff != "" {
		t.Errorf("images differ (- wanted, + got):\n%s", diff)
	}
}

// listWIM prints one line per property, so that a difference names it.
func listWIM(entries map[string]WIMEntry, edit func(string, *WIMEntry)) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		e := entries[path]
		if edit != nil {
			edit(path, &e)
		}
		for _, p := range []struct {
			what  string
			value any
		}{
			{"attributes", fmt.Sprintf("%#x", e.Attributes)}, {"short name", e.ShortName}, {"security", e.Security},
			{"creation", e.Times[0]}, {"last write", e.Times[1]}, {"last access", e.Times[2]},
			{"reparse tag", e.ReparseTag}, {"object id", e.ObjectID}, {"linked to", e.LinkGroup},
		} {
			fmt.Fprintf(&b, "%s: %s: %v\n", path, p.what, p.value)
		}
		for _, name := range slices.Sorted(maps.Keys(e.Streams)) {
			// An empty unnamed stream is listed or not, at the writer's pleasure.
			if s := e.Streams[name]; name != "" || s.Size != 0 {
				fmt.Fprintf(&b, "%s: stream %q: %d bytes %s\n", path, name, s.Size, s.SHA1)
			}
		}
	}
	return b.String()
}

// WimlibCapture captures an NTFS volume with wimlib, uncompressed, and returns the WIM, which lives as
// long as the test. It needs neither a mount nor any right, so a volume that was made from a WIM can be
// judged anywhere: compare WIMDir of both.
func WimlibCapture(t testing.TB, v Volume) string {
	t.Helper()
	Need(t, "wimlib-imagex")
	path := filepath.Join(t.TempDir(), "captured.wim")
	Run(t, "wimlib-imagex", "capture", v.File(t), path, "captured", "--compress=none")
	return path
}
