package offline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"regexp"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Exit codes of Start.
const (
	exitOK = 0
	// exitFailed says that a handler returned an error; its text is on standard error.
	exitFailed = 1
	// exitCannotRun is what shells use for a command that was found but cannot be executed.
	exitCannotRun = 126
)

// maxRequest bounds what a handler's request may take in memory. Requests carry values such as
// registry edits; files go through Upload.
const maxRequest = 64 << 20

// Handler answers a request that a provisioner of winbake's own sends as a command: the request is
// the command's standard input, the reply its standard output, and an error its standard error
// with exit code 1. It alone has the tree while it runs. The context ends with the bake.
type Handler func(ctx context.Context, t *tree.Tree, request []byte) (reply []byte, err error)

// Handle registers the handler for a reserved command, such as "winbake-edit". It must be called
// before the communicator is handed to Packer.
func (c *Communicator) Handle(command string, h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlers[command] = h
}

// Start answers a command: see the package comment. It returns at once; the exit code follows when
// everything is written.
func (c *Communicator) Start(_ context.Context, cmd *packersdk.RemoteCmd) error {
	c.mu.Lock()
	h, ok := c.handlers[strings.TrimSpace(cmd.Command)]
	c.mu.Unlock()
	if !ok {
		go refuse(cmd)
		return nil
	}
	go c.serve(cmd, h)
	return nil
}

// refuse says why a command cannot run and what to use instead. SetExited comes last: the streams
// close with it.
func refuse(cmd *packersdk.RemoteCmd) {
	write(cmd.Stderr, []byte(refusal(cmd.Command)))
	cmd.SetExited(exitCannotRun)
}

func refusal(command string) string {
	return "This image is offline; nothing can run in it, so " + name(command) + " was not run.\n" +
		"Instead, use the \"file\" provisioner for files, the winbake provisioners for what winbake can\n" +
		"change offline, and an answer file (Windows/Panther/unattend.xml) or\n" +
		"Windows/Setup/Scripts/SetupComplete.cmd for what must run when Windows starts first.\n" +
		"Commands on this machine go into a \"shell-local\" provisioner.\n"
}

var programName = regexp.MustCompile(`^[A-Za-z0-9_.:/\\-]{1,60}$`)

// name is what a message may say of a command: its program. The rest may hold passwords, which the
// script provisioners pass as variables in front of the command or in its arguments.
func name(command string) string {
	if words := strings.Fields(command); len(words) > 0 && programName.MatchString(words[0]) {
		return fmt.Sprintf("the command %q", words[0])
	}
	return "the command"
}

func (c *Communicator) serve(cmd *packersdk.RemoteCmd, h Handler) {
	reply, err := c.answer(cmd.Stdin, h)
	if err != nil {
		write(cmd.Stderr, []byte(err.Error()+"\n"))
		cmd.SetExited(exitFailed)
		return
	}
	write(cmd.Stdout, reply)
	cmd.SetExited(exitOK)
}

// answer reads the whole request before it takes the tree, so that a slow sender holds up nobody.
func (c *Communicator) answer(stdin io.Reader, h Handler) (reply []byte, err error) {
	var request bytes.Buffer
	if stdin != nil {
		n, err := request.ReadFrom(io.LimitReader(contextReader{c.ctx, stdin}, maxRequest+1))
		if err != nil {
			return nil, err
		}
		if n > maxRequest {
			return nil, fault.Invalidf("the request is longer than %d bytes", maxRequest)
		}
	}
	err = c.with(func(t *tree.Tree) error {
		reply, err = h(c.ctx, t, request.Bytes())
		return err
	})
	return reply, err
}

// write sends all of b, if anybody listens. Nothing can be told to somebody who has hung up.
func write(w io.Writer, b []byte) {
	if w == nil {
		return
	}
	if _, err := w.Write(b); err != nil {
		log.Printf("[WARN] offline communicator: cannot write a command's output: %s", err)
	}
}
