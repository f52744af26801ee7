// Package unattend makes, checks, changes and installs answer files (unattend.xml) for an image that is
// applied and first booted without Windows Setup.
//
// Such an image runs two of the seven configuration passes: specialize, as SYSTEM, and oobeSystem, at the
// end of the first boot. Windows finds the file at %WINDIR%\Panther\unattend.xml. docs/formats/unattend.md
// has the table of passes, the order in which Windows looks for files, and the sources.
//
// The package knows a few settings by type (Settings) and the names of all components that Microsoft
// documents. It does not know what other settings may stand in a component: that is the schema of each
// Windows, which only Windows System Image Manager reads. Passwords in an answer file are encoded, not
// protected; no text of an answer file ever gets into an error.
package unattend

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Names of the format.
const (
	namespace    = "urn:schemas-microsoft-com:unattend"
	wcmNamespace = "http://schemas.microsoft.com/WMIConfig/2002/State"
	wcmPrefix    = "wcm"
	microsoft    = "31bf3856ad364e35" // publicKeyToken of every component of Windows
	neutral      = "neutral"
	versionScope = "nonSxS"
)

// The passes that an applied image runs.
const (
	specialize = "specialize"
	oobeSystem = "oobeSystem"
)

// The components that Settings are written to.
const (
	shellSetup    = "Microsoft-Windows-Shell-Setup"
	international = "Microsoft-Windows-International-Core"
	deployment    = "Microsoft-Windows-Deployment"
)

// build8 is Windows 8, whose OOBE has pages and settings that Windows 7 does not know.
const build8 = 9200

// Target is the Windows that an answer file is for.
type Target struct {
	// Arch is the image's architecture as answer files name it: amd64, x86 or arm64.
	Arch string
	// Build is the image's build number. Zero means that it is not known, and stands for a current one.
	Build uint16
}

// architectures are those that answer files can name. wow64 is for the 32-bit half of a 64-bit Windows.
var architectures = []string{"amd64", "arm64", "x86", "arm", "ia64", "wow64"}

// targets are the architectures that an image can have.
var targets = []string{"amd64", "x86", "arm64"}

func (t Target) validate() error {
	if !slices.Contains(targets, t.Arch) {
		return fault.Unsupportedf(fault.NoOffset, "answer files for the architecture %q are not supported; known are %s", t.Arch, strings.Join(targets, ", "))
	}
	return nil
}

// windows8 says whether the target knows the settings that came with Windows 8.
func (t Target) windows8() bool { return t.Build == 0 || t.Build >= build8 }

// New returns an answer file with the settings and nothing else: UTF-8, the same bytes for the same
// settings. Settings that are not valid, none at all, and ones that the target does not know are errors.
func New(s Settings, target Target) ([]byte, error) {
	d := newDocument()
	if err := d.merge(s, target); err != nil {
		return nil, err
	}
	if len(d.settings()) == 0 {
		return nil, fault.Invalidf("there is nothing to put into an answer file: set at least one setting")
	}
	return d.bytes()
}

// Merge returns the answer file data with the settings in it. Exactly the elements that the settings name
// are added or replaced, in the component for the target's architecture; a list of commands is replaced
// as a whole. Where the file has one of them in the other pass that runs, it is replaced there, too, since
// the later one would win. Everything else stays, in its order, comments included; the result is UTF-8.
//
// A file that Windows has already worked off (see Read) is an error, since Windows would ignore what is
// added to it.
func Merge(data []byte, s Settings, target Target) ([]byte, error) {
	d, err := parse(data)
	if err != nil {
		return nil, err
	}
	if err := d.merge(s, target); err != nil {
		return nil, err
	}
	return d.bytes()
}
