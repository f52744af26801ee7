package bootcode

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// fakeMBR and fakeNTFS have the marks of Microsoft's records and nothing else of them.
func fakeMBR() []byte {
	b := bytes.Repeat([]byte{0x90}, sectorSize)
	copy(b, microsoftMBR)
	copy(b[0x163:], "Invalid partition table\x00")
	copy(b[signatureAt:], signature)
	return b
}

func fakeNTFS() []byte {
	b := bytes.Repeat([]byte{0x90}, NTFSSize)
	copy(b, "\xEB\x52\x90NTFS    ")
	copy(b[signatureAt:], signature)
	copy(b[sectorSize:], "\x07\x00B\x00O\x00O\x00T\x00M\x00G\x00R\x00")
	return b
}

func fakeFAT32() []byte {
	b := bytes.Repeat([]byte{0x90}, FAT32Size)
	copy(b, "\xEB\x58\x90MSDOS5.0")
	copy(b[0x52:], "FAT32   ")
	copy(b[signatureAt:], signature)
	copy(b[sectorSize:], "RRaA")
	copy(b[sectorSize+signatureAt:], signature)
	copy(b[2*sectorSize+0x100:], "BOOTMGR    ")
	return b
}

// older has the marks of the records for Windows XP, which must not be taken.
func older() []byte {
	m, n, f := fakeMBR(), fakeNTFS(), fakeFAT32()
	m[7] = 0xFB
	copy(n[sectorSize:], "\x05\x00N\x00T\x00L\x00D\x00R\x00\x00\x00\x00\x00")
	copy(f[2*sectorSize+0x100:], "NTLDR      ")
	return slices.Concat(m, n, f)
}

// file lays parts into a file of zeros at offsets.
func file(size int, parts map[int][]byte) tree.Bytes {
	b := make([]byte, size)
	for at, p := range parts {
		copy(b[at:], p)
	}
	return b
}

func TestFind(t *testing.T) {
	damaged := fakeNTFS()
	damaged[signatureAt]++
	for _, c := range []struct {
		name             string
		in               tree.Bytes
		mbr, ntfs, fat32 int64 // where, or -1
	}{
		{"empty", nil, -1, -1, -1},
		{"as in bootsect.exe", file(0x20000, map[int][]byte{0x4000: older(), 0x10EB0: fakeMBR(), 0x110B0: fakeFAT32(), 0x11EB0: fakeNTFS()}), 0x10EB0, 0x11EB0, 0x110B0},
		{"as in untfs.dll", file(0x70000, map[int][]byte{0x6D028: fakeNTFS()}), -1, 0x6D028, -1},
		{"at the ends", file(1<<20, map[int][]byte{0: fakeMBR(), 1<<20 - NTFSSize: fakeNTFS()}), 0, 1<<20 - NTFSSize, -1},
		{"FAT32 at the end", file(1<<20, map[int][]byte{1<<20 - FAT32Size: fakeFAT32()}), -1, -1, 1<<20 - FAT32Size},
		{"across steps", file(4*step, map[int][]byte{step - 1: fakeMBR(), 2*step - 5: fakeNTFS(), 3*step - 600: fakeFAT32()}), step - 1, 2*step - 5, 3*step - 600},
		{"cut off", file(1<<20, map[int][]byte{1<<19 - 1: fakeNTFS()})[:1<<19+8190], -1, -1, -1},
		{"cut off MBR", file(1<<20, map[int][]byte{1<<20 - 511: fakeMBR()}), -1, -1, -1},
		{"cut off FAT32", file(1<<20, map[int][]byte{1<<20 - 1535: fakeFAT32()}), -1, -1, -1},
		{"the first of two", file(1<<20, map[int][]byte{0x5000: fakeMBR(), 0x9000: fakeMBR()}), 0x5000, -1, -1},
		{"damaged, then whole", file(1<<20, map[int][]byte{0x5000: damaged, 0x9000: fakeNTFS()}), -1, 0x9000, -1},
		{"start within a start", append(tree.Bytes(microsoftMBR[:9]), append(fakeMBR(), 0)...), 9, -1, -1},
		{"older only", file(1<<17, map[int][]byte{0x400: older()}), -1, -1, -1},
		{"ours", slices.Concat(NTFS(), FAT32(), MBR(), make([]byte, 10000)), -1, -1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := Find(c.in, c.in.Size())
			if err != nil {
				t.Fatal(err)
			}
			wantRecord(t, "MBR", found.MBR, c.mbr, fakeMBR()[:MBRSize])
			wantRecord(t, "NTFS", found.NTFS, c.ntfs, fakeNTFS())
			wantRecord(t, "FAT32", found.FAT32, c.fat32, fakeFAT32())
		})
	}
}

func wantRecord(t *testing.T, kind string, got Record, at int64, code []byte) {
	t.Helper()
	if at < 0 {
		if got.Code != nil {
			t.Errorf("%s found at %#x", kind, got.Offset)
		}
		return
	}
	if got.Offset != at || !bytes.Equal(got.Code, code) {
		t.Errorf("%s: %d bytes at %#x, want %d at %#x", kind, len(got.Code), got.Offset, len(code), at)
	}
}

type failing struct{ tree.Bytes }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errRead }

var errRead = errors.New("read failed")

func TestSelect(t *testing.T) {
	exe := Source{"boot/bootsect.exe", file(1<<17, map[int][]byte{0x10EB0: fakeMBR(), 0x110B0: fakeFAT32(), 0x11EB0: fakeNTFS()})}
	dll := Source{"Windows/System32/untfs.dll", file(1<<17, map[int][]byte{0x100: fakeNTFS()})}
	none := Source{"notepad.exe", file(1<<17, nil)}
	bad := Source{"bad.exe", failing{make(tree.Bytes, 100)}}
	for _, c := range []struct {
		name             string
		in               []Source
		mbr, ntfs, fat32 string
	}{
		{"nothing", nil, Winbake, Winbake, Winbake},
		{"all in one", []Source{none, exe, dll}, exe.Name, exe.Name, exe.Name},
		{"first wins", []Source{dll, exe}, exe.Name, dll.Name, exe.Name},
		{"gaps filled", []Source{dll, none}, Winbake, dll.Name, Winbake},
		{"stops when complete", []Source{exe, bad}, exe.Name, exe.Name, exe.Name},
		{"missing content", []Source{{"gone.exe", nil}}, Winbake, Winbake, Winbake},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Select(c.in)
			if err != nil {
				t.Fatal(err)
			}
			got, want := [3]string{r.MBR.Origin, r.NTFS.Origin, r.FAT32.Origin}, [3]string{c.mbr, c.ntfs, c.fat32}
			if got != want {
				t.Errorf("from %q, want %q", got, want)
			}
			if len(r.MBR.Code) != MBRSize || len(r.NTFS.Code) != NTFSSize || len(r.FAT32.Code) < FAT32Size {
				t.Error("wrong sizes")
			}
		})
	}
	if _, err := Select([]Source{bad}); !errors.Is(err, errRead) {
		t.Errorf("a failing read gives %v", err)
	}
}

// FuzzFind: whatever the file, what is found can be installed, and is where Find says.
func FuzzFind(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(fakeMBR(), fakeNTFS()...))
	f.Add(older())
	f.Add(append([]byte{0}, fakeFAT32()...))
	f.Add(fakeNTFS()[:NTFSSize-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := Find(tree.Bytes(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found.all() {
			if r.Code != nil && !bytes.Equal(r.Code, b[r.Offset:][:len(r.Code)]) {
				t.Error("not the bytes of the file")
			}
		}
		boot := make([]byte, NTFSSize)
		copy(boot[oemAt:], ntfsOEM)
		if found.NTFS.Code != nil && InstallNTFS(boot, found.NTFS.Code) != nil {
			t.Error("cannot be installed")
		}
		if found.FAT32.Code != nil && InstallFAT32(fat32Volume(32), found.FAT32.Code) != nil {
			t.Error("cannot be installed")
		}
		if found.MBR.Code != nil && InstallMBR(boot, found.MBR.Code) != nil {
			t.Error("cannot be installed")
		}
	})
}
