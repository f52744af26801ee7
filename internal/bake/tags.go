package bake

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// Tags that winbake itself sets.
const (
	// tagWinRE says whether the image carries the Windows Recovery Environment. It is always there.
	tagWinRE = "WinRE"
	// tagWinREVersion is its version, where there is one and it is known.
	tagWinREVersion = "WinREVersion"
	// tagWinREAdvisories is the worst that is known of it: affected, fixed, not_affected.
	tagWinREAdvisories = "WinREAdvisories"
)

// ownTags are the tags that users cannot set.
var ownTags = []string{tagWinRE, tagWinREVersion, tagWinREAdvisories}

// TagKey is where an image says how it was made.
const TagKey = `HKLM\SOFTWARE\winbake`

// tags are the user's and winbake's own.
func (b *Bake) tags() map[string]string {
	tags := maps.Clone(b.c.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[tagWinRE] = "False"
	if b.recovery.path != "" {
		tags[tagWinRE] = "True"
		if v := b.recovery.version(); v != (pe.Version{}) {
			tags[tagWinREVersion] = v.String()
		}
	}
	if status := worst(b.recovery.findings); status != "" {
		tags[tagWinREAdvisories] = string(status)
	}
	return tags
}

// worst is the worst of the findings, "" if none is about this Windows.
func worst(findings []winre.Finding) winre.Status {
	for _, s := range []winre.Status{winre.Affected, winre.UnderInvestigation, winre.Fixed, winre.NotAffected} {
		if slices.ContainsFunc(findings, func(f winre.Finding) bool { return f.Status == s }) {
			return s
		}
	}
	return ""
}

// tagImage writes the tags into the image's own registry, where scripts and inventories find them, and the
// version of its recovery environment where Windows' own updates look for it. An image whose SOFTWARE hive is
// missing or cannot be read stays without them.
func (b *Bake) tagImage() (err error) {
	r := registry.Open(b.tree)
	r.Store = b.store
	if b.recovery.build, err = winre.BuildLab(r); err != nil {
		b.c.Progress.Note("The image gets no tags in its registry: " + err.Error())
		return nil
	}
	if _, err := r.DeleteKey(TagKey); err != nil { // of an earlier bake
		return err
	}
	err = r.Set(TagKey, regf.String("Tool", b.c.Tool), regf.String("BuildTime", b.c.BuildTime.UTC().Format(time.RFC3339)))
	tags := b.tags()
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		err = errors.Join(err, r.Set(TagKey+`\Tags`, regf.String(name, strings.ReplaceAll(tags[name], "\x00", ""))))
	}
	if b.recovery.decision != nil {
		err = errors.Join(err, winre.SetVersion(r, b.recovery.version()))
	}
	return errors.Join(err, r.Flush())
}
