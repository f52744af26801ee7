package driver

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// The driver database of Windows 8 and later, as real registries show it. What is measured and what is
// concluded is in docs/formats/drivers.md.
const (
	// Windows 10 records more than Windows 8 did.
	firstDetailed = 10

	// SignerScore, which ranks a driver by who signed it. Nobody has looked at the catalog: one that
	// is there counts as any publisher's (Authenticode), none as unsigned.
	scoreCatalog  = 0x0F000000
	scoreUnsigned = 0x80000000

	// StatusFlags.
	statusOutside     = 0x02  // files go to other folders than the package's
	statusCoInstaller = 0x08  // programs take part in the installation
	statusDriver      = 0x10  // has a service
	statusInclude     = 0x100 // includes other INF files

	// ConfigScope.
	scopeConfiguration = 0x1
	scopeDevice        = 0x2 // has settings of the device
	scopeService       = 0x4
	scopeCoInstaller   = 0x100

	// ConfigFlags: CONFIGFLAG_FINISH_INSTALL, for Windows to finish what the kernel has begun.
	configFinish = 0x400

	// Flags of a device's identifier.
	idHardware   = 1
	idCompatible = 2
)

// architectures are the PROCESSOR_ARCHITECTURE_* numbers.
var architectures = map[inf.Arch]uint16{inf.X86: 0, inf.ARM: 5, inf.AMD64: 9, inf.ARM64: 12}

// chooseDatabase finds the database for the package. SYSTEM, which the boot loader reads, has the
// packages of the classes that can matter for starting; all others are in DRIVERS.
func (in *injector) chooseDatabase(system *regf.Key) (string, error) {
	class := `DeviceIds\` + in.version.ClassGUID.Braced()
	if in.bootStart() || system.Subkey(class) != nil {
		return systemDatabase, nil
	}
	if ok, err := in.hasHive(driversDatabase); err != nil || !ok {
		return systemDatabase, err
	}
	drivers, err := in.r.Key(driversDatabase)
	if err != nil || drivers == nil {
		return systemDatabase, err
	}
	return driversDatabase, nil
}

// maxPublished bounds the numbers of published packages, so that a broken map makes no long search.
const maxPublished = 1 << 16

// publishedName finds the name of the package if it is in the image, else the first that is free.
func (in *injector) publishedName(system *regf.Key) (string, error) {
	taken := map[int]bool{}
	for _, database := range []string{systemDatabase, driversDatabase} {
		if ok, err := in.hasHive(database); err != nil {
			return "", err
		} else if !ok {
			continue
		}
		names, err := in.r.Key(database + `\DriverInfFiles`)
		if err != nil {
			return "", err
		}
		if names == nil {
			continue
		}
		for _, k := range names.Subkeys() {
			n, ok := publishedNumber(k.Name)
			if !ok {
				continue
			}
			taken[n] = true
			v, _ := k.Value("")
			labels, _ := v.Strings()
			if slices.ContainsFunc(labels, func(l string) bool { return strings.EqualFold(l, in.folder) }) {
				return k.Name, nil
			}
		}
	}
	v, _ := system.Value("OemInfMap")
	for n := range maxPublished {
		name := fmt.Sprintf("oem%d.inf", n)
		if !taken[n] && !mapped(v.Data, n) && in.t.Find(infFolder+"/"+name) == nil {
			return name, nil
		}
	}
	return "", fault.Invalidf("the image has %d third-party drivers, and no room for another", maxPublished)
}

// publishedNumber is the N of oemN.inf.
func publishedNumber(name string) (int, bool) {
	digits, isOEM := strings.CutPrefix(strings.ToLower(name), "oem")
	digits, isINF := strings.CutSuffix(digits, ".inf")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), isOEM && isINF && err == nil
}

// mapped says whether a number is taken in OemInfMap: a bit for each, the highest of a byte first.
func mapped(taken []byte, n int) bool { return n/8 < len(taken) && taken[n/8]&(0x80>>(n%8)) != 0 }

// addToDatabase records the package, and what devices it is for.
func (in *injector) addToDatabase() error {
	for _, step := range []func() error{in.addMap, in.addInfFile, in.addIDs, in.addPackage, in.addConfigurations, in.addDescriptors} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// addMap marks the number of the published INF as taken. The map is in SYSTEM for both databases.
func (in *injector) addMap() error {
	k, err := in.r.Key(systemDatabase)
	if err != nil {
		return err
	}
	v, _ := k.Value("OemInfMap")
	n, _ := publishedNumber(in.published)
	if mapped(v.Data, n) {
		return nil
	}
	taken := append(slices.Clone(v.Data), make([]byte, max(0, n/8+1-len(v.Data)))...)
	taken[n/8] |= 0x80 >> (n % 8)
	if err := in.put(systemDatabase, regf.Binary("OemInfMap", taken)); err != nil {
		return err
	}
	// Where the database has a date of change, this is one.
	if k, err = in.r.Key(in.database); err != nil {
		return err
	}
	if _, ok := k.Value("UpdateDate"); !ok {
		return nil
	}
	return in.put(in.database, regf.Binary("UpdateDate", fileTime(in.t.Now)))
}

func fileTime(t filetime.Time) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(t)) }

func (in *injector) addInfFile() error {
	values := []regf.Value{regf.MultiString("", in.folder), regf.String("Active", in.folder)}
	var sections []string
	for _, install := range in.installs {
		if in.boots(install) {
			sections = append(sections, install.Section)
		}
	}
	if sections != nil {
		values = append(values, regf.MultiString("Configurations", sections...))
	}
	return in.put(in.database+`\DriverInfFiles\`+in.published, values...)
}

// deviceID is how the package matches one identifier of a device.
type deviceID struct {
	id    string
	flags uint8
	score uint8
	rank  uint16 // the place of a compatible ID among those of its model
	model inf.Model
}

// deviceIDs lists the identifiers that the package matches, each once, in the order of the INF.
func (in *injector) deviceIDs() []deviceID {
	var ids []deviceID
	place := map[string]int{}
	add := func(d deviceID) {
		key := strings.ToLower(d.id)
		i, ok := place[key]
		if !ok {
			place[key] = len(ids)
			ids = append(ids, d)
			return
		}
		ids[i].flags |= d.flags
		ids[i].score = min(ids[i].score, d.score)
		ids[i].rank = min(ids[i].rank, d.rank)
	}
	for _, m := range in.models {
		score := in.install(m).FeatureScore
		if m.HardwareID != "" {
			add(deviceID{id: m.HardwareID, flags: idHardware, score: score, model: m})
		}
		for i, id := range m.CompatibleIDs {
			add(deviceID{id: id, flags: idCompatible, score: score, rank: uint16(i), model: m})
		}
	}
	return ids
}

// addIDs makes the package known under its class and its devices' identifiers.
func (in *injector) addIDs() error {
	ids := in.database + `\DeviceIds\`
	if err := in.put(ids+in.version.ClassGUID.Braced(), regf.Value{Name: in.published, Type: regf.REG_NONE}); err != nil {
		return err
	}
	for _, d := range in.deviceIDs() {
		data := binary.LittleEndian.AppendUint16([]byte{d.flags, d.score}, d.rank)
		if err := in.put(ids+d.id, regf.Binary(in.published, data)); err != nil {
			return fault.In(fmt.Sprintf("line %d", d.model.Line), err)
		}
	}
	return nil
}

func (in *injector) packageKey() string { return in.database + `\DriverPackages\` + in.folder }

func (in *injector) addPackage() error {
	values := []regf.Value{
		regf.String("", in.published), regf.String("InfName", in.Name()), regf.String("Provider", in.version.Provider),
		regf.DWord("SignerScore", in.signerScore()), regf.Binary("Version", in.versionValue()),
	}
	if status := in.statusFlags(); status != 0 {
		values = append(values, regf.DWord("StatusFlags", status))
	}
	if in.os.Major >= firstDetailed {
		if in.version.Catalog != "" {
			values = append(values, regf.String("Catalog", in.version.Catalog))
		}
		k, err := in.r.Key(in.packageKey())
		if err != nil {
			return err
		}
		if k == nil { // it stays as it is when the package comes again
			values = append(values, regf.Binary("ImportDate", fileTime(in.t.Now)))
		}
	}
	return in.put(in.packageKey(), values...)
}

func (in *injector) signerScore() uint32 {
	if in.version.Catalog == "" {
		return scoreUnsigned
	}
	return scoreCatalog
}

// versionValue is the 48-byte value Version: what Windows compares packages by.
func (in *injector) versionValue() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, 48)
	b = append(b, 0x00, 0xFF)                                    // 0: of a package that is not Windows' own
	b = le.AppendUint16(b, architectures[in.os.Arch])            // 2
	b = le.AppendUint32(b, 0)                                    // 4
	b = append(b, in.version.ClassGUID[:]...)                    // 8
	b = le.AppendUint64(b, uint64(in.version.Date))              // 24: date of DriverVer
	for _, part := range slices.Backward(in.version.Number[:]) { // 32: version, its last part first
		b = le.AppendUint16(b, part)
	}
	return le.AppendUint64(b, 0) // 40: differs among Windows' own packages; zero in most
}

func (in *injector) statusFlags() uint32 {
	var flags uint32
	for _, install := range in.installs {
		if len(install.Services) > 0 {
			flags |= statusDriver
		}
		if install.CoInstallers {
			flags |= statusCoInstaller
		}
		if len(install.Include) > 0 && in.os.Major >= firstDetailed {
			flags |= statusInclude
		}
		for _, c := range install.Copies {
			if c.Dir != inf.DirPackage {
				flags |= statusOutside
			}
		}
	}
	return flags
}
