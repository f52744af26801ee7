package secdesc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// rootDescriptor is what the root of a Windows volume has.
var rootDescriptor = Build(TrustedInstaller, TrustedInstaller,
	ACE{ContainerInherit | ObjectInherit, FullControl, Administrators},
	ACE{ContainerInherit | ObjectInherit, FullControl, LocalSystem},
	ACE{ContainerInherit, 4, Users},
	ACE{ContainerInherit | InheritOnly, 2, Users},
	ACE{ObjectInherit | ContainerInherit | InheritOnly, GenericAll, CreatorOwner},
)

func TestKnownBytes(t *testing.T) {
	// Owner and group SYSTEM, one ACE: SYSTEM full control, inherited by all ([MS-DTYP] layouts).
	got := Build(LocalSystem, LocalSystem, ACE{3, FullControl, LocalSystem})
	if len(got) != 20+8+8+12+12+12 || hex.EncodeToString(got[:4]) != "01000480" {
		t.Fatalf("% x", got)
	}
	if binary.LittleEndian.Uint32(got[16:]) != 20 || binary.LittleEndian.Uint32(got[4:]) != 48 || binary.LittleEndian.Uint32(got[8:]) != 60 {
		t.Errorf("offsets: % x", got[:20])
	}
	if s := hex.EncodeToString(got[48:60]); s != "010100000000000512000000" {
		t.Errorf("owner S-1-5-18 is %s", s)
	}
}

// A protected list differs in one bit of the control field, and not in what it grants.
func TestProtected(t *testing.T) {
	ace := ACE{0, FullControl, Administrators}
	got, plain := BuildProtected(Administrators, LocalSystem, ace), Build(Administrators, LocalSystem, ace)
	if hex.EncodeToString(got[:4]) != "01000490" || !bytes.Equal(got[4:], plain[4:]) {
		t.Errorf("% x", got)
	}
}

// flags lists the ACEs' flags of a descriptor.
func aces(t *testing.T, sd []byte) (flags []byte, masks []uint32) {
	t.Helper()
	off := binary.LittleEndian.Uint32(sd[16:])
	pos := off + aclHeader
	for range binary.LittleEndian.Uint16(sd[off+4:]) {
		flags = append(flags, sd[pos+1])
		masks = append(masks, binary.LittleEndian.Uint32(sd[pos+4:]))
		pos += uint32(binary.LittleEndian.Uint16(sd[pos+2:]))
	}
	return flags, masks
}

func TestFileInherits(t *testing.T) {
	sd, ok := Inherit(rootDescriptor, false)
	if !ok {
		t.Fatal("nothing inherited")
	}
	flags, masks := aces(t, sd)
	if !bytes.Equal(flags, []byte{Inherited, Inherited, Inherited}) {
		t.Errorf("flags % x", flags)
	}
	if masks[2] != FullControl {
		t.Errorf("GENERIC_ALL became %#x", masks[2])
	}
}

func TestDirectoryInherits(t *testing.T) {
	sd, ok := Inherit(rootDescriptor, true)
	if !ok {
		t.Fatal("nothing inherited")
	}
	flags, _ := aces(t, sd)
	// CREATOR OWNER splits: full control for the owner, and itself to pass on.
	want := []byte{0x13, 0x13, 0x12, 0x12, 0x10, 0x1B}
	if !bytes.Equal(flags, want) {
		t.Errorf("flags % x, want % x", flags, want)
	}
}

func FuzzInherit(f *testing.F) {
	f.Add(rootDescriptor, true)
	f.Add(rootDescriptor[:30], false)
	f.Fuzz(func(t *testing.T, sd []byte, container bool) {
		if child, ok := Inherit(sd, container); ok {
			if _, again := Inherit(child, container); !again && container && len(child) == 0 {
				t.Error("empty child")
			}
		}
	})
}
