package cbslog

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
)

// ReAgentInfo is what "reagentc /info" printed.
type ReAgentInfo struct {
	// Enabled says that a place of WinRE is given, which is only when it is enabled.
	Enabled bool
	// Status is the word for that in the language of the Windows.
	Status string
	// Location is `\\?\GLOBALROOT\device\harddisk0\partition4\Recovery\WindowsRE`, or empty.
	Location string
	// Disk and Partition are the numbers in Location, Disk from 0 and Partition from 1; -1 and 0 where
	// it has none.
	Disk, Partition int
	// BCD is the identifier of WinRE's boot entry. It stays when WinRE is disabled.
	BCD guid.GUID
	// Version is WinRE's, which newer builds print: "10.0.26100.9168"; empty or "0.0.0.0" for none.
	Version string
}

var (
	reagentPlace   = regexp.MustCompile(`(?i)harddisk(\d{1,4})\\partition(\d{1,4})\\`)
	reagentGUID    = regexp.MustCompile(`^\{?([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\}?$`)
	reagentVersion = regexp.MustCompile(`^\d{1,5}\.\d{1,5}\.\d{1,5}\.\d{1,5}$`)
)

// pair is a line "label: value".
type pair struct{ label, value string }

// reagentReader recognizes the output by its order, since all of its words are translated: status,
// location, the identifier, which is a GUID. "Windows RE" itself is not translated.
type reagentReader struct {
	before []pair // at most two lines before the identifier
	found  *ReAgentInfo
}

func (r *reagentReader) line(s string) {
	label, value, ok := labelled(s)
	if !ok {
		return
	}
	m := reagentGUID.FindStringSubmatch(value)
	switch {
	case m != nil && len(r.before) == 2 && strings.Contains(r.before[0].label, "Windows RE") && strings.Contains(r.before[1].label, "Windows RE"):
		r.found = newReAgentInfo(r.before[0].value, r.before[1].value)
		if id, err := guid.Parse(m[1]); err == nil {
			r.found.BCD = id
		}
	case reagentVersion.MatchString(value) && strings.Contains(label, "Windows RE"):
		if r.found != nil && r.found.Version == "" {
			r.found.Version = value
		}
		return // not in the way between location and identifier
	}
	r.before = append(r.before, pair{label, value})
	if len(r.before) > 2 {
		r.before = r.before[1:]
	}
}

func (r *reagentReader) finish() *ReAgentInfo { return r.found }

func newReAgentInfo(status, location string) *ReAgentInfo {
	i := &ReAgentInfo{Status: excerpt(status), Location: excerpt(location), Enabled: strings.Contains(location, `\`), Disk: -1}
	if m := reagentPlace.FindStringSubmatch(location + `\`); m != nil {
		i.Disk, _ = strconv.Atoi(m[1])
		i.Partition, _ = strconv.Atoi(m[2])
	}
	return i
}

// labelled cuts a line at its first colon, which Japanese and Chinese texts may write in full width.
func labelled(s string) (label, value string, ok bool) {
	s = strings.ReplaceAll(s, "：", ":")
	label, value, ok = strings.Cut(s, ":")
	return strings.TrimSpace(label), strings.TrimSpace(value), ok
}
