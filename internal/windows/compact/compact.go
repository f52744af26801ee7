// Package compact decides what of a Windows volume may be kept compressed by the Windows Overlay
// Filter (CompactOS): what is read before the filter runs must not be.
//
// Sources: the list of boot files of wimlib (src/win32_apply.c), which also says from which build on
// the boot loader reads which algorithm; WimBootCompress.ini, which DISM follows and every image
// since Windows 8.1 carries.
package compact

import (
	"strings"
	"unicode"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// The first builds whose boot loader reads files compressed with the algorithms: Windows 10, and
// Windows 10 1903 for all but XPRESS4K. No file that the boot loader is known to read is compressed;
// that it could read one makes up for what is not known.
const (
	buildXPRESS4K = 10240
	buildOthers   = 18362
)

// Check says whether a build of Windows starts from a volume whose files are compressed so.
func Check(build uint16, a wof.Algorithm) error {
	switch {
	case build < buildXPRESS4K:
		return fault.Unsupportedf(fault.NoOffset, "the image is build %d; files compressed by the overlay filter need Windows 10, Server 2016 or newer", build)
	case a != wof.XPRESS4K && build < buildOthers:
		return fault.Unsupportedf(fault.NoOffset, "the image is build %d, whose boot loader does not read %v (builds from %d on do); use \"xpress4k\"", build, a, buildOthers)
	}
	return nil
}

// bootFiles are read by boot managers and boot loaders. A pattern that starts with '/' is for paths,
// and for all that is below them; others are for names in any folder.
var bootFiles = []string{
	"/bootmgr", "/BOOTNXT", "/BOOTTGT", "/Boot", "/EFI", "/Recovery",
	"/hiberfil.sys", "/pagefile.sys", "/swapfile.sys",
	"*winload.*", "*winresume.*", "boot.sdi", "*.wim", "wof.sys",
	"/Windows/AppPatch/drvmain.sdb",
	"/Windows/Boot",
	"/Windows/bootstat.dat",
	"/Windows/Fonts/vgaoem.fon", "/Windows/Fonts/vgasys.fon", "/Windows/Fonts/vgafix.fon",
	"/Windows/INF/errata.inf",
	"/Windows/System32/config",
	"/Windows/System32/ntkrnl*.exe", "/Windows/System32/ntoskrnl.exe",
	"/Windows/System32/hvax64.exe", "/Windows/System32/hvix64.exe", "/Windows/System32/hvaa64.exe", "/Windows/System32/hvloader.*",
	"/Windows/System32/securekernel*.exe", "/Windows/System32/skci.dll",
	"/Windows/System32/tcblaunch.exe", "/Windows/System32/tcbloader.dll",
	"/Windows/System32/bootvid.dll", "/Windows/System32/ci.dll", "/Windows/System32/hal*.dll",
	"/Windows/System32/mcupdate*.dll", "/Windows/System32/pshed.dll", "/Windows/System32/kd*.dll", "/Windows/System32/kbd*.dll",
	"/Windows/System32/apisetschema.dll", "/Windows/System32/api-ms-win*.dll", "/Windows/System32/ext-ms-win*.dll",
	"/Windows/System32/KernelBase.dll",
	"/Windows/System32/*.nls", "/Windows/System32/clfs.sys",
	"/Windows/System32/CodeIntegrity",
	"/Windows/System32/drivers/*.sys",
	"/Windows/System32/DriverStore/FileRepository/*/*.sys",
	"/Windows/System32/PlatformManifest",
}

// configFile is the image's own list.
const configFile = "Windows/System32/WimBootCompress.ini"

// configSections are its sections that name files to leave uncompressed.
var configSections = map[string]bool{"prepopulatelist": true, "compressionexclusionlist": true}

// maxConfig is the longest list that is read: real ones have 2 KiB.
const maxConfig = 1 << 20

// Rules say which files stay as they are.
type Rules struct {
	names []pattern
	paths []pattern
}

// ReadRules returns the rules for an image: those that always hold, and its own.
func ReadRules(t *tree.Tree) (*Rules, error) {
	r := &Rules{}
	for _, p := range bootFiles {
		r.add(p)
	}
	e := t.Find(configFile)
	if e == nil || e.Node.Data == nil {
		return r, nil
	}
	b, err := tree.ReadAll(e.Node.Data, maxConfig)
	if err != nil {
		return nil, fault.In(configFile, err)
	}
	for _, p := range parseConfig(b) {
		r.add(p)
	}
	return r, nil
}

// parseConfig returns the patterns of WimBootCompress.ini, with '/'.
func parseConfig(b []byte) (patterns []string) {
	text := strings.TrimPrefix(string(b), "\xEF\xBB\xBF")
	if strings.HasPrefix(text, "\xFF\xFE") {
		text = utf16le.Decode(b[2:])
	}
	wanted := false
	for line := range strings.Lines(text) {
		line = strings.Trim(strings.TrimSpace(line), `"`)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			wanted = configSections[strings.ToLower(strings.Trim(line, "[]"))]
		case wanted:
			patterns = append(patterns, strings.ReplaceAll(line, `\`, "/"))
		}
	}
	return patterns
}

func (r *Rules) add(text string) {
	p := newPattern(text)
	if strings.HasPrefix(text, "/") {
		r.paths = append(r.paths, p)
	} else {
		r.names = append(r.names, p)
	}
}

// Keep returns the files that must stay as they are, because one of their names says so.
func (r *Rules) Keep(t *tree.Tree) map[*tree.Node]bool {
	keep := map[*tree.Node]bool{}
	var lower []string
	for path, e := range t.Walk() {
		if e.Node.IsDir() {
			continue
		}
		lower = append(lower[:0], tree.Split(strings.ToLower(path))...)
		if r.match(lower) {
			keep[e.Node] = true
		}
	}
	return keep
}

// match says whether a rule is for the path, which is in lower case.
func (r *Rules) match(path []string) bool {
	for _, p := range r.paths {
		if p.match(path) {
			return true
		}
	}
	name := path[len(path)-1:]
	for _, p := range r.names {
		if p.match(name) {
			return true
		}
	}
	return false
}

// pattern is the elements of a path, in lower case, in which '*' and '?' stand for others.
type pattern []string

func newPattern(text string) pattern {
	p := pattern(tree.Split(strings.ToLower(text)))
	// What a folder's files are called does not matter when all of them are meant.
	if n := len(p); n > 1 && p[n-1] == "*" {
		p = p[:n-1]
	}
	return p
}

// match says whether the pattern is for the path or a folder above it.
func (p pattern) match(path []string) bool {
	if len(p) == 0 || len(path) < len(p) {
		return false
	}
	for i, element := range p {
		if !wildcard(element, path[i]) {
			return false
		}
	}
	return true
}

// wildcard compares a name with a pattern of '*' and '?'.
func wildcard(pattern, name string) bool {
	star, from := -1, 0
	i, k := 0, 0
	for k < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, k
			i++
		case i < len(pattern) && (pattern[i] == name[k] || pattern[i] == '?' && name[k] < unicode.MaxASCII):
			i, k = i+1, k+1
		case star >= 0:
			from++
			i, k = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
