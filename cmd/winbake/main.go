// Command winbake looks after Windows images outside of Packer. "winbake audit" reports on the
// recovery environment of disks, volumes and folders, and on what logs tell of it; "winbake inspect"
// prints what is in disks, WIMs, ISOs, hives and BCD stores; "winbake verify" looks for damage in disks.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/winbake/packer-plugin-winbake/version"
)

// Exit codes, as docs/audit.md and docs/verify.md have them.
const (
	exitOK         = 0
	exitFindings   = 1
	exitUsage      = 2
	exitUnreadable = 3
)

func main() { os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr)) }

// exit ends the program with a code and without a message: the report has said it all.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usage is a mistake on the command line.
type usage struct {
	error
	command string // that was used; empty for none that there is
}

func usagef(format string, args ...any) error { return usage{error: fmt.Errorf(format, args...)} }

// help is how to ask for the help of the command that was used.
func (u usage) help() string {
	if u.command == "" {
		return "winbake --help"
	}
	return "winbake " + u.command + " --help"
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := newApp(stdout, stderr).Run(ctx, args)
	var code exit
	var mistake usage
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &mistake):
		fmt.Fprintf(stderr, "winbake: %v\nTry: %s\n", err, mistake.help())
		return exitUsage
	}
	fmt.Fprintf(stderr, "winbake: %s\n", printable(err.Error())) // it may hold names from an image
	return exitUnreadable
}

func newApp(stdout, stderr io.Writer) *cli.Command {
	app := &cli.Command{
		Name:      "winbake",
		Usage:     "look after Windows images, offline",
		Version:   version.PluginVersion.FormattedVersion(),
		Writer:    stdout,
		ErrWriter: stderr,
		Commands: []*cli.Command{
			auditCommand(stdout),
			inspectCommand(stdout),
			usbCommand(stdout, stderr),
			verifyCommand(stdout),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 0 {
				return usagef("there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		// The default handler ends the process.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		OnUsageError:   misused(""),
	}
	for _, c := range app.Commands {
		knowName(c, c.Name)
	}
	return app
}

// knowName has the mistakes of a command, and of those below it, tell which command they are of.
func knowName(c *cli.Command, name string) {
	c.OnUsageError, c.Action = misused(name), named(name, c.Action)
	for _, below := range c.Commands {
		knowName(below, name+" "+below.Name)
	}
}

// misused makes mistakes of what cannot be parsed of a command's line.
func misused(command string) cli.OnUsageErrorFunc {
	return func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage{err, command} }
}

// named tells a command's mistakes which command they are of.
func named(command string, action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		err := action(ctx, c)
		var mistake usage
		if errors.As(err, &mistake) {
			return usage{mistake.error, command}
		}
		return err
	}
}
