package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// plan is what a package means for one image, with all its files at hand.
type plan struct {
	Package
	os       inf.OS
	version  inf.Version
	models   []inf.Model
	installs []*inf.Install
	byName   map[string]*inf.Install // by the name that models use, in lower case
	services []inf.Service
	files    []file
	byPath   map[string]*file // in lower case
	folder   string           // the name of the package's folder in the image
	notes    []string
}

// file is one file of the package.
type file struct {
	path    string // below the package's folder, with '/'
	content tree.Content
}

// bootClasses are the classes of what disks hang on. Their drivers must start at boot, else Windows
// does not find the disk that it is on.
var bootClasses = []guid.GUID{
	guid.MustParse("4d36e97b-e325-11ce-bfc1-08002be10318"), // SCSIAdapter
	guid.MustParse("4d36e96a-e325-11ce-bfc1-08002be10318"), // HDC
}

// Values of a service (winnt.h).
const (
	bootStart     = 0 // SERVICE_BOOT_START
	disabled      = 4 // SERVICE_DISABLED
	kernelDriver  = 1 // SERVICE_KERNEL_DRIVER
	driverTypes   = 0xB
	firstDatabase = 9200 // the first build with SYSTEM\DriverDatabase, Windows 8
)

func newPlan(p Package, w boot.Windows) (*plan, error) {
	os, err := target(w)
	if err != nil {
		return nil, err
	}
	pl := &plan{Package: p, os: os, byName: map[string]*inf.Install{}, byPath: map[string]*file{}}
	if pl.version, err = p.inf.Version(os.Arch); err != nil {
		return nil, err
	}
	if pl.version.ClassGUID.IsZero() {
		return nil, fault.Corruptf(fault.NoOffset, "[Version] has no ClassGuid, which says what kind of device this is")
	}
	pl.models = p.inf.Models(os)
	for _, step := range []func() error{pl.readInstalls, pl.addFiles, pl.name} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	pl.addNotes()
	return pl, nil
}

// readInstalls reads the install sections of the models, each once.
func (p *plan) readInstalls() error {
	for _, m := range p.models {
		key := strings.ToLower(m.Install)
		if p.byName[key] != nil {
			continue
		}
		in, err := p.inf.Install(m.Install, p.os.Arch, m.Line)
		if err != nil {
			return err
		}
		p.byName[key] = in
		p.installs = append(p.installs, in)
		for _, s := range in.Services {
			if !slices.ContainsFunc(p.services, func(o inf.Service) bool { return strings.EqualFold(o.Name, s.Name) }) {
				p.services = append(p.services, s)
			}
		}
	}
	return nil
}

// install returns the install section of a model.
func (p *plan) install(m inf.Model) *inf.Install { return p.byName[strings.ToLower(m.Install)] }

// addFiles finds the files of the package: the INF, the catalog, what the install sections copy, and
// what else the INF lists and is there.
func (p *plan) addFiles() error {
	if err := p.add(p.Name()); err != nil {
		return err
	}
	if err := p.addCatalog(); err != nil {
		return err
	}
	var missing []string
	for _, in := range p.installs {
		for _, c := range in.Copies {
			name, listed, err := p.inf.Source(c.Source, p.os.Arch)
			if err != nil {
				return err
			}
			switch found, err := find(p.dir(), name); {
			case err != nil:
				return err
			case found != "":
				if err := p.add(found); err != nil {
					return err
				}
			case !listed && len(in.Include)+len(p.version.Layouts) > 0:
				p.note("%s is not in the package; it is expected to be Windows' own", name)
			default:
				if m := fmt.Sprintf("%s (line %d)", name, c.Line); !slices.Contains(missing, m) {
					missing = append(missing, m)
				}
			}
		}
	}
	if missing != nil {
		return fault.Invalidf("files that it copies are missing in %s: %s", p.dir(), strings.Join(missing, ", "))
	}
	return p.addListed()
}

func (p *plan) addCatalog() error {
	name := p.version.Catalog
	if name == "" {
		p.note("the package names no catalog: a 64-bit Windows refuses drivers that nobody has signed")
		return nil
	}
	found, err := find(p.dir(), name)
	if err != nil {
		return err
	}
	if found == "" {
		p.note("%s is missing: without its signatures a 64-bit Windows refuses to install the package", name)
		p.version.Catalog = ""
		return nil
	}
	p.version.Catalog = found
	return p.add(found)
}

// addListed adds what [SourceDisksFiles] lists and no section copies, where it is there.
func (p *plan) addListed() error {
	for _, source := range p.inf.SourceFiles(p.os.Arch) {
		name, _, err := p.inf.Source(source, p.os.Arch)
		if err != nil {
			continue // in a cabinet, and not needed
		}
		found, err := find(p.dir(), name)
		if err != nil {
			return err
		}
		if found == "" {
			continue
		}
		if err := p.add(found); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) dir() string { return filepath.Dir(p.Path) }

// add takes a file of the package's folder, by its path below it.
func (p *plan) add(name string) error {
	key := strings.ToLower(filepath.ToSlash(name))
	if p.byPath[key] != nil {
		return nil
	}
	content, err := tree.OpenHostFile(filepath.Join(p.dir(), name))
	if err != nil {
		return err
	}
	p.files = append(p.files, file{filepath.ToSlash(name), content})
	p.byPath[key] = &file{filepath.ToSlash(name), content}
	return nil
}

// name makes the name of the package's folder: that of the INF file, the architecture, and what stands
// for all bytes of the package. Windows puts a hash of its own there, which Microsoft has not published;
// any that differs where the packages do will do.
func (p *plan) name() error {
	slices.SortFunc(p.files, func(a, b file) int { return strings.Compare(strings.ToLower(a.path), strings.ToLower(b.path)) })
	all := sha256.New()
	for _, f := range p.files {
		one := sha256.New()
		if _, err := io.Copy(one, tree.NewReader(f.content)); err != nil {
			return err
		}
		fmt.Fprintf(all, "%s\n%x\n", strings.ToLower(f.path), one.Sum(nil))
	}
	neutral := ""
	if p.os.Build < firstDatabase {
		neutral = "neutral_" // the language, which Windows 7 still names
	}
	p.folder = strings.ToLower(p.Name()) + "_" + string(p.os.Arch) + "_" + neutral + hex.EncodeToString(all.Sum(nil)[:8])
	return nil
}

// start is when a service starts. A driver that disks hang on starts at boot, whatever the INF says,
// unless that disables it.
func (p *plan) start(s inf.Service) uint32 {
	if s.Flags&inf.ServiceAssociated != 0 && s.Type == kernelDriver && s.Start != disabled && slices.Contains(bootClasses, p.version.ClassGUID) {
		return bootStart
	}
	return s.Start
}

// boots says whether the image starts a driver of an install section at boot.
func (p *plan) boots(in *inf.Install) bool {
	return slices.ContainsFunc(in.Services, func(s inf.Service) bool { return isDriver(s) && p.start(s) == bootStart })
}

// bootStart says whether the image starts any driver of the package at boot.
func (p *plan) bootStart() bool { return slices.ContainsFunc(p.installs, p.boots) }

func isDriver(s inf.Service) bool { return s.Type&driverTypes != 0 }

// addNotes says what a person should know before the first start.
func (p *plan) addNotes() {
	if len(p.services) == 0 {
		p.note("the package adds no service; Windows installs it when it finds the device")
	}
	for _, in := range p.installs {
		if len(in.Needs) > 0 {
			p.note("[%s] needs parts of Windows' own INF files (%s), which Windows adds when it installs the device", in.Section, strings.Join(in.Needs, ", "))
		}
		if in.CoInstallers && p.boots(in) {
			p.note("[%s] has co-installers, which run only when Windows installs the device; until then its driver starts without them", in.Section)
		}
	}
	for _, s := range p.services {
		if s.Security != "" {
			p.note("the security descriptor of service %s is set when Windows installs the device", s.Name)
		}
	}
}

func (p *plan) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(p.notes, n) {
		p.notes = append(p.notes, n)
	}
}
