package winre

import (
	"fmt"
	"slices"
)

// Outcome is what a row of the decision table leads to.
type Outcome string

// The outcomes.
const (
	Included Outcome = "include"
	Excluded Outcome = "exclude"
	Refused  Outcome = "error"
	Warned   Outcome = "warning"
)

// Rule is one row of the decision table, which docs/winre.md shows.
type Rule struct {
	ID       string
	When     string // the condition, in the words of the template
	Outcome  Outcome
	Sentence string // why, or what is wrong; the numbers and names of a case come with it

	fits func(*considered) bool
}

// rules decide: the first that fits does. They are in the order in which an architect would ask: has
// somebody decided already; can it be done at all; does anybody repair such servers; is there another way
// back; and if nothing says so, the server can help itself.
var rules = []Rule{
	{
		"policy-include", "policy is include", Included,
		"Somebody has decided: the image carries the recovery environment.",
		func(c *considered) bool { return c.Policy == Include },
	},
	{
		"policy-exclude", "policy is exclude", Excluded,
		"Somebody has decided: the image carries no recovery environment.",
		func(c *considered) bool { return c.Policy == Exclude },
	},
	{
		"absent", "the image has no Winre.wim", Excluded,
		"The image has no Winre.wim, so that there is nothing to include.",
		func(c *considered) bool { return c.Absent },
	},
	{
		"stateless", "role is stateless or build-agent", Excluded,
		"Such a server is thrown away and started anew, never repaired.",
		func(c *considered) bool { return c.is(Stateless, BuildAgent) },
	},
	{
		"pipeline", "image_pipeline is true", Excluded,
		"Servers of this image are rebuilt from the next image rather than repaired; a recovery partition would only be one more thing to update.",
		func(c *considered) bool { return c.ImagePipeline },
	},
	{
		"replaceable", "role is hyperv-cluster, rds-gateway or iis, and external_recovery is true", Excluded,
		"Others do this server's work until it is restored or replaced, and snapshots or backups cover that.",
		func(c *considered) bool { return c.is(HyperVCluster, RDSGateway, IIS) && c.ExternalRecovery },
	},
	{
		"restored", "role is general, file-server, sql or custom, and external_recovery is true", Excluded,
		"Snapshots or backups bring such a server back from outside, sooner than a repair on its console.",
		func(c *considered) bool { return c.is(General, FileServer, SQL, Custom) && c.ExternalRecovery },
	},
	{
		"custom", "role is custom, and nothing else says how such a server comes back", Refused,
		"policy = auto cannot decide for role = ROLE, because nothing says how such a server comes back: set policy to include or exclude, or say external_recovery = true or image_pipeline = true if that is so",
		func(c *considered) bool { return c.is(Custom) },
	},
	{
		"no-room", "any other role, and the disk has no room for it", Excluded,
		"The disk has no room for a recovery partition.",
		func(c *considered) bool { return c.short() > 0 },
	},
	{
		"domain-controller", "role is domain-controller, even if external_recovery is true", Included,
		"A domain controller is brought back by its own means: a snapshot is no way back for a directory that replicates, and wbadmin restores the whole server from within the recovery environment only.",
		func(c *considered) bool { return c.is(DomainController) },
	},
	{
		"self-reliant", "any other role without external_recovery", Included,
		"Nothing outside brings such a server back, so it carries the means to repair itself.",
		func(*considered) bool { return true },
	},
}

// check is a row that looks at a decision: a contradiction, or a warning.
type check struct {
	Rule
	fits func(*considered, *Decision) bool
	say  func(*considered, *Decision) string
}

func row(id string, outcome Outcome, when, sentence string) Rule {
	return Rule{ID: id, When: when, Outcome: outcome, Sentence: sentence}
}

// checks are contradictions. The first that fits is the error.
var checks = []check{
	{
		row("include-absent", Refused, "the outcome is include, and the image has no Winre.wim", "There is nothing to include."),
		func(c *considered, d *Decision) bool { return d.Include && c.Absent },
		func(*considered, *Decision) string {
			return "policy = include, but the image has no Winre.wim: take media that have one in Windows\\System32\\Recovery, or set policy = exclude"
		},
	},
	{
		row("include-no-room", Refused, "policy is include, and the disk has no room for it", "The disk, what Windows takes, min_free and the partition do not go together."),
		func(c *considered, d *Decision) bool { return d.Include && c.short() > 0 },
		func(c *considered, _ *Decision) string {
			return "policy = include, but the disk has no room for it: " + c.room() + "; make the disk larger, lower min_free, or set policy = exclude"
		},
	},
	{
		row("parity", Refused, "the image of parity_manifest does otherwise", "Two images that must agree would not."),
		func(c *considered, d *Decision) bool { return c.differs(d) },
		func(c *considered, d *Decision) string { return c.disparity(d) },
	},
}

// warnings are what the person should know who lives with the decision. All that fit are told.
var warnings = []check{
	{
		row("no-room-excluded", Warned, "policy is auto, and the disk has no room for it", "The recovery environment is left out only because of the disk."),
		func(_ *considered, d *Decision) bool { return d.Rule == "no-room" },
		func(c *considered, _ *Decision) string {
			return "The recovery environment is left out for lack of room: " + c.room() + "."
		},
	},
	{
		row("no-way-back", Warned, "the outcome is exclude, and neither external_recovery nor image_pipeline is true, nor is the role stateless or build-agent",
			"Nothing in the template says how a server comes back that does not start; keep install media of the same Windows at hand."),
		func(c *considered, d *Decision) bool {
			return !d.Include && !c.ExternalRecovery && !c.ImagePipeline && !c.is(Stateless, BuildAgent)
		},
		nil,
	},
	{
		row("bitlocker", Warned, "the outcome is exclude, and the role is not stateless or build-agent",
			"Without a recovery environment BitLocker cannot be turned on silently (by Intune or at setup), and a Windows that does not start can be repaired from install media only."),
		func(c *considered, d *Decision) bool { return !d.Include && !c.is(Stateless, BuildAgent) },
		nil,
	},
	{
		row("directory-snapshots", Warned, "the outcome is exclude, and the role is domain-controller",
			"Bring a domain controller back by promoting a new one or from a system state backup, not from a snapshot."),
		func(c *considered, d *Decision) bool { return !d.Include && c.is(DomainController) },
		nil,
	},
	{
		row("state", Warned, "the outcome is exclude because of image_pipeline, and the role is file-server or sql",
			"Rebuilding such a server from an image does not bring back its data; see that they lie on other disks or in backups."),
		func(c *considered, d *Decision) bool { return d.Rule == "pipeline" && c.is(FileServer, SQL) },
		nil,
	},
	{
		row("needless", Warned, "policy is include, and image_pipeline is true or the role is stateless or build-agent",
			"Such servers are not repaired, yet their recovery environment has to be updated or it counts as vulnerable; policy = auto would leave it out."),
		func(c *considered, d *Decision) bool {
			return d.Include && (c.ImagePipeline || c.is(Stateless, BuildAgent))
		},
		nil,
	},
	{
		row("size-unused", Warned, "the outcome is exclude, and partition_size is set", "partition_size has no effect."),
		func(c *considered, d *Decision) bool { return !d.Include && c.PartitionSize > 0 },
		nil,
	},
	{
		row("parity-version", Warned, "both images carry it, in different versions", "The two images' recovery environments are of different versions, so that an advisory may hold for one of them only."),
		func(c *considered, d *Decision) bool {
			return d.Include && c.Parity != nil && c.Image != nil && c.Parity.Version != "" && c.Parity.Version != c.Image.Version.String()
		},
		func(c *considered, _ *Decision) string {
			return fmt.Sprintf("This image's recovery environment has version %v, that of %s %s; an advisory may hold for one of them only.", c.Image.Version, c.Parity.Name, c.Parity.Version)
		},
	},
}

// text is a row's sentence for a case.
func (k *check) text(c *considered, d *Decision) string {
	if k.say == nil {
		return c.sentence(k.Sentence)
	}
	return k.say(c, d)
}

// Rules returns the decision table: the rows that decide, in their order, the contradictions, and the
// warnings.
func Rules() []Rule {
	table := slices.Clone(rules)
	for _, k := range slices.Concat(checks, warnings) {
		table = append(table, k.Rule)
	}
	return table
}

func (c *considered) is(roles ...Role) bool { return slices.Contains(roles, c.Role) }

// disparity names both sides of two images that do not agree.
func (c *considered) disparity(d *Decision) string {
	here, there, remedy := "leaves the recovery environment out", "carries one", "set policy = include here"
	switch {
	case d.Include:
		here, there, remedy = "includes the recovery environment", "carries none", "set policy = exclude here"
	case c.Absent:
		remedy = "take media that have a Winre.wim"
	}
	why := fmt.Sprintf("policy = %s", c.Policy)
	if c.Policy == Auto {
		why = fmt.Sprintf("policy = auto (role = %s, external_recovery = %t, image_pipeline = %t; rule %s)", c.Role, c.ExternalRecovery, c.ImagePipeline, d.Rule)
	}
	return fmt.Sprintf("%s %s, but %s %s, and the two must agree: %s, or bake the other image anew", why, here, c.Parity.Name, there, remedy)
}
