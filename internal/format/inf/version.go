package inf

import (
	"strconv"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Version is the [Version] section: what package this is.
type Version struct {
	Signature string
	Class     string
	ClassGUID guid.GUID
	Provider  string
	// Date and Number are those of DriverVer; zero where there is none.
	Date   filetime.Time
	Number Number
	// Catalog is the file with the signatures for the architecture that was asked for, or empty.
	Catalog string
	// Lockdown is PnpLockdown=1: the files are protected against direct change.
	Lockdown bool
	// ExtensionID is that of an INF that adds to what another one installs; zero for others.
	ExtensionID guid.GUID
	// Layouts are the INF files that list this one's source files: only Windows' own have any.
	Layouts []string
}

// Number is a version of four parts, the most significant first.
type Number [4]uint16

// String is "100.93.104.24000".
func (n Number) String() string {
	var parts []string
	for _, p := range n {
		parts = append(parts, strconv.Itoa(int(p)))
	}
	return strings.Join(parts, ".")
}

// Version reads the [Version] section as Windows of an architecture does. One that is missing or that
// no Windows since 2000 takes is an error.
func (f *File) Version(arch Arch) (Version, error) {
	v := Version{
		Signature: f.value("Version", "Signature"), Class: f.value("Version", "Class"),
		Provider: f.value("Version", "Provider"), Lockdown: f.value("Version", "PnpLockdown") == "1",
		Layouts: f.directive("Version", "LayoutFile"),
	}
	if f.Section("Version") == nil {
		return v, fault.Corruptf(fault.NoOffset, "no [Version] section; is this an INF file?")
	}
	if s := strings.ToLower(v.Signature); s != "$windows nt$" && s != "$chicago$" {
		return v, fault.Corruptf(fault.NoOffset, `[Version] has Signature=%q, must be "$Windows NT$"`, v.Signature)
	}
	for _, suffix := range append(arch.suffixes(), "") {
		if v.Catalog = f.value("Version", "CatalogFile"+suffix); v.Catalog != "" {
			break
		}
	}
	var err error
	if v.ClassGUID, err = f.guid("ClassGuid"); err != nil {
		return v, err
	}
	if v.ExtensionID, err = f.guid("ExtensionId"); err != nil {
		return v, err
	}
	if l, ok := f.entry("Version", "DriverVer"); ok {
		v.Date, v.Number, err = parseDriverVer(f.Text(l.Value(0)), f.Text(l.Value(1)))
		err = fault.In(lineName(l.Number), err)
	}
	return v, err
}

func (f *File) guid(key string) (guid.GUID, error) {
	l, ok := f.entry("Version", key)
	if !ok {
		return guid.GUID{}, nil
	}
	id, err := guid.Parse(f.Text(l.Value(0)))
	if err != nil {
		return id, corrupt(l.Number, "%s=%s is no GUID", key, l.Value(0))
	}
	return id, nil
}

// parseDriverVer reads mm/dd/yyyy (dashes do too) and w.x.y.z, of which less may be given
// ("INF DriverVer Directive").
func parseDriverVer(date, number string) (filetime.Time, Number, error) {
	var n Number
	day, err := time.Parse("1/2/2006", strings.ReplaceAll(date, "-", "/"))
	if err != nil {
		return 0, n, fault.Corruptf(fault.NoOffset, "DriverVer has the date %q, must be mm/dd/yyyy", date)
	}
	if number == "" {
		return filetime.From(day), n, nil
	}
	parts := strings.Split(number, ".")
	if len(parts) > len(n) {
		return 0, n, fault.Corruptf(fault.NoOffset, "DriverVer has the version %q of more than four parts", number)
	}
	for i, p := range parts {
		part, err := strconv.ParseUint(strings.TrimSpace(p), 10, 16)
		if err != nil {
			return 0, n, fault.Corruptf(fault.NoOffset, "DriverVer has the version %q, must be four numbers up to 65535", number)
		}
		n[i] = uint16(part)
	}
	return filetime.From(day), n, nil
}
