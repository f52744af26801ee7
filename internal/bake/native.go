package bake

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// NativeBoot is for a Windows that the boot manager starts from a virtual disk, a file on the disk:
// Microsoft calls that native boot. The disk is a USB stick, say.
type NativeBoot struct {
	// File is the name of the virtual disk in the root directory of its volume. Its extension, .vhd or
	// .vhdx, says what it is; it is a fixed one in any case, so that starting Windows expands nothing.
	File string
	// Size is the virtual disk's, in bytes. The other one, Config.Size, is that of the disk around it.
	Size int64
	// Label is that of the volume which holds the virtual disk; empty is allowed.
	Label string
	// Hypervisor says whether Hyper-V's hypervisor starts before Windows.
	Hypervisor Hypervisor
	// Overrides are rules that are not kept, and why. The manifest has them.
	Overrides map[Rule]string
}

// Hypervisor says whether Hyper-V's hypervisor starts.
type Hypervisor string

// The ways.
const (
	HypervisorAuto Hypervisor = "" // where the image has one
	HypervisorOn   Hypervisor = "on"
	HypervisorOff  Hypervisor = "off"
)

// Rule is a rule of the guides to Hyper-V Server on a USB stick, which a user may set aside.
type Rule string

// The rules.
const (
	RuleDiskSize    Rule = "usb_size" // the stick has at least 16 GB
	RuleDiskFree    Rule = "usb_free" // the virtual disk leaves a quarter of it free
	RuleVirtualSize Rule = "vhd_size" // the virtual disk has at least 12 GiB
)

// Rules are all of them.
var Rules = []Rule{RuleDiskSize, RuleDiskFree, RuleVirtualSize}

// What the rules ask for. Sticks are sold in decimal gigabytes.
const (
	minStick, goodStick     = 16e9, 32e9
	minVirtual, goodVirtual = 12 << 30, 24e9 // what a stick of 32 GB leaves room for
	// maxShare is the part of the stick that the virtual disk may take.
	maxShareOf, maxShare = 4, 3
)

// broken returns the rules that a stick and its virtual disk do not keep, and how.
func (n *NativeBoot) broken(stick int64) map[Rule]string {
	out := map[Rule]string{}
	if stick < minStick {
		out[RuleDiskSize] = fmt.Sprintf("a stick of %s is smaller than 16 GB", fault.Bytes(stick))
	}
	if n.Size > stick/maxShareOf*maxShare {
		out[RuleDiskFree] = fmt.Sprintf("a virtual disk of %s leaves less than a quarter of the stick's %s free, which flash needs to stay fast; make vhd_size %s at the most",
			fault.Bytes(n.Size), fault.Bytes(stick), fault.Bytes(stick/maxShareOf*maxShare))
	}
	if n.Size < minVirtual {
		out[RuleVirtualSize] = fmt.Sprintf("a virtual disk of %s is smaller than 12 GiB, the least that Windows has room in for its updates", fault.Bytes(n.Size))
	}
	return out
}

// Advice is what is worth telling about the sizes, although it is not wrong.
func (n *NativeBoot) Advice(stick int64) (out []string) {
	broken := n.broken(stick)
	for _, r := range Rules {
		if how, ok := broken[r]; ok && n.Overrides[r] != "" {
			out = append(out, fmt.Sprintf("%s is overridden (%s): %s.", r, n.Overrides[r], how))
		}
	}
	if stick >= minStick && stick < goodStick {
		out = append(out, fmt.Sprintf("The stick has %s; 32 GB are recommended.", fault.Bytes(stick)))
	}
	for gb := int64(16); gb <= 1024; gb *= 2 { // as sticks are sold
		if stick > gb*1e9 && stick <= gb<<30 {
			out = append(out, fmt.Sprintf("The image has %d bytes, more than a stick has that is sold as %d GB; for such a one say usb_size = \"%dGB\".", stick, gb, gb))
		}
	}
	if n.Size >= minVirtual && n.Size < goodVirtual {
		out = append(out, fmt.Sprintf("The virtual disk has %s; 24 GB are recommended.", fault.Bytes(n.Size)))
	}
	return out
}

// kind is the virtual disk's format, "" for none that is known.
func (n *NativeBoot) kind() Format {
	switch ext := strings.ToLower(path.Ext(n.File)); ext {
	case ".vhd", ".vhdx":
		return Format(ext[1:])
	}
	return ""
}

func (c *Config) nativeProblems() (out []error) {
	n := c.Native
	if n == nil {
		return nil
	}
	add := func(format string, args ...any) { out = append(out, fault.Invalidf(format, args...)) }
	switch {
	case strings.ContainsAny(n.File, `/\:`) || len(n.File) > maxFileName:
		add("vhd_name: %q is no name of a file in the root directory", n.File)
	case n.kind() == "":
		add("vhd_name: %q must end in .vhd or .vhdx", n.File)
	case n.Size > n.kind().maxSize():
		add("vhd_size: a disk in a %s ends at %d GiB, and it is %s", strings.ToUpper(string(n.kind())), n.kind().maxSize()>>30, fault.Bytes(n.Size))
	}
	_, stickErr := layout.New(layout.Spec{Size: c.Size, Firmware: c.Firmware})
	_, virtualErr := layout.New(c.windowsDisk())
	switch {
	case virtualErr != nil:
		out = append(out, fmt.Errorf("vhd_%w", virtualErr)) // the layout's error is about "size"
	case stickErr == nil:
		out = append(out, n.ruleProblems(c.Size)...)
	}
	if !slices.Contains([]Hypervisor{HypervisorAuto, HypervisorOn, HypervisorOff}, n.Hypervisor) {
		add("hypervisor: %q is not one of %q", n.Hypervisor, []Hypervisor{HypervisorOn, HypervisorOff})
	}
	if utf16le.Len(n.Label) > maxLabel {
		add("usb_label: %q is longer than NTFS's %d characters", n.Label, maxLabel)
	}
	if c.BootDevices == Locate && c.Firmware != layout.BIOS {
		add("boot_devices: %q finds a virtual disk only where it lies on the partition that is started from, with firmware %q", Locate, layout.BIOS)
	}
	if c.Recovery != nil && c.Recovery.Policy != winre.Exclude {
		add("winre: a recovery environment cannot be started from within a virtual disk; its policy can only be %q", winre.Exclude)
	}
	return out
}

// aboutStick has an error about "size" be about the stick's, where there is one.
func (c *Config) aboutStick(err error) error {
	if c.Native == nil || !strings.HasPrefix(err.Error(), "size:") {
		return err
	}
	return fmt.Errorf("usb_%w", err)
}

// ruleProblems are the rules that are broken without a reason, and reasons for nothing.
func (n *NativeBoot) ruleProblems(stick int64) (out []error) {
	broken := n.broken(stick)
	for _, r := range Rules {
		if how, ok := broken[r]; ok && n.Overrides[r] == "" {
			out = append(out, fault.Invalidf("%s: %s; if that is what you want, give the reason: overrides = { %s = \"...\" }", r, how, r))
		}
	}
	for _, r := range slices.Sorted(maps.Keys(n.Overrides)) {
		switch {
		case !slices.Contains(Rules, r):
			out = append(out, fault.Invalidf("overrides: there is no rule %q; the rules are %q", r, Rules))
		case strings.TrimSpace(n.Overrides[r]) == "":
			out = append(out, fault.Invalidf("overrides: %s needs a reason", r))
		}
	}
	return out
}

// maxFileName is the most characters of a name on NTFS, and maxLabel those of a volume's label.
const (
	maxFileName = 255
	maxLabel    = 32
)

// ruleNative is the row of the table of decisions, so to speak, that decides for a Windows in a virtual disk.
const ruleNative = "native-boot"

// noRecoveryInside is the decision about the recovery environment of a Windows in a virtual disk.
func noRecoveryInside() winre.Decision {
	return winre.Decision{Rule: ruleNative, Reasons: []string{"It could not be started from within a virtual disk."}}
}

// windowsDisk is what the disk that Windows is on shall be like, as far as the configuration tells.
func (c *Config) windowsDisk() layout.Spec {
	if c.Native != nil {
		return layout.Spec{Size: c.Native.Size, Firmware: layout.Contained, Label: c.Label}
	}
	return layout.Spec{Size: c.Size, Firmware: c.Firmware, Label: c.Label}
}

// host is the disk around a virtual disk that Windows is on.
type host struct {
	disk    *layout.Disk
	tree    *tree.Tree // of the volume with the virtual disk
	file    *tree.Node // the virtual disk
	kind    container
	plan    *layout.Plan
	start   int64 // of the file, on the disk
	written *image.Written
}

// container is a file that has a disk in one piece.
type container interface {
	// DiskOffset is where the disk begins in the file, and FileSize the file's length.
	DiskOffset() int64
	FileSize() int64
	// Describe writes everything but the disk.
	Describe(w io.WriterAt) error
}

// fixedVHD is a disk with a footer.
type fixedVHD struct{ vhd.Footer }

func (fixedVHD) DiskOffset() int64 { return 0 }

func (v fixedVHD) FileSize() int64 { return v.Size + vhd.FooterSize }

func (v fixedVHD) Describe(w io.WriterAt) error {
	b, err := v.Marshal()
	if err == nil {
		_, err = w.WriteAt(b, v.Size)
	}
	return err
}

// fileAlignment is where on its volume a virtual disk begins: at a multiple of what partitions begin at,
// so that no write of Windows' crosses one more page of the flash than it must.
const fileAlignment = 1 << 20

// newHost partitions the disk around Windows' disk, and reserves the file for it.
func (b *Bake) newHost() (*host, error) {
	n, h := b.c.Native, &host{tree: tree.New(b.tree.Now)}
	var err error
	h.disk, err = layout.New(layout.Spec{
		Size: b.c.Size, Firmware: b.c.Firmware, Main: layout.Host, Label: n.Label, Seed: []byte(b.c.Seed), Time: filetime.From(b.c.BuildTime),
	})
	if err != nil {
		return nil, err
	}
	switch d := b.disk; n.kind() {
	case VHD:
		h.kind = fixedVHD{vhd.Footer{Size: n.Size, Time: b.c.BuildTime, ID: d.Identifier("vhd")}}
	default:
		h.kind, err = vhdx.NewFixed(vhdx.Options{
			Size: n.Size, ID: d.Identifier("vhdx"), FileWrite: d.Identifier("vhdx file"), DataWrite: d.Identifier("vhdx data"),
		})
	}
	if err != nil {
		return nil, err
	}
	h.file, err = h.tree.Reserve(n.File, h.kind.FileSize(), fileAlignment)
	return h, err
}

// checkNative asks whether the image can start from a virtual disk.
func (b *Bake) checkNative() error {
	notes, err := boot.CheckNativeBoot(b.tree, b.windows, bootFirmwares[b.c.Firmware], b.c.Native.kind() == VHDX)
	for _, note := range notes {
		b.c.Progress.Note(note)
	}
	return fault.In("vhd_name", err)
}

// layOut places everything on the disk around Windows' disk.
func (h *host) layOut(c layout.Contents) (err error) {
	c.Main = h.tree
	if h.plan, err = h.disk.Plan(c); err != nil {
		return err
	}
	for _, v := range h.plan.Volumes {
		if v.Partition.Role != layout.Host {
			continue
		}
		run, ok := v.Plan.(*ntfs.Plan).Find(h.file)
		if !ok {
			return fault.Bugf("the virtual disk has no place on its volume")
		}
		h.start = v.Partition.Offset + run.Offset
	}
	return nil
}

// diskOffset is where Windows' disk begins.
func (h *host) diskOffset() int64 { return h.start + h.kind.DiskOffset() }

// write fills the disk around Windows' disk.
func (h *host) write(ctx context.Context, advance func(int64), targets []io.WriterAt) (err error) {
	if h.written, err = image.Write(ctx, h.plan, advance, targets...); err != nil {
		return err
	}
	for _, t := range image.At(targets, h.start) {
		if err := h.kind.Describe(t); err != nil {
			return err
		}
	}
	return nil
}

// verify reads the disk back, and returns Windows' disk as others will find it: through the file system
// and the reader of the virtual disk's format.
func (h *host) verify(ctx context.Context, r io.ReaderAt) (io.ReaderAt, error) {
	if err := image.Verify(ctx, h.plan, h.written, r); err != nil {
		return nil, err
	}
	part := h.disk.Find(layout.Host)
	volume, err := ntfs.Open(io.NewSectionReader(r, part.Offset, part.Size), part.Size)
	if err != nil {
		return nil, err
	}
	file, err := volume.Lookup(h.file.Path())
	if err != nil {
		return nil, err
	}
	disk, _, _, err := diskfile.Open(file.Content, file.Content.Size(), h.file.Path())
	return disk, err
}

// hypervisor says whether the boot entry starts one.
func (b *Bake) hypervisor() bool {
	switch b.c.Native.Hypervisor {
	case HypervisorOn:
		return true
	case HypervisorOff:
		return false
	}
	return boot.HasHypervisor(b.tree)
}
