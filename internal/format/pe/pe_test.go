package pe

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// 7-Zip finds the same version and machine in what Stub writes, and another after a flipped byte.
func TestStubJudge(t *testing.T) {
	oracle.Need(t, "7z")
	list := func(data []byte) string {
		path := filepath.Join(t.TempDir(), "x.exe")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, _ := oracle.Try("7z", "l", path)
		return out
	}
	for m, cpu := range map[Machine]string{AMD64: "CPU = x64", I386: "CPU = x86", ARM64: "CPU = ARM64"} {
		stub := Stub(m, server2022)
		if out := list(stub); !strings.Contains(out, cpu) || !strings.Contains(out, "10.0.20348.1") {
			t.Errorf("%v: 7z says\n%s", m, out)
		}
		at := bytes.LastIndex(stub, []byte{0x7C, 0x4F}) // 20348, in the product version
		stub[at] ^= 1
		stub[bytes.Index(stub, []byte{0x7C, 0x4F})] ^= 1
		if out := list(stub); strings.Contains(out, "10.0.20348.1") {
			t.Errorf("%v: 7z does not notice a flipped byte", m)
		}
	}
}

func TestRealDriver(t *testing.T) {
	dir := os.Getenv("WINBAKE_SAMPLES")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "../../../../shared/samples")
	}
	path := filepath.Join(dir, "drivers/amidevous+wimboot-install/win10/drv/virtio-win-0.1.240/NetKVM/2k22/amd64/netkvm.sys")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skip("no sample driver")
	}
	info, err := Read(bytes.NewReader(data))
	if err != nil || info.Machine != AMD64 {
		t.Fatalf("%+v, %v", info, err)
	}
	oracle.Need(t, "7z")
	out, err := exec.Command("7z", "l", path).Output()
	if err != nil || !strings.Contains(string(out), info.Version.String()) {
		t.Errorf("version %v, 7z says (%v)\n%s", info.Version, err, out)
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
