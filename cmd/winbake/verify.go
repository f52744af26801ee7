package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/version"
)

const verifyHelp = `Looks for damage in disks, and for what keeps them from starting: the file's format, the
partition table, boot records, file systems, the boot chain file by file, registry hives, and the
manifest and checksums beside the disk. Nothing is written to the disks.

PATH is a disk (raw, VHD, VHDX, qcow2), an NTFS volume, or a WIM (.wim, .esd, the first .swm).

Exit codes: 0 nothing found, 1 findings, 2 wrong use, 3 something could not be read.`

func verifyCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "look for damage in disks, and for what keeps them from starting",
		ArgsUsage:   "PATH...",
		Description: verifyHelp,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the report as JSON"},
			&cli.BoolFlag{Name: "no-checksums", Usage: "do not read all of a disk to compare its SHA-256 with manifest.json and checksums.sha256"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			return verifyAction(ctx, c, stdout)
		},
	}
}

func verifyAction(ctx context.Context, c *cli.Command, stdout io.Writer) error {
	paths := c.Args().Slice()
	if len(paths) == 0 {
		return usagef("name the disks, volumes or WIM files to verify")
	}
	report, err := verify.Run(ctx, paths, verify.Options{Tool: "winbake " + version.PluginVersion.FormattedVersion(), NoChecksums: c.Bool("no-checksums")})
	if err != nil {
		return err
	}
	if err := showVerify(stdout, report, c.Bool("json")); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	switch report.Verdict {
	case verify.OK:
		return nil
	case verify.Findings:
		return exit(exitFindings)
	case verify.Unreadable:
	}
	return exit(exitUnreadable)
}

func showVerify(w io.Writer, r *verify.Report, asJSON bool) error {
	if asJSON {
		return writeJSON(w, r)
	}
	p := &page{}
	for _, f := range r.Files {
		p.verified(f)
	}
	_, err := w.Write(p.b.Bytes())
	return err
}

func (p *page) verified(f *verify.File) {
	p.line("%s", f.Path)
	for _, what := range f.Checked {
		p.line("  checked  %s", what)
	}
	count := 0
	for _, x := range f.Findings {
		if x.Severity != verify.Note {
			count++
		}
		where := x.Where.String()
		if where != "" {
			where += ": "
		}
		p.line("  %s [%s] %s%s", x.Severity, x.Check, where, x.Text)
		if x.Next != "" {
			p.line("    -> %s", x.Next)
		}
	}
	switch {
	case f.Error != "":
		p.line("  => It could not be read: %s", f.Error)
	case count == 1:
		p.line("  => There is 1 finding.")
	case count > 0:
		p.line("  => There are %d findings.", count)
	default:
		p.line("  => Nothing was found.")
	}
	p.line("")
}
