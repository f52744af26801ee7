package edit

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/hostname"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
)

// AnswerFile puts an answer file into the image.
type AnswerFile struct {
	// Content is the file. Without one, the settings go into the answer file that the image has, or
	// into a new one.
	Content []byte `json:"content,omitempty"`
	// Settings are set in it.
	Settings unattend.Settings `json:"settings"`
	// Components are names of components that are right although Microsoft does not document them.
	Components []string `json:"components,omitempty"`
}

// Validate checks the settings. The file is checked when it is known for which Windows it is.
func (e *AnswerFile) Validate() error {
	if e.Content == nil && e.Settings.IsZero() {
		return fault.Invalidf("there is nothing to answer: give a file, or at least one setting")
	}
	return e.Settings.Validate()
}

// Apply checks the file and puts it into the image.
func (e *AnswerFile) Apply(i *Image) error {
	if e.Content != nil && i.Tree.Find(unattend.Path) != nil {
		i.Note("The answer file replaces the one that the image had.")
	}
	target, err := i.target()
	if err != nil {
		return err
	}
	content, err := e.merged(i, target)
	if err != nil {
		return err
	}
	warnings, err := unattend.Check(content, target, e.Components...)
	if err != nil {
		return err
	}
	other, err := i.Registry.DeleteValue(`HKLM\SYSTEM\Setup`, "UnattendFile")
	if err != nil {
		return err
	}
	if other {
		i.Note("The registry named another answer file (UnattendFile), which Windows would have used instead; it no longer does.")
	}
	notes, err := unattend.Install(i.Tree, content)
	for _, n := range append(warnings, notes...) {
		i.Note("Answer file: %s", n)
	}
	return err
}

// merged is the file with the settings in it.
func (e *AnswerFile) merged(i *Image, target unattend.Target) (content []byte, err error) {
	if content = e.Content; content == nil {
		content, err = unattend.Read(i.Tree)
	}
	switch {
	case err != nil || e.Settings.IsZero():
		return content, err
	case content == nil:
		return unattend.New(e.Settings, target)
	}
	return unattend.Merge(content, e.Settings, target)
}

// answer puts a setting into the answer file as well, if the first boot is still to come: it would
// overwrite what is in the registry.
func (i *Image) answer(s unattend.Settings) error {
	waits, err := i.Registry.AwaitsFirstBoot()
	if err != nil || !waits {
		return err
	}
	return (&AnswerFile{Settings: s}).Apply(i)
}

// target is the Windows of the image, as answer files name it.
func (i *Image) target() (unattend.Target, error) {
	w, err := i.Windows()
	return unattend.Target{Arch: w.Arch.Processor(), Build: w.Version.Build}, err
}

// SetupComplete adds a command script to what Windows runs at the end of its first boot.
type SetupComplete struct {
	Script []byte `json:"script"`
}

// Validate refuses an empty script.
func (e *SetupComplete) Validate() error {
	if len(e.Script) == 0 {
		return fault.Invalidf("setup_complete: the script is empty")
	}
	return nil
}

// Apply adds the script.
func (e *SetupComplete) Apply(i *Image) error {
	return fault.In("setup_complete", unattend.InstallSetupComplete(i.Tree, e.Script))
}

// Hostname names the computer.
type Hostname struct {
	Name string `json:"name"`
}

// Validate checks the name.
func (e *Hostname) Validate() error { return hostname.Validate(e.Name) }

// Apply sets the name.
func (e *Hostname) Apply(i *Image) error {
	if err := hostname.Apply(i.Registry, e.Name); err != nil {
		return err
	}
	return i.answer(unattend.Settings{ComputerName: e.Name})
}
