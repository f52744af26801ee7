package pe

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var server2022 = Version{10, 0, 20348, 1}

func TestStubs(t *testing.T) {
	for m, name := range map[Machine]string{I386: "x86", AMD64: "x64", ARM: "arm", ARM64: "arm64"} {
		info, err := Read(bytes.NewReader(Stub(m, server2022)))
		if err != nil || info.Machine != m || info.Version != server2022 || m.String() != name {
			t.Errorf("%v: %+v, %v", m, info, err)
		}
	}
	if Machine(7).String() != "machine 0x7" || server2022.String() != "10.0.20348.1" {
		t.Error("names")
	}
}

// sevenZip returns what 7-Zip says of a program.
func sevenZip(t *testing.T, program []byte) string {
	t.Helper()
	oracle.Need(t, "7z")
	path := filepath.Join(t.TempDir(), "x.exe")
	if err := os.WriteFile(path, program, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, _ := oracle.Try("7z", "l", path) // fails on a program that it does not like, with words
	return out
}

// 7-Zip finds the same version and machine in what Stub writes, and another after a flipped byte.
func TestStubJudge(t *testing.T) {
	for m, cpu := range map[Machine]string{AMD64: "CPU = x64", I386: "CPU = x86", ARM64: "CPU = ARM64"} {
		stub := Stub(m, server2022)
		if out := sevenZip(t, stub); !strings.Contains(out, cpu) || !strings.Contains(out, "10.0.20348.1") {
			t.Errorf("%v: 7z says\n%s", m, out)
		}
		at := bytes.LastIndex(stub, []byte{0x7C, 0x4F}) // 20348, in the product version
		stub[at] ^= 1
		stub[bytes.Index(stub, []byte{0x7C, 0x4F})] ^= 1
		if out := sevenZip(t, stub); strings.Contains(out, "10.0.20348.1") {
			t.Errorf("%v: 7z does not notice a flipped byte", m)
		}
	}
}

func TestRealDriver(t *testing.T) {
	const name = "drivers/amidevous+wimboot-install/win10/drv/virtio-win-0.1.240/NetKVM/2k22/amd64/netkvm.sys"
	data := oracle.Sample(t, name)
	info, err := Read(bytes.NewReader(data))
	if err != nil || info.Machine != AMD64 {
		t.Fatalf("%+v, %v", info, err)
	}
	if out := sevenZip(t, data); !strings.Contains(out, info.Version.String()) {
		t.Errorf("version %v, 7z says\n%s", info.Version, out)
	}
}

func TestRefuses(t *testing.T) {
	good := Stub(AMD64, server2022)
	for name, change := range map[string]func(b []byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"text":       func([]byte) []byte { return []byte(strings.Repeat("no program ", 20)) },
		"no section": func(b []byte) []byte { return b[:stubHeaders] },
		"signature": func(b []byte) []byte {
			return bytes.Replace(b, []byte{0xBD, 4, 0xEF, 0xFE}, []byte{0xBD, 4, 0xEF, 0xFF}, 1)
		},
		"directory too big": func(b []byte) []byte { b[stubHeaders+14] = 0xFF; return b },
		"file as directory": func(b []byte) []byte { b[stubHeaders+dirHeader+7] = 0; return b },
		"size":              func(b []byte) []byte { b[stubHeaders+3*24+4] = 1; return b },
	} {
		if _, err := Read(bytes.NewReader(change(bytes.Clone(good)))); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Stub(AMD64, server2022))
	f.Add(Stub(I386, Version{6, 1, 7601, 17514}))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := Read(bytes.NewReader(data))
		if err != nil && info.Version != (Version{}) {
			t.Fatalf("%+v with %v", info, err)
		}
	})
}
