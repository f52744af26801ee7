package bcd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// vector reads annotated hexadecimal: words of bytes, `00*16` for sixteen zero bytes, `"text"` for
// UTF-16, and // to the end of the line for comments.
func vector(t testing.TB, text string) []byte {
	t.Helper()
	var out []byte
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		for _, word := range strings.Fields(line) {
			if quoted, ok := strings.CutPrefix(word, `"`); ok {
				out = utf16le.Append(out, strings.TrimSuffix(quoted, `"`))
				continue
			}
			digits, times, repeated := strings.Cut(word, "*")
			b, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatalf("vector: %q: %v", word, err)
			}
			n := 1
			if repeated {
				if n, err = strconv.Atoi(times); err != nil {
					t.Fatalf("vector: %q: %v", word, err)
				}
			}
			out = append(out, bytes.Repeat(b, n)...)
		}
	}
	return out
}

var (
	espPart   = guid.MustParse("ecd43012-88cf-4f80-a8de-8d3719d0653a")
	gptDisk   = guid.MustParse("d148fb7c-be81-4d12-8dcf-62260299abde")
	rePart    = guid.MustParse("fb3fd5c6-af83-4c23-9d60-772453d0623d")
	reOptions = guid.MustParse("347518e3-f3cc-11ea-911e-c7eaa7d84b6c")
	mbrC      = MBRPartition(0x43DA9AB1, 0x1F500000)
	vhdDisk   = guid.MustParse("11111111-2222-3333-4444-555566667777")
	vhdPart   = guid.MustParse("88888888-9999-aaaa-bbbb-ccccddddeeee")
	longPath  = `\0` + strings.Repeat("x", 252) // grub4dos/ntloader has a path of 254 units
)

// deviceVectors are elements of real stores, from Microsoft's programs unless noted.
var deviceVectors = []struct {
	name   string
	device Device
	text   string // what String gives
	data   string
}{
	{
		"mbr partition: osdevice partition=C: by bcdedit (grub4dos/ntloader)",
		mbrC, "partition=0x1f500000,disk=0x43da9ab1", `
		00*16                             // no options
		06000000 00000000 48000000 00*4   // partition, 0x48 bytes
		0000501f 00000000 00*8            // byte offset
		00000000 01000000                 // hard disk, MBR
		b19ada43 00*12                    // signature
		00*16`,
	}, {
		"mbr partition: http://www.mistyprojects.co.uk/documents/BCDEdit/files/device_partition.htm",
		MBRPartition(0xB3EBA8F1, 718848*512), "partition=0x15f00000,disk=0xb3eba8f1", `
		00*16 06000000 00000000 48000000 00*4
		0000f015 00000000 00*8 00000000 01000000
		f1a8ebb3 00*12 00*16`,
	}, {
		"gpt partition: Setup, Windows 10 (Fisummer/winefi)",
		GPTPartition(gptDisk, espPart),
		"partition={ecd43012-88cf-4f80-a8de-8d3719d0653a},disk={d148fb7c-be81-4d12-8dcf-62260299abde}", `
		00*16
		06000000 00000000 48000000 00*4
		1230d4eccf88804fa8de8d3719d0653a  // partition GUID
		00000000 00000000                 // hard disk, GPT
		7cfb48d181be124d8dcf62260299abde  // disk GUID
		00*16`,
	}, {
		"boot: media and relocatable stores",
		Boot{}, "boot", `
		00*16
		05000000 00000000 48000000 00*4   // boot device, as large as a partition
		00*56`,
	}, {
		"ramdisk: WinRE by reagentc (Fisummer/winefi), 200 bytes",
		Ramdisk{Options: reOptions, On: GPTPartition(gptDisk, rePart), Path: `\Recovery\WindowsRE\Winre.wim`},
		`ramdisk=[{fb3fd5c6-af83-4c23-9d60-772453d0623d},disk={d148fb7c-be81-4d12-8dcf-62260299abde}]` +
			`\Recovery\WindowsRE\Winre.wim,{347518e3-f3cc-11ea-911e-c7eaa7d84b6c}`, `
		e3187534ccf3ea11911ec7eaa7d84b6c  // options object
		00000000 01000000 b8000000 00*4   // local device, RAM disk
		03000000 00*8 00*8 00*4           // RAM disk: base, size, offset
		01000000 90000000 05000000        // file path: version, length, type
		06000000 00000000 48000000 00*4   // on a partition
		c6d53ffb83af234c9d60772453d0623d 00000000 00000000
		7cfb48d181be124d8dcf62260299abde 00*16
		"\Recovery\WindowsRE\Winre.wim" 0000`,
	}, {
		"ramdisk: install media, 176 bytes",
		Ramdisk{Options: MediaRamdiskOptions, On: Boot{}, Path: `\sources\boot.wim`},
		`ramdisk=[boot]\sources\boot.wim,{7619dcc8-fafe-11d9-b411-000476eba25f}`, `
		c8dc1976fefad911b411000476eba25f
		00000000 01000000 a0000000 00*4
		03000000 00*8 00*8 00*4
		01000000 78000000 05000000
		05000000 00000000 48000000 00*4 00*56
		"\sources\boot.wim" 0000`,
	}, {
		"ramdisk: install media made by old tools, with a leftover size",
		Ramdisk{Options: MediaRamdiskOptions, On: Boot{}, Path: `\sources\boot.wim`, Size: 0x8C},
		`ramdisk=[boot]\sources\boot.wim,{7619dcc8-fafe-11d9-b411-000476eba25f}`, `
		c8dc1976fefad911b411000476eba25f
		00000000 01000000 a0000000 00*4
		03000000 00*8 8c000000 00*4 00*4
		01000000 78000000 05000000
		05000000 00000000 48000000 00*4 00*56
		"\sources\boot.wim" 0000`,
	}, {
		"locate by element: device of a relocatable store (mhkarimi1383/windeploy-linux), 46 bytes",
		Locate{Element: ElemPath}, "locate=custom:12000002", `
		00*16
		08000000 00000000 1e000000 00*4
		00000000 02000012 00000000        // by element, which, no parent
		0000                              // no path`,
	}, {
		"locate by element: osdevice of the same",
		Locate{Element: ElemSystemRoot}, "locate=custom:22000002", `
		00*16 08000000 00000000 1e000000 00*4 00000000 02000022 00000000 0000`,
	}, {
		"locate by path (Sasmithere/edk2-violet)",
		Locate{Path: `\Windows\System32\winload.efi`}, `locate=\Windows\System32\winload.efi`, `
		00*16
		08000000 00000000 58000000 00*4
		01000000 00000000 00000000
		"\Windows\System32\winload.efi" 0000`,
	}, {
		"vhd: device vhd=[C:]\\path by bcdedit (grub4dos/ntloader), 700 bytes",
		NativeVHD(mbrC, longPath, ElemPath),
		"vhd=[0x1f500000,disk=0x43da9ab1]" + longPath + ",locate=custom:12000002", `
		00*16
		08000000 00000000 ac020000 00*4   // locate
		00000000 02000012 1e000000 0000   // by element, parent at 0x1E
		00000000 00000000 8e020000 00*4   // local device
		06000000 00000000 00*16           // virtual disk, any partition
		00000000 00000000 66020000 00*4   // local device
		05000000                          // file
		01000000 52020000 05000000        // file path
		06000000 00000000 48000000 00*4   // on a partition
		0000501f 00000000 00*8 00000000 01000000 b19ada43 00*12 00*16
		"` + longPath + `" 0000`,
	}, {
		"vhd: osdevice of the same",
		NativeVHD(mbrC, longPath, ElemSystemRoot),
		"vhd=[0x1f500000,disk=0x43da9ab1]" + longPath + ",locate=custom:22000002", `
		00*16 08000000 00000000 ac020000 00*4 00000000 02000022 1e000000 0000
		00000000 00000000 8e020000 00*4 06000000 00*20
		00000000 00000000 66020000 00*4 05000000 01000000 52020000 05000000
		06000000 00000000 48000000 00*4
		0000501f 00000000 00*8 00000000 01000000 b19ada43 00*12 00*16
		"` + longPath + `" 0000`,
	}, {
		"vhd: explicit inner partition, by jpz4085/BCD-SYS, 178 + 2n bytes",
		NativeVHDPartition(GPTPartition(gptDisk, espPart), `\vhd\w.vhdx`, GPTPartition(vhdDisk, vhdPart)),
		`vhd=[{ecd43012-88cf-4f80-a8de-8d3719d0653a},disk={d148fb7c-be81-4d12-8dcf-62260299abde}]\vhd\w.vhdx,` +
			`partition={88888888-9999-aaaa-bbbb-ccccddddeeee},disk={11111111-2222-3333-4444-555566667777}`, `
		00*16
		06000000 00000000 b8000000 00*4   // partition, T-16
		888888889999aaaabbbbccccddddeeee  // inner partition GUID
		06000000 00000000                 // on a virtual disk, GPT
		11111111222233334444555566667777  // inner disk GUID
		00000000 00000000 80000000 00*4   // local device, T-72
		05000000                          // file
		01000000 6c000000 05000000        // file path, T-92
		06000000 00000000 48000000 00*4   // on the outer partition
		1230d4eccf88804fa8de8d3719d0653a 00000000 00000000
		7cfb48d181be124d8dcf62260299abde 00*16
		"\vhd\w.vhdx" 0000`,
	}, {
		"options on another device: kept",
		WithOptions{MediaRamdiskOptions, Boot{}}, "boot,{7619dcc8-fafe-11d9-b411-000476eba25f}", `
		c8dc1976fefad911b411000476eba25f 05000000 00000000 48000000 00*4 00*56`,
	}, {
		"network device (type 4): kept",
		Unknown{"\x04\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\xFE\xFE\xFE\xFE"},
		"unknown (type 4, 20 bytes)", `
		00*16 04000000 00000000 14000000 00*4 fefefefe`,
	},
}

func TestDeviceVectors(t *testing.T) {
	for _, v := range deviceVectors {
		t.Run(v.name, func(t *testing.T) {
			want := vector(t, v.data)
			got := EncodeDevice(v.device)
			if !bytes.Equal(got, want) {
				t.Errorf("encoded:\n%s, want\n%s", hex.Dump(got), hex.Dump(want))
			}
			back, err := DecodeDevice(want)
			if err != nil {
				t.Fatal(err)
			}
			if back != v.device {
				t.Errorf("decoded: %#v, want %#v", back, v.device)
			}
			if back.String() != v.text {
				t.Errorf("printed: %s, want %s", back, v.text)
			}
		})
	}
}

// A byte that is flipped in a vector must show: as an error or as another device.
func TestDeviceFlips(t *testing.T) {
	for _, v := range deviceVectors {
		data := vector(t, v.data)
		for i := range data {
			bad := bytes.Clone(data)
			bad[i] ^= 0x21
			if d, err := DecodeDevice(bad); err == nil && d == v.device {
				t.Errorf("%s: byte %#x changed, and nobody notices", v.name, i)
			}
			if d, err := DecodeDevice(bad); err == nil && !bytes.Equal(EncodeDevice(d), bad) {
				t.Errorf("%s: byte %#x changed: encoded again it is something else", v.name, i)
			}
		}
	}
}

func TestDeviceTruncated(t *testing.T) {
	for _, v := range deviceVectors {
		data := vector(t, v.data)
		for n := range data {
			if _, err := DecodeDevice(data[:n]); !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("%s: the first %d bytes: %v", v.name, n, err)
			}
		}
	}
}

func TestDeviceNesting(t *testing.T) {
	d := Device(Boot{})
	for range maxNesting - 1 {
		d = File{On: d, Path: `\x`}
	}
	if _, err := DecodeDevice(EncodeDevice(d)); err != nil {
		t.Error(err)
	}
	if _, err := DecodeDevice(EncodeDevice(File{On: d, Path: `\x`})); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("too deep: %v", err)
	}
}

func FuzzDecodeDevice(f *testing.F) {
	for _, v := range deviceVectors {
		f.Add(vector(f, v.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := DecodeDevice(data)
		if err != nil {
			return
		}
		if got := EncodeDevice(d); !bytes.Equal(got, data) {
			t.Fatalf("%s: encoded\n%s, was\n%s", d, hex.Dump(got), hex.Dump(data))
		}
	})
}
