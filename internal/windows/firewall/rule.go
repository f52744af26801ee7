package firewall

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Rule is a rule of one's own. Lists that are empty limit nothing.
type Rule struct {
	// ID is the name by which programs know the rule, such as "sshd".
	ID string `json:"id"`
	// Name is what people see; empty is the ID. Description and Group are for them, too.
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Group       string `json:"group,omitempty"`
	// Direction is "in", which empty stands for, or "out"; Action "allow", which empty stands for, or
	// "block".
	Direction string `json:"direction,omitempty"`
	Action    string `json:"action,omitempty"`
	// Protocol is "tcp", "udp", "icmpv4", "icmpv6", a number from 0 to 255, or "any", which empty
	// stands for.
	Protocol string `json:"protocol,omitempty"`
	// LocalPorts and RemotePorts are ports such as "22" and ranges such as "5000-5010", of TCP or UDP.
	LocalPorts  []string `json:"local_ports,omitempty"`
	RemotePorts []string `json:"remote_ports,omitempty"`
	// LocalAddresses and RemoteAddresses are addresses, ranges such as "10.0.0.1-10.0.0.9" and networks
	// such as "10.0.0.0/8"; remote ones may be one of the words in Keywords.
	LocalAddresses  []string `json:"local_addresses,omitempty"`
	RemoteAddresses []string `json:"remote_addresses,omitempty"`
	// Program is the path of a program on the image, which may begin with a variable such as
	// %SystemRoot%, or "System", which is the kernel.
	Program string `json:"program,omitempty"`
	// Service is the short name of a service, or "*", which is any service.
	Service string `json:"service,omitempty"`
	// Profiles are "domain", "private" and "public", the kinds of network that the rule holds for.
	Profiles []string `json:"profiles,omitempty"`
}

// Keywords are the words that stand for remote addresses which only the running system knows
// ([MS-GPFAS] 2.2.2.13).
var Keywords = []string{"LocalSubnet", "DNS", "DHCP", "WINS", "DefaultGateway"}

// Limits of texts in UTF-16 units ([MS-FASP] 2.2.37), without their terminators.
const (
	maxID   = 511
	maxText = 10000
)

// token is a word of the user's and what the grammar has for it.
type token struct{ word, text string }

var (
	directions = []token{{"in", "In"}, {"out", "Out"}}
	actions    = []token{{"allow", "Allow"}, {"block", "Block"}}
	profiles   = []token{{"domain", "Domain"}, {"private", "Private"}, {"public", "Public"}}
	protocols  = []token{{"any", ""}, {"tcp", "6"}, {"udp", "17"}, {"icmpv4", "1"}, {"icmpv6", "58"}}
)

// find returns what the grammar has for a word; an empty one stands for the first.
func find(tokens []token, word string) (string, bool) {
	if word == "" {
		return tokens[0].text, true
	}
	i := slices.IndexFunc(tokens, func(t token) bool { return t.word == word })
	if i < 0 {
		return "", false
	}
	return tokens[i].text, true
}

func oneOf(field string, tokens []token, word string) error {
	if _, ok := find(tokens, word); ok {
		return nil
	}
	words := make([]string, len(tokens))
	for i, t := range tokens {
		words[i] = strconv.Quote(t.word)
	}
	return fault.Invalidf("%s: %q is none of %s", field, word, strings.Join(words, ", "))
}

// Validate says what is wrong with the rule, each problem naming its field.
func (r Rule) Validate() error {
	for _, check := range []func() error{
		func() error { return checkID("id", r.ID) },
		func() error { return checkText("name", r.Name) },
		func() error { return checkText("description", r.Description) },
		func() error { return checkText("group", r.Group) },
		func() error { return oneOf("direction", directions, r.Direction) },
		func() error { return oneOf("action", actions, r.Action) },
		r.checkProtocol,
		func() error { return checkProgram(r.Program) },
		func() error { return checkService(r.Service) },
		r.checkProfiles,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if strings.EqualFold(r.title(), "all") {
		return fault.Invalidf("name: %q stands for all rules, and cannot be the name of one", r.title())
	}
	_, err := r.fields()
	return err
}

func (r Rule) title() string {
	if r.Name == "" {
		return r.ID
	}
	return r.Name
}

func checkID(field, id string) error {
	switch {
	case id == "":
		return fault.Invalidf("%s: must not be empty; give one such as %q", field, "sshd")
	case utf16le.Len(id) > maxID:
		return fault.Invalidf("%s: is longer than %d characters", field, maxID)
	}
	return checkText(field, id)
}

func checkText(field, text string) error {
	if utf16le.Len(text) > maxText {
		return fault.Invalidf("%s: is longer than %d characters", field, maxText)
	}
	for _, c := range text {
		if c == '|' || c < 0x20 {
			return fault.Invalidf("%s: holds %q, which a firewall rule cannot hold", field, c)
		}
	}
	return nil
}

// checkProtocol checks the protocol, and that only those with ports get some.
func (r Rule) checkProtocol() error {
	number, ok := r.protocol()
	if !ok {
		return fault.Invalidf("protocol: %q is neither tcp, udp, icmpv4, icmpv6 or any, nor a number from 0 to 255", r.Protocol)
	}
	if number == "6" || number == "17" {
		return nil
	}
	for _, ports := range []struct {
		field string
		list  []string
	}{{"local_ports", r.LocalPorts}, {"remote_ports", r.RemotePorts}} {
		if len(ports.list) > 0 {
			return fault.Invalidf("%s: only the protocols tcp and udp have ports; set protocol to one of them", ports.field)
		}
	}
	return nil
}

// protocol is the protocol's number in decimal; empty is any.
func (r Rule) protocol() (string, bool) {
	if text, ok := find(protocols, r.Protocol); ok {
		return text, true
	}
	n, err := strconv.ParseUint(r.Protocol, 10, 8)
	return strconv.FormatUint(n, 10), err == nil
}

// program is the kernel, or an absolute path of which the first name may be a variable.
var program = regexp.MustCompile(`(?i)^(system|(%[a-z0-9_()]+%|[a-z]:)\\[^<>"*?/|:]+)$`)

func checkProgram(path string) error {
	if path == "" || program.MatchString(path) {
		return checkText("program", path)
	}
	return fault.Invalidf(`program: %q is no full path of Windows, such as C:\Program Files\x\y.exe or %%SystemRoot%%\System32\svchost.exe`, path)
}

// service is the short name of a service, which has no separators (CreateService).
var service = regexp.MustCompile(`^(\*|[^\\/|"]{1,256})$`)

func checkService(name string) error {
	if name == "" || service.MatchString(name) {
		return checkText("service", name)
	}
	return fault.Invalidf("service: %q is not the short name of a service, such as %q", name, "TermService")
}

func (r Rule) checkProfiles() error {
	for i, p := range r.Profiles {
		if p == "" {
			return fault.Invalidf("profiles: must not hold an empty text")
		}
		if err := oneOf("profiles", profiles, p); err != nil {
			return err
		}
		if slices.Contains(r.Profiles[:i], p) {
			return fault.Invalidf("profiles: %q stands there twice", p)
		}
	}
	return nil
}

// text returns the rule in the grammar of the version.
func (r Rule) text(v Version) (Text, error) {
	fields, err := r.fields()
	return Text{head: v.String(), fields: fields}, err
}

// fields returns the fields in the order in which Windows writes them.
func (r Rule) fields() ([]string, error) {
	var out []string
	add := func(key string, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, key+"="+v)
			}
		}
	}
	action, _ := find(actions, r.Action)
	direction, _ := find(directions, r.Direction)
	protocol, _ := r.protocol()
	add("Action", action)
	add(keyActive, "TRUE")
	add("Dir", direction)
	add("Protocol", protocol)
	if len(r.Profiles) < len(profiles) { // all of them are the same as none
		for _, p := range profiles {
			if slices.Contains(r.Profiles, p.word) {
				add("Profile", p.text)
			}
		}
	}
	for _, ports := range []struct {
		field, key string
		list       []string
	}{{"local_ports", "LPort", r.LocalPorts}, {"remote_ports", "RPort", r.RemotePorts}} {
		single, ranges, err := splitPorts(ports.field, ports.list)
		if err != nil {
			return nil, err
		}
		add(ports.key, single...)
		add(ports.key+"2_10", ranges...)
	}
	for _, addresses := range []struct {
		field, key string
		list       []string
		keywords   []string
	}{{"local_addresses", "LA", r.LocalAddresses, nil}, {"remote_addresses", "RA", r.RemoteAddresses, Keywords}} {
		v4, v6, err := splitAddresses(addresses.field, addresses.list, addresses.keywords)
		if err != nil {
			return nil, err
		}
		add(addresses.key+"4", v4...)
		add(addresses.key+"6", v6...)
	}
	add("App", r.Program)
	add("Svc", r.Service)
	add("Name", r.title())
	add("Desc", r.Description)
	add("EmbedCtxt", r.Group)
	return out, nil
}

// splitPorts sorts ports from ranges, which have a field of their own since version 2.10.
func splitPorts(field string, list []string) (single, ranges []string, err error) {
	for _, item := range list {
		first, last, isRange := strings.Cut(item, "-")
		a, err := port(field, item, first)
		if err != nil {
			return nil, nil, err
		}
		if !isRange {
			single = append(single, strconv.Itoa(a))
			continue
		}
		b, err := port(field, item, last)
		if err != nil {
			return nil, nil, err
		}
		if b < a {
			return nil, nil, fault.Invalidf("%s: the range %q ends before it begins", field, item)
		}
		ranges = append(ranges, strconv.Itoa(a)+"-"+strconv.Itoa(b))
	}
	return single, ranges, nil
}

func port(field, item, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fault.Invalidf("%s: %q is no port from 1 to 65535, and no range such as %q", field, item, "5000-5010")
	}
	return int(n), nil
}

// splitAddresses sorts addresses by their family. A keyword belongs to both.
func splitAddresses(field string, list, keywords []string) (v4, v6 []string, err error) {
	for _, item := range list {
		i := slices.IndexFunc(keywords, func(k string) bool { return strings.EqualFold(k, item) })
		if i >= 0 {
			v4, v6 = append(v4, keywords[i]), append(v6, keywords[i])
			continue
		}
		text, is4, err := address(item)
		switch {
		case err != nil && keywords == nil:
			return nil, nil, fault.In(field, err)
		case err != nil:
			return nil, nil, fault.Invalidf("%s: %v; the words %s stand for addresses, too", field, err, strings.Join(keywords, ", "))
		case is4:
			v4 = append(v4, text)
		default:
			v6 = append(v6, text)
		}
	}
	return v4, v6, nil
}

// address returns an address, a range or a network as the grammar has it ([MS-GPFAS] 2.2.2.9 to 12).
// Windows writes IPv4 networks with a mask.
func address(item string) (text string, is4 bool, err error) {
	wrong := fault.Invalidf("%q is no address, no range such as %q and no network such as %q", item, "10.0.0.1-10.0.0.9", "10.0.0.0/8")
	if first, last, ok := strings.Cut(item, "-"); ok {
		a, err1 := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		switch {
		case err1 != nil || err2 != nil || !usable(a) || !usable(b) || a.Is4() != b.Is4():
			return "", false, wrong
		case b.Less(a):
			return "", false, fault.Invalidf("the range %q ends before it begins", item)
		}
		return a.String() + "-" + b.String(), a.Is4(), nil
	}
	if !strings.Contains(item, "/") {
		a, err := netip.ParseAddr(item)
		if err != nil || !usable(a) {
			return "", false, wrong
		}
		return a.String(), a.Is4(), nil
	}
	p, err := netip.ParsePrefix(item)
	switch {
	case err != nil || !usable(p.Addr()):
		return "", false, wrong
	case p.Bits() == 0:
		return "", false, fault.Invalidf("%q is every address; leave it out", item)
	case p.Masked() != p:
		return "", false, fault.Invalidf("%q has bits beyond its length; write %s", item, p.Masked())
	case p.IsSingleIP():
		return p.Addr().String(), p.Addr().Is4(), nil
	case p.Addr().Is4():
		return p.Addr().String() + "/" + net.IP(net.CIDRMask(p.Bits(), 32)).String(), true, nil
	}
	return p.String(), false, nil
}

// usable says whether an address can stand in a rule: no zone, no IPv4 address in the form of IPv6.
func usable(a netip.Addr) bool { return a.Zone() == "" && !a.Is4In6() }
