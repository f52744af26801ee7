package ntfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Volume is an NTFS volume that is read: ours, ntfs-3g's or Windows's. It is safe for concurrent
// use. Nothing of it is repaired: what contradicts itself is an error of class fault.ErrCorrupt
// that names the MFT record and the offset in it.
type Volume struct {
	r        io.ReaderAt
	g        geometry
	boot     bootSector
	clusters int64
	mft      *streamReader
	label    string
	flags    uint16 // of $VOLUME_INFORMATION
	warnings []string
	secure   map[uint32]sdsEntry // by security id
	sds      *streamReader       // $Secure:$SDS
	births   map[uint64][]byte   // from $ObjId: the three birth ids, by file reference
	cache    chunkCache
	tree     func() (*tree.Tree, error) // for FS
}

// Open reads what describes a volume: boot sector, MFT, $Volume, $Secure and $ObjId. r holds the
// volume from its boot sector on, in size bytes.
//
// A volume that was not dismounted cleanly is opened all the same; see Warnings.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r}
	v.tree = sync.OnceValues(v.Tree)
	for _, step := range []func() error{
		func() error { return v.readBoot(size) }, v.openMFT, v.readInformation, v.readSecure, v.readObjects,
	} {
		if err := step(); err != nil {
			return nil, fault.In("NTFS volume", err)
		}
	}
	return v, nil
}

// Label is the volume's name.
func (v *Volume) Label() string { return v.label }

// Serial is the volume's serial number.
func (v *Volume) Serial() uint64 { return v.boot.serial }

// ClusterSize is the length of a cluster in bytes.
func (v *Volume) ClusterSize() int64 { return v.g.cluster }

// Size is the length of the volume in bytes, with the copy of the boot sector that follows it.
func (v *Volume) Size() int64 { return v.g.size }

// Dirty says whether the volume asks for chkdsk, or was in use when it was copied.
func (v *Volume) Dirty() bool { return len(v.warnings) > 0 }

// Warnings says why what is read may not be what Windows would show, in sentences for the user.
// There are none for a volume that was dismounted cleanly.
func (v *Volume) Warnings() []string { return slices.Clone(v.warnings) }

// FS shows the volume as a file system for reading. It loads the tree when something is opened for
// the first time, and what goes wrong then is what Open returns. Names are found as Windows finds
// them, whatever their case.
func (v *Volume) FS() fs.FS { return volumeFS{v} }

type volumeFS struct{ v *Volume }

func (f volumeFS) Open(name string) (fs.File, error) {
	t, err := f.v.tree()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return t.FS().Open(name)
}

// readBoot reads the boot sector.
func (v *Volume) readBoot(size int64) error {
	b := make([]byte, sectorStride)
	if size < sectorStride {
		return fault.Corruptf(0, "%d bytes are too few for a boot sector", size)
	}
	if err := v.readFull(b, 0); err != nil {
		return err
	}
	s := &v.boot
	if err := s.parse(b); err != nil {
		return fault.In("boot sector", err)
	}
	if s.sectors <= 0 || s.sectors > size/s.sector {
		return fault.In("boot sector", fault.Corruptf(0x28, "the volume has %d sectors, there are %d", s.sectors, size/s.sector))
	}
	v.g = geometry{size: (s.sectors + 1) * s.sector, sector: s.sector, cluster: s.cluster, record: s.record, block: s.block}
	v.clusters = v.g.clusters()
	if v.clusters > maxClusters {
		return fault.In("boot sector", fault.Corruptf(0x28, "%d clusters", v.clusters))
	}
	for at, lcn := range map[int64]int64{0x30: s.mft, 0x38: s.mirror} {
		if lcn < 0 || lcn >= v.clusters {
			return fault.In("boot sector", fault.Corruptf(at, "the MFT or its mirror is at cluster %d of %d", lcn, v.clusters))
		}
	}
	return nil
}

// readFull fills b from byte off of the volume. A volume that ends early is corrupt; other errors
// are the machine's.
func (v *Volume) readFull(b []byte, off int64) error {
	n, err := v.r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Corruptf(off+int64(n), "the volume ends before byte %#x", off+int64(len(b)))
	}
	return err
}

// Bits of $VOLUME_INFORMATION's flags.
const (
	volumeDirty  = 0x0001
	volumeChkdsk = 0x4000 // chkdsk was running
	infoFlagsAt  = 10
	volumeMajor  = 3 // NTFS 3.0 is Windows 2000, 3.1 all that came later
)

// readInformation reads $Volume, and whether $LogFile was closed.
func (v *Volume) readInformation() error {
	f, err := v.file(recordVolume)
	if err != nil {
		return err
	}
	info, err := v.value(f, typeVolumeInformation, "", 64)
	if err != nil {
		return err
	}
	if len(info) < infoFlagsAt+2 {
		return f.corrupt("$VOLUME_INFORMATION has %d bytes", len(info))
	}
	if info[8] != volumeMajor {
		return fault.Unsupportedf(fault.NoOffset, "NTFS version %d.%d; 3.0 and 3.1 are read", info[8], info[9])
	}
	v.flags = le.Uint16(info[infoFlagsAt:])
	if v.flags&(volumeDirty|volumeChkdsk) != 0 {
		v.warnings = append(v.warnings, "the volume is marked dirty: Windows would run chkdsk on it")
	}
	name, err := v.value(f, typeVolumeName, "", 4096)
	if err != nil {
		return err
	}
	v.label = utf16le.Decode(name)
	return v.readLog()
}

// Restart pages of $LogFile (linux-ntfs documentation, "$LogFile").
const (
	restartPage   = 4096
	noLogClient   = 0xFFFF
	logWasClosed  = 0x0002
	restartAreaAt = 0x18 // in the page: where the restart area is
)

// readLog looks at the two restart pages of $LogFile: whether the log was in use. The page written
// last counts.
func (v *Volume) readLog() error {
	f, err := v.file(recordLog)
	if err != nil {
		return err
	}
	log, err := v.open(f, typeData, "")
	if err != nil || log == nil {
		return err
	}
	var newest uint64
	clean := true
	for _, off := range []int64{0, restartPage} {
		b := make([]byte, restartPage)
		if n, err := log.ReadAt(b, off); n < len(b) {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		lsn, closed, ok := restartState(b)
		if ok && lsn >= newest {
			newest, clean = lsn, closed
		}
	}
	if !clean {
		v.warnings = append(v.warnings, "the volume was not dismounted cleanly: changes that stand only in its log are not seen")
	}
	return nil
}

// restartState reads a restart page. ok is false for a page that is none, as in an empty log.
func restartState(b []byte) (lsn uint64, closed, ok bool) {
	if unprotect(b, "RSTR") != nil {
		return 0, false, false
	}
	at := int(le.Uint16(b[restartAreaAt:]))
	if at+16 > len(b) {
		return 0, false, false
	}
	area := b[at:]
	inUse, flags := le.Uint16(area[12:]), le.Uint16(area[14:])
	return le.Uint64(area), inUse == noLogClient || flags&logWasClosed != 0, true
}
