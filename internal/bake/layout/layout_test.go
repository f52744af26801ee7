package layout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func describe(d *Disk) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %08x\n", d.ID, d.Signature)
	for _, p := range d.Partitions {
		fmt.Fprintf(&b, "%s %q %q %d+%d", p.Role, p.FileSystem, p.Label, p.Offset/mib, p.Size/mib)
		if d.MBR() {
			fmt.Fprintf(&b, " %02x %v", p.MBRType, p.Active)
		} else {
			fmt.Fprintf(&b, " %s %x %q", p.Type, p.Attributes, p.Name)
		}
		fmt.Fprintf(&b, " %s %016x\n", p.ID, p.Serial)
	}
	return b.String()
}

// Where everything is, and under which identifiers: those of a disk without a recovery partition must
// never change, since a disk is to be baked a second time with the same bytes.
func TestPartitions(t *testing.T) {
	for _, c := range []struct {
		firmware Firmware
		recovery int64
		want     string
	}{
		{BIOS, 0, `00000000-0000-0000-0000-000000000000 53fbf03b
windows "ntfs" "OS" 1+2047 07 true 7ee2054b-faf6-88b5-8ba0-c960ad56b408 84289cbba15d28a9
`},
		{BIOS, 750*mib - 5, `00000000-0000-0000-0000-000000000000 333159ab
windows "ntfs" "OS" 1+1297 07 true 9caab92f-21ce-8f93-b160-a21fe731ad16 8bc6a65782871f85
recovery "ntfs" "Recovery" 1298+750 27 false 92de825c-6472-86ba-a79b-811596a3a224 8c20b6cf98b7dab7
`},
		{UEFI, 0, `ed6288fb-f50c-8245-83a7-da6ab43b7788 00000000
system "fat32" "SYSTEM" 1+300 c12a7328-f81f-11d2-ba4b-00a0c93ec93b 8000000000000000 "EFI system partition" 50032d22-e3f1-8bc6-b3b7-9ac7fc460f87 8c58b440f8d168c5
reserved "" "" 301+16 e3c9e316-0b5c-4db8-817d-f92df00215ae 8000000000000000 "Microsoft reserved partition" 2702d186-592f-8f22-a440-5263d7f2b1b8 88d72cde697440e0
windows "ntfs" "OS" 317+1730 ebd0a0a2-b9e5-4433-87c0-68b6b72699c7 0 "Basic data partition" d55030c6-0ea3-8c50-86dd-3afbcd42f68c 80fbcb9fa193e88b
`},
		{UEFI, 750*mib - 5, `cd8b0371-37cc-86c3-9904-f913983619e0 00000000
system "fat32" "SYSTEM" 1+300 c12a7328-f81f-11d2-ba4b-00a0c93ec93b 8000000000000000 "EFI system partition" a417c77e-0889-8070-afe5-d9fe9e94ed83 884cf4df3b09d584
reserved "" "" 301+16 e3c9e316-0b5c-4db8-817d-f92df00215ae 8000000000000000 "Microsoft reserved partition" 7c8d0b76-2a5f-874e-886a-12c096d0e12f 8decf2f2c39c6a1d
windows "ntfs" "OS" 317+980 ebd0a0a2-b9e5-4433-87c0-68b6b72699c7 0 "Basic data partition" 686acbab-688e-88f1-9b94-b5ec7b442a12 8db68dad0d6e7e9b
recovery "ntfs" "Recovery" 1297+750 de94bba4-06d1-4d40-a16a-bfd50179d6ac 8000000000000001 "Basic data partition" a816c0f5-8002-8c74-8bb6-cb9ebacfa6a4 890c42b808510cd8
`},
		{Both, 0, `00000000-0000-0000-0000-000000000000 682cb086
system "fat32" "SYSTEM" 1+300 0c true 1084df5f-aec4-8978-8029-d22627846aad 8b315f914057af7b
windows "ntfs" "OS" 301+1747 07 false 2ade4f93-29af-8791-9e0f-3fed39d023b1 83f1da5777aecdee
`},
		{Both, 750*mib - 5, `00000000-0000-0000-0000-000000000000 6f53e054
system "fat32" "SYSTEM" 1+300 0c true b85a7bec-bd5c-84b7-a104-0aa0dab80235 8aa2d46bb3353095
windows "ntfs" "OS" 301+997 07 false 61feffc5-f332-82c1-bf38-ec6b9f400974 819add29370dd0bc
recovery "ntfs" "Recovery" 1298+750 27 false b83fa62d-c7f0-83ec-b161-82e77c98cf30 855274673df1cf4a
`},
	} {
		t.Run(fmt.Sprint(c.firmware, c.recovery), func(t *testing.T) {
			d, err := New(Spec{Size: 2048*mib + 512, Firmware: c.firmware, Label: "OS", Seed: []byte("seed"), Recovery: c.recovery})
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(d); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			for i, p := range d.Partitions {
				if p.Offset%alignment != 0 || i > 0 && p.Offset != d.Partitions[i-1].Offset+d.Partitions[i-1].Size {
					t.Errorf("partition %d is at %d", i+1, p.Offset)
				}
			}
			if p := d.Find(Recovery); (p != nil) != (c.recovery > 0) {
				t.Errorf("recovery partition: %+v", p)
			}
		})
	}
}

func TestNoRoom(t *testing.T) {
	// Windows and its recovery partition share what is left behind 317 MiB and before the last one.
	full := Spec{Size: 1024 * mib, Firmware: UEFI, Recovery: (1024-317-1)*mib - minWindows}
	d, err := New(full)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Find(Windows).Size; n != minWindows {
		t.Errorf("Windows has %d bytes", n)
	}
	for want, s := range map[string]Spec{
		"a recovery partition of 512.0 MiB (536870913 bytes) (partition 4): Windows (partition 3) needs at least 194 MiB before it, so that 512 MiB are left for it; make the disk larger by 1 MiB": {Size: 1024 * mib, Firmware: UEFI, Recovery: full.Recovery + 1},
		"(partition 2): Windows (partition 1) ":                                  {Size: 600 * mib, Firmware: BIOS, Recovery: 750 * mib},
		"(partition 3): Windows (partition 2) ":                                  {Size: 1024 * mib, Firmware: Both, Recovery: 1 << 62},
		"recovery partition: -1 bytes is no size":                                {Size: 1024 * mib, Firmware: UEFI, Recovery: -1},
		"size: a disk of 512 MiB has no room for a recovery partition of 1 byte": {Size: MinSize, Firmware: UEFI, Recovery: 1},
	} {
		if _, err := New(s); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
}

// The trees go to their partitions, and what does not fit is named with its partition.
func TestPlanRecovery(t *testing.T) {
	d, err := New(Spec{Size: 640 * mib, Firmware: BIOS, Recovery: 16 * mib})
	if err != nil {
		t.Fatal(err)
	}
	c := Contents{Main: tree.New(1), Recovery: tree.New(1)}
	if _, err := c.Recovery.WriteFile("Recovery/WindowsRE/Winre.wim", tree.Bytes(make([]byte, 17*mib))); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Plan(c); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(err.Error(), "recovery partition: ") {
		t.Error(err)
	}
	c.Recovery = nil
	if _, err := d.Plan(c); err == nil || !strings.HasPrefix(err.Error(), "recovery partition: ") {
		t.Error(err)
	}
	c.Recovery = tree.New(1)
	p, err := d.Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Volumes) != 2 || p.Volumes[1].Partition.Role != Recovery || p.Volumes[1].Size() != 16*mib {
		t.Errorf("%d volumes", len(p.Volumes))
	}
	if p.Volumes[1].Partition.MBRType != disk.TypeRE {
		t.Errorf("type %02x", p.Volumes[1].Partition.MBRType)
	}
}
