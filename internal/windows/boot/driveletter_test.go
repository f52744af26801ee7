package boot_test

import (
	"encoding/hex"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// TestKeepDriveLetter moves Windows of real machines to other disks. Their hives have the letter C: on another
// partition; that of new install media has no letters.
func TestKeepDriveLetter(t *testing.T) {
	mbr := bcd.MBRPartition(0x12345678, 0x100000)
	gpt := bcd.GPTPartition(guid.GUID{1}, guid.MustParse("00112233-4455-6677-8899-aabbccddeeff"))
	for _, test := range []struct {
		image  systemhive.Image
		volume bcd.Partition
		want   string
	}{
		{systemhive.Windows7, mbr, "78563412" + "0000100000000000"},
		{systemhive.Windows81, gpt, "444d494f3a49443a" + "33221100554477668899aabbccddeeff"},
		{systemhive.Windows10, mbr, "78563412" + "0000100000000000"},
		{systemhive.StandIn, mbr, ""},
	} {
		t.Run(test.image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := test.image.Tree(t)
			after := systemhive.Apply(t, tr, func(r *registry.Registry) error { return boot.KeepDriveLetter(r, test.volume) })
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				if test.want == "" {
					return
				}
				data, err := hex.DecodeString(test.want)
				if err != nil {
					t.Fatal(err)
				}
				values := systemhive.Key(t, h, "MountedDevices")
				if _, ok := values[`\DosDevices\C:`]; !ok {
					t.Fatal("the hive has no letter C:")
				}
				values[`\DosDevices\C:`] = systemhive.Binary(data...)
			})
		})
	}
}
