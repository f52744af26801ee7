package unattend

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Secret is a text that nothing prints: not an error, not %v or %#v of what holds it. JSON carries it,
// because it has to get from the provisioner to the builder.
type Secret string

// Format prints a placeholder, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "<sensitive>") }

// Settings are what winbake can set in an answer file by type. The zero value of each means "not set".
// The JSON names are those of the HCL fields.
type Settings struct {
	// ComputerName is up to 15 characters; "*" lets Windows make up a name.
	ComputerName string `json:"computer_name,omitempty"`
	// TimeZone is Windows' own name of it, such as "W. Europe Standard Time" (tzutil /l lists them). With
	// "_dstoff" at its end there is no daylight saving time.
	TimeZone string `json:"time_zone,omitempty"`
	// InputLocale is languages ("de-DE") or input profiles ("0407:00000407"), separated by semicolons. The
	// first is the default.
	InputLocale string `json:"input_locale,omitempty"`
	// SystemLocale is the language of programs that do not know Unicode, such as "de-DE".
	SystemLocale string `json:"system_locale,omitempty"`
	// UILanguage is the language of the user interface. The image must have it.
	UILanguage string `json:"ui_language,omitempty"`
	// UserLocale is how dates, times and numbers look.
	UserLocale string `json:"user_locale,omitempty"`
	// AdministratorPassword becomes that of the built-in account Administrator, and enables it.
	AdministratorPassword Secret `json:"administrator_password,omitempty"`
	// ProductKey is five groups of five characters. Windows' first boot fails on one it does not accept.
	ProductKey             Secret `json:"product_key,omitempty"`
	RegisteredOwner        string `json:"registered_owner,omitempty"`
	RegisteredOrganization string `json:"registered_organization,omitempty"`
	// RunSynchronous are commands that run in this order in the pass specialize, as SYSTEM, one after the other.
	RunSynchronous []Command `json:"run_synchronous,omitempty"`
	// FirstLogonCommands run when somebody logs on at the console for the first time, which on a server
	// may be never. Since Windows 10 they start together.
	FirstLogonCommands []LogonCommand `json:"first_logon_command,omitempty"`
	// SkipOOBE answers or hides every page that the first boot can show: all of the fields of OOBE that
	// the target knows, except those that are set there.
	SkipOOBE bool `json:"skip_oobe,omitempty"`
	OOBE     OOBE `json:"oobe,omitzero"`
}

// OOBE says what pages the first boot shows. Nil and zero values mean "not set".
type OOBE struct {
	HideEULAPage *bool `json:"hide_eula_page,omitempty"`
	// HideLocalAccountScreen is the page that asks for the Administrator's password, on servers.
	HideLocalAccountScreen    *bool `json:"hide_local_account_screen,omitempty"`    // Windows 8 and newer
	HideOEMRegistrationScreen *bool `json:"hide_oem_registration_screen,omitempty"` // Windows 8 and newer
	HideOnlineAccountScreens  *bool `json:"hide_online_account_screens,omitempty"`  // Windows 8 and newer
	HideWirelessSetupInOOBE   *bool `json:"hide_wireless_setup_in_oobe,omitempty"`
	// NetworkLocation is Home, Work or Other. Windows 10 and newer ignore it.
	NetworkLocation string `json:"network_location,omitempty"`
	// ProtectYourPC turns the express settings on (1 or 2) or off (3).
	ProtectYourPC int `json:"protect_your_pc,omitempty"`
	// SkipMachineOOBE and SkipUserOOBE are deprecated, but there is nothing else for an image without a
	// local account.
	SkipMachineOOBE *bool `json:"skip_machine_oobe,omitempty"`
	SkipUserOOBE    *bool `json:"skip_user_oobe,omitempty"`
}

// Command is one command of the pass specialize.
type Command struct {
	// Command is a program with its arguments, up to 259 characters. There is no shell: use cmd.exe /c.
	Command     string `json:"command"`
	Description string `json:"description,omitempty"`
	// WillReboot is Never, which is also the default, Always, or OnRequest: then exit code 0 means go on,
	// 1 reboot and go on, 2 reboot and run this command again, and all others are errors that end the
	// first boot.
	WillReboot string `json:"will_reboot,omitempty"`
}

// LogonCommand is one command of the first logon.
type LogonCommand struct {
	// Command is a program with its arguments, up to 1024 characters.
	Command     string `json:"command"`
	Description string `json:"description,omitempty"`
}

// Bounds. Names, the commands of the first logon and their number: the schema of Shell-Setup. Path and
// Description of RunSynchronous: its reference (docs/formats/unattend.md).
const (
	maxComputerName     = 15
	maxName             = 256
	maxPath             = 259
	maxPathDescription  = 259
	maxCommandLine      = 1024
	maxLogonDescription = 256
	maxCommands         = 500
	// maxPassword is the longest that the dialogs of Windows take.
	maxPassword = 127
)

var (
	language     = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$`)
	inputProfile = regexp.MustCompile(`^[0-9A-Fa-f]{4}:([0-9A-Fa-f]{8}|\{[0-9A-Fa-f-]{36}\}\{[0-9A-Fa-f-]{36}\})$`)
	productKey   = regexp.MustCompile(`^[0-9A-Za-z]{5}(-[0-9A-Za-z]{5}){4}$`)
	digits       = regexp.MustCompile(`^[0-9]+$`)
)

// problems collects what is wrong; each begins with the field's name.
type problems []error

// addf adds a problem. Nothing of a secret, or of a command, may be among args.
func (p *problems) addf(field, format string, args ...any) {
	*p = append(*p, fault.In(field, fault.Invalidf(format, args...)))
}

// text checks what every text must fulfil, and says whether it did.
func (p *problems) text(field, value string, limit int) bool {
	switch {
	case value == "":
		return false
	case !printable(value):
		p.addf(field, "holds a character that an answer file cannot hold (a control character, or no valid UTF-8)")
	case utf16le.Len(value) > limit:
		p.addf(field, "has %d characters; Windows takes at most %d", utf16le.Len(value), limit)
	case strings.TrimSpace(value) != value || strings.TrimSpace(value) == "":
		p.addf(field, "begins or ends with a space")
	default:
		return true
	}
	return false
}

// printable says whether XML can hold a text without changing it: no line breaks either, which no
// setting has.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// Validate returns all that is wrong with the settings, joined; each problem begins with the name of its
// field as in HCL. It looks at no image, and tells nothing of passwords, keys and commands.
func (s *Settings) Validate() error {
	var p problems
	s.validateComputerName(&p)
	if p.text("time_zone", s.TimeZone, maxName) && strings.ContainsAny(s.TimeZone, `/\`) {
		p.addf("time_zone", `%q is not one of Windows' names, which look like "W. Europe Standard Time"; "tzutil /l" lists them`, s.TimeZone)
	}
	s.validateLanguages(&p)
	s.validateSecrets(&p)
	p.text("registered_owner", s.RegisteredOwner, maxName)
	p.text("registered_organization", s.RegisteredOrganization, maxName)
	s.validateCommands(&p)
	s.OOBE.validate(&p)
	return errors.Join(p...)
}

func (s *Settings) validateComputerName(p *problems) {
	const field = "computer_name"
	name := s.ComputerName
	switch {
	case name == "" || name == "*":
	case !printable(name):
		p.addf(field, "holds a control character, or no valid UTF-8")
	case len(name) > maxComputerName:
		p.addf(field, "%q is longer than the %d bytes that a NetBIOS name can have", name, maxComputerName)
	case digits.MatchString(name):
		p.addf(field, "%q has only digits, which Windows does not take for a computer's name", name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		p.addf(field, "%q begins or ends with a hyphen", name)
	default:
		for _, r := range name {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
				p.addf(field, "%q holds %q; only letters, digits, hyphens and underscores can be in a computer's name", name, r)
				return
			}
		}
	}
}

func (s *Settings) validateLanguages(p *problems) {
	for _, f := range []struct{ field, value string }{
		{"system_locale", s.SystemLocale}, {"ui_language", s.UILanguage}, {"user_locale", s.UserLocale},
	} {
		if p.text(f.field, f.value, maxName) && !language.MatchString(f.value) {
			p.addf(f.field, `%q is not the tag of a language, such as "de-DE"`, f.value)
		}
	}
	if !p.text("input_locale", s.InputLocale, maxName) {
		return
	}
	for part := range strings.SplitSeq(s.InputLocale, ";") {
		if part = strings.TrimSpace(part); !language.MatchString(part) && !inputProfile.MatchString(part) {
			p.addf("input_locale", `%q is neither the tag of a language, such as "de-DE", nor an input profile, such as "0407:00000407"`, part)
		}
	}
}

func (s *Settings) validateSecrets(p *problems) {
	password := string(s.AdministratorPassword)
	switch {
	case !printable(password):
		p.addf("administrator_password", "holds a control character, or no valid UTF-8")
	case utf16le.Len(password) > maxPassword:
		p.addf("administrator_password", "is longer than the %d characters that can be typed at a logon", maxPassword)
	}
	if s.ProductKey != "" && !productKey.MatchString(string(s.ProductKey)) {
		p.addf("product_key", "is not five groups of five letters and digits, joined by hyphens")
	}
}

func (s *Settings) validateCommands(p *problems) {
	if n := len(s.RunSynchronous); n > maxCommands {
		p.addf("run_synchronous", "has %d commands; Windows takes at most %d", n, maxCommands)
	}
	for i, c := range s.RunSynchronous {
		field := fmt.Sprintf("run_synchronous[%d].", i)
		p.command(field, c.Command, maxPath)
		p.text(field+"description", c.Description, maxPathDescription)
		switch c.WillReboot {
		case "", "Never", "Always", "OnRequest":
		default:
			p.addf(field+"will_reboot", "%q is none of Never, Always and OnRequest", c.WillReboot)
		}
	}
	if n := len(s.FirstLogonCommands); n > maxCommands {
		p.addf("first_logon_command", "has %d commands; Windows takes at most %d", n, maxCommands)
	}
	for i, c := range s.FirstLogonCommands {
		field := fmt.Sprintf("first_logon_command[%d].", i)
		p.command(field, c.Command, maxCommandLine)
		p.text(field+"description", c.Description, maxLogonDescription)
	}
}

// command checks a command line, of which nothing is told: it may hold a password.
func (p *problems) command(field, line string, limit int) {
	field += "command"
	if line == "" {
		p.addf(field, "is missing")
		return
	}
	if n := utf16le.Len(line); n > limit && printable(line) {
		p.addf(field, "has %d characters; Windows takes at most %d: put the commands into a script in the image, and run that", n, limit)
		return
	}
	p.text(field, line, limit)
}

func (o *OOBE) validate(p *problems) {
	switch o.NetworkLocation {
	case "", "Home", "Work", "Other":
	default:
		p.addf("oobe.network_location", "%q is none of Home, Work and Other", o.NetworkLocation)
	}
	if o.ProtectYourPC < 0 || o.ProtectYourPC > 3 {
		p.addf("oobe.protect_your_pc", "%d is none of 1, 2 and 3", o.ProtectYourPC)
	}
}

// IsZero says whether nothing is set.
func (s *Settings) IsZero() bool { return reflect.ValueOf(*s).IsZero() }
