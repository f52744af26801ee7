package iso9660

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Label is what the primary volume descriptor says of a disc: ECMA-119 8.4.
type Label struct {
	System, Volume, Publisher, Preparer, Application string
	Created                                          time.Time
	Blocks                                           uint32
}

// Boot is an entry of the boot catalog: "El Torito" Bootable CD-ROM Format Specification 1.0.
type Boot struct {
	Platform byte // 0 x86, 1 PowerPC, 2 Mac, 0xEF UEFI
	Bootable bool
	Media    byte // 0 no emulation, 1 to 3 a floppy disk, 4 a hard disk
	Sectors  uint16
	Block    uint32 // of 2,048 bytes, where the image is
}

// PlatformName names the platform.
func (b *Boot) PlatformName() string {
	switch b.Platform {
	case 0:
		return "BIOS"
	case 1:
		return "PowerPC"
	case 2:
		return "Mac"
	case 0xEF:
		return "UEFI"
	}
	return fmt.Sprintf("platform %02x", b.Platform)
}

// MediaName names how firmware shows the image.
func (b *Boot) MediaName() string {
	names := []string{"no emulation", "1.2 MB floppy", "1.44 MB floppy", "2.88 MB floppy", "hard disk"}
	if i := int(b.Media & 0x0F); i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("media %d", b.Media)
}

const (
	bootSystem = "EL TORITO SPECIFICATION"
	catalogAt  = 0x47
	typeBoot   = 0
	maxBoot    = blockSize / 32 // a catalog of one block; those of real discs have 2 or 3 entries
)

// Describe reads the descriptors of a disc: its label, nil if it has no primary descriptor, and its boot
// entries. A disc that is no ISO 9660 has neither.
func Describe(r io.ReaderAt) (*Label, []Boot, error) {
	const firstSector, maxSectors = 16, 64
	var label *Label
	var boot []Boot
	for i := int64(firstSector); i < firstSector+maxSectors; i++ {
		d := make([]byte, blockSize)
		if n, err := r.ReadAt(d, i*blockSize); n < len(d) {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, nil, err
		}
		if string(d[1:6]) != "CD001" || d[0] == typeTerminator {
			break
		}
		switch {
		case d[0] == typePrimary && label == nil:
			label = parseLabel(d)
		case d[0] == typeBoot && boot == nil && strings.HasPrefix(string(d[7:39]), bootSystem):
			var err error
			if boot, err = readCatalog(r, int64(le.Uint32(d[catalogAt:]))*blockSize); err != nil {
				return label, nil, fault.In("El Torito boot catalog", err)
			}
		}
	}
	return label, boot, nil
}

func parseLabel(d []byte) *Label {
	text := func(from, to int) string {
		return strings.ToValidUTF8(strings.TrimRight(string(d[from:to]), " \x00"), "\uFFFD")
	}
	l := &Label{
		System: text(8, 40), Volume: text(40, 72), Publisher: text(318, 446), Preparer: text(446, 574), Application: text(574, 702),
		Blocks: le.Uint32(d[80:]),
	}
	// 8.4.26.1: sixteen digits, and quarters of an hour east of Greenwich.
	if t, err := time.Parse("20060102150405", string(d[813:827])); err == nil {
		l.Created = t.Add(-time.Duration(int8(d[829])) * 15 * time.Minute)
	}
	return l
}

// readCatalog reads the validation entry, the default entry, and sections of entries.
func readCatalog(r io.ReaderAt, at int64) ([]Boot, error) {
	const entry, bootable, header, lastHeader, extension = 32, 0x88, 0x90, 0x91, 0x44
	b := make([]byte, blockSize)
	if n, err := r.ReadAt(b, at); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = fault.Corruptf(at, "it is beyond the end of the disc")
		}
		return nil, err
	}
	var sum uint16
	for i := 0; i < entry; i += 2 {
		sum += le.Uint16(b[i:])
	}
	if b[0] != 1 || sum != 0 || b[30] != 0x55 || b[31] != 0xAA {
		return nil, fault.Corruptf(at, "the validation entry is not valid")
	}
	boot := func(e []byte, platform byte) Boot {
		return Boot{Platform: platform, Bootable: e[0] == bootable, Media: e[1], Sectors: le.Uint16(e[6:]), Block: le.Uint32(e[8:])}
	}
	out := []Boot{boot(b[entry:], b[1])}
	for i := 2; i < maxBoot; {
		h := b[i*entry:]
		if h[0] != header && h[0] != lastHeader {
			break
		}
		count := int(le.Uint16(h[2:]))
		i++
		for ; count > 0 && i < maxBoot; i++ {
			e := b[i*entry:]
			if e[0] == extension {
				continue
			}
			out = append(out, boot(e, h[1]))
			count--
		}
		if h[0] == lastHeader {
			break
		}
	}
	return out, nil
}
