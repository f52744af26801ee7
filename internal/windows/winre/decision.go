package winre

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Policy is what the person who bakes the image has decided, or has left to Decide.
type Policy string

// The policies.
const (
	Include Policy = "include"
	Exclude Policy = "exclude"
	Auto    Policy = "auto"
)

// Policies are the accepted values.
var Policies = []Policy{Include, Exclude, Auto}

// Role is what the servers are for that the image becomes.
type Role string

// The roles.
const (
	General          Role = "general"
	DomainController Role = "domain-controller"
	HyperVCluster    Role = "hyperv-cluster"
	FileServer       Role = "file-server"
	SQL              Role = "sql"
	IIS              Role = "iis"
	RDSGateway       Role = "rds-gateway"
	Stateless        Role = "stateless"
	BuildAgent       Role = "build-agent"
	Custom           Role = "custom"
)

// Roles are the accepted values.
var Roles = []Role{General, DomainController, HyperVCluster, FileServer, SQL, IIS, RDSGateway, Stateless, BuildAgent, Custom}

// Request is what a decision is made from. The zero value of a field means that it is not known, or not
// asked for; the zero Policy is Auto, the zero Role General.
type Request struct {
	Policy           Policy
	Role             Role
	ExternalRecovery bool    // snapshots or backups already cover recovery
	ImagePipeline    bool    // images are rebuilt rather than repaired
	Parity           *Parity // the other image that this one must agree with, or nil

	Disk          int64 // bytes that Windows and its recovery partition can share
	MinFree       int64 // bytes that must stay free on the Windows volume
	Used          int64 // bytes that the Windows volume needs
	Image         *Info // the image's Winre.wim
	Absent        bool  // the image is known to have no Winre.wim
	PartitionSize int64 // of the recovery partition, as the user wants it; 0: as Winre.wim needs it
}

// Parity is another image that must carry the same, such as that of the disaster recovery site.
type Parity struct {
	Name    string // how errors call it: the path of its manifest
	Present bool   // whether it carries a recovery environment
	Version string // of that, "10.0.20348.2201"; empty if it is not known
}

// Decision is whether the image carries the recovery environment, and why.
type Decision struct {
	Include bool
	// PartitionSize is the recovery partition's size in bytes, whole MiB; 0 if there is none. Without
	// a known Winre.wim it is the least that the partition can have.
	PartitionSize int64
	// Rule is the ID of the row of Rules that decided.
	Rule string
	// Reasons and Warnings are whole sentences for the person at the terminal.
	Reasons, Warnings []string
}

// Decide says whether an image carries the recovery environment, by the first row of Rules that fits. An
// error is a value that is none of the accepted ones, or a contradiction between two things the request
// says, and names both. The same request can be decided first without an image, for packer validate,
// and again when the image is known: what is not known yet contradicts nothing.
func Decide(q Request) (Decision, error) {
	c, err := newConsidered(q)
	if err != nil {
		return Decision{}, err
	}
	for i := range rules {
		if r := &rules[i]; r.fits(c) {
			return c.decide(r)
		}
	}
	return Decision{}, fault.Bugf("no rule fits policy %q, role %q", q.Policy, q.Role)
}

// maxBytes bounds what a request gives in bytes, so that sums cannot overflow.
const maxBytes = 1 << 60

// considered is a request with what follows from it.
type considered struct {
	Request
	partition int64 // the size that the recovery partition would have
	tooSmall  error // why it cannot have the size that is asked for
}

func newConsidered(q Request) (*considered, error) {
	if q.Policy == "" {
		q.Policy = Auto
	}
	if q.Role == "" {
		q.Role = General
	}
	if !slices.Contains(Policies, q.Policy) {
		return nil, fault.Invalidf("policy %q is none of %s", q.Policy, list(Policies))
	}
	if !slices.Contains(Roles, q.Role) {
		return nil, fault.Invalidf("role %q is none of %s", q.Role, list(Roles))
	}
	for _, n := range []struct {
		name  string
		bytes int64
	}{{"disk", q.Disk}, {"min_free", q.MinFree}, {"used", q.Used}, {"partition_size", q.PartitionSize}} {
		if n.bytes < 0 || n.bytes > maxBytes {
			return nil, fault.Invalidf("%s: %d bytes cannot be", n.name, n.bytes)
		}
	}
	c := &considered{Request: q}
	if q.Absent {
		c.Image = nil
	}
	var wim int64
	if c.Image != nil {
		wim = c.Image.Size
	}
	c.partition, c.tooSmall = PartitionSize(wim, q.PartitionSize)
	return c, nil
}

func list[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// decide makes the decision of the rule that fits, and sees what contradicts or qualifies it.
func (c *considered) decide(r *Rule) (Decision, error) {
	if r.Outcome == Refused {
		return Decision{}, fault.Invalidf("%s", c.sentence(r.Sentence))
	}
	d := Decision{Include: r.Outcome == Included, Rule: r.ID, Reasons: []string{c.asked(), r.Sentence}}
	if d.Include && c.tooSmall != nil {
		return Decision{}, c.tooSmall
	}
	for i := range checks {
		if k := &checks[i]; k.fits(c, &d) {
			return Decision{}, fault.Invalidf("%s", k.text(c, &d))
		}
	}
	if d.Include {
		d.PartitionSize = c.partition
		d.Reasons = append(d.Reasons, c.size())
	}
	if p := c.Parity; p != nil {
		d.Reasons = append(d.Reasons, fmt.Sprintf("%s %s a recovery environment, too.", p.Name, map[bool]string{true: "has", false: "does without"}[d.Include]))
	}
	for i := range warnings {
		if w := &warnings[i]; w.fits(c, &d) {
			d.Warnings = append(d.Warnings, w.text(c, &d))
		}
	}
	return d, nil
}

// asked repeats what the decision was made from, in the template's own words.
func (c *considered) asked() string {
	return fmt.Sprintf("The template says policy = %s, role = %s, external_recovery = %t, image_pipeline = %t.", c.Policy, c.Role, c.ExternalRecovery, c.ImagePipeline)
}

// size explains the recovery partition's size.
func (c *considered) size() string {
	switch {
	case c.PartitionSize > 0:
		return fmt.Sprintf("The recovery partition gets %d MiB, as partition_size asks.", c.partition/mib)
	case c.Image == nil:
		return fmt.Sprintf("The recovery partition gets at least %d MiB; Winre.wim's size decides when the image is read.", c.partition/mib)
	case c.partition == MinPartition:
		return fmt.Sprintf("The recovery partition gets %d MiB, the least that is sensible; Winre.wim has %d MiB.", c.partition/mib, up(c.Image.Size)/mib)
	}
	return fmt.Sprintf("The recovery partition gets %d MiB: %d MiB for Winre.wim, %d MiB that stay free for its updates, and what NTFS takes.",
		c.partition/mib, up(c.Image.Size)/mib, FreeForUpdates/mib)
}

// short is how many bytes the disk lacks for a recovery partition; 0 if it has room, or nobody knows.
func (c *considered) short() int64 {
	if c.Disk == 0 {
		return 0
	}
	return max(0, c.Used+c.MinFree+c.partition-c.Disk)
}

// room says both sides of a disk that is too small.
func (c *considered) room() string {
	windows := "what Windows takes is not known yet"
	if c.Used > 0 {
		windows = fmt.Sprintf("Windows takes %d MiB", up(c.Used)/mib)
	}
	return fmt.Sprintf("Windows and the recovery partition share %d MiB; %s, min_free asks for %d MiB, and the recovery partition takes %d MiB, so that %d MiB are missing",
		c.Disk/mib, windows, up(c.MinFree)/mib, c.partition/mib, up(c.short())/mib)
}

// differs says whether the other image does not do what d decides.
func (c *considered) differs(d *Decision) bool {
	return c.Parity != nil && c.Parity.Present != d.Include
}

// sentence fills in what a sentence of the tables leaves open.
func (c *considered) sentence(s string) string { return strings.ReplaceAll(s, "ROLE", string(c.Role)) }
