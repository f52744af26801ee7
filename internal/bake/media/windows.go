package media

import (
	"cmp"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// hibernation is what Windows sleeps in.
const hibernation = "hiberfil.sys"

// leftBehind is what belongs to the machine or the disk that a volume comes from, and not to the
// Windows on it. All but the boot files is also what DISM leaves out when it captures a volume
// ("DISM Configuration List and WimScript.ini Files", Microsoft Learn), which leaves the names of
// the recycle bin to whoever calls it. The boot files of a BIOS volume are installed anew by every
// bake; of the old ones nothing would fit the new disk.
var leftBehind = []string{
	"pagefile.sys", "swapfile.sys", hibernation, "System Volume Information",
	"$RECYCLE.BIN", "RECYCLER", "Windows/CSC",
	"bootmgr", "BOOTNXT", "BOOTSECT.BAK", "Boot",
}

// windowsVolume is an NTFS volume with Windows on it.
type windowsVolume struct {
	part        *part
	volume      *ntfs.Volume
	image       Image
	fingerprint [sha1.Size]byte
	// refusal is why it must not be baked as it is, or nil.
	refusal error
	// loaded is a tree that nobody has changed yet, or nil.
	loaded *tree.Tree
}

// openWindows opens an NTFS volume and finds out which Windows is on it; nil without an error if
// none is.
func openWindows(p *part) (*windowsVolume, error) {
	v, err := ntfs.Open(p.r, p.r.Size())
	if err != nil {
		return nil, err
	}
	if found, err := v.Exists(registry.SystemHive); err != nil || !found {
		return nil, unclean(v, err)
	}
	w := &windowsVolume{part: p, volume: v, refusal: uncleanVolume(v)}
	t, err := v.Tree()
	if err != nil {
		return nil, unclean(v, err)
	}
	if w.refusal == nil {
		w.refusal = hibernated(t)
	}
	if err := leave(t); err != nil {
		return nil, err
	}
	found, err := boot.Detect(t)
	if err != nil {
		return nil, err
	}
	w.image = w.describe(&found, t)
	w.fingerprint, err = fingerprint(p.r, t)
	w.loaded = t
	return w, err
}

// unclean adds to an error what may be its reason.
func unclean(v *ntfs.Volume, err error) error {
	if reason := uncleanVolume(v); err != nil && reason != nil {
		return fmt.Errorf("%w (%w)", err, reason)
	}
	return err
}

// uncleanVolume says why a volume cannot be relied on, or nil.
func uncleanVolume(v *ntfs.Volume) error {
	if !v.Dirty() {
		return nil
	}
	return fault.Unsupportedf(fault.NoOffset, "%s; what is only in the log would be lost. Start this Windows once and shut it down with: shutdown /s /t 0; or attach the disk to a Windows and run: chkdsk /f",
		strings.Join(v.Warnings(), "; "))
}

// hibernated says whether Windows waits in its hibernation file to go on with the volume as it
// remembers it. Fast Startup is the same, for what a user takes for shutting down.
func hibernated(t *tree.Tree) error {
	e := t.Find(hibernation)
	if e == nil || tree.SizeOf(e.Node.Data) < 4 {
		return nil
	}
	magic := make([]byte, 4)
	if _, err := e.Node.Data.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return fault.In(hibernation, err)
	}
	if strings.EqualFold(string(magic), "hibr") {
		return fault.Unsupportedf(fault.NoOffset, "Windows is hibernated, or was shut down with Fast Startup: what it has not written is in %s. Start it and shut it down with: shutdown /s /t 0", hibernation)
	}
	return nil
}

// leave takes away what does not belong into an image.
func leave(t *tree.Tree) error {
	for _, path := range leftBehind {
		if err := t.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.In(path, err)
		}
	}
	return nil
}

// tree is the volume's tree, without what is left behind.
func (w *windowsVolume) tree() (*tree.Tree, error) {
	if t := w.loaded; t != nil {
		w.loaded = nil
		return t, nil
	}
	t, err := w.volume.Tree()
	if err != nil {
		return nil, err
	}
	return t, leave(t)
}

// architectures are the names that WIMs have for processors.
var architectures = map[pe.Machine]string{pe.AMD64: "amd64", pe.I386: "x86", pe.ARM64: "arm64", pe.ARM: "arm"}

// describe says of the volume what a WIM says of its images.
func (w *windowsVolume) describe(found *boot.Windows, t *tree.Tree) Image {
	i := Image{
		Name: cmp.Or(found.ProductName, "Windows "+found.Version.String()), Title: w.volume.Label(),
		Flags: found.EditionID, EditionID: found.EditionID, ProductName: found.ProductName,
		ProductType: "WinNT", InstallationType: found.Installation,
		Arch: architectures[found.Arch], Version: found.Version.String(), DefaultLanguage: found.Locale,
		Created: t.Root.Created,
	}
	if found.Server {
		i.ProductType = "ServerNT"
	}
	i.count(t)
	// An edition's Core images are told from the others by their flags only.
	const core = "Core"
	if found.EditionID != "" && found.Installation == "Server "+core && !strings.HasSuffix(found.EditionID, core) {
		i.Flags += core
	}
	if found.Locale != "" {
		i.Languages = []string{found.Locale}
	}
	// Windows writes its hives until it shuts down, and so does Setup.
	for _, path := range []string{registry.SystemHive, registry.SoftwareHive} {
		if e := t.Find(path); e != nil {
			i.Modified = max(i.Modified, e.Node.Modified)
		}
	}
	return i
}

// count counts what is in a tree.
func (i *Image) count(t *tree.Tree) {
	for _, e := range t.Walk() {
		if e.Node.IsDir() {
			i.Dirs++
		} else {
			i.Files++
		}
		i.Bytes += tree.SizeOf(e.Node.Data)
		for _, s := range e.Node.Streams {
			i.Bytes += tree.SizeOf(s.Data)
		}
	}
}

// fingerprint hashes the boot sector and what the tree says of every file. Contents are not read,
// unless they are in the MFT and so in memory.
func fingerprint(r io.ReaderAt, t *tree.Tree) (sum [sha1.Size]byte, err error) {
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, 512)); err != nil {
		return sum, err
	}
	data := func(name string, c tree.Content) {
		fmt.Fprintf(h, " %q %d %d", name, tree.SizeOf(c), tree.Position(c))
		if b, ok := c.(tree.Bytes); ok {
			h.Write(b)
		}
	}
	for _, sd := range t.Security {
		fmt.Fprintf(h, "%x\n", sd)
	}
	for path, e := range t.Walk() {
		n := e.Node
		fmt.Fprintf(h, "\n%q %q %x %d %d %d", path, e.Short, n.Attributes, n.Created, n.Modified, n.Security)
		data("", n.Data)
		for _, s := range n.Streams {
			data(s.Name, s.Data)
		}
	}
	return [sha1.Size]byte(h.Sum(nil)), nil
}
