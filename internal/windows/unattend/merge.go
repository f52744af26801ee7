package unattend

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// newDocument returns an answer file without settings.
func newDocument() *document {
	root := etree.NewElement("unattend")
	root.CreateAttr("xmlns", namespace)
	d := &document{etree.NewDocumentWithRoot(root)}
	d.xml.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	d.declareUTF8()
	d.xml.CreateText("\n")
	return d
}

// value is one setting with its place.
type value struct {
	pass, component string
	path            []string // elements below the component
	text            string
}

// values returns the settings that are one text each, in the order in which they are written.
func (s *Settings) values(t Target) []value {
	var all []value
	add := func(pass, component, text string, path ...string) {
		if text != "" {
			all = append(all, value{pass, component, path, text})
		}
	}
	add(specialize, shellSetup, s.ComputerName, "ComputerName")
	add(specialize, shellSetup, string(s.ProductKey), "ProductKey")
	add(specialize, shellSetup, s.RegisteredOrganization, "RegisteredOrganization")
	add(specialize, shellSetup, s.RegisteredOwner, "RegisteredOwner")
	add(specialize, shellSetup, s.TimeZone, "TimeZone")
	// In specialize they are in force for the commands there; OOBE asks for what oobeSystem does not have.
	for _, pass := range []string{specialize, oobeSystem} {
		add(pass, international, s.InputLocale, "InputLocale")
		add(pass, international, s.SystemLocale, "SystemLocale")
		add(pass, international, s.UILanguage, "UILanguage")
		add(pass, international, s.UserLocale, "UserLocale")
	}
	for _, page := range s.pages(t) {
		add(oobeSystem, shellSetup, page.value, "OOBE", page.name)
	}
	if s.AdministratorPassword != "" {
		add(oobeSystem, shellSetup, encodePassword(string(s.AdministratorPassword), "AdministratorPassword"), "UserAccounts", "AdministratorPassword", "Value")
		add(oobeSystem, shellSetup, "false", "UserAccounts", "AdministratorPassword", "PlainText")
	}
	return all
}

// encodePassword is what System Image Manager writes for a password that is to be "hidden": UTF-16 of
// the password and the name of its element, in base64. Anybody can undo it.
func encodePassword(password, element string) string {
	return base64.StdEncoding.EncodeToString(utf16le.Encode(password + element))
}

// page is one element of OOBE.
type page struct {
	name, value string
	field       string // in HCL
	windows8    bool   // unknown to Windows 7
}

// pages returns what is to be written into OOBE for the target.
func (s *Settings) pages(t Target) []page {
	var set []page
	for _, p := range s.allPages() {
		if p.value == "" && s.SkipOOBE && (t.windows8() || !p.windows8) {
			p.value = skipped[p.name]
		}
		if p.value != "" {
			set = append(set, p)
		}
	}
	return set
}

// skipped are the answers of SkipOOBE: no express settings and a network that is not trusted, which is
// the cautious choice of each.
var skipped = map[string]string{
	"HideEULAPage": "true", "HideLocalAccountScreen": "true", "HideOEMRegistrationScreen": "true",
	"HideOnlineAccountScreens": "true", "HideWirelessSetupInOOBE": "true",
	"NetworkLocation": "Other", "ProtectYourPC": "3", "SkipMachineOOBE": "true", "SkipUserOOBE": "true",
}

// allPages returns every element of OOBE that can be set; its value is empty where it is not.
func (s *Settings) allPages() []page {
	o := &s.OOBE
	protect := ""
	if o.ProtectYourPC != 0 {
		protect = strconv.Itoa(o.ProtectYourPC)
	}
	return []page{
		{"HideEULAPage", boolean(o.HideEULAPage), "hide_eula_page", false},
		{"HideLocalAccountScreen", boolean(o.HideLocalAccountScreen), "hide_local_account_screen", true},
		{"HideOEMRegistrationScreen", boolean(o.HideOEMRegistrationScreen), "hide_oem_registration_screen", true},
		{"HideOnlineAccountScreens", boolean(o.HideOnlineAccountScreens), "hide_online_account_screens", true},
		{"HideWirelessSetupInOOBE", boolean(o.HideWirelessSetupInOOBE), "hide_wireless_setup_in_oobe", false},
		{"NetworkLocation", o.NetworkLocation, "network_location", false},
		{"ProtectYourPC", protect, "protect_your_pc", false},
		{"SkipMachineOOBE", boolean(o.SkipMachineOOBE), "skip_machine_oobe", false},
		{"SkipUserOOBE", boolean(o.SkipUserOOBE), "skip_user_oobe", false},
	}
}

func boolean(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

// check adds to Validate what depends on the target.
func (s *Settings) check(t Target) error {
	if err := t.validate(); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	for _, p := range s.allPages() {
		if p.value != "" && p.windows8 && !t.windows8() {
			return fault.In("oobe."+p.field, fault.Unsupportedf(fault.NoOffset, "build %d does not know it: it came with Windows 8", t.Build))
		}
	}
	return nil
}

// merge puts the settings into the document.
func (d *document) merge(s Settings, t Target) error {
	if err := s.check(t); err != nil {
		return err
	}
	if pass := d.processed(); pass != "" {
		return processedError(pass)
	}
	for _, v := range s.values(t) {
		d.set(v, t.Arch)
	}
	if len(s.RunSynchronous) > 0 {
		list := d.list(specialize, deployment, t.Arch, "RunSynchronous")
		for i, c := range s.RunSynchronous {
			add(list, "RunSynchronousCommand", i, "Path", c.Command, c.Description, "WillReboot", c.WillReboot)
		}
	}
	if len(s.FirstLogonCommands) > 0 {
		list := d.list(oobeSystem, shellSetup, t.Arch, "FirstLogonCommands")
		for i, c := range s.FirstLogonCommands {
			add(list, "SynchronousCommand", i, "CommandLine", c.Command, c.Description)
		}
	}
	return nil
}

// set writes a value where it belongs, and where the other pass that runs has it already.
func (d *document) set(v value, arch string) {
	setText(d.component(v.pass, v.component, arch), v)
	for _, pass := range []string{specialize, oobeSystem} {
		if c := d.find(pass, v.component, arch); pass != v.pass && c != nil && has(c, v.path) {
			setText(c, v)
		}
	}
}

// setText writes a value into a component.
func setText(component *etree.Element, v value) {
	e := component
	for _, name := range v.path {
		e = ensure(e, name)
	}
	empty(e)
	e.SetText(v.text)
}

func has(e *etree.Element, path []string) bool {
	for _, name := range path {
		if e = child(e, name); e == nil {
			return false
		}
	}
	return true
}

// list returns an empty list of commands, in place of the one that may be there.
func (d *document) list(pass, component, arch, name string) *etree.Element {
	e := ensure(d.component(pass, component, arch), name)
	empty(e)
	return e
}

// add appends a command to a list. fields are pairs of names and texts; empty ones are left out.
func add(list *etree.Element, item string, index int, commandName, command, description string, fields ...string) {
	e := appendTo(list, item)
	e.CreateAttr(wcmIn(e)+":action", "add")
	for i, all := 0, append([]string{"Order", strconv.Itoa(index + 1), commandName, command, "Description", description}, fields...); i < len(all); i += 2 {
		if all[i+1] != "" {
			appendTo(e, all[i]).SetText(all[i+1])
		}
	}
}

// wcmIn returns the prefix of the attributes that lists have, at e; where there is none, e gets one.
func wcmIn(e *etree.Element) string {
	for up := e; up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			if a.Space == "xmlns" && a.Value == wcmNamespace && uriOf(e, a.Key) == wcmNamespace {
				return a.Key
			}
		}
	}
	e.CreateAttr("xmlns:"+wcmPrefix, wcmNamespace)
	return wcmPrefix
}

// component returns the component of a pass for an architecture, made where it is missing.
func (d *document) component(pass, name, arch string) *etree.Element {
	if c := d.find(pass, name, arch); c != nil {
		return c
	}
	e := appendTo(d.pass(pass), "component")
	for _, a := range [][2]string{
		{"name", name}, {"processorArchitecture", arch}, {"publicKeyToken", microsoft},
		{"language", neutral}, {"versionScope", versionScope}, {"xmlns:" + wcmPrefix, wcmNamespace},
	} {
		e.CreateAttr(a[0], a[1])
	}
	return e
}

// find returns the first component of a pass with the name and the architecture, or nil.
func (d *document) find(pass, name, arch string) *etree.Element {
	for _, settings := range d.settings() {
		if attr(settings, "pass") != pass {
			continue
		}
		for _, c := range children(settings, "component") {
			if strings.EqualFold(attr(c, "name"), name) && strings.EqualFold(attr(c, "processorArchitecture"), arch) {
				return c
			}
		}
	}
	return nil
}

// pass returns the element of a pass, made behind the last one where it is missing.
func (d *document) pass(name string) *etree.Element {
	all := d.settings()
	for _, e := range all {
		if attr(e, "pass") == name {
			return e
		}
	}
	root := d.xml.Root()
	at := 0
	if len(all) > 0 {
		at = all[len(all)-1].Index() + 1
	}
	e := insert(root, "settings", at)
	e.CreateAttr("pass", name)
	return e
}

// settings returns the elements of the passes.
func (d *document) settings() []*etree.Element { return children(d.xml.Root(), "settings") }
