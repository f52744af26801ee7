package audit

import (
	"errors"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// boot reads every BCD store of the disk.
func (a *auditor) boot() {
	for i, v := range a.storeVolumes() {
		for _, path := range volumes.Stores {
			s, err := bootstore.Read(v.read, path)
			if missing(err) {
				continue
			}
			b := Boot{Store: windowsPath(path), Partition: v.Number, Recovery: path == boot.RecoveryStorePath, Around: i >= len(a.volumes)}
			switch {
			case err != nil:
			case b.Recovery:
				err = a.recoveryEntry(s, &b)
			default:
				err = a.entry(s, &b)
			}
			if err != nil {
				b.Problem = err.Error()
				a.image.find("bcd-unreadable", Warning, fmt.Sprintf("%s on %s cannot be read: %v.", b.Store, v.name(), err),
					"Rebuild it with bcdboot in Windows PE, or bake the image anew.")
			}
			a.image.Boot = append(a.image.Boot, b)
		}
	}
	if len(a.image.Boot) == 0 && a.identity != nil {
		a.image.find("bcd-missing", Warning, "No boot configuration was found on the disk: it does not start by itself.",
			"Run bcdboot in Windows PE, or bake the image anew.")
	}
}

// entry follows a store from the entry of this Windows to its recovery environment.
func (a *auditor) entry(s *bcd.Store, b *Boot) error {
	loader := a.loader(s)
	if loader == nil {
		return fault.Corruptf(fault.NoOffset, "it has no entry that starts a Windows")
	}
	b.Loader = loader.ID.String()
	if e, ok := loader.Element(bcd.ElemRecoveryEnabled); ok {
		enabled, err := e.Bool()
		if err != nil {
			return err
		}
		b.Enabled = &enabled
	}
	b.Target = TargetNone
	e, ok := loader.Element(bcd.ElemRecoverySequence)
	if !ok {
		return nil
	}
	list, err := e.Objects()
	if err != nil || len(list) == 0 {
		return err
	}
	b.sequence, b.Sequence, b.Target = list[0], list[0].String(), TargetEntry
	o := s.Object(list[0])
	if o == nil {
		return nil
	}
	return a.device(o, b)
}

// recoveryEntry takes the default entry of the second store of a UEFI disk, which is WinRE itself.
func (a *auditor) recoveryEntry(s *bcd.Store, b *Boot) error {
	b.Target = TargetNone
	o := s.Resolve(bcd.Default)
	if o == nil {
		return nil // as it is while there is none
	}
	b.Loader, b.sequence, b.Sequence = o.ID.String(), o.ID, o.ID.String()
	return a.device(o, b)
}

// loader returns the entry that starts the audited Windows: the default one, unless that is known to
// be for another partition.
func (a *auditor) loader(s *bcd.Store) *bcd.Object {
	first := s.Resolve(bcd.Default)
	if first != nil && (first.Type != bcd.TypeOSLoader || a.otherPartition(first)) {
		first = nil
	}
	for _, o := range s.Objects() {
		if first != nil {
			break
		}
		if _, re := o.Element(bcd.ElemWinPE); o.Type == bcd.TypeOSLoader && !re && !a.otherPartition(o) {
			first = o
		}
	}
	return first
}

// otherPartition says whether an entry starts a Windows from a partition of this disk, or of the one around it,
// that is not the audited one's, or from another virtual disk.
func (a *auditor) otherPartition(o *bcd.Object) bool {
	e, ok := o.Element(bcd.ElemOSDevice)
	if !ok {
		return false
	}
	d, err := e.Device()
	if err != nil {
		return false
	}
	if f, ok := bcd.InVirtualDisk(d); ok && !a.named(f) {
		return true
	}
	p, ok := d.(bcd.Partition)
	if !ok {
		return false
	}
	v, target := a.partition(p)
	return v != nil && v != a.windows || target == targetAround
}

// device says where the recovery environment of an entry is.
func (a *auditor) device(o *bcd.Object, b *Boot) error {
	e, ok := o.Element(bcd.ElemDevice)
	if !ok {
		b.Target = TargetUnknownKind
		return nil
	}
	d, err := e.Device()
	if err != nil {
		return err
	}
	b.Device = d.String()
	ramdisk, ok := d.(bcd.Ramdisk)
	if !ok {
		b.Target = TargetUnknownKind
		return nil
	}
	var v *volume
	switch on := ramdisk.On.(type) {
	case bcd.Partition:
		v, b.Target = a.partition(on)
	case bcd.Boot:
		if b.Around {
			b.Target = TargetDisk
			return nil
		}
		v = a.at(b.Partition)
	default:
		b.Target = TargetUnchecked
		return nil
	}
	if v == nil {
		if b.Target == targetAround {
			b.Target = TargetDisk
		}
		return nil
	}
	b.TargetPart, b.Target = v.Number, TargetOK
	if a.find(v, hostPath(ramdisk.Path)) == nil {
		b.Target = TargetImage
	}
	return nil
}

// partition finds the volume that a device of a BCD store names, or says why there is none.
func (a *auditor) partition(p bcd.Partition) (*volume, Target) {
	if a.identity == nil {
		return nil, TargetUnchecked
	}
	if f, ok := bcd.InVirtualDisk(p); ok && a.named(f) {
		p.Inside = nil
	} else if a.around != nil {
		if _, err := a.around.disk.Find(p); err == nil {
			return nil, targetAround
		}
	}
	i, err := bootstore.Find(*a.identity, a.table(), p)
	switch {
	case errors.Is(err, bootstore.ErrOtherDisk):
		return nil, TargetDisk
	case err != nil:
		return nil, TargetPartition
	}
	return a.volumes[i], TargetOK
}

// targetAround is the target of a device on the disk around a virtual one; it is in no report.
const targetAround Target = "around"

// table is the disk's partition table.
func (d *auditedDisk) table() []disk.Partition {
	list := make([]disk.Partition, len(d.volumes))
	for i, v := range d.volumes {
		list[i] = v.table
	}
	return list
}

var zeroID id
