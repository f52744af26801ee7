package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// machine is a running QEMU, spoken to in QMP over its standard input and output.
type machine struct {
	dir     string
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan reply // closed when QEMU's output ends
	stderr  bytes.Buffer
	ended   chan struct{} // closed when the process has ended
}

// reply is QMP's answer to a command; an event has neither field.
type reply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

// startMachine starts QEMU with args. It dies with ctx.
func startMachine(ctx context.Context, dir string, args []string) (*machine, error) {
	path, err := find("qemu-system-x86_64")
	if err != nil {
		return nil, err
	}
	m := &machine{dir: dir, replies: make(chan reply, 1), ended: make(chan struct{})}
	m.cmd = exec.CommandContext(ctx, path, append(args, "-qmp", "stdio")...)
	m.cmd.Env = append(os.Environ(), "TMPDIR="+dir) // where snapshot=on puts its changes
	m.cmd.Stderr = &m.stderr
	m.cmd.WaitDelay = 5 * time.Second
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	m.cmd.Stdout = w
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go m.listen(r)
	go func() {
		m.cmd.Wait() // how it ended does not matter; what it said does
		w.Close()
		close(m.ended)
	}()
	if err := m.command(`{"execute":"qmp_capabilities"}`); err != nil {
		m.stop()
		return nil, fmt.Errorf("qemu did not start: %w\n%s", err, m.stderr.String())
	}
	return m, nil
}

// listen passes on QEMU's replies until its output ends.
func (m *machine) listen(r io.Reader) {
	defer close(m.replies)
	for d := json.NewDecoder(r); ; {
		var a reply
		if err := d.Decode(&a); err != nil {
			io.Copy(io.Discard, r)
			return
		}
		if a.Return != nil || a.Error != nil {
			select {
			case m.replies <- a:
			default: // to a command whose sender gave up
			}
		}
	}
}

// stop ends QEMU if it still runs.
func (m *machine) stop() {
	m.in.Close()
	m.cmd.Process.Kill()
	<-m.ended
}

// command sends one QMP command and waits until it is done.
func (m *machine) command(c string) error {
	if _, err := io.WriteString(m.in, c+"\n"); err != nil {
		return err
	}
	a, ok := <-m.replies
	if !ok {
		return io.ErrUnexpectedEOF
	}
	if a.Error != nil {
		return errors.New("qmp: " + a.Error.Desc)
	}
	return nil
}

// The text screen of a PC: rows of cells, each a character and an attribute.
const (
	screenAddress = 0xB8000
	screenColumns = 80
	screenRows    = 25
)

// screen returns the text screen without trailing blanks; "" if it cannot be had.
func (m *machine) screen() string {
	file := filepath.Join(m.dir, "screen")
	name, err := json.Marshal(file)
	if err != nil {
		return ""
	}
	err = m.command(fmt.Sprintf(`{"execute":"pmemsave","arguments":{"val":%d,"size":%d,"filename":%s}}`,
		screenAddress, screenColumns*screenRows*2, name))
	if err != nil {
		return ""
	}
	cells, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return screenText(cells)
}

// screenText turns cells of a character and an attribute into lines.
func screenText(cells []byte) string {
	var s strings.Builder
	for len(cells) >= 2*screenColumns {
		row := make([]byte, screenColumns)
		for i := range row {
			row[i] = cells[2*i]
			if row[i] < ' ' || row[i] > '~' {
				row[i] = ' '
			}
		}
		s.WriteString(strings.TrimRight(string(row), " ") + "\n")
		cells = cells[2*screenColumns:]
	}
	return strings.Trim(s.String(), "\n")
}

func (m *machine) serial() string {
	b, err := os.ReadFile(filepath.Join(m.dir, "serial"))
	if err != nil {
		return ""
	}
	return string(b)
}

// What firmware and boot records say when they give up. Waiting on would be in vain.
var lastWords = []string{
	"No bootable device",            // SeaBIOS
	"Press Ctrl+Alt+Del to restart", // winbake's and Microsoft's boot records
	"UEFI Interactive Shell",        // OVMF, when no boot option worked
	"BdsDxe: No bootable option",
}

// watch waits until o.Expect was seen, or cannot be any more.
func (m *machine) watch(deadline time.Time, o BootOptions) (BootResult, error) {
	for {
		r, done, err := m.look(deadline, o)
		if done {
			return r, err
		}
		select {
		case <-m.ended:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// aim says what is waited for.
func (o BootOptions) aim() string {
	if o.UntilOff {
		return fmt.Sprintf("%q and power-off", o.Expect)
	}
	return strconv.Quote(o.Expect)
}

// look is one round of watch.
func (m *machine) look(deadline time.Time, o BootOptions) (r BootResult, done bool, err error) {
	select {
	case <-m.ended:
		r.Off = true
	default:
		if o.Firmware == BIOS {
			r.Screen = m.screen()
		}
	}
	r.Serial = m.serial() // after Off: what came last is in it
	seen := r.Serial + r.Screen
	switch {
	case strings.Contains(seen, o.Expect) && (r.Off || !o.UntilOff):
		return r, true, nil
	case r.Off:
		return r, true, fmt.Errorf("the machine stopped without %s %s", o.aim(), m.stderr.String())
	case time.Now().After(deadline):
		return r, true, fmt.Errorf("no %s within %v", o.aim(), o.Timeout)
	}
	for _, words := range lastWords {
		if strings.Contains(seen, words) {
			return r, true, fmt.Errorf("%q instead of %s", words, o.aim())
		}
	}
	return r, false, nil
}
