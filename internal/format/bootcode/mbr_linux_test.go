package bootcode

import (
	"bytes"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
)

// bootChanged boots a good disk of the given records after a change to its first sector.
func bootChanged(t *testing.T, v oracle.Volume, r Records, expect string, change func(sector []byte)) {
	t.Helper()
	path := makeDisk(t, v, 512, r)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	check(t, edit(f, 0, 512, func(b []byte) error { change(b); return nil }))
	oracle.Boot(t, oracle.BootOptions{Disk: path, Expect: expect, Timeout: bootTimeout})
}

func TestMBR(t *testing.T) {
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", bootprog.Size))
	entry := func(b []byte, i int) []byte { return b[0x1BE+16*i:][:16] }
	move := func(to int) func([]byte) {
		return func(b []byte) { copy(entry(b, to), entry(b, 0)); clear(entry(b, 0)) }
	}
	for _, c := range []struct {
		name, expect string
		change       func(b []byte)
	}{
		{"first", bootprog.BIOSLine, func([]byte) {}},
		{"second", bootprog.BIOSLine, move(1)},
		{"third", bootprog.BIOSLine, move(2)},
		{"fourth", bootprog.BIOSLine, move(3)},
		{"other partitions", bootprog.BIOSLine, func(b []byte) { move(2)(b); copy(entry(b, 0)[4:], "\x0B\xFF\xFF\xFF\x01\x00\x00\x00\x07") }},
		{"none active", "No active partition", func(b []byte) { entry(b, 0)[0] = 0 }},
		{"two active", "Invalid partition table", func(b []byte) { entry(b, 3)[0] = 0x80 }},
		{"no status", "Invalid partition table", func(b []byte) { entry(b, 2)[0] = 0x7F }},
		{"no boot record", "The active partition has no boot record", func(b []byte) { entry(b, 0)[8]++ }},
		{"past the disk", "Error reading the active partition", func(b []byte) { entry(b, 0)[11] = 0xFF }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bootChanged(t, v, Own(), c.expect, c.change)
		})
	}
}

// With the A20 line off when the volume boot record starts, it must switch it on; and the stand-in
// must notice if it does not.
func TestA20(t *testing.T) {
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", bootprog.Size))
	off := Own()
	off.MBR.Code = withoutA20(t, off.MBR.Code)
	oracle.Boot(t, oracle.BootOptions{Disk: makeDisk(t, v, 512, off), Expect: bootprog.BIOSLine, Timeout: bootTimeout})

	// ret instead of enable_a20, which begins with a call and a jump before it asks the BIOS.
	ask := bytes.Index(off.NTFS.Code, []byte{0xB8, 0x01, 0x24, 0xCD, 0x15})
	start := bytes.LastIndexByte(off.NTFS.Code[:ask], 0xE8)
	if start < ask-8 {
		t.Fatal("enable_a20 is not where the test looks")
	}
	off.NTFS.Code[start] = 0xC3
	oracle.Boot(t, oracle.BootOptions{Disk: makeDisk(t, v, 512, off), Expect: "checksum ok, A20 off", Timeout: bootTimeout})
}

// withoutA20 makes the MBR switch the A20 line off through port 92h before it leaves.
func withoutA20(t *testing.T, code []byte) []byte {
	t.Helper()
	const stub = 0x1A0
	leave := []byte{0xEA, 0x00, 0x7C, 0x00, 0x00} // jmp 0:7C00
	at := bytes.Index(code, leave)
	if at < 0 || !bytes.Equal(code[stub:], make([]byte, MBRSize-stub)) {
		t.Fatal("the MBR is not as the test wants")
	}
	b := bytes.Clone(code)
	copy(b[at:], []byte{0xEA, stub & 0xFF, 0x06 + stub>>8, 0x00, 0x00})
	copy(b[stub:], append([]byte{0xE4, 0x92, 0x24, 0xFD, 0xE6, 0x92}, leave...)) // in, and, out
	return b
}
