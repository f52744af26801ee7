package pe

import (
	"bytes"
	"debug/pe"
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// Places in a stub.
const (
	dosHeader    = 0x40
	stubHeaders  = 0x200 // file alignment: headers, then the one section
	stubSection  = 0x200
	stubAddress  = 0x1000 // section alignment
	stubEFI      = 10     // IMAGE_SUBSYSTEM_EFI_APPLICATION
	rsrcFlags    = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ
	languageUSEn = 0x409
)

// Stub returns a program without code, for machine m and with v in its version resource. It stands
// in for Microsoft's programs in tests and in winbake's own example media.
func Stub(m Machine, v Version) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, le, v) } // a Buffer takes everything
	b.WriteString("MZ")
	b.Write(make([]byte, dosHeader-2-4))
	put(uint32(dosHeader)) // e_lfanew
	b.WriteString("PE\x00\x00")
	optional := optionalHeader(m)
	put(pe.FileHeader{
		Machine: uint16(m), NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(optional)),
		Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE,
	})
	put(optional)
	put(pe.SectionHeader32{
		Name: [8]uint8{'.', 'r', 's', 'r', 'c'}, VirtualSize: stubSection, VirtualAddress: stubAddress,
		SizeOfRawData: stubSection, PointerToRawData: stubHeaders, Characteristics: rsrcFlags,
	})
	b.Write(make([]byte, stubHeaders-b.Len()))
	b.Write(stubResources(v))
	return b.Bytes()
}

func optionalHeader(m Machine) any {
	dirs := [16]pe.DataDirectory{resourceDirectory: {VirtualAddress: stubAddress, Size: stubSection}}
	if m == I386 || m == ARM {
		return pe.OptionalHeader32{
			Magic: 0x10B, ImageBase: 0x400000, SectionAlignment: stubAddress, FileAlignment: stubHeaders,
			SizeOfImage: 2 * stubAddress, SizeOfHeaders: stubHeaders, Subsystem: stubEFI,
			NumberOfRvaAndSizes: 16, DataDirectory: dirs,
		}
	}
	return pe.OptionalHeader64{
		Magic: 0x20B, ImageBase: 0x400000, SectionAlignment: stubAddress, FileAlignment: stubHeaders,
		SizeOfImage: 2 * stubAddress, SizeOfHeaders: stubHeaders, Subsystem: stubEFI,
		NumberOfRvaAndSizes: 16, DataDirectory: dirs,
	}
}

// stubResources is three directories of one entry, a data entry, and the version.
func stubResources(v Version) []byte {
	const level = dirHeader + dirEntry
	version := versionInfo(v)
	var b []byte
	for i, id := range []uint32{typeVersion, 1, languageUSEn} {
		next := uint32(i+1) * level
		if i < 2 {
			next |= subFlag
		}
		b = append(b, make([]byte, dirHeader)...)
		le.PutUint16(b[len(b)-2:], 1) // one entry by number
		b = le.AppendUint32(b, id)
		b = le.AppendUint32(b, next)
	}
	b = le.AppendUint32(b, stubAddress+3*level+dataEntry)
	b = le.AppendUint32(b, uint32(len(version)))
	b = append(b, make([]byte, 8)...)
	b = append(b, version...)
	return append(b, make([]byte, stubSection-len(b))...)
}

func versionInfo(v Version) []byte {
	b := le.AppendUint16(nil, uint16(fixedAt+fixedSize))
	b = le.AppendUint16(b, fixedSize)
	b = utf16le.Append(append(b, 0, 0), versionKey)
	b = append(b, make([]byte, fixedAt+fixedSize-len(b))...)
	fixed := b[fixedAt:]
	le.PutUint32(fixed, fixedMagic)
	le.PutUint32(fixed[4:], 1<<16) // structure version 1.0
	for _, at := range []int{fixedVersion, fixedVersion + 8} {
		le.PutUint32(fixed[at:], uint32(v.Major)<<16|uint32(v.Minor))
		le.PutUint32(fixed[at+4:], uint32(v.Build)<<16|uint32(v.Revision))
	}
	le.PutUint32(fixed[0x20:], 0x40004) // VOS_NT_WINDOWS32
	le.PutUint32(fixed[0x24:], 1)       // VFT_APP
	return b
}
