package media

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// volumeName is what an NTFS volume without a disk around it is called.
const volumeName = "volume"

// diskSource are the Windows volumes of a disk, or one volume without a disk around it.
type diskSource struct {
	file io.Closer
	// parts are what the disk is divided into, whatever it is.
	parts   []*part
	windows []*windowsVolume // the images
}

// part is a partition, or the bare volume that fills a file.
type part struct {
	name   string // "partition 2", or "volume"
	detail string // what the table says: name or type
	system string // the file system that its boot sector names; empty for none that is known
	r      *io.SectionReader
	// problem is why an NTFS volume could not be searched for Windows, or why the Windows on it is
	// no image.
	problem error
}

// readDisk finds the Windows volumes of a disk or, if that is what r holds, of a volume.
func readDisk(r *io.SectionReader, what kind) (*diskSource, []Image, error) {
	d := &diskSource{}
	if what == kindVolume {
		d.parts = []*part{{name: volumeName, r: r}}
	} else {
		partitions, err := disk.Read(r, r.Size())
		if err != nil {
			return nil, nil, err
		}
		for i := range partitions {
			d.parts = append(d.parts, partOf(r, &partitions[i]))
		}
	}
	var images []Image
	for _, p := range d.parts {
		p.system = FileSystem(p.r)
		if p.system != ntfsName {
			continue
		}
		w, err := openWindows(p)
		if err != nil {
			p.problem = err
		}
		if w == nil {
			continue
		}
		w.image.Index = len(images) + 1
		d.windows, images = append(d.windows, w), append(images, w.image)
	}
	if len(images) == 0 {
		return nil, nil, d.noWindows()
	}
	if len(images) > 1 { // only one of them will be needed, and a tree is large
		for _, w := range d.windows {
			w.loaded = nil
		}
	}
	return d, images, nil
}

func partOf(r io.ReaderAt, p *disk.Partition) *part {
	detail := p.Name
	if p.Type != (guid.GUID{}) {
		detail = cmp.Or(detail, p.Type.String())
	} else {
		detail = fmt.Sprintf("type %02x", p.MBRType)
	}
	return &part{name: fmt.Sprintf("partition %d", p.Number), detail: detail, r: io.NewSectionReader(r, p.Offset, p.Size)}
}

const ntfsName = "NTFS"

// fileSystems are known by their boot sectors.
var fileSystems = []mark{
	{markNTFS.at, markNTFS.magic, ntfsName},
	{3, "-FVE-FS-", "BitLocker"},
	{3, "ReFS\x00", "ReFS"},
	{3, "EXFAT   ", "exFAT"},
	{0x52, "FAT32   ", "FAT32"},
	{0x36, "FAT", "FAT"},
}

// FileSystem names the file system of a volume by its boot sector: NTFS, FAT32, FAT, exFAT, ReFS,
// BitLocker; empty for none that is known.
func FileSystem(r io.ReaderAt) string {
	for _, m := range fileSystems {
		if is, _ := m.in(r); is {
			return m.name
		}
	}
	return ""
}

// noWindows says what there is instead.
func (d *diskSource) noWindows() error {
	var problem error
	all := make([]string, len(d.parts))
	for i, p := range d.parts {
		all[i] = fmt.Sprintf("%s (%s, %s, %d MiB)", p.name, p.detail, cmp.Or(p.system, "no file system that is known"), p.r.Size()>>20)
		if p.system == "BitLocker" && problem == nil {
			problem = fault.In(p.name, fault.Unsupportedf(fault.NoOffset, "it is encrypted; decrypt it in Windows first, with: manage-bde -off C:"))
		}
		if problem == nil {
			problem = fault.In(p.name, p.problem)
		}
	}
	e := &fault.Error{Class: fault.ErrInvalid, Offset: fault.NoOffset, Err: problem}
	switch {
	case len(d.parts) == 1 && d.parts[0].detail == "":
		if problem != nil {
			return d.parts[0].problem
		}
		e.Detail = "the NTFS volume holds no Windows: there is no " + registry.SystemHive
	case len(d.parts) == 0:
		e.Detail = "the disk has no partitions"
	default:
		e.Detail = fmt.Sprintf("no partition holds Windows, an NTFS volume with %s; there are %s", registry.SystemHive, strings.Join(all, ", "))
	}
	return e
}

func (d *diskSource) usable(index int) error {
	w := d.windows[index-1]
	return fault.In(w.part.name, w.refusal)
}

func (d *diskSource) tree(index int) (*tree.Tree, error) {
	w := d.windows[index-1]
	t, err := w.tree()
	return t, fault.In(w.part.name, err)
}

func (d *diskSource) fingerprint(index int) [sha1.Size]byte { return d.windows[index-1].fingerprint }

func (d *diskSource) labelled() bool { return true }

// notes names the partitions that could not be searched.
func (d *diskSource) notes() string {
	var b bytes.Buffer
	for _, p := range d.parts {
		if p.problem != nil {
			fmt.Fprintf(&b, "; %s is left out: %v", p.name, p.problem)
		}
	}
	return b.String()
}

func (d *diskSource) Close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}
