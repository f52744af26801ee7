package disk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestIdentify compares with what sfdisk says of disks that it made.
func TestIdentify(t *testing.T) {
	oracle.Need(t, "sfdisk")
	for _, label := range []string{"gpt", "dos"} {
		f := newDisk(t, 64*mib)
		command(t, "label: "+label+"\nstart=2048, size=8192\n", "sfdisk", "--quiet", f.Name())
		id, err := disk.Identify(f, 64*mib)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("0x%08x", id.Signature)
		if id.GPT {
			got = id.ID.String()
		}
		if want := oracle.Sfdisk(t, f.Name()).ID; !strings.EqualFold(got, want) || id.GPT != (label == "gpt") {
			t.Errorf("%s: %s, sfdisk says %s", label, got, want)
		}
	}
	if _, err := disk.Identify(newDisk(t, mib), mib); err == nil {
		t.Error("a disk of zeros has an identity")
	}
}
