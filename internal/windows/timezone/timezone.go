// Package timezone is the time zone of an image. Windows knows zones by names of its own, such as
// "W. Europe Standard Time"; what they mean is in the image (HKLM\SOFTWARE\Microsoft\Windows
// NT\CurrentVersion\Time Zones), and which one is used in the key Control\TimeZoneInformation, whose
// shape was read from the SYSTEM hives of Windows 7 to 10.
package timezone

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say which time zone Windows shall use.
type Settings struct {
	// Name is Windows' name of the zone, which "tzutil /l" lists on a running Windows.
	Name string `json:"name"`
}

const (
	zones       = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones`
	information = `\Control\TimeZoneInformation`
)

// Validate says what is wrong with the settings, naming the field. Which zones there are, only an image
// knows.
func (s Settings) Validate() error {
	switch {
	case s.Name == "":
		return fault.Invalidf("time_zone: must not be empty; give a name such as %q", "UTC")
	case strings.Contains(s.Name, `\`):
		return fault.Invalidf("time_zone: %q is not the name of a time zone; give one such as %q", s.Name, "UTC")
	}
	return nil
}

// Apply sets the time zone in every control set, so that it holds whichever Windows starts with. The bias
// is that of standard time: Windows itself sees to daylight saving time when it starts. A zone that the
// image does not know is an error which names similar ones.
func Apply(r *registry.Registry, s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	all, err := r.Key(zones)
	switch {
	case err != nil:
		return err
	case all == nil:
		return fault.Invalidf("time_zone: the image knows no time zones; it has no key %s", zones)
	}
	zone := all.Subkey(s.Name)
	if zone == nil {
		return unknown(all, s.Name)
	}
	values, err := current(zone)
	if err != nil {
		return fault.In(zones+`\`+zone.Name, err)
	}
	return r.EachControlSet(func(set string) error {
		return r.Set(set+information, values...)
	})
}

// current returns the values of TimeZoneInformation for a zone.
func current(zone *regf.Key) ([]regf.Value, error) {
	v, ok := zone.Value("TZI")
	if !ok {
		return nil, fault.Corruptf(fault.NoOffset, "there is no value TZI")
	}
	info, err := ParseInfo(v.Data)
	if err != nil {
		return nil, err
	}
	return []regf.Value{
		regf.DWord("Bias", uint32(info.Bias)),
		regf.DWord("StandardBias", uint32(info.StandardBias)),
		regf.DWord("DaylightBias", uint32(info.DaylightBias)),
		regf.DWord("ActiveTimeBias", uint32(info.Bias+info.StandardBias)),
		regf.Binary("StandardStart", info.StandardStart.fields()),
		regf.Binary("DaylightStart", info.DaylightStart.fields()),
		regf.String("StandardName", title(zone, "Std")),
		regf.String("DaylightName", title(zone, "Dlt")),
		regf.String("TimeZoneKeyName", zone.Name),
		regf.DWord("DynamicDaylightTimeDisabled", 0),
	}, nil
}

// title is what people see: a reference to a text in their language, or else the text itself.
func title(zone *regf.Key, name string) string {
	if s := text(zone, "MUI_"+name); s != "" {
		return s
	}
	return text(zone, name)
}

func text(k *regf.Key, name string) string {
	v, _ := k.Value(name)
	s, _ := v.Text()
	return s
}

// unknown is the error for a zone that the image does not have. Names of other systems ("Europe/Berlin")
// are of places, which the texts that Windows shows hold, too.
func unknown(all *regf.Key, name string) error {
	var near []string
	for _, zone := range all.Subkeys() {
		if similar(name, zone.Name+" "+text(zone, "Display")) {
			near = append(near, zone.Name)
		}
	}
	slices.Sort(near)
	const most = 8
	if len(near) > most {
		near = append(near[:most], "...")
	}
	hint := `"tzutil /l" lists the names on a running Windows`
	if len(near) > 0 {
		hint = "similar ones are: " + strings.Join(near, ", ")
	}
	if strings.Contains(name, "/") {
		return fault.Invalidf("time_zone: %q is a name of the IANA; Windows has its own, such as %q; %s", name, "W. Europe Standard Time", hint)
	}
	return fault.Invalidf("time_zone: the image has no time zone %q; %s", name, hint)
}

// similar says whether a name has a word in common with what an image says of a zone, but for those that
// are in most names.
func similar(name, zone string) bool {
	split := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return strings.ContainsRune(" /_,;().", c) })
	}
	words := split(zone)
	return slices.ContainsFunc(split(name), func(w string) bool {
		switch w {
		case "standard", "time", "daylight", "europe", "america", "asia", "utc":
			return false
		}
		return slices.Contains(words, w)
	})
}
