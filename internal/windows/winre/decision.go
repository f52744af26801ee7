package winre

import "github.com/winbake/packer-plugin-winbake/internal/fault"

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

// Decide says whether an image carries the recovery environment. An error is a contradiction between
// two things the request says, and names both.
func Decide(Request) (Decision, error) {
	return Decision{}, fault.Bugf("winre.Decide is not there yet")
}
