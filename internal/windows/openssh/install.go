package openssh

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// install puts Win32-OpenSSH into the image and registers it.
func install(i Image, source string) error {
	files, contents, err := open(i, source)
	if err != nil {
		return fault.In("source", fault.In(source, err))
	}
	if i.Tree.Find(installed.folder) != nil {
		i.Note("The folder %s of the image is replaced.", installed.path)
		if err := i.Tree.Remove(installed.folder); err != nil {
			return err
		}
	}
	if err := makeFolder(i.Tree, installed.folder, programSecurity); err != nil {
		return err
	}
	for k, f := range files {
		if _, err := i.Tree.WriteFile(installed.folder+"/"+f.name, contents[k]); err != nil {
			return fault.In("source", fault.In(source, err))
		}
	}
	i.Note("Win32-OpenSSH (%s) is installed in %s.", count(len(files), "file"), installed.path)
	if e := i.Tree.Find(inBox.folder + "/" + daemon); e != nil {
		i.Note("The OpenSSH server in %s stays where it is, and is not used.", inBox.path)
	}
	return register(i)
}

// open returns the files of a source and their contents, when sshd.exe has turned out to be for the image.
func open(i Image, source string) ([]file, []tree.Content, error) {
	files, closer, err := read(i, source)
	if err != nil {
		return nil, nil, err
	}
	defer closer.Close()
	contents := make([]tree.Content, len(files))
	for k, f := range files {
		if contents[k], err = f.open(); err != nil {
			return nil, nil, err
		}
		if strings.EqualFold(f.name, daemon) {
			if err := checkMachine(i, contents[k]); err != nil {
				return nil, nil, err
			}
		}
	}
	return files, contents, nil
}

// releases are the names of the zips by what they are for.
var releases = map[pe.Machine]string{
	pe.AMD64: "OpenSSH-Win64.zip", pe.I386: "OpenSSH-Win32.zip", pe.ARM64: "OpenSSH-ARM64.zip", pe.ARM: "OpenSSH-ARM.zip",
}

// checkMachine refuses programs for another processor than the image's.
func checkMachine(i Image, program tree.Content) error {
	info, err := pe.Read(program)
	if err != nil {
		return fault.In(daemon, err)
	}
	machine := i.Machine
	if machine == 0 {
		w, err := boot.Detect(i.Tree)
		if err != nil {
			return err
		}
		machine = w.Arch
	}
	if info.Machine != machine {
		return fault.Invalidf("%s is for %v, and the image for %v; take %s", daemon, info.Machine, machine, releases[machine])
	}
	return nil
}
