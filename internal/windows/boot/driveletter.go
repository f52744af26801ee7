package boot

import (
	"bytes"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Where Windows keeps which volume has which drive letter, and which letter it runs from.
const (
	mountedDevices = `HKLM\SYSTEM\MountedDevices`
	currentVersion = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
)

// KeepDriveLetter has a Windows that has run before, on another disk, find the volume that it is on now under
// its old letter. One that has not run has given out no letters, and gets none.
func KeepDriveLetter(r *registry.Registry, volume bcd.Partition) error {
	k, err := r.Key(mountedDevices)
	if k == nil || len(k.Values()) == 0 {
		return err
	}
	letter := "C:"
	if v, err := r.Key(currentVersion); err == nil && v != nil {
		if root := text(v, "SystemRoot"); len(root) > 2 && root[1] == ':' {
			letter = strings.ToUpper(root[:2])
		}
	}
	name, id := `\DosDevices\`+letter, mountedID(volume)
	if v, ok := k.Value(name); !ok || bytes.Equal(v.Data, id) {
		return nil
	}
	return r.Set(mountedDevices, regf.Binary(name, id))
}

// mountedID is how MountedDevices names a partition: by the signature of its disk and its offset, or by its
// GUID behind a name for that (libyal/winreg-kb, "Mounted devices").
func mountedID(p bcd.Partition) []byte {
	if p.Table == bcd.TableMBR {
		return append(bytes.Clone(p.Disk[:4]), p.ID[:8]...)
	}
	return append([]byte("DMIO:ID:"), p.ID[:]...)
}
