// Command winbake looks after Windows images outside of Packer. "winbake audit" reports on the
// recovery environment of disks, volumes and folders, and on what logs tell of it; "winbake inspect"
// prints what is in disks, WIMs, ISOs, hives and BCD stores.
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

// Exit codes, as docs/audit.md has them.
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
type usage struct{ error }

func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

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
		fmt.Fprintf(stderr, "winbake: %v\nTry: winbake audit --help\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "winbake: %s\n", printable(err.Error())) // it may hold names from an image
	return exitUnreadable
}

func newApp(stdout, stderr io.Writer) *cli.Command {
	misused := func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage{err} }
	app := &cli.Command{
		Name:      "winbake",
		Usage:     "look after Windows images, offline",
		Version:   version.PluginVersion.FormattedVersion(),
		Writer:    stdout,
		ErrWriter: stderr,
		Commands:  []*cli.Command{auditCommand(stdout), inspectCommand(stdout)},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 0 {
				return usagef("there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		// The default handler ends the process.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		OnUsageError:   misused,
	}
	for _, c := range app.Commands {
		c.OnUsageError = misused
	}
	return app
}
