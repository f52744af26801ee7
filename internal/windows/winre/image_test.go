package winre

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

func TestRemove(t *testing.T) {
	tr := windows(t, standin.Options{})
	staged := tr.Find(Staging + "/Winre.wim").Node.Data.Size()
	put(t, tr, Folder+"/Winre.wim", bytes.Repeat([]byte{1}, 3000))
	put(t, tr, Folder+"/boot.sdi", bytes.Repeat([]byte{1}, 500))
	put(t, tr, Folder+"/deeper/packed", nil)
	tr.Find(Folder + "/deeper/packed").Node.Data = tree.Pack(tree.Bytes("unpacked"), wof.LZX, tree.Bytes("pack"))
	shared := tr.Find("Windows/System32/ntoskrnl.exe").Node
	if _, err := tr.Link(tr.Find(Folder).Node, "linked", "", shared); err != nil {
		t.Fatal(err)
	}
	saved, err := Remove(tr)
	if err != nil || saved != staged+3000+500+4 {
		t.Errorf("%d, want %d, %v", saved, staged+3504, err)
	}
	if Find(tr) != "" || tr.Find("Recovery") != nil || tr.Find(StateFile) == nil || len(shared.Names) != 1 {
		t.Error("something is left, or too much is gone")
	}
	if saved, err := Remove(tr); saved != 0 || err != nil {
		t.Error(saved, err)
	}
}

func TestRemoveLeavesOtherThings(t *testing.T) {
	tr := windows(t, standin.Options{})
	put(t, tr, "Recovery/OEM/own.wim", []byte("x"))
	put(t, tr, Staging+"/Winre.wim", nil) // an empty one is none, but goes as well
	put(t, tr, Folder+"/ReAgent.xml", []byte("x"))
	if saved, err := Remove(tr); saved != 1 || err != nil {
		t.Error(saved, err)
	}
	if tr.Find("Recovery/OEM/own.wim") == nil || tr.Find(Folder) != nil || tr.Find(Staging+"/Winre.wim") != nil {
		t.Error("wrong files are gone")
	}
}

func TestDisable(t *testing.T) {
	for name, test := range map[string]struct {
		file, note string
		want       *ReAgent
	}{
		"none":        {"", "", Disabled(true)},
		"the image's": {"<WindowsRE version=\"2.0\"><InstallState state=\"1\"/><ScheduledOperation state=\"5\"/></WindowsRE>", "", &ReAgent{Version: version2, Scheduled: 5}},
		"broken":      {"<WindowsRE", "Windows/System32/Recovery/ReAgent.xml: line 1: not well-formed XML: unexpected EOF; the file is written anew.", Disabled(true)},
		"unknown":     {"<WindowsRE version=\"9.0\"/>", "9.0", Disabled(true)},
	} {
		tr := windows(t, standin.Options{WithoutRecovery: true})
		if test.file != "" {
			put(t, tr, StateFile, []byte(test.file))
		}
		note, err := Disable(tr, true)
		if err != nil || (note == "") != (test.note == "") || !strings.Contains(note, test.note) {
			t.Errorf("%s: %q, %v", name, note, err)
		}
		state, err := State(tr)
		if err != nil {
			t.Fatal(err)
		}
		state.found = nil
		if state.Installed || state.Scheduled != test.want.Scheduled || state.Server != test.want.Server {
			t.Errorf("%s: %+v", name, state)
		}
	}
}

// failing is a content that cannot be read.
type failing struct{}

func (failing) Size() int64                       { return 100 }
func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the medium is gone") }

func TestUnreadable(t *testing.T) {
	tr := windows(t, standin.Options{})
	tr.Find(StateFile).Node.Data = failing{}
	if _, err := Disable(tr, true); err == nil || !strings.Contains(err.Error(), "the medium is gone") {
		t.Error(err)
	}
	tr.Find(StateFile).Node.Data = tree.Bytes(make([]byte, maxReAgent+1))
	if note, err := Disable(tr, true); err != nil || !strings.Contains(note, "larger than the 65536") {
		t.Error(note, err)
	}
	if err := SetState(tr, &ReAgent{}); !errors.Is(err, fault.ErrBug) {
		t.Error(err)
	}
}

func TestStateOfNone(t *testing.T) {
	tr := windows(t, standin.Options{WithoutRecovery: true})
	if r, err := State(tr); r != nil || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestSetState sees that the file's own attributes and security stay.
func TestSetState(t *testing.T) {
	tr := windows(t, standin.Options{})
	n := tr.Find(StateFile).Node
	n.Attributes |= tree.AttrHidden
	n.Security = tr.AddSecurity(secdesc.Build(secdesc.Administrators, secdesc.LocalSystem))
	security := n.Security
	if err := SetState(tr, Enabled(loaderID, gpt, 1, lab, true)); err != nil {
		t.Fatal(err)
	}
	if e := tr.Find(StateFile); e.Node != n || n.Attributes&tree.AttrHidden == 0 || n.Security != security {
		t.Error("the file is another one")
	}
	if r, err := State(tr); err != nil || r.BCD != loaderID || r.Location.Disk != gpt {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPartition(t *testing.T) {
	tr := windows(t, standin.Options{})
	source := tr.Find(Staging + "/Winre.wim").Node
	source.Created, source.Modified = 5, 7
	unpacked := source.Data
	source.Data = tree.Pack(unpacked, wof.LZX, tree.Bytes("packed"))
	state := Enabled(loaderID, gpt, 1<<30, lab, true)
	p, err := Partition(tr, state)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*tree.Node{}
	for path, e := range p.Walk() {
		found[path] = e.Node
		owner := p.Descriptor(e.Node)
		if !bytes.Contains(owner, secdesc.Administrators) || bytes.Contains(owner, secdesc.Users) || bytes.Contains(owner, secdesc.Everyone) {
			t.Errorf("%s has the descriptor %x", path, owner)
		}
	}
	want := []string{"Recovery", Folder, Folder + "/ReAgent.xml", Folder + "/Winre.wim", Folder + "/boot.sdi"}
	if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names, want) {
		t.Fatal(names)
	}
	for _, name := range []string{"Recovery", Folder + "/ReAgent.xml", Folder + "/Winre.wim", Folder + "/boot.sdi"} {
		if found[name].Attributes&hidden != hidden {
			t.Errorf("%s has attributes %#x", name, found[name].Attributes)
		}
	}
	image := found[Folder+"/Winre.wim"]
	if _, packed := image.Data.(tree.Packed); packed || image.Data.Size() != unpacked.Size() || image.Created != 5 || image.Modified != 7 {
		t.Errorf("%+v", image)
	}
	data, err := tree.ReadAll(found[Folder+"/ReAgent.xml"].Data, 1<<20)
	if wanted, _ := state.Marshal(); err != nil || !bytes.Equal(data, wanted) {
		t.Errorf("%s, %v", data, err)
	}
	if Find(tr) == "" {
		t.Error("the Windows volume has lost its Winre.wim")
	}
	// What has been copied outlives what Remove takes away.
	if _, err := Remove(tr); err != nil {
		t.Fatal(err)
	}
	if info, err := Inspect(image.Data, image.Data.Size()); err != nil || info.Version != server2022 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestPartitionOfWhatIsMissing(t *testing.T) {
	state := Disabled(true)
	_, err := Partition(windows(t, standin.Options{WithoutRecovery: true}), state)
	refused(t, err, "Windows/System32/Recovery/Winre.wim")

	tr := windows(t, standin.Options{})
	if err := tr.Remove("Windows/Boot/DVD/EFI"); err != nil {
		t.Fatal(err)
	}
	if _, err := Partition(tr, state); err != nil { // that of BIOS is the same
		t.Error(err)
	}
	put(t, tr, "Windows/Boot/DVD/PCAT/boot.sdi", nil)
	_, err = Partition(tr, state)
	refused(t, err, "no boot.sdi", "Windows/Boot/DVD/EFI/boot.sdi", "Windows/Boot/DVD/PCAT/boot.sdi")

	if _, err := Partition(windows(t, standin.Options{}), &ReAgent{}); !errors.Is(err, fault.ErrBug) {
		t.Error(err)
	}
}

func TestRegistry(t *testing.T) {
	tr := windows(t, standin.Options{})
	r := registry.Open(tr)
	if s, err := BuildLab(r); s != lab || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	patched := pe.Version{Major: 10, Build: 20348, Revision: 2201}
	for _, v := range []pe.Version{{}, patched, {}} {
		if err := SetVersion(r, v); err != nil {
			t.Fatal(err)
		}
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, err := RecordedVersion(r); got != v || err != nil {
			t.Errorf("%v, %v, want %v", got, err, v)
		}
	}
	if err := r.Set(`HKLM\SOFTWARE\`+currentVersion, regf.String(VersionValue, "10.0")); err != nil {
		t.Fatal(err)
	}
	if got, err := RecordedVersion(r); got != (pe.Version{}) || err != nil {
		t.Error(got, err)
	}
	if _, err := r.DeleteKey(`HKLM\SOFTWARE\` + currentVersion); err != nil {
		t.Fatal(err)
	}
	if s, err := BuildLab(r); s != "" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if got, err := RecordedVersion(r); got != (pe.Version{}) || err != nil {
		t.Error(got, err)
	}
}
