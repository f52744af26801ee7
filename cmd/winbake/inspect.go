package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/version"
)

const inspectHelp = `Prints what is in each file: partitions, boot records, volumes, BCD stores and Windows of a
disk (raw, VHD, VHDX, qcow2), the images of a WIM, ESD or split WIM, an ISO with the WIMs in it,
the keys of a registry hive, the entries of a BCD store. Disks and WIMs on a volume that its boot
configuration names are looked into as well. Nothing is written.

--ls, --cat and --key show a folder, a file or a registry key in place of all that. On a disk the
partition is the only one that has it, unless --partition says which; of a WIM with several images
--image does.

  winbake inspect disk.qcow2 --ls Windows/System32/config
  winbake inspect disk.qcow2 --cat Windows/System32/config/SYSTEM > SYSTEM
  winbake inspect disk.qcow2 --key 'HKLM\SYSTEM\CurrentControlSet\Services\USBSTOR'
  winbake inspect SYSTEM --key 'ControlSet001\Services\USBSTOR'
  winbake inspect usb.img --in hvsOS.vhd --ls /

Exit codes: 0 done, 2 wrong use, 3 something could not be read.`

func inspectCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:        "inspect",
		Usage:       "print what is in disks, WIMs, ISOs, hives and BCD stores",
		ArgsUsage:   "PATH...",
		Description: inspectHelp,
		// A path may hold a comma.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the report as JSON"},
			&cli.StringFlag{Name: "ls", Usage: "list the folder `DIR`; / is the root"},
			&cli.StringFlag{Name: "cat", Usage: "write the bytes of `FILE`, or of its stream FILE:STREAM, to standard output"},
			&cli.StringFlag{Name: "key", Usage: "print the registry key `KEY` with its values"},
			&cli.StringSliceFlag{Name: "in", Usage: "go into the disk, WIM or disc that is the file `FILE` of a volume; may be repeated"},
			&cli.IntFlag{Name: "partition", Usage: "look on partition `N`", HideDefault: true},
			&cli.IntFlag{Name: "image", Usage: "look into image `N` of a WIM", HideDefault: true},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			return inspectAction(c, stdout)
		},
	}
}

func inspectAction(c *cli.Command, stdout io.Writer) error {
	paths := c.Args().Slice()
	o := inspect.Options{
		Tool:  "winbake " + version.PluginVersion.FormattedVersion(),
		Place: inspect.Place{In: c.StringSlice("in"), Partition: c.Int("partition"), Image: c.Int("image")},
	}
	if err := inspectUsage(c, paths); err != nil {
		return err
	}
	if c.IsSet("cat") {
		return inspect.Cat(stdout, paths[0], o.Place, c.String("cat"))
	}
	if c.IsSet("ls") {
		dir := c.String("ls")
		o.Folder = &dir
	}
	if c.IsSet("key") {
		key := c.String("key")
		o.Key = &key
	}
	report := inspect.Run(paths, o)
	if err := showInspection(stdout, report, c.Bool("json")); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	if report.Unreadable() {
		return exit(exitUnreadable)
	}
	return nil
}

// inspectUsage says what is wrong with the command line.
func inspectUsage(c *cli.Command, paths []string) error {
	views := 0
	for _, name := range []string{"ls", "cat", "key"} {
		if c.IsSet(name) {
			views++
		}
	}
	switch {
	case len(paths) == 0:
		return usagef("name the files to inspect")
	case views > 1:
		return usagef("--ls, --cat and --key exclude one another")
	case c.IsSet("cat") && len(paths) != 1:
		return usagef("--cat takes one path, and there are %d", len(paths))
	case c.IsSet("cat") && c.Bool("json"):
		return usagef("--cat writes the file as it is: it takes no --json")
	case views == 0 && (c.IsSet("partition") || c.IsSet("image")):
		return usagef("--partition and --image go with --ls, --cat or --key")
	case c.IsSet("partition") && c.Int("partition") < 1 || c.IsSet("image") && c.Int("image") < 1:
		return usagef("partitions and images count from 1")
	}
	return nil
}

func showInspection(w io.Writer, r *inspect.Report, asJSON bool) error {
	if !asJSON {
		return writeInspection(w, r)
	}
	return writeJSON(w, r)
}
