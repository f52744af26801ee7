//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,OOBEConfig,RunSynchronousConfig,FirstLogonConfig

package unattend

import (
	"os"
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
	"github.com/winbake/packer-plugin-winbake/provisioner/deliver"
)

// Config is the whole configuration of a winbake-unattend provisioner.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	// An answer file to put into the image, in UTF-8 or UTF-16. A path of this machine; a relative one
	// starts where Packer runs. Its passes and components must be ones that Windows knows, for the
	// image's architecture: Windows ignores others without a word. Left out, the fields below go into
	// the answer file that the image has, or into a new one.
	File string `mapstructure:"file"`
	// Names of components that are right although Microsoft does not document them for answer files.
	Components []string `mapstructure:"components"`

	// The name of the computer, up to 15 characters. `*`, or none at all, lets Windows make one up.
	ComputerName string `mapstructure:"computer_name"`
	// The time zone by Windows' own name, such as `W. Europe Standard Time` (`tzutil /l` lists them),
	// `_dstoff` added for no daylight saving time.
	TimeZone string `mapstructure:"time_zone"`
	// The keyboards: languages (`de-DE`) or input profiles (`0407:00000407`), separated by semicolons,
	// the default first.
	InputLocale string `mapstructure:"input_locale"`
	// The language for programs that do not know Unicode, such as `de-DE`.
	SystemLocale string `mapstructure:"system_locale"`
	// The language of the user interface, which the image must have.
	UILanguage string `mapstructure:"ui_language"`
	// How dates, times and numbers look, such as `de-DE`.
	UserLocale string `mapstructure:"user_locale"`
	// The password of the built-in Administrator. Take it from a variable with `sensitive = true`. In the
	// answer file it is encoded, not protected; the file can be read by SYSTEM and Administrators only,
	// and Windows blanks the password when it has set it.
	AdministratorPassword string `mapstructure:"administrator_password"`
	// The product key, five groups of five characters.
	ProductKey string `mapstructure:"product_key"`
	// Who Windows is registered to.
	RegisteredOwner string `mapstructure:"registered_owner"`
	// The organization that Windows is registered to.
	RegisteredOrganization string `mapstructure:"registered_organization"`
	// Whether to answer or hide every page that the first boot could stop at, except for what `oobe` says
	// otherwise. Defaults to `false`.
	SkipOOBE bool `mapstructure:"skip_oobe"`
	// Single pages of the first boot. See below.
	OOBE *OOBEConfig `mapstructure:"oobe"`
	// Commands that run as SYSTEM in the pass specialize, in this order. See below.
	RunSynchronous []RunSynchronousConfig `mapstructure:"run_synchronous"`
	// Commands that run when somebody logs on first, which on a server may be never. See below.
	FirstLogonCommand []FirstLogonConfig `mapstructure:"first_logon_command"`

	// A command script (`.cmd`) that Windows runs as SYSTEM at the end of its first boot, before anybody
	// can log on: `%WINDIR%\Setup\Scripts\SetupComplete.cmd`. A script that the image has runs first. A
	// path of this machine.
	SetupComplete string `mapstructure:"setup_complete"`
	// The same as lines.
	SetupCompleteInline []string `mapstructure:"setup_complete_inline"`

	ctx interpolate.Context
}

// Single pages of the first boot. What is left out is left to Windows, or to `skip_oobe`.
type OOBEConfig struct {
	// Whether to hide the licence terms.
	HideEULAPage config.Trilean `mapstructure:"hide_eula_page"`
	// Whether to hide the page that asks for the Administrator's password. Windows 8 and newer, servers.
	HideLocalAccountScreen config.Trilean `mapstructure:"hide_local_account_screen"`
	// Whether to hide the manufacturer's registration page. Windows 8 and newer.
	HideOEMRegistrationScreen config.Trilean `mapstructure:"hide_oem_registration_screen"`
	// Whether to hide the pages for a Microsoft account. Windows 8 and newer.
	HideOnlineAccountScreens config.Trilean `mapstructure:"hide_online_account_screens"`
	// Whether to hide the page for a wireless network.
	HideWirelessSetupInOOBE config.Trilean `mapstructure:"hide_wireless_setup_in_oobe"`
	// `Home`, `Work` or `Other`. Windows 10 and newer ignore it.
	NetworkLocation string `mapstructure:"network_location"`
	// The express settings: on (`1`, `2`) or off (`3`).
	ProtectYourPC int `mapstructure:"protect_your_pc"`
	// Whether to skip the whole of Windows' welcome; deprecated by Microsoft, but there is nothing else for
	// an image without a local account.
	SkipMachineOOBE config.Trilean `mapstructure:"skip_machine_oobe"`
	// The same for the user's part.
	SkipUserOOBE config.Trilean `mapstructure:"skip_user_oobe"`
}

// A command of the pass specialize.
type RunSynchronousConfig struct {
	// A program with its arguments, up to 259 characters. There is no shell: use `cmd.exe /c`.
	Command string `mapstructure:"command" required:"true"`
	// What Windows shows while it runs.
	Description string `mapstructure:"description"`
	// `Never`, `Always`, or `OnRequest`: then exit code 0 means go on, 1 reboot and go on, 2 reboot and run
	// it again. Defaults to `Never`.
	WillReboot string `mapstructure:"will_reboot"`
}

// A command of the first logon.
type FirstLogonConfig struct {
	// A program with its arguments, up to 1024 characters.
	Command string `mapstructure:"command" required:"true"`
	// What it is for.
	Description string `mapstructure:"description"`
}

// Prepare reads the configuration and returns every mistake at once. It opens no file.
func (c *Config) Prepare(raws ...any) error {
	return deliver.Prepare(c, &c.ctx, "unattend", raws, c.problems)
}

func (c *Config) problems() []error {
	packersdk.LogSecretFilter.Set(c.AdministratorPassword, c.ProductKey)
	if err := deliver.CheckBuilder(c.PackerConfig); err != nil {
		return []error{err}
	}
	var problems []error
	if c.SetupComplete != "" && len(c.SetupCompleteInline) > 0 {
		problems = append(problems, fault.Invalidf("setup_complete: give either a file or setup_complete_inline, not both"))
	}
	answers := edit.AnswerFile{Settings: c.settings()}
	if c.File != "" || c.hasScript() && answers.Settings.IsZero() {
		answers.Content = []byte{} // which is read later, or not needed
	}
	if err := answers.Validate(); err != nil {
		problems = append(problems, unjoin(err)...)
	}
	return problems
}

// unjoin returns the errors that errors.Join has put together, for a list of problems.
func unjoin(err error) []error {
	//nolint:errorlint // the outermost error is what counts
	switch joined := err.(type) {
	case *fault.Error: // which unwraps to its class and cause
		return []error{err}
	case interface{ Unwrap() []error }:
		return joined.Unwrap()
	}
	return []error{err}
}

func (c *Config) hasScript() bool { return c.SetupComplete != "" || len(c.SetupCompleteInline) > 0 }

// items returns what is to be done. It reads the files.
func (c *Config) items() ([]edit.Item, error) {
	var items []edit.Item
	answers := &edit.AnswerFile{Settings: c.settings(), Components: c.Components}
	if c.File != "" {
		content, err := os.ReadFile(c.File)
		if err != nil {
			return nil, fault.In("file", err)
		}
		answers.Content = content
	}
	if answers.Content != nil || !answers.Settings.IsZero() {
		items = append(items, edit.Item{Origin: c.File, Edit: answers})
	}
	if c.hasScript() {
		script, err := c.script()
		if err != nil {
			return nil, fault.In("setup_complete", err)
		}
		items = append(items, edit.Item{Edit: &edit.SetupComplete{Script: script}})
	}
	return items, nil
}

func (c *Config) script() ([]byte, error) {
	if c.SetupComplete != "" {
		return os.ReadFile(c.SetupComplete)
	}
	return []byte(strings.Join(c.SetupCompleteInline, "\r\n") + "\r\n"), nil
}

// settings are the fields as the engine takes them.
func (c *Config) settings() unattend.Settings {
	s := unattend.Settings{
		ComputerName: c.ComputerName, TimeZone: c.TimeZone,
		InputLocale: c.InputLocale, SystemLocale: c.SystemLocale, UILanguage: c.UILanguage, UserLocale: c.UserLocale,
		AdministratorPassword: unattend.Secret(c.AdministratorPassword), ProductKey: unattend.Secret(c.ProductKey),
		RegisteredOwner: c.RegisteredOwner, RegisteredOrganization: c.RegisteredOrganization,
		SkipOOBE: c.SkipOOBE,
	}
	if c.OOBE != nil {
		s.OOBE = c.OOBE.settings()
	}
	for _, r := range c.RunSynchronous {
		s.RunSynchronous = append(s.RunSynchronous, unattend.Command(r))
	}
	for _, f := range c.FirstLogonCommand {
		s.FirstLogonCommands = append(s.FirstLogonCommands, unattend.LogonCommand(f))
	}
	return s
}

func (c *OOBEConfig) settings() unattend.OOBE {
	return unattend.OOBE{
		HideEULAPage:              c.HideEULAPage.ToBoolPointer(),
		HideLocalAccountScreen:    c.HideLocalAccountScreen.ToBoolPointer(),
		HideOEMRegistrationScreen: c.HideOEMRegistrationScreen.ToBoolPointer(),
		HideOnlineAccountScreens:  c.HideOnlineAccountScreens.ToBoolPointer(),
		HideWirelessSetupInOOBE:   c.HideWirelessSetupInOOBE.ToBoolPointer(),
		NetworkLocation:           c.NetworkLocation,
		ProtectYourPC:             c.ProtectYourPC,
		SkipMachineOOBE:           c.SkipMachineOOBE.ToBoolPointer(),
		SkipUserOOBE:              c.SkipUserOOBE.ToBoolPointer(),
	}
}
