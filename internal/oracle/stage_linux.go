package oracle

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// EditNTFS mounts a volume that fills its file read-write, lets edit change it, and unmounts it. In
// dir, "file:stream" names a stream, and the functions of Stage set NT metadata.
func EditNTFS(t testing.TB, v Volume, edit func(dir string) error) {
	t.Helper()
	needMount(t)
	if err := editNTFS(v.Path, edit); err != nil {
		t.Fatal(err)
	}
}

// editNTFS is EditNTFS for callers without a test.
func editNTFS(image string, edit func(dir string) error) error {
	m, err := mountNTFS(image, "streams_interface=windows,big_writes,noatime")
	if err != nil {
		return err
	}
	err = edit(m.dir)
	if uerr := m.unmount(); err == nil {
		err = uerr
	}
	return err
}

// Stage sets NT metadata of one file of a volume that ntfs-3g has mounted. Path is a host path. The
// first error stays; look at Err at the end.
type Stage struct {
	Path string
	Err  error
}

func (s *Stage) set(xattr string, value []byte) *Stage {
	if s.Err == nil {
		if err := unix.Lsetxattr(s.Path, xattr, value, 0); err != nil {
			s.Err = fmt.Errorf("%s: set %s: %w", s.Path, xattr, err)
		}
	}
	return s
}

// Attributes sets FILE_ATTRIBUTE_*; ntfs-3g keeps those that a program may set.
func (s *Stage) Attributes(bits uint32) *Stage {
	return s.set("system.ntfs_attrib", binary.NativeEndian.AppendUint32(nil, bits))
}

// Times sets FILETIMEs.
func (s *Stage) Times(creation, modification, access uint64) *Stage {
	var b []byte
	for _, ft := range []uint64{creation, modification, access} {
		b = binary.NativeEndian.AppendUint64(b, ft)
	}
	return s.set("system.ntfs_times", b)
}

// Security sets a self-relative security descriptor.
func (s *Stage) Security(sd []byte) *Stage { return s.set("system.ntfs_acl", sd) }

// ShortName sets the 8.3 name; ntfs-3g allows it for a file with a single link.
func (s *Stage) ShortName(name string) *Stage { return s.set("system.ntfs_dos_name", []byte(name)) }

// ObjectID sets the object id; the birth ids become zero.
func (s *Stage) ObjectID(id [16]byte) *Stage { return s.set("system.ntfs_object_id", id[:]) }

// EA sets the extended attributes, a list of FILE_FULL_EA_INFORMATION ([MS-FSCC] 2.4.16).
func (s *Stage) EA(list []byte) *Stage { return s.set("system.ntfs_ea", list) }

// Reparse makes the file a reparse point. A tag that is not Microsoft's needs a GUID at the start of
// the data ([MS-FSCC] 2.1.2.3), which the length in the header does not count.
func (s *Stage) Reparse(tag uint32, data []byte) *Stage {
	length := len(data)
	if tag&(1<<31) == 0 {
		length -= 16
	}
	b := binary.LittleEndian.AppendUint32(nil, tag)
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	return s.set("system.ntfs_reparse_data", append(b, data...))
}

// FullEA encodes one extended attribute for EA.
func FullEA(name string, value []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0)
	b = append(b, 0, byte(len(name)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(append(append(b, name...), 0), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}
