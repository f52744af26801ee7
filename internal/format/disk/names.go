package disk

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
)

// gptNames are the types that are met beside Windows (UEFI specification 2.10, table 5.7;
// "PARTITION_INFORMATION_GPT structure", Microsoft Learn; "Discoverable Partitions Specification").
var gptNames = map[guid.GUID]string{
	TypeEFI: "EFI system partition", TypeMSR: "Microsoft reserved", TypeBasicData: "basic data", TypeRecovery: "Windows recovery",
	guid.MustParse("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"): "LDM metadata",
	guid.MustParse("af9b60a0-1431-4f62-bc68-3311714a69ad"): "LDM data",
	guid.MustParse("e75caf8f-f680-4cee-afa3-b001e56efc2d"): "Storage Spaces",
	guid.MustParse("558d43c5-a1ac-43c0-aac8-d1472b2923d1"): "Storage Replica",
	guid.MustParse("21686148-6449-6e6f-744e-656564454649"): "BIOS boot",
	guid.MustParse("024dee41-33e7-11d3-9d69-0008c781f39f"): "MBR partition scheme",
	guid.MustParse("0fc63daf-8483-4772-8e79-3d69d8477de4"): "Linux file system",
	guid.MustParse("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"): "Linux swap",
	guid.MustParse("e6d6d379-f507-44c2-a23c-238f2a3df928"): "Linux LVM",
	guid.MustParse("bc13c2ff-59e6-4262-a352-b275fd6f7172"): "Linux extended boot",
}

// mbrNames are the types of MBR partitions that are met beside Windows
// ("Properties of partition types", https://www.win.tue.nl/~aeb/partitions/partition_types-1.html).
var mbrNames = map[byte]string{
	0x01: "FAT12", 0x04: "FAT16 up to 32 MiB", 0x05: "extended", 0x06: "FAT16", 0x07: "NTFS or exFAT", 0x0B: "FAT32 CHS", 0x0C: "FAT32 LBA",
	0x0E: "FAT16 LBA", 0x0F: "extended LBA", 0x12: "OEM diagnostics", 0x17: "hidden NTFS", 0x1B: "hidden FAT32", 0x1C: "hidden FAT32 LBA",
	0x27: "Windows recovery", 0x42: "LDM (dynamic disk)", 0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM", 0xEE: "GPT protective", 0xEF: "EFI system partition",
}

// TypeName names the type of a partition, "" for one that is not known.
func (p *Partition) TypeName() string {
	if p.Type.IsZero() {
		return mbrNames[p.MBRType]
	}
	return gptNames[p.Type]
}

// attributeNames are GPT's attribute bits: those of every type (UEFI 2.10, table 5.8), and Microsoft's
// of basic data.
var attributeNames = []struct {
	bit  int
	name string
}{
	{0, "required"}, {1, "no block IO"}, {2, "legacy BIOS bootable"}, {60, "read-only"}, {61, "shadow copy"}, {62, "hidden"}, {63, "no drive letter"},
}

// AttributeNames names the attribute bits that are set, in the order of the bits.
func (p *Partition) AttributeNames() []string {
	rest := p.Attributes
	out := []string{}
	for _, a := range attributeNames {
		if rest&(1<<a.bit) != 0 {
			out = append(out, a.name)
			rest &^= 1 << a.bit
		}
	}
	if rest != 0 {
		out = append(out, fmt.Sprintf("%#x", rest))
	}
	return out
}
