package offline

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// guestPath is a path inside the image, cleaned: the names from the root of C: down.
type guestPath struct {
	names []string
	// dir says that the path ended in a separator, which asks for a directory.
	dir bool
}

// String returns the path as the tree takes it: names joined by '/', no drive.
func (p guestPath) String() string { return strings.Join(p.names, "/") }

// base is the last name, or "" for the root.
func (p guestPath) base() string {
	if len(p.names) == 0 {
		return ""
	}
	return p.names[len(p.names)-1]
}

func (p guestPath) parent() guestPath { return guestPath{names: p.names[:len(p.names)-1]} }

func (p guestPath) join(names ...string) guestPath {
	return guestPath{names: append(append([]string(nil), p.names...), names...)}
}

// windows spells the path as a Windows user would read it.
func (p guestPath) windows() string { return `C:\` + strings.Join(p.names, `\`) }

// variable finds what a shell on a running Windows would expand: %NAME% or $env:NAME.
var variable = regexp.MustCompile(`%[A-Za-z_()0-9]+%|\$[Ee][Nn][Vv]:[A-Za-z_]+`)

// parsePath reads a path as Packer users write them for a Windows guest: "C:/Tools/agent.exe",
// `c:\Tools`, "/Tools/". The volume that is baked is C:, so other drives, network paths and
// relative paths (there is no home directory) are errors that say what to write instead.
func parsePath(path string) (guestPath, error) {
	if v := variable.FindString(path); v != "" {
		return guestPath{}, fault.Invalidf("path %q: %s cannot be expanded, because nothing runs in an offline image; write the whole path, such as \"C:/Windows/Temp/x\"", path, v)
	}
	rest := strings.ReplaceAll(path, `\`, "/")
	rest = strings.TrimPrefix(rest, "//?/") // the Win32 prefix for long paths
	if strings.HasPrefix(rest, "//") {
		return guestPath{}, fault.Invalidf("path %q is a network path; an image holds only its own volume, C:", path)
	}
	rest, err := cutDrive(path, rest)
	if err != nil {
		return guestPath{}, err
	}
	p := guestPath{dir: strings.HasSuffix(rest, "/") || strings.HasSuffix(rest, "/.")}
	for _, name := range strings.Split(rest, "/") {
		switch name {
		case "", ".":
		case "..":
			if len(p.names) == 0 {
				return guestPath{}, fault.Invalidf("path %q leads above the root of C:", path)
			}
			p.names = p.names[:len(p.names)-1]
		default:
			p.names = append(p.names, name)
		}
	}
	return p, nil
}

// cutDrive takes "C:" off; what is left must begin at the root.
func cutDrive(path, rest string) (string, error) {
	if len(rest) >= 2 && rest[1] == ':' && isLetter(rest[0]) {
		if rest[0]|0x20 != 'c' {
			return "", fault.Invalidf("path %q: the image has one volume, C:; there is no drive %c:", path, rest[0]&^0x20)
		}
		rest = rest[2:]
		if rest == "" {
			return "/", nil
		}
	}
	if !strings.HasPrefix(rest, "/") {
		return "", fault.Invalidf("path %q is relative, and an offline image has no home directory; write %q", path, suggestion(rest))
	}
	return rest, nil
}

func suggestion(relative string) string {
	relative = strings.TrimPrefix(relative, "./")
	return fmt.Sprintf("C:/%s", strings.TrimPrefix(relative, "/"))
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
