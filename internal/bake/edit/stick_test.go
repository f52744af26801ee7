package edit

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/windows/flash"
	"github.com/winbake/packer-plugin-winbake/internal/windows/paging"
)

// What goes onto a stick is made by one pass over the hive, on each kind of Windows by its own values.
func TestStick(t *testing.T) {
	for _, test := range []struct {
		build int
		want  map[string]string // by key below ControlSet001 and value, as hivexget prints it: numbers with a sign
		notes []string
	}{
		{7601, map[string]string{
			`Control BootDriverFlags`: "6", `Services\USBSTOR Start`: "0", `Services\usbehci Group`: "Boot Bus Extender",
			`Control\FileSystem NtfsDisableLastAccessUpdate`: "1", `Services\partmgr\Parameters SanPolicy`: "2",
		}, []string{"no driver for USB 3", "cannot keep internal disks offline"}},
		{20348, map[string]string{
			`Control BootDriverFlags`: "28", `Services\USBSTOR Start`: "3", `Services\USBXHCI BootFlags`: "16",
			`Control\FileSystem NtfsDisableLastAccessUpdate`: "-2147483647", `Services\partmgr\Parameters SanPolicy`: "4",
			`Control\Session Manager\Power HiberbootEnabled`: "0",
		}, nil},
	} {
		tr, err := standin.Windows(standin.Options{Files: 1, Build: test.build})
		if err != nil {
			t.Fatal(err)
		}
		notes, err := Apply(context.Background(), tr, inMemory, []Item{
			{"usb_boot", &USBBoot{}},
			{"flash", &Flash{flash.Settings{Off: flash.Options()}}},
			{"paging", &Paging{paging.Settings{Off: true}}},
		})
		if err != nil || len(notes) != len(test.notes) {
			t.Fatal(test.build, err, notes)
		}
		for i, part := range test.notes {
			if !strings.Contains(notes[i], part) {
				t.Errorf("%q lacks %q", notes[i], part)
			}
		}
		hive := systemhive.Read(t, tr)
		test.want[`Services\FsDepends\Parameters VirtualDiskExpandOnMount`] = "4"
		test.want[`Control\Session Manager\Memory Management PagingFiles`] = ""
		for where, want := range test.want {
			i := strings.LastIndex(where, " ")
			systemhive.GetValue(t, hive, `ControlSet001\`+where[:i], where[i+1:], want)
		}
	}
}

func TestFlashNamesTheOption(t *testing.T) {
	problems := Validate([]Item{{"flash", &Flash{flash.Settings{Off: []string{"trim"}}}}})
	if len(problems) != 1 || !strings.HasPrefix(fmt.Sprint(problems[0]), `flash: off: "trim" is none of `) {
		t.Error(problems)
	}
}
