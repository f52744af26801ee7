package unattend

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestValid(t *testing.T) {
	for _, s := range []Settings{
		{}, full(),
		{ComputerName: "*"}, {ComputerName: "a_b-1"}, {ComputerName: "0123456789abcde"}, {ComputerName: "Büro-7"},
		{TimeZone: "UTC"}, {TimeZone: "Pacific Standard Time_dstoff"}, {TimeZone: "UTC+12"},
		{InputLocale: "de"}, {InputLocale: "0407:00000407;0409:00000409"}, {SystemLocale: "sr-Latn-RS"},
		{InputLocale: "0411:{03B5835F-F03C-411B-9CE2-AA23E1171E36}{A76C93D9-5523-4E90-AAFA-4DB112F9AC76}"},
		{AdministratorPassword: Secret(strings.Repeat("x", 127))},
		{RunSynchronous: []Command{{Command: strings.Repeat("x", 259), WillReboot: "Always"}}},
		{FirstLogonCommands: []LogonCommand{{Command: strings.Repeat("x", 1024)}}},
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// secret is what no error may repeat: it stands in all that can be secret.
const secret = "S3cretMarker"

// bad is one wrong setting of each kind, and the field that its error must name.
var bad = map[string]Settings{
	"computer_name: too long":    {ComputerName: "0123456789abcdef"},
	"computer_name: digits":      {ComputerName: "0123"},
	"computer_name: dot":         {ComputerName: "a.b"},
	"computer_name: space":       {ComputerName: "a b"},
	"computer_name: star":        {ComputerName: "a*"},
	"computer_name: hyphen":      {ComputerName: "-a"},
	"computer_name: emoji":       {ComputerName: "a😀"},
	"computer_name: control":     {ComputerName: "a\n"},
	"time_zone: iana":            {TimeZone: "Europe/Berlin"},
	"time_zone: control":         {TimeZone: "UTC\x00"},
	"time_zone: long":            {TimeZone: strings.Repeat("x", 257)},
	"input_locale: word":         {InputLocale: "german"},
	"input_locale: empty part":   {InputLocale: "de-DE;;en-US"},
	"input_locale: hex":          {InputLocale: "0407:407"},
	"system_locale: profile":     {SystemLocale: "0407:00000407"},
	"ui_language: underscore":    {UILanguage: "de_DE"},
	"user_locale: space":         {UserLocale: "de-DE "},
	"administrator_password: a":  {AdministratorPassword: secret + "\x00"},
	"administrator_password: b":  {AdministratorPassword: secret + Secret(strings.Repeat("x", 127))},
	"administrator_password: c":  {AdministratorPassword: secret + "\xFF"},
	"product_key: a":             {ProductKey: secret},
	"product_key: b":             {ProductKey: secret + "-12345-FGHIJ-67890-KLMNO"},
	"registered_owner: control":  {RegisteredOwner: "a\tb"},
	"registered_organization: x": {RegisteredOrganization: strings.Repeat("x", 257)},
	"run_synchronous[1].command: missing": {RunSynchronous: []Command{
		{Command: "a"}, {Description: "x"}}},
	"run_synchronous[0].command: long":          {RunSynchronous: []Command{{Command: secret + strings.Repeat("x", 259)}}},
	"run_synchronous[0].command: control":       {RunSynchronous: []Command{{Command: secret + "\n"}}},
	"run_synchronous[0].description: long":      {RunSynchronous: []Command{{Command: secret, Description: strings.Repeat("x", 260)}}},
	"run_synchronous[0].will_reboot: case":      {RunSynchronous: []Command{{Command: secret, WillReboot: "never"}}},
	"run_synchronous: many":                     {RunSynchronous: slicesOf(Command{Command: secret}, 501)},
	"first_logon_command[0].command: long":      {FirstLogonCommands: []LogonCommand{{Command: secret + strings.Repeat("x", 1024)}}},
	"first_logon_command[0].command: missing":   {FirstLogonCommands: []LogonCommand{{}}},
	"first_logon_command[0].description: long":  {FirstLogonCommands: []LogonCommand{{Command: secret, Description: strings.Repeat("x", 257)}}},
	"first_logon_command: many":                 {FirstLogonCommands: slicesOf(LogonCommand{Command: secret}, 501)},
	"oobe.network_location: word":               {OOBE: OOBE{NetworkLocation: "Public"}},
	"oobe.protect_your_pc: four":                {OOBE: OOBE{ProtectYourPC: 4}},
	"first_logon_command[0].command: surrogate": {FirstLogonCommands: []LogonCommand{{Command: secret + "\xED\xA0\x80"}}},
}

func slicesOf[T any](v T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// Each wrong setting is one error of the class "invalid", which names the field and no secret.
func TestInvalid(t *testing.T) {
	for name, s := range bad {
		field, _, _ := strings.Cut(name, " ")
		err := s.Validate()
		if !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(err.Error(), field+" ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the secret is in %q", name, err)
		}
		for _, made := range []func() ([]byte, error){
			func() ([]byte, error) { return New(s, amd64) },
			func() ([]byte, error) { return Merge(input(t, "given.xml"), s, amd64) },
		} {
			if data, again := made(); data != nil || again == nil || again.Error() != err.Error() {
				t.Errorf("%s: %v", name, again)
			}
		}
	}
}

// All problems are told at once.
func TestAllProblems(t *testing.T) {
	s := Settings{ComputerName: "1", TimeZone: "Europe/Berlin", AdministratorPassword: "\x01", OOBE: OOBE{ProtectYourPC: 9}}
	if got := strings.Split(s.Validate().Error(), "\n"); len(got) != 4 {
		t.Errorf("%q", got)
	}
}

// Nothing that prints shows a secret; JSON carries it.
func TestSecret(t *testing.T) {
	s := Settings{AdministratorPassword: secret, ProductKey: secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, s.ProductKey, []Secret{secret}, fmt.Errorf("x: %w", fault.Invalidf("%v", s))} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
	sent := full()
	wire, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var received Settings
	if err := json.Unmarshal(wire, &received); err != nil || !reflect.DeepEqual(sent, received) {
		t.Errorf("%s: %v", wire, err)
	}
	if wire, _ := json.Marshal(Settings{}); string(wire) != "{}" {
		t.Errorf("%s", wire)
	}
}
