package media

import (
	"os"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
)

// Kind names what the medium is: "iso", "folder", "wim", "esd" (a WIM compressed with LZMS), "swm" (a split
// WIM), "raw", "vhd", "vhdx" or "qcow2" (a disk), or "volume" (an NTFS volume without a disk around it).
func (m *Medium) Kind() (string, error) {
	switch s := m.source.(type) {
	case *wimSource:
		return m.kindOfWIM(s)
	case *diskSource:
		format, err := diskFormat(m.Path)
		if err != nil || format != diskfile.Raw || s.parts[0].name != volumeName {
			return format, err
		}
	}
	return volumeName, nil
}

func (m *Medium) kindOfWIM(s *wimSource) (string, error) {
	switch {
	case m.Folder != "":
		return "folder", nil
	case m.disc != nil:
		return "iso", nil
	}
	if format, _ := s.f.Compression(); format == wim.LZMS {
		return "esd", nil
	}
	files, err := m.files()
	if len(files) > 1 {
		return "swm", err
	}
	return "wim", err
}

// diskFormat is the format of a disk's file, by its usual extension.
func diskFormat(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	_, _, format, err := diskfile.Open(f, info.Size(), path)
	if format == diskfile.FixedVHD || format == diskfile.DynamicVHD {
		return "vhd", err
	}
	return strings.ToLower(format), err
}

// Usable is why an image that is there cannot be baked, such as a volume that was not dismounted cleanly, or
// nil.
func (m *Medium) Usable(index int) error { return m.source.usable(index) }
