package unattend

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// The script that Windows runs as SYSTEM when the first boot is done and before anybody can log on.
const (
	scriptFolder  = "Windows/Setup/Scripts"
	setupComplete = scriptFolder + "/SetupComplete.cmd"
	// maxScript bounds a script, and one that is in the image.
	maxScript = 1 << 20
	// maxScripts bounds how many are called one after the other: they share a line of at most 8191 characters.
	maxScripts = 50
)

// InstallSetupComplete adds a command script to what Windows runs at the end of the first boot, readable
// for SYSTEM and Administrators only. Its lines end in CR LF afterwards, and a byte order mark of UTF-8 is
// taken away, since cmd.exe would stumble over it.
//
// A script that the image has already is kept and runs first: it becomes SetupComplete-1.cmd, the new one
// SetupComplete-2.cmd, and SetupComplete.cmd calls both, each in a cmd.exe of its own, so that an "exit" in
// one does not keep the next from running. More are added behind. A script that is there already, byte for
// byte, is not added again.
func InstallSetupComplete(t *tree.Tree, script []byte) error {
	text, err := batchText(script)
	if err != nil {
		return err
	}
	e := t.Find(setupComplete)
	if e == nil {
		return writePrivate(t, setupComplete, text)
	}
	present, err := readScript(e)
	if err != nil || bytes.Equal(present, text) {
		return err
	}
	count := called(present)
	for i := range count {
		if other := t.Find(scriptFolder + "/" + part(i+1)); other != nil {
			if present, err := readScript(other); err != nil || bytes.Equal(present, text) {
				return err
			}
		}
	}
	if count == 0 {
		count = 1
		if err := errors.Join(checkFree(t, part(1)), checkFree(t, part(2))); err != nil {
			return err
		}
		if err := rename(t, e, part(1)); err != nil {
			return err
		}
	}
	return addPart(t, count+1, text)
}

// addPart writes one more script, and the one that calls all of them.
func addPart(t *tree.Tree, number int, text []byte) error {
	if number > maxScripts {
		return fault.Unsupportedf(fault.NoOffset, "the image has %d setup_complete scripts already; put several into one", maxScripts)
	}
	if err := checkFree(t, part(number)); err != nil {
		return err
	}
	if err := writePrivate(t, scriptFolder+"/"+part(number), text); err != nil {
		return err
	}
	return writePrivate(t, setupComplete, caller(number))
}

// batchText returns a script as cmd.exe wants it.
func batchText(script []byte) ([]byte, error) {
	if len(script) > maxScript {
		return nil, fault.Invalidf("the setup_complete script has %d bytes; it may have %d", len(script), maxScript)
	}
	script = bytes.TrimPrefix(script, []byte{0xEF, 0xBB, 0xBF})
	if bytes.IndexByte(script, 0) >= 0 {
		return nil, fault.Invalidf("the setup_complete script is no text that cmd.exe can read: it has NUL bytes (UTF-16?); save it as ASCII, or as UTF-8 with \"chcp 65001\" at its start")
	}
	if len(bytes.TrimSpace(script)) == 0 {
		return nil, fault.Invalidf("the setup_complete script is empty")
	}
	script = bytes.ReplaceAll(script, []byte("\r\n"), []byte("\n"))
	if !bytes.HasSuffix(script, []byte("\n")) {
		script = append(bytes.Clone(script), '\n')
	}
	return bytes.ReplaceAll(script, []byte("\n"), []byte("\r\n")), nil
}

func readScript(e *tree.Entry) ([]byte, error) {
	if e.Node.IsDir() {
		return nil, fault.Invalidf("%s is a directory in the image", e.Node.Path())
	}
	data, err := tree.ReadAll(e.Node.Data, maxScript)
	return data, fault.In(e.Node.Path(), err)
}

// part is the name of one of several scripts.
func part(number int) string { return fmt.Sprintf("SetupComplete-%d.cmd", number) }

// caller is the script that calls the parts. It is one line, which cmd.exe reads as a whole before it
// begins: a part that deletes SetupComplete.cmd does not end the others.
func caller(count int) []byte {
	calls := make([]string, count)
	for i := range calls {
		calls[i] = fmt.Sprintf(`"%%ComSpec%%" /d /c call "%%~dp0%s"`, part(i+1))
	}
	return []byte("@" + strings.Join(calls, " & ") + "\r\n")
}

// called says how many parts a script calls, if it is a caller, else 0.
func called(script []byte) int {
	for count := 2; count <= maxScripts; count++ {
		if bytes.Equal(script, caller(count)) {
			return count
		}
	}
	return 0
}

// rename gives a script another name in its directory, which must be free.
func rename(t *tree.Tree, e *tree.Entry, name string) error {
	dir, node := e.Parent, e.Node
	t.Unlink(e)
	_, err := t.Link(dir, name, "", node)
	return err
}

// checkFree makes sure that no script in the image has a name that is about to be used.
func checkFree(t *tree.Tree, name string) error {
	if path := scriptFolder + "/" + name; t.Find(path) != nil {
		return fault.Unsupportedf(fault.NoOffset, "the image has %s, but no SetupComplete.cmd of winbake's that calls it; remove or rename it", path)
	}
	return nil
}
