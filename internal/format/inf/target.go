package inf

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Arch is an architecture as INF files name it.
type Arch string

// Architectures.
const (
	X86   Arch = "x86"
	AMD64 Arch = "amd64"
	IA64  Arch = "ia64"
	ARM   Arch = "arm"
	ARM64 Arch = "arm64"
)

// suffixes are the decorations of section names for an architecture, the most specific first.
func (a Arch) suffixes() []string { return []string{".nt" + string(a), ".nt"} }

// Product is the kind of a Windows (VER_NT_WORKSTATION and so on).
type Product int

// Kinds of Windows.
const (
	Workstation      Product = 1
	DomainController Product = 2
	Server           Product = 3
)

// OS is a Windows to choose sections for.
type OS struct {
	Arch                Arch
	Major, Minor, Build int
	Product             Product
	// Suite are the VER_SUITE bits of the edition, 0 where they are not known.
	Suite uint32
}

// firstBuildTarget is the Windows 10 that understands build numbers in decorations.
const firstBuildTarget = 14310

// Target is a TargetOSVersion decoration: the Windows that a section is for. What it leaves open is -1,
// Suite 0.
type Target struct {
	// Text is the decoration as written, "NTamd64.10.0...16299"; empty for an undecorated section.
	Text string
	// Arch is empty where none is given.
	Arch                         Arch
	Major, Minor, Product, Build int
	Suite                        uint32
}

// parseTarget reads nt[arch][.major[.minor[.product[.suite[.build]]]]], each part of which may be empty
// ("INF Manufacturer Section").
func parseTarget(text string) (Target, bool) {
	t := Target{Text: text, Major: -1, Minor: -1, Product: -1, Build: -1}
	parts := strings.Split(strings.ToLower(text), ".")
	arch, ok := strings.CutPrefix(parts[0], "nt")
	if !ok || len(parts) > 6 {
		return t, false
	}
	switch t.Arch = Arch(arch); t.Arch {
	case "", X86, AMD64, IA64, ARM, ARM64:
	default:
		return t, false
	}
	suite := -1
	for i, p := range parts[1:] {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		n, err := strconv.ParseUint(p, 0, 31)
		if err != nil {
			return t, false
		}
		*[]*int{&t.Major, &t.Minor, &t.Product, &suite, &t.Build}[i] = int(n)
	}
	t.Suite = uint32(max(suite, 0))
	return t, true
}

// fits says whether a section with this decoration is for an OS. From Server 2003 SP1 on, x86 alone
// takes sections that name no architecture.
func (t Target) fits(os OS) bool {
	arch := cmp.Or(t.Arch, X86)
	if arch != os.Arch || t.compareVersion(os) > 0 {
		return false
	}
	if t.Build >= 0 {
		if os.Major < 10 || os.Build < firstBuildTarget {
			return false
		}
		if t.compareVersion(os) == 0 && t.Build > os.Build {
			return false
		}
	}
	return (t.Product < 0 || t.Product == int(os.Product)) && t.Suite&^os.Suite == 0
}

// compareVersion compares the OS version of the decoration, where an open part is the lowest, with os.
func (t Target) compareVersion(os OS) int {
	return cmp.Or(cmp.Compare(max(t.Major, 0), os.Major), cmp.Compare(max(t.Minor, 0), os.Minor))
}

// compare orders two decorations that fit: the one to prefer is the greater. A version takes
// precedence over the product type and the suite.
func (t Target) compare(u Target) int {
	return cmp.Or(
		cmp.Compare(t.Major, u.Major), cmp.Compare(t.Minor, u.Minor), cmp.Compare(t.Build, u.Build),
		cmp.Compare(t.Product, u.Product), cmp.Compare(t.Suite, u.Suite),
		cmp.Compare(len(t.Arch), len(u.Arch)), cmp.Compare(len(t.Text), len(u.Text)))
}

// String says in words what the decoration is for: "amd64 (Windows 6.3 and newer)".
func (t Target) String() string {
	s := string(cmp.Or(t.Arch, X86))
	var conditions []string
	if t.Major >= 0 {
		version := fmt.Sprintf("Windows %d.%d", t.Major, max(t.Minor, 0))
		if t.Build >= 0 {
			version += fmt.Sprintf(" build %d", t.Build)
		}
		conditions = append(conditions, version+" and newer")
	}
	switch Product(t.Product) {
	case Workstation:
		conditions = append(conditions, "workstation")
	case DomainController:
		conditions = append(conditions, "domain controller")
	case Server:
		conditions = append(conditions, "server")
	}
	if t.Suite != 0 {
		conditions = append(conditions, fmt.Sprintf("suite %#x", t.Suite))
	}
	if conditions != nil {
		s += " (" + strings.Join(conditions, ", ") + ")"
	}
	return s
}
