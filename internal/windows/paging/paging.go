// Package paging is Windows' page file, and what goes with it: the swap file of client editions and
// the crash dumps, which need a page file. The settings are those of the key "Memory Management"
// (Microsoft, "Determine the appropriate page file size for 64-bit versions of Windows").
package paging

import (
	"fmt"
	"regexp"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say which page file Windows shall use.
type Settings struct {
	// Off is for no page file at all. The other fields must then be zero.
	Off bool `json:"off,omitempty"`
	// Drive is a letter; empty is Windows' own choice, which only fits sizes of zero.
	Drive string `json:"drive,omitempty"`
	// Initial and Maximum are in MiB. Both zero lets Windows manage the size.
	Initial int64 `json:"initial,omitempty"`
	Maximum int64 `json:"maximum,omitempty"`
}

const (
	// smallest is what Windows' own dialog takes at least, in MiB.
	smallest = 16
	// largest is the limit of a page file on 64-bit Windows, 16 TiB, in MiB (Microsoft Learn, as
	// above).
	largest = 16 << 20
)

var letter = regexp.MustCompile(`^[A-Za-z]$`)

// Validate says what is wrong with the settings, each problem naming its field.
func (s Settings) Validate() error {
	switch {
	case s.Off && s != (Settings{Off: true}):
		return fault.Invalidf("paging: without a page file there is nothing else to set")
	case s.Drive != "" && !letter.MatchString(s.Drive):
		return fault.Invalidf("drive: %q is not a letter, such as %q", s.Drive, "C")
	case s.Initial == 0 && s.Maximum == 0:
		return nil
	case s.Initial < smallest || s.Initial > largest:
		return fault.Invalidf("initial: %d MiB is not between %d MiB and %d MiB", s.Initial, smallest, largest)
	case s.Maximum < s.Initial || s.Maximum > largest:
		return fault.Invalidf("maximum: %d MiB is not between initial (%d MiB) and %d MiB", s.Maximum, s.Initial, largest)
	case s.Drive == "":
		return fault.Invalidf("drive: a page file of a given size needs a drive")
	}
	return nil
}

// files is the value PagingFiles. "?" leaves the drive to Windows, which is how install media have it.
func (s Settings) files() regf.Value {
	switch {
	case s.Off:
		return regf.MultiString("PagingFiles")
	case s.Drive == "":
		return regf.MultiString("PagingFiles", `?:\pagefile.sys`)
	}
	return regf.MultiString("PagingFiles", fmt.Sprintf(`%s:\pagefile.sys %d %d`, s.Drive, s.Initial, s.Maximum))
}

// Apply makes the settings in every control set, so that they hold whichever Windows starts with.
// Without a page file Windows can write no crash dump, so dumps are turned off, too, unless they go to
// a file of their own; and page files that a used disk holds are removed.
func Apply(t *tree.Tree, r *registry.Registry, s Settings) error {
	if err := r.EachControlSet(func(set string) error { return s.apply(r, set) }); err != nil {
		return err
	}
	if !s.Off {
		return nil
	}
	for _, name := range []string{"pagefile.sys", "swapfile.sys"} {
		if e := t.Find(name); e != nil && !e.Node.IsDir() {
			t.Unlink(e)
		}
	}
	return nil
}

func (s Settings) apply(r *registry.Registry, set string) error {
	memory, err := r.Create(set + `\Control\Session Manager\Memory Management`)
	if err != nil {
		return err
	}
	memory.Set(s.files())
	memory.DeleteValue("ExistingPageFiles") // Windows notes here what it has opened
	client, err := isClient(r, set)
	if err != nil {
		return err
	}
	switch {
	case !s.Off:
		memory.DeleteValue("SwapfileControl")
	case client:
		memory.Set(regf.DWord("SwapfileControl", 0))
	}
	return s.applyDumps(r, set)
}

// isClient says whether a control set is that of a client edition, which has a swap file from
// Windows 8 on.
func isClient(r *registry.Registry, set string) (bool, error) {
	k, err := r.Key(set + `\Control\ProductOptions`)
	if k == nil {
		return false, err
	}
	v, _ := k.Value("ProductType")
	kind, _ := v.Text()
	return kind == "WinNT", nil
}

// Kinds of crash dump, the value CrashDumpEnabled.
const (
	noDump        = 0
	kernelDump    = 2 // the default up to Windows 7
	automaticDump = 7 // the default from Windows 8 on
)

func (s Settings) applyDumps(r *registry.Registry, set string) error {
	crash, err := r.Create(set + `\Control\CrashControl`)
	if err != nil {
		return err
	}
	v, _ := crash.Value("CrashDumpEnabled")
	kind, err := v.Integer()
	_, dedicated := crash.Value("DedicatedDumpFile")
	switch {
	case s.Off && !dedicated:
		crash.Set(regf.DWord("CrashDumpEnabled", noDump))
	case !s.Off && err == nil && kind == noDump:
		n := uint32(kernelDump)
		if k, err := r.Key(`HKLM\SYSTEM\DriverDatabase`); err != nil {
			return err
		} else if k != nil { // Windows 8 and newer
			n = automaticDump
		}
		crash.Set(regf.DWord("CrashDumpEnabled", n))
	}
	return nil
}
