package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// put writes a file into a tree that is under test.
func put(t testing.TB, tr *tree.Tree, path string, data []byte) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

// edition makes another Windows of the stand-in.
func edition(t testing.TB, tr *tree.Tree, product, id, installation string) {
	t.Helper()
	b, err := tree.ReadAll(tr.Find(registry.SoftwareHive).Node.Data, mib)
	if err != nil {
		t.Fatal(err)
	}
	h, err := regf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	k := h.Root.Subkey(`Microsoft\Windows NT\CurrentVersion`)
	for name, text := range map[string]string{"ProductName": product, "EditionID": id, "InstallationType": installation} {
		k.Set(regf.String(name, text))
	}
	if b, err = h.Marshal(); err != nil {
		t.Fatal(err)
	}
	put(t, tr, registry.SoftwareHive, b)
}

// TestTwoWindows selects among the volumes of a disk as among the images of a WIM.
func TestTwoWindows(t *testing.T) {
	client := stand(t, func(tr *tree.Tree) {
		edition(t, tr, "Windows 10 Enterprise", "Enterprise", "Client")
		put(t, tr, "client.txt", []byte("x"))
	})
	data := tree.New(0)
	put(t, data, "Windows/explorer.exe", []byte("no Windows for all that"))
	m := open(t, file(t, gpt(t, nil, format(t, stand(t, nil), "Server", windowsSize), format(t, data, "Data", windowsSize), format(t, client, "Client", windowsSize))))
	for selector, want := range map[string]int{
		"1": 1, "2": 2, "server": 1, "CLIENT": 2, "ServerStandardCore": 1, "ServerStandard": 1, "Enterprise": 2,
		"winbake stand-in Server": 1, "Windows 10 Enterprise": 2, "": 0, "3": 0, "Data": 0,
	} {
		i, err := m.Find(selector)
		switch {
		case want != 0 && (err != nil || i.Index != want):
			t.Errorf("%q: image %d (%v), want %d", selector, i.Index, err, want)
		case want == 0 && (!errors.Is(err, fault.ErrInvalid) ||
			!strings.Contains(err.Error(), `1 "winbake stand-in Server" (ServerStandardCore) on volume "Server", 2 "Windows 10 Enterprise" (Enterprise) on volume "Client"`)):
			t.Errorf("%q: %v", selector, err)
		}
	}
	tr, err := m.Tree(2)
	if err != nil || tr.Find("client.txt") == nil {
		t.Error(err)
	}
	i := m.Images()[1]
	if i.ProductType != "WinNT" || i.InstallationType != "Client" || i.Arch != "amd64" || i.DefaultLanguage != "en-US" || i.Modified == 0 {
		t.Errorf("%+v", i)
	}
	if m.Fingerprint(1) == m.Fingerprint(2) {
		t.Error("two Windows, one fingerprint")
	}
}

// TestTreeIsNew has each call give a tree that nobody has changed.
func TestTreeIsNew(t *testing.T) {
	m := open(t, file(t, format(t, stand(t, nil), "", windowsSize)))
	for range 3 {
		tr, err := m.Tree(1)
		if err != nil || tr.Find("Windows") == nil || tr.Find("pagefile.sys") != nil {
			t.Fatal(err)
		}
		put(t, tr, "pagefile.sys", nil)
		if err := tr.Remove("Windows"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLeftBehind leaves out what belongs to the machine, whatever the case of its name.
func TestLeftBehind(t *testing.T) {
	gone := []string{
		"PageFile.sys", "swapfile.sys", "hiberfil.sys", "System Volume Information/tracking.log",
		"$Recycle.Bin/S-1-5-18/desktop.ini", "Windows/CSC/v2.0.6/x", "bootmgr", "BOOTNXT", "boot/BCD", "Boot/BCD.LOG1",
	}
	kept := []string{"Users/pagefile.sys", "Windows/Boot/PCAT/bootmgr", "Recovery/WindowsRE/ReAgent.xml", "Windows/explorer.exe"}
	full := stand(t, func(tr *tree.Tree) {
		for _, path := range append(gone, kept...) {
			put(t, tr, path, []byte("wake"))
		}
	})
	m := open(t, file(t, format(t, full, "", windowsSize)))
	for range 2 { // the tree that was loaded first, and another
		tr, err := m.Tree(1)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range gone {
			if tr.Find(path) != nil {
				t.Errorf("%s came along", path)
			}
		}
		for _, path := range kept {
			if tr.Find(path) == nil {
				t.Errorf("%s is missing", path)
			}
		}
	}
}

// markDirty sets the flag that asks for chkdsk, in $Volume, the fourth record of the MFT.
func markDirty(t testing.TB, m memory) memory {
	t.Helper()
	cluster := int64(binary.LittleEndian.Uint16(m[11:])) * int64(m[13])
	record := m[int64(binary.LittleEndian.Uint64(m[0x30:]))*cluster+3*1024:][:1024]
	info := bytes.Index(record, []byte{0x70, 0, 0, 0})
	if info < 0 {
		t.Fatal("no $VOLUME_INFORMATION")
	}
	record[info+0x18+10] |= 1
	return m
}

// TestUnclean refuses what is not all there, when it is chosen: another volume of the disk may be.
func TestUnclean(t *testing.T) {
	good := format(t, stand(t, nil), "good", windowsSize)
	hibernated := stand(t, func(tr *tree.Tree) { put(t, tr, "hiberfil.sys", bytes.Repeat([]byte("HIBR"), 2000)) })
	for says, bad := range map[string]memory{
		"the volume is marked dirty":              markDirty(t, format(t, stand(t, nil), "bad", windowsSize)),
		"Windows is hibernated":                   format(t, hibernated, "bad", windowsSize),
		"the volume was not dismounted cleanly: ": openLog(t, format(t, stand(t, nil), "bad", windowsSize)),
	} {
		m := open(t, file(t, gpt(t, good, bad)))
		if _, err := m.Find("good"); err != nil {
			t.Error(err)
		}
		_, err := m.Find("bad")
		if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "partition 2: "+says) || !strings.Contains(err.Error(), "shutdown /s /t 0") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// openLog gives $LogFile, the third record of the MFT, a restart page that says that it is in use.
func openLog(t testing.TB, m memory) memory {
	t.Helper()
	cluster := int64(binary.LittleEndian.Uint16(m[11:])) * int64(m[13])
	record := m[int64(binary.LittleEndian.Uint64(m[0x30:]))*cluster+2*1024:][:1024]
	data := bytes.Index(record, []byte{0x80, 0, 0, 0})
	if data < 0 {
		t.Fatal("no $DATA")
	}
	run := record[data+int(binary.LittleEndian.Uint16(record[data+0x20:])):]
	var lcn int64
	for i := range int(run[0] >> 4) {
		lcn |= int64(run[1+int(run[0]&15)+i]) << (8 * i)
	}
	page := m[lcn*cluster:][:4096]
	clear(page)
	copy(page, "RSTR")
	binary.LittleEndian.PutUint16(page[4:], 0x1E) // of the update sequence, one word for each sector and one
	binary.LittleEndian.PutUint16(page[6:], 9)
	binary.LittleEndian.PutUint16(page[0x18:], 0x30)
	binary.LittleEndian.PutUint64(page[0x30:], 7) // LSN; then no client is "not in use", 0xFFFF
	return m
}

// TestNoWindows says what there is instead.
func TestNoWindows(t *testing.T) {
	data := tree.New(0)
	put(t, data, "a.txt", nil)
	locked := make(memory, windowsSize)
	copy(locked[3:], "-FVE-FS-")
	noLoader := stand(t, func(tr *tree.Tree) {
		for _, name := range []string{"winload.efi", "winload.exe", "ntoskrnl.exe"} {
			if err := tr.Remove("Windows/System32/" + name); err != nil {
				t.Fatal(err)
			}
		}
	})
	old, err := standin.Windows(standin.Options{Files: 2, WithoutRecovery: true, Build: 6002})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		disk  memory
		class error
		says  []string
	}{
		{"data", gpt(t, nil, format(t, data, "Data", windowsSize)), fault.ErrInvalid,
			[]string{"no partition holds Windows", "partition 1 (Basic data partition, no file system that is known, 32 MiB)", "partition 2 (Basic data partition, NTFS, 32 MiB)"}},
		{"bare", format(t, data, "", windowsSize), fault.ErrInvalid, []string{"there is no Windows/System32/config/SYSTEM"}},
		{"BitLocker", gpt(t, locked), fault.ErrUnsupported, []string{"partition 1 (Basic data partition, BitLocker, 32 MiB)", "manage-bde -off"}},
		{"no programs", gpt(t, format(t, noLoader, "", windowsSize)), fault.ErrInvalid, []string{"partition 1: ", "winload.efi"}},
		{"no programs, bare", format(t, noLoader, "", windowsSize), fault.ErrInvalid, []string{"winload.efi"}},
		{"Vista", gpt(t, format(t, old, "", windowsSize)), fault.ErrUnsupported, []string{"partition 1: ", "Windows 7"}},
		{"no partitions", gpt(t), fault.ErrInvalid, []string{"the disk has no partitions"}},
	} {
		_, err := Open(file(t, c.disk))
		if !errors.Is(err, c.class) {
			t.Errorf("%s: %v is not of class %q", c.name, err, c.class)
			continue
		}
		for _, s := range append(c.says, "media: ") {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", c.name, err, s)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one message: %q", c.name, err)
		}
	}
}

// TestCorruptDisks are errors that say so, and where.
func TestCorruptDisks(t *testing.T) {
	volume := format(t, stand(t, nil), "", windowsSize)
	whole := gpt(t, volume)
	patched := func(m memory, off int, b ...byte) memory {
		m = bytes.Clone(m)
		copy(m[off:], b)
		return m
	}
	cluster := int(binary.LittleEndian.Uint16(volume[11:])) * int(volume[13])
	mft := int(binary.LittleEndian.Uint64(volume[0x30:])) * cluster
	for name, m := range map[string]memory{
		"truncated disk":    whole[:len(whole)/2],
		"truncated volume":  volume[:len(volume)-4096],
		"truncated at once": volume[:512],
		"table":             patched(whole, 1024+40, 0x7F),
		"MFT":               patched(volume, mft, 'X'),
		"MFT in a disk":     patched(whole, mib+mft, 'X'),
		"root directory":    patched(volume, mft+5*1024+0x14, 0xFF, 0xFF),
		"VHD footer":        append(bytes.Clone(whole), append([]byte("conectix"), make([]byte, 504)...)...),
	} {
		if _, err := Open(file(t, m)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBrokenNeighbour bakes the one Windows that can be read, and tells of the other whoever looks
// for it.
func TestBrokenNeighbour(t *testing.T) {
	bad := format(t, stand(t, nil), "", windowsSize)
	cluster := int64(binary.LittleEndian.Uint16(bad[11:])) * int64(bad[13])
	copy(bad[int64(binary.LittleEndian.Uint64(bad[0x30:]))*cluster:], "XXXX")
	m := open(t, file(t, gpt(t, bad, format(t, stand(t, nil), "good", windowsSize))))
	if i, err := m.Find(""); err != nil || i.Index != 1 || i.Title != "good" {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := m.Find("2"); err == nil || !strings.Contains(err.Error(), "partition 1 is left out: NTFS volume: ") {
		t.Error(err)
	}
}

// TestMkntfs reads a volume that mkntfs made and wimlib filled, and finds what the WIM holds.
func TestMkntfs(t *testing.T) {
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 40, WithoutRecovery: true}); err != nil {
		t.Fatal(err)
	}
	w := open(t, dir)
	m := open(t, oracle.WimlibNTFS(t, w.Path, 1, 64*mib).Path)
	i, err := m.Find("reference")
	if err != nil || i.Flags != "ServerStandardCore" {
		t.Fatalf("%+v, %v", i, err)
	}
	want, err := w.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	compareTrees(t, want, got)
}

// compareTrees compares names and contents; package ntfs's tests compare the rest.
func compareTrees(t *testing.T, want, got *tree.Tree) {
	t.Helper()
	files := 0
	for path, e := range want.Walk() {
		g := got.Find(path)
		if g == nil {
			t.Errorf("%s is missing", path)
			continue
		}
		a, err := tree.ReadAll(e.Node.Data, 16*mib)
		b, err2 := tree.ReadAll(g.Node.Data, 16*mib)
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v", path, err)
		}
		files++
	}
	for path := range got.Walk() {
		if want.Find(path) == nil {
			t.Errorf("%s is too many", path)
		}
		files--
	}
	if files != 0 {
		t.Errorf("%d entries too many", files)
	}
}

// TestLargeSectors opens a disk whose sectors have 4,096 bytes, behind an MBR that does not say so.
func TestLargeSectors(t *testing.T) {
	p, err := ntfs.NewPlan(stand(t, nil), ntfs.Options{Size: windowsSize, SectorSize: 4096, Label: "4Kn"})
	if err != nil {
		t.Fatal(err)
	}
	m := make(memory, 2*windowsSize)
	if err := volume.Write(m[mib:], p); err != nil {
		t.Fatal(err)
	}
	m[446+4] = disk.TypeNTFS
	binary.LittleEndian.PutUint32(m[446+8:], mib/4096)
	binary.LittleEndian.PutUint32(m[446+12:], windowsSize/4096)
	m[510], m[511] = 0x55, 0xAA
	if i, err := open(t, file(t, m)).Find("4Kn"); err != nil || i.EditionID != "ServerStandard" {
		t.Errorf("%+v, %v", i, err)
	}
}

// TestCompressedByWOF gets a file that Windows keeps compressed as what it decodes to. Its one chunk
// did not become shorter, and so is stored as it is.
func TestCompressedByWOF(t *testing.T) {
	want := bytes.Repeat([]byte("short"), 200)
	compressed := stand(t, func(tr *tree.Tree) {
		put(t, tr, "Windows/notepad.exe", make([]byte, len(want)))
		n := tr.Find("Windows/notepad.exe").Node
		n.Streams = []tree.Stream{{Name: "WofCompressedData", Data: tree.Bytes(want)}}
		n.Ensure().Reparse = &tree.Reparse{Tag: 0x80000017, Data: []byte{1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}}
	})
	tr, err := open(t, file(t, format(t, compressed, "", windowsSize))).Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	n := tr.Find("Windows/notepad.exe").Node
	if got, err := tree.ReadAll(n.Data, mib); err != nil || !bytes.Equal(got, want) || n.Reparse() != nil || len(n.Streams) != 0 {
		t.Errorf("%q, %v, reparse point %v, %d streams", got, err, n.Reparse(), len(n.Streams))
	}
}

// TestOrder has the contents of a volume say where they lie, which is the order that a bake reads
// them in, and no hash that nobody knows.
func TestOrder(t *testing.T) {
	tr, err := open(t, file(t, format(t, stand(t, nil), "", windowsSize))).Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	places := map[int64]string{}
	for path, e := range tr.Walk() {
		if tree.SizeOf(e.Node.Data) < 4096 || len(e.Node.Names) > 1 {
			continue
		}
		at := tree.Position(e.Node.Data)
		if _, blob := e.Node.Data.(tree.Blob); blob || at <= 0 || at >= windowsSize || places[at] != "" {
			t.Errorf("%s: at %#x, where there is %q", path, at, places[at])
		}
		places[at] = path
	}
	if len(places) == 0 {
		t.Error("no contents")
	}
}

// patches is a disk with some bytes changed, in its table and the volume's metadata: six bytes of
// input each, an offset, how many and which.
type patches struct {
	memory
	input []byte
}

func (p patches) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.memory.ReadAt(b, off)
	for in := p.input; len(in) >= 6; in = in[6:] {
		at := int64(binary.LittleEndian.Uint32(in)) % (8 * mib)
		for i := at; i <= at+int64(in[4]%8); i++ {
			if i >= off && i < off+int64(n) {
				b[i-off] = in[5]
			}
		}
	}
	return n, err
}

// look does with a medium what a bake does.
func look(t *testing.T, r io.ReaderAt, size int64) {
	what, in, err := detect(r, size, "fuzz")
	if err == nil && (what == kindVolume || what == kindDisk) {
		var d *diskSource
		var images []Image
		if d, images, err = readDisk(in, what); err == nil {
			for _, i := range images {
				_ = d.usable(i.Index)
				d.fingerprint(i.Index)
				if _, err = d.tree(i.Index); err != nil {
					break
				}
			}
		}
	}
	if errors.Is(err, fault.ErrBug) || err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) && !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("an error without a class: %v", err)
	}
}

// FuzzDetect opens anything.
func FuzzDetect(f *testing.F) {
	disk := gpt(f, nil)
	f.Add([]byte(disk[:mib+4096]))
	f.Add([]byte("MSWIM\x00\x00\x00"))
	f.Add(append(make([]byte, 510), 0x55, 0xAA))
	f.Fuzz(func(t *testing.T, b []byte) { look(t, memory(b), int64(len(b))) })
}

// FuzzDisk opens a disk with some bytes changed.
func FuzzDisk(f *testing.F) {
	m := gpt(f, format(f, stand(f, nil), "", windowsSize))
	f.Add([]byte{})
	f.Add([]byte{0, 4, 0, 0, 3, 0xFF})
	f.Add([]byte{3, 0, 0x10, 0, 0, 'X', 0x30, 0, 0x10, 0, 7, 0xFF})
	f.Fuzz(func(t *testing.T, input []byte) {
		look(t, patches{m, input[:min(len(input), 60)]}, int64(len(m)))
	})
}
