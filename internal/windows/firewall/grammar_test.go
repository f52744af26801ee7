package firewall

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
)

// collect returns the texts of all rules of a hive by their paths, wherever it has some.
func collect(k *regf.Key, into map[string]string) {
	for _, v := range k.Values() {
		s, err := v.Text()
		if err == nil && v.Type == regf.REG_SZ && strings.HasPrefix(strings.ToLower(s), "v2.") && strings.Contains(s, "|") {
			into[k.Path()+`\`+v.Name] = s
		}
	}
	for _, sub := range k.Subkeys() {
		collect(sub, into)
	}
}

// realRules returns the rules of all samples.
func realRules(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, image := range systemhive.Images {
		if image.Name == systemhive.StandIn.Name {
			continue
		}
		found := map[string]string{}
		collect(image.Salvage(t).Root, found)
		for path, s := range found {
			all[image.Name+`\`+path] = s
		}
	}
	return all
}

// Every rule that Windows and its programs have written on four machines follows the grammar, and is
// written back as it was.
func TestRealRules(t *testing.T) {
	all := realRules(t)
	if len(all) < 4800 {
		t.Errorf("only %d rules", len(all))
	}
	for path, s := range all {
		text, err := Parse(s)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if text.String() != s {
			t.Errorf("%s: %q is written back as %q", path, s, text)
		}
		active := text.Activated()
		if !active.Active() || len(active.fields) < len(text.fields) {
			t.Errorf("%s: enabled it is %q", path, active)
		}
		if want := strings.Replace(s, "|Active=FALSE|", "|Active=TRUE|", 1); strings.Contains(s, "|Active=") && active.String() != want {
			t.Errorf("%s: enabled it is %q, want %q", path, active, want)
		}
	}
}

// order is that of the fields in what we write, which must be Windows' own.
var order = []string{
	"Action", "Active", "Dir", "Protocol", "Profile", "LPort", "LPort2_10", "RPort", "RPort2_10",
	"LA4", "LA6", "RA4", "RA6", "App", "Svc", "Name", "Desc", "EmbedCtxt",
}

// Windows' own active rules have their fields in the order in which we write ours.
func TestOrderIsWindowsOwn(t *testing.T) {
	for path, s := range realRules(t) {
		text, err := Parse(s)
		if err != nil || !text.Active() || text.Version() < oldest {
			continue
		}
		last := -1
		for _, field := range text.fields {
			key, _, _ := strings.Cut(field, "=")
			if at := slices.Index(order, key); at >= 0 {
				if at < last {
					t.Errorf("%s: %s stands behind %s in %q", path, key, order[last], s)
				}
				last = max(last, at)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "v2.10", "v2.10|Action=Allow", "2.10|Action=Allow|", "v2|Action=Allow|", "v2.300|Action=Allow|", "v-1.2|A=b|",
		"v2.10|Action|", "v2.10||", "v2.10|=Allow|", "v2.10|Name=a\x00b|", "w2.10|A=b|", "|",
	} {
		if text, err := Parse(s); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%q is read as %v, %v", s, text, err)
		}
	}
}

func TestActivated(t *testing.T) {
	for _, test := range []struct{ before, after string }{
		{"v2.10|Action=Allow|Active=FALSE|Dir=In|", "v2.10|Action=Allow|Active=TRUE|Dir=In|"},
		{"v2.10|Action=Allow|Dir=In|", "v2.10|Action=Allow|Active=TRUE|Dir=In|"},
		{"V2.0|Dir=In|Action=Block|", "V2.0|Active=TRUE|Dir=In|Action=Block|"},
		{"v2.10|action=Allow|active=false|Name=Active=FALSE|", "v2.10|action=Allow|Active=TRUE|Name=Active=FALSE|"},
	} {
		text, err := Parse(test.before)
		if err != nil {
			t.Fatal(err)
		}
		if text.Active() {
			t.Errorf("%q is taken for active", test.before)
		}
		if got := text.Activated(); got.String() != test.after || !got.Active() {
			t.Errorf("%q becomes %q, want %q", test.before, got, test.after)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"v2.30|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe|Svc=termservice|",
		"V2.0|Action=Block|Dir=In|LPort=1-553,555-8553|Protocol=6|Name=x|", "v2.10|", "v2.10|a=b=c|", "v2.10|a|", "|", "v.|x=|",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := Parse(s)
		if err != nil {
			return
		}
		if text.String() != s {
			t.Errorf("%q is written back as %q", s, text)
		}
		active := text.Activated()
		again, err := Parse(active.String())
		if err != nil || !again.Active() || again.Activated().String() != again.String() || again.Version() != text.Version() {
			t.Errorf("%q enabled is %q, %v", s, active, err)
		}
	})
}
