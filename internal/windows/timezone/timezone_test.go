package timezone

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// set applies a zone.
func set(t *testing.T, tr *tree.Tree, name string) []byte {
	t.Helper()
	return systemhive.Apply(t, tr, func(r *registry.Registry) error { return Apply(r, Settings{name}) })
}

const key = `\Control\TimeZoneInformation`

// The zone that a Windows already has gives what that Windows has written itself: two machines use
// Pacific time, and only what depends on the day (or is no part of the text) may differ.
func TestAsWindowsWritesIt(t *testing.T) {
	for _, image := range []systemhive.Image{systemhive.Windows81, systemhive.Windows10} {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			systemhive.Check(t, before, set(t, tr, "pacific standard time"), func(h oracle.Hive) {
				systemhive.Key(t, h, "ControlSet001"+key)["ActiveTimeBias"] = systemhive.DWord(480)
			})
		})
	}
}

// A zone is set in every control set, and nothing else is; the weekday stands where the kernel expects it.
func TestAsOthersReadIt(t *testing.T) {
	for _, image := range []systemhive.Image{systemhive.Windows7, systemhive.StandIn} {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			after := set(t, tr, "Israel Standard Time")
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for _, set := range image.Sets {
					k := systemhive.Key(t, h, set+key)
					clear(k)
					k["Bias"], k["StandardBias"] = systemhive.DWord(0xFFFFFF88), systemhive.DWord(0)
					k["DaylightBias"], k["ActiveTimeBias"] = systemhive.DWord(0xFFFFFFC4), systemhive.DWord(0xFFFFFF88)
					k["StandardStart"] = systemhive.Binary(0, 0, 10, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0)
					k["DaylightStart"] = systemhive.Binary(0, 0, 3, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0)
					k["StandardName"], k["DaylightName"] = systemhive.Text("@tzres.dll,-492"), systemhive.Text("@tzres.dll,-491")
					k["TimeZoneKeyName"] = systemhive.Text("Israel Standard Time")
					k["DynamicDaylightTimeDisabled"] = systemhive.DWord(0)
				}
			})
			systemhive.GetValue(t, after, "ControlSet001"+key, "TimeZoneKeyName", "Israel Standard Time")
			if again := set(t, tr, "Israel Standard Time"); !bytes.Equal(again, after) {
				t.Error("the second time something else is written")
			}
		})
	}
}

func TestWithoutDaylightSaving(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	after := set(t, tr, "UTC")
	systemhive.GetValue(t, after, "ControlSet001"+key, "Bias", "0")
	systemhive.GetValue(t, after, "ControlSet001"+key, "DaylightBias", "0")
	k := oracle.Hivex(t, systemhive.File(t, after))["ControlSet001"+key]
	if !bytes.Equal(k["DaylightStart"].Data, make([]byte, 16)) {
		t.Errorf("% x", k["DaylightStart"].Data)
	}
}

func TestUnknownZone(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	for name, parts := range map[string][]string{
		"Europe/Berlin":         {"IANA", `"W. Europe Standard Time"`, "similar ones are: W. Europe Standard Time"},
		"Europe/Nowhere":        {"IANA", "tzutil"},
		"Pacific Time":          {"similar ones are: Pacific Standard Time"},
		"Nowhere Standard Time": {"tzutil"},
	} {
		err := Apply(registry.Open(tr), Settings{name})
		if !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), "time_zone: ") {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range parts {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%s: %v, want %q", name, err, part)
			}
		}
	}
	for _, name := range []string{"", `a\b`} {
		if err := (Settings{name}).Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), "time_zone: ") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A zone whose texts are not those of a resource has its own.
func TestTextsOfOldImages(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	r := registry.Open(tr)
	for _, name := range []string{"MUI_Std", "MUI_Dlt"} {
		if _, err := r.DeleteValue(zones+`\UTC`, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := Apply(r, Settings{"UTC"}); err != nil {
		t.Fatal(err)
	}
	k, err := r.Key(`HKLM\SYSTEM\CurrentControlSet` + key)
	if err != nil || text(k, "StandardName") != "UTC" {
		t.Errorf("%q, %v", text(k, "StandardName"), err)
	}
	if err := r.Set(zones+`\UTC`, regf.Binary("TZI", []byte{1})); err != nil {
		t.Fatal(err)
	}
	if err := Apply(r, Settings{"UTC"}); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "UTC") {
		t.Error(err)
	}
}

// berlin is the TZI of "W. Europe Standard Time", as REG_TZI_FORMAT lays it out.
const berlin = "c4ffffff00000000c4ffffff" + "00000a00000005000300000000000000" + "00000300000005000200000000000000"

func TestParseInfo(t *testing.T) {
	b, err := hex.DecodeString(berlin)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseInfo(b)
	want := Info{
		Bias: -60, DaylightBias: -60,
		StandardStart: Date{Month: 10, Day: 5, Hour: 3}, DaylightStart: Date{Month: 3, Day: 5, Hour: 2},
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, change := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:43] },
		func(b []byte) []byte { return append(b, 0) },
		func(b []byte) []byte { b[3] = 0x7F; return b },  // a bias of years
		func(b []byte) []byte { b[14] = 13; return b },   // a 13th month
		func(b []byte) []byte { b[14] = 0; return b },    // only one change in the year
		func(b []byte) []byte { b[16] = 7; return b },    // an 8th weekday
		func(b []byte) []byte { b[20] = 24; return b },   // a 25th hour
		func(b []byte) []byte { b[43] = 0x10; return b }, // more than 999 ms
	} {
		if i, err := ParseInfo(change(bytes.Clone(b))); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%+v, %v", i, err)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	b, _ := hex.DecodeString(berlin)
	f.Add(b)
	f.Add(make([]byte, 44))
	f.Add(b[:12])
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := ParseInfo(b)
		if err != nil {
			return
		}
		for k, d := range []Date{i.StandardStart, i.DaylightStart} {
			got := d.fields()
			in := b[12+16*k:][:16]
			for from, to := range map[int]int{0: 0, 1: 1, 2: 7, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6} {
				if !bytes.Equal(in[2*from:][:2], got[2*to:][:2]) {
					t.Errorf("% x becomes % x", in, got)
				}
			}
		}
	})
}
