package bake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// RecoveryState is in which state a recovery environment is that the image carries.
type RecoveryState string

// The states.
const (
	// Enabled is a recovery environment that is ready: on its partition, in the boot configuration, and in
	// ReAgent.xml.
	Enabled RecoveryState = "enabled"
	// Staged is one that waits in Windows\System32\Recovery; Windows moves it to its partition, which is
	// there and empty, when it is set up.
	Staged RecoveryState = "staged"
)

// RecoveryStates are the accepted values.
var RecoveryStates = []RecoveryState{Enabled, Staged}

// Recovery is what is wanted of the Windows Recovery Environment.
type Recovery struct {
	Policy           winre.Policy
	Role             winre.Role
	ExternalRecovery bool
	ImagePipeline    bool
	// Parity is another image that this one must agree with, or nil.
	Parity *winre.Parity
	// MinFree is what must stay free on the Windows volume, and PartitionSize what the recovery partition
	// shall have; in bytes, 0 for no wish.
	MinFree, PartitionSize int64
	// State is Enabled if empty.
	State RecoveryState
}

// request is what the decision is made from, as far as the configuration tells.
func (r *Recovery) request() winre.Request {
	return winre.Request{
		Policy: r.Policy, Role: r.Role, ExternalRecovery: r.ExternalRecovery, ImagePipeline: r.ImagePipeline, Parity: r.Parity,
		MinFree: r.MinFree, PartitionSize: r.PartitionSize,
	}
}

// Decision is what can be said about the recovery environment before the medium is known. It is nil where
// the image stays as its medium has it.
func (c *Config) Decision() (*winre.Decision, error) {
	if c.Recovery == nil {
		return nil, nil
	}
	request := c.Recovery.request()
	if d, err := layout.New(c.windowsDisk()); err == nil {
		request.Disk = d.Find(layout.Windows).Size
	}
	d, err := winre.Decide(request)
	if err != nil {
		return nil, fault.In("winre", err)
	}
	return &d, nil
}

func (c *Config) recoveryProblems() []error {
	if c.Recovery == nil {
		return nil
	}
	var out []error
	switch c.Recovery.State {
	case "", Enabled, Staged:
	default:
		out = append(out, fault.Invalidf("winre: state: %q is not one of %q", c.Recovery.State, RecoveryStates))
	}
	if c.Recovery.State != Staged && c.BootDevices == Locate {
		out = append(out, fault.Invalidf("winre: state: with boot_devices = %q a recovery environment can only be %q: its boot entry names its partition", Locate, Staged))
	}
	if _, err := c.Decision(); err != nil {
		out = append(out, err)
	}
	return out
}

// recovery is what becomes of the recovery environment in a bake.
type recovery struct {
	decision *winre.Decision // nil: the image stays as its medium has it
	info     *winre.Info     // of the Winre.wim; nil: there is none, or it cannot be read
	path     string          // of the Winre.wim, in the volume that carries it; empty: there is none
	state    RecoveryState
	build    string     // of the image, in its long form
	saved    int64      // bytes, where it was removed
	tree     *tree.Tree // of the recovery partition
	findings []winre.Finding
}

// enabled says whether the image gets a recovery environment that is ready.
func (r *recovery) enabled() bool {
	return r.decision != nil && r.decision.Include && r.state == Enabled
}

// partition is the size of the recovery partition, 0 for none.
func (r *recovery) partition() int64 {
	if r.decision == nil || !r.decision.Include {
		return 0
	}
	return r.decision.PartitionSize
}

// DecideRecovery decides whether the image carries the recovery environment, and takes it out if it does
// not.
func (b *Bake) DecideRecovery(ctx context.Context) (err error) {
	b.c.Progress.Stage("Looking at the recovery environment")
	if b.windows, err = b.identify(); err != nil {
		return err
	}
	r := &recovery{path: winre.Find(b.tree)}
	if r.info, err = b.inspectRecovery(); err != nil {
		return err
	}
	if err := b.decideRecovery(r); err != nil {
		return fault.In("winre", err)
	}
	advisories, err := winre.Advisories()
	if err != nil {
		return err
	}
	r.findings = winre.Judge(advisories, b.windows.Version.Build, r.path != "", r.version())
	b.recovery = r
	return errors.Join(b.tagImage(), ctx.Err())
}

// inspectRecovery reads the Winre.wim. Where nobody has asked about it, one that cannot be read is no
// reason to fail.
func (b *Bake) inspectRecovery() (*winre.Info, error) {
	info, err := winre.InspectTree(b.tree)
	switch {
	case err != nil && b.c.Recovery == nil:
		b.c.Progress.Note(fmt.Sprintf("The recovery environment cannot be read: %s", err))
		return nil, nil
	case err != nil:
		return nil, fault.In("winre", err)
	case info != nil:
		for _, note := range info.Notes {
			b.c.Progress.Note(note)
		}
	}
	return info, nil
}

// decideRecovery decides, and acts on the tree where the answer is no. Nothing of the table matters for a
// Windows in a virtual disk.
func (b *Bake) decideRecovery(r *recovery) error {
	if b.c.Recovery == nil {
		return nil
	}
	if b.c.Native != nil {
		decision := noRecoveryInside()
		return b.actOn(r, &decision)
	}
	request := b.c.Recovery.request()
	request.Image, request.Absent = r.info, r.info == nil
	d, err := layout.New(b.c.windowsDisk())
	if err != nil {
		return err
	}
	request.Disk = d.Find(layout.Windows).Size
	if b.c.Compact == NotCompact { // else nobody knows yet
		request.Used = used(b.tree)
		if r.info != nil && b.c.Recovery.State != Staged { // it moves to its own partition
			request.Used -= r.info.Size
		}
	}
	decision, err := winre.Decide(request)
	if err != nil {
		return err
	}
	return b.actOn(r, &decision)
}

// actOn keeps a decision, tells it, and removes the recovery environment if it says so.
func (b *Bake) actOn(r *recovery, decision *winre.Decision) (err error) {
	r.decision, r.state = decision, b.c.Recovery.State
	if r.state == "" {
		r.state = Enabled
	}
	for _, sentence := range Explain(*decision) {
		b.c.Progress.Note(sentence)
	}
	if decision.Include {
		return nil
	}
	if r.saved, err = winre.Remove(b.tree); err != nil {
		return err
	}
	r.path, r.info, r.state = "", nil, ""
	return b.disableRecovery()
}

// Explain puts a decision into sentences for the person at the terminal.
func Explain(d winre.Decision) []string {
	verb := "leaves out"
	if d.Include {
		verb = "carries"
	}
	return append([]string{fmt.Sprintf("The image %s the recovery environment. %s", verb, strings.Join(d.Reasons, " "))}, d.Warnings...)
}

// used is about what the files of a tree take on an NTFS volume, in bytes.
func used(t *tree.Tree) int64 {
	const cluster, record = ntfs.DefaultCluster, 1 << 10
	clusters := func(c tree.Content) int64 { return (tree.SizeOf(c) + cluster - 1) / cluster * cluster }
	var total int64
	for _, n := range t.Nodes() {
		total += record + clusters(n.Data)
		for _, s := range n.Streams {
			total += clusters(s.Data)
		}
	}
	return total
}

// version is that of the recovery environment; zero if there is none, or it is not known.
func (r *recovery) version() (v pe.Version) {
	if r.info == nil {
		return v
	}
	return r.info.Version
}

// installRecovery puts the recovery environment onto its partition. It is called once the disk is laid
// out.
func (b *Bake) installRecovery() error {
	r := b.recovery
	p := b.disk.Find(layout.Recovery)
	if p == nil || r.tree != nil { // or a stage that is repeated
		return nil
	}
	if !r.enabled() {
		r.tree = tree.New(b.tree.Now)
		return b.disableRecovery()
	}
	state, err := winre.State(b.tree)
	if err != nil {
		b.c.Progress.Note(fmt.Sprintf("%s; the file is written anew.", err))
	}
	if state == nil {
		state = winre.Disabled(b.windows.Server)
	}
	state.Enable(b.recoveryIDs().LoaderID, b.recoveryDisk(), p.Offset, r.build)
	partition, err := winre.Partition(b.tree, state)
	if err != nil {
		return fault.In("winre", err)
	}
	if _, err := winre.Remove(b.tree); err != nil {
		return err
	}
	if err := winre.SetState(b.tree, state); err != nil {
		return err
	}
	r.tree, r.path = partition, winre.Folder+"/Winre.wim"
	return nil
}

// recoveryIDs are the boot entries of the recovery environment.
func (b *Bake) recoveryIDs() boot.Recovery {
	loader, options := boot.RecoveryIDs([]byte(b.disk.Identifier("boot entries").String()))
	return boot.Recovery{LoaderID: loader, OptionsID: options, WIM: winre.WIM, SDI: winre.SDI}
}

func (b *Bake) recoveryDisk() winre.Disk {
	if b.disk.MBR() {
		return winre.Disk{Signature: b.disk.Signature}
	}
	return winre.Disk{GUID: b.disk.ID}
}

// disableRecovery says in ReAgent.xml that no recovery environment is set up.
func (b *Bake) disableRecovery() error {
	note, err := winre.Disable(b.tree, b.windows.Server)
	if note != "" {
		b.c.Progress.Note(note)
	}
	return err
}
