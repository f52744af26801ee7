package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/version"
)

const auditHelp = `Reports where the recovery environment (WinRE) of each image is, which version, whether
ReAgent.xml and the boot configuration point to it, whether there is room to update it, and which
security advisories it answers. Nothing is written to the images.

PATH is a disk (raw, VHD, VHDX, qcow2), an NTFS volume, or the folder that a Windows volume is
mounted at. A Windows in a virtual disk for native boot on a disk is audited where it is.

Exit codes: 0 nothing to do, 1 findings, 2 wrong use, 3 something could not be read.`

func auditCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:        "audit",
		Usage:       "report on the recovery environment of images",
		ArgsUsage:   "PATH...",
		Description: auditHelp,
		// A path may hold a comma.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the report as JSON"},
			&cli.StringSliceFlag{Name: "log", TakesFile: true,
				Usage: "read `FILE` too: CBS.log, dism.log, setupact.log, WindowsUpdate.log, the output of reagentc /info or bcdedit /enum all; may be repeated"},
			&cli.BoolFlag{Name: "parity", Usage: "compare two PATHs, which may be manifest.json files of winbake: both must carry the same WinRE, in the same state"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			return auditAction(c, stdout)
		},
	}
}

func auditAction(c *cli.Command, stdout io.Writer) error {
	paths, logs, o := c.Args().Slice(), c.StringSlice("log"), audit.Options{Tool: "winbake " + version.PluginVersion.FormattedVersion()}
	var report *audit.Report
	var err error
	switch {
	case c.Bool("parity") && len(paths) != 2:
		return usagef("--parity compares two paths, and there are %d", len(paths))
	case c.Bool("parity") && len(logs) > 0:
		return usagef("--parity takes no --log")
	case len(paths) == 0 && len(logs) == 0:
		return usagef("name the disks, volumes or folders to audit, or logs with --log")
	case c.Bool("parity"):
		report, err = audit.Compare(paths[0], paths[1], o)
	default:
		report, err = audit.Run(paths, logs, o)
	}
	if err != nil {
		return err
	}
	if err := show(stdout, report, c.Bool("json")); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	switch report.Verdict {
	case audit.OK:
		return nil
	case audit.Findings:
		return exit(exitFindings)
	case audit.Unreadable:
	}
	return exit(exitUnreadable)
}

func show(w io.Writer, r *audit.Report, asJSON bool) error {
	if !asJSON {
		return writeText(w, r)
	}
	return writeJSON(w, r)
}
