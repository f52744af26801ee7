package bootcode

import (
	"bytes"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Winbake is the Origin of the records written for winbake.
const Winbake = "winbake"

// Record is one boot record and where it is from.
type Record struct {
	Code   []byte
	Origin string // Winbake, or the name of the file it was found in
	Offset int64  // in that file
}

// Records is one record of each kind; a kind that was not found has no Code.
type Records struct {
	MBR   Record // MBRSize bytes
	NTFS  Record // NTFSSize bytes
	FAT32 Record // for InstallFAT32
}

// Own returns the records written for winbake.
func Own() Records {
	return Records{
		MBR:   Record{Code: MBR(), Origin: Winbake},
		NTFS:  Record{Code: NTFS(), Origin: Winbake},
		FAT32: Record{Code: FAT32(), Origin: Winbake},
	}
}

// Source is a file that may hold Microsoft's records, such as bootsect.exe or untfs.dll.
type Source struct {
	Name    string
	Content tree.Content
}

// Select looks for Microsoft's records in sources and takes, for each kind, the first one found;
// winbake's own fill the gaps. Records says where each is from.
func Select(sources []Source) (Records, error) {
	var chosen Records
	for _, s := range sources {
		if chosen.complete() {
			break
		}
		found, err := Find(s.Content, tree.SizeOf(s.Content))
		if err != nil {
			return Records{}, fault.In(s.Name, err)
		}
		found.named(s.Name)
		chosen.fill(found)
	}
	chosen.fill(Own())
	return chosen, nil
}

func (r *Records) all() []*Record { return []*Record{&r.MBR, &r.NTFS, &r.FAT32} }

// complete tells whether every kind is there.
func (r *Records) complete() bool {
	for _, x := range r.all() {
		if x.Code == nil {
			return false
		}
	}
	return true
}

// fill takes the kinds that r lacks from s.
func (r *Records) fill(s Records) {
	from := s.all()
	for i, x := range r.all() {
		if x.Code == nil {
			*x = *from[i]
		}
	}
}

func (r *Records) named(origin string) {
	for _, x := range r.all() {
		if x.Code != nil {
			x.Origin = origin
		}
	}
}

// step is how far Find moves on between reads.
const step = 64 << 10

// Find scans a file for Microsoft's records for Windows 7 and later and returns the first of each
// kind; Origin is left empty. It holds no more than about 72 KiB of the file in memory. Only a
// failing read is an error.
func Find(r io.ReaderAt, size int64) (Records, error) {
	var found Records
	window := make([]byte, step+NTFSSize-1)
	for off := int64(0); off < size && !found.complete(); off += step {
		n, err := r.ReadAt(window[:min(int64(len(window)), size-off)], off)
		if err != nil && err != io.EOF {
			return Records{}, fault.In("boot records", err)
		}
		found.scan(window[:n], off)
	}
	return found, nil
}

// scan looks at every place in the first step bytes of window, which lies at off in the file.
func (r *Records) scan(window []byte, off int64) {
	for i, x := range r.all() {
		k := kinds[i]
		for at := 0; x.Code == nil; at++ {
			n := bytes.Index(window[at:], k.start)
			if n < 0 || at+n >= step {
				break
			}
			at += n
			if b := window[at:]; k.is(b) {
				*x = Record{Code: bytes.Clone(b[:k.size]), Offset: off + int64(at)}
			}
		}
	}
}

// kinds tells how Microsoft's records are recognised, in the order of Records.all. The facts are
// from bootsect.exe 10.0.19041 and untfs.dll 6.2.
var kinds = []struct {
	start []byte
	size  int
	is    func([]byte) bool // b begins with start and may be shorter than the record
}{
	{microsoftMBR, MBRSize, isMicrosoftMBR},
	{append(bytes.Clone(ntfsJump), ntfsOEM...), NTFSSize, isMicrosoftNTFS},
	{fat32Jump, FAT32Size, isMicrosoftFAT32},
}

// microsoftMBR is how the code of Windows 7 and later begins; that of Windows XP differs at 7.
var microsoftMBR = []byte{0x33, 0xC0, 0x8E, 0xD0, 0xBC, 0x00, 0x7C, 0x8E, 0xC0, 0x8E, 0xD8, 0xBE, 0x00, 0x7C, 0xBF, 0x00, 0x06}

// isMicrosoftMBR checks what else is known of the sector: its first message and its signature.
func isMicrosoftMBR(b []byte) bool {
	const messageAt, message = 0x163, "Invalid partition table"
	return len(b) >= sectorSize && bytes.HasPrefix(b[messageAt:], []byte(message)) &&
		bytes.HasPrefix(b[signatureAt:], signature)
}

// isMicrosoftNTFS checks that the second sector begins with the counted UTF-16 name BOOTMGR; in the
// record of Windows XP another name is there.
func isMicrosoftNTFS(b []byte) bool {
	const name = "\x07\x00B\x00O\x00O\x00T\x00M\x00G\x00R\x00"
	return len(b) >= NTFSSize && isNTFS(b[:NTFSSize]) && bytes.HasPrefix(b[sectorSize:], []byte(name))
}

// isMicrosoftFAT32 checks that FSInfo follows, filled or not, and that the code looks for BOOTMGR:
// the record of Windows XP looks for NTLDR.
func isMicrosoftFAT32(b []byte) bool {
	const info, name = "RRaA", "BOOTMGR    "
	if !isFAT32(b) || !bytes.Contains(b[:FAT32Size], []byte(name)) {
		return false
	}
	second := b[sectorSize : 2*sectorSize]
	return bytes.HasPrefix(second, []byte(info)) || bytes.HasPrefix(second[signatureAt:], signature)
}
