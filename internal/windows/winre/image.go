package winre

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/nested"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Find returns the path of Winre.wim in the tree of a Windows volume, "" if there is none: that of nested.WinRE.
func Find(t *tree.Tree) string { return nested.WinRE(t) }

// InspectTree is Inspect for the Winre.wim in the tree of a Windows volume. The Info is nil if there is none.
func InspectTree(t *tree.Tree) (*Info, error) {
	path := Find(t)
	if path == "" {
		return nil, nil
	}
	n, err := t.Lookup(path)
	if err != nil {
		return nil, err
	}
	info, err := Inspect(n.Data, n.Data.Size())
	if err != nil {
		return nil, fault.In(path, err)
	}
	return &info, nil
}

// Remove takes the recovery environment out of the tree of a Windows volume: each Winre.wim, and the folder
// Recovery\WindowsRE with what belongs to it. It returns the bytes that this saves on the volume, 0 if there
// was none. StateFile stays: see Disable. It also clears away what Partition has copied.
func Remove(t *tree.Tree) (saved int64, err error) {
	for _, path := range []string{Staging + "/" + wimName, Folder} {
		e := t.Find(path)
		if e == nil {
			continue
		}
		saved += weigh(t, e.Node)
		if err := t.Remove(path); err != nil {
			return saved, err
		}
	}
	above, _, _ := strings.Cut(Folder, "/")
	if e := t.Find(above); e != nil && e.Node.IsDir() && e.Node.Len() == 0 {
		return saved, t.Remove(above)
	}
	return saved, nil
}

// weigh is what the contents of a file, or of all files in a folder, take on an NTFS volume. Files with other
// names elsewhere stay, and weigh nothing.
func weigh(t *tree.Tree, n *tree.Node) (bytes int64) {
	for _, e := range entries(t, n) {
		bytes += weigh(t, e.Node)
	}
	if n.IsDir() || len(n.Names) > 1 {
		return bytes
	}
	if p, ok := n.Data.(tree.Packed); ok {
		_, stored := p.Packed()
		return stored.Size()
	}
	return tree.SizeOf(n.Data)
}

func entries(t *tree.Tree, n *tree.Node) []*tree.Entry {
	if !n.IsDir() {
		return nil
	}
	return t.Entries(n)
}

// State reads the ReAgent.xml of the Windows volume in t; nil if there is none.
func State(t *tree.Tree) (*ReAgent, error) {
	e := t.Find(StateFile)
	if e == nil || e.Node.IsDir() {
		return nil, nil
	}
	data, err := tree.ReadAll(e.Node.Data, maxReAgent)
	if err != nil {
		return nil, fault.In(StateFile, err)
	}
	r, err := ParseReAgent(data)
	if err != nil {
		return nil, fault.In(StateFile, err)
	}
	return r, nil
}

// SetState writes the ReAgent.xml of the Windows volume in t. Attributes and security of one that is
// there stay.
func SetState(t *tree.Tree, r *ReAgent) error {
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	_, err = t.WriteFile(StateFile, tree.Bytes(data))
	return err
}

// Disable makes the ReAgent.xml of the Windows volume in t that of a Windows without a recovery environment
// that is set up: after Remove, or so that a staged one is set up at the first start. What else the file
// says stays; a file that is missing, or cannot be read, is made anew, and then note, a sentence, says why.
func Disable(t *tree.Tree, server bool) (note string, err error) {
	r, err := State(t)
	if err != nil {
		if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
			return "", err
		}
		note = fmt.Sprintf("%v; the file is written anew.", err)
	}
	if r == nil {
		r = Disabled(server)
	}
	r.Disable()
	return note, SetState(t, r)
}

// BuildLab returns the BuildLabEx of a Windows, which is what ReAgent.xml calls OsBuildVersion; empty if the
// registry does not have it.
func BuildLab(r *registry.Registry) (string, error) {
	k, err := r.Key(`HKLM\SOFTWARE\` + currentVersion)
	if k == nil {
		return "", err
	}
	return text(k, "BuildLabEx"), nil
}

// VersionValue is the value of HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion in which updates and scanners
// look for the version of the recovery environment.
const VersionValue = "WinREVersion"

// SetVersion records the version of the recovery environment in the registry, as its updates do; the zero
// version takes the record away.
func SetVersion(r *registry.Registry, v pe.Version) error {
	const key = `HKLM\SOFTWARE\` + currentVersion
	if v == (pe.Version{}) {
		_, err := r.DeleteValue(key, VersionValue)
		return err
	}
	return r.Set(key, regf.String(VersionValue, v.String()))
}

// RecordedVersion is the version that SetVersion, or an update, has recorded; zero if there is none, or it
// is no version.
func RecordedVersion(r *registry.Registry) (pe.Version, error) {
	k, err := r.Key(`HKLM\SOFTWARE\` + currentVersion)
	if k == nil {
		return pe.Version{}, err
	}
	v, _ := ParseVersion(text(k, VersionValue)) // what somebody has typed there counts for nothing
	return v, nil
}

// folderSecurity is that of \Recovery on Windows' own recovery partitions: nobody but the system and
// administrators.
var folderSecurity = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
	secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
	secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FullControl, SID: secdesc.Administrators})

const hidden = tree.AttrHidden | tree.AttrSystem

// sdiFiles are where Windows keeps the RAM disk that Winre.wim is started from. All are the same.
var sdiFiles = []string{"Windows/Boot/DVD/EFI/boot.sdi", "Windows/Boot/DVD/PCAT/boot.sdi", Folder + "/" + sdiName}

// Partition returns the tree of the recovery partition for the Windows volume in t: Winre.wim and boot.sdi,
// whose contents are shared, not read, and a copy of the state, each hidden and kept from ordinary users.
// Contents that the Windows volume holds compressed are not here: what boots must not depend on it. Neither
// t nor state is changed. It is an error if t has no Winre.wim or no boot.sdi.
func Partition(t *tree.Tree, state *ReAgent) (*tree.Tree, error) {
	image := Find(t)
	if image == "" {
		return nil, fault.Invalidf("the image has no %s/%s to put onto a recovery partition", Staging, wimName)
	}
	sdi := ""
	for _, p := range sdiFiles {
		if e := t.Find(p); e != nil && !e.Node.IsDir() && tree.SizeOf(e.Node.Data) > 0 {
			sdi = p
			break
		}
	}
	if sdi == "" {
		return nil, fault.Invalidf("the image has no boot.sdi, without which Winre.wim cannot be started: looked for %s; take media that have it, or set policy = exclude", strings.Join(sdiFiles, ", "))
	}
	text, err := state.Marshal()
	if err != nil {
		return nil, err
	}
	out := tree.New(t.Now)
	above, _, _ := strings.Cut(Folder, "/")
	dir, err := out.MkdirAll(above)
	if err != nil {
		return nil, err
	}
	dir.Security = out.AddSecurity(folderSecurity)
	dir.Attributes |= hidden
	for _, f := range []struct{ name, from string }{{wimName, image}, {sdiName, sdi}} {
		if err := share(out, Folder+"/"+f.name, t.Find(f.from).Node); err != nil {
			return nil, err
		}
	}
	return out, share(out, Folder+"/"+stateName, t.NewFile(tree.Bytes(text)))
}

// share puts the content of a file into the tree of the recovery partition.
func share(t *tree.Tree, path string, from *tree.Node) error {
	content := from.Data
	if p, ok := content.(tree.Packed); ok {
		content = p.Unpacked()
	}
	n, err := t.WriteFile(path, content)
	if err != nil {
		return err
	}
	n.Attributes |= hidden
	n.Created, n.Modified = from.Created, from.Modified
	return nil
}
