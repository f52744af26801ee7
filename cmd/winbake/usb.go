package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/winbake/packer-plugin-winbake/internal/bake/stick"
)

const usbHelp = `Writes the image of a disk to a USB stick: only what the image holds, the partition table
last, and reads it back.

IMAGE is raw, VHD, VHDX or qcow2. With a block map beside a raw one (IMAGE.bmap) only its blocks are written, and
their checksums verified.

Exit codes: 0 done, 2 wrong use, 3 refused or failed.`

func usbCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "usb",
		Usage: "list USB sticks, and write images to them",
		Commands: []*cli.Command{
			{
				Name:   "list",
				Usage:  "list the disks of this machine, and which of them may be written",
				Action: func(_ context.Context, c *cli.Command) error { return usbList(c, stdout) },
			},
			{
				Name:        "write",
				Usage:       "write an image to a stick",
				ArgsUsage:   "IMAGE",
				Description: usbHelp,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "device", Usage: "the stick: its `SERIAL` number, or its path in /dev/disk/by-id"},
					&cli.StringFlag{Name: "confirm", Usage: "the stick's `SERIAL` number: all that is on it may go; without it, you are asked"},
					&cli.BoolFlag{Name: "allow-fixed", Usage: "also write to disks that are not removable or not on USB"},
					&cli.BoolFlag{Name: "allow-loop", Usage: "also write to loop devices"},
					&cli.BoolFlag{Name: "discard", Usage: "tell the stick first to forget all that it holds"},
					&cli.BoolFlag{Name: "no-verify", Usage: "do not read back"},
					&cli.BoolFlag{Name: "no-eject", Usage: "do not eject the stick at the end"},
				},
				Action: func(ctx context.Context, c *cli.Command) error { return usbWrite(ctx, c, stdout, stderr) },
			},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 0 {
				return usagef("there is no command usb %q", c.Args().First())
			}
			return usagef("say usb list, or usb write")
		},
	}
}

func usbList(c *cli.Command, stdout io.Writer) error {
	if c.Args().Len() > 0 {
		return usagef("usb list takes no arguments")
	}
	disks, err := stick.Candidates()
	if err != nil {
		return err
	}
	p := &page{}
	for i := range disks {
		d := &disks[i]
		p.line("%s", d)
		for _, id := range d.IDs {
			p.line("  %s", id)
		}
		says := "may be written"
		if err := d.Refusal(stick.Allow{}); err != nil {
			says = strings.TrimPrefix(err.Error(), d.Path+" is ")
		}
		p.line("  => %s", says)
	}
	if len(disks) == 0 {
		p.line("This machine shows no disks.")
	}
	_, err = stdout.Write(p.b.Bytes())
	return err
}

func usbWrite(ctx context.Context, c *cli.Command, stdout, stderr io.Writer) error {
	if c.Args().Len() != 1 {
		return usagef("name one image")
	}
	job := stick.Job{
		Image: c.Args().First(), Device: c.String("device"), Confirm: c.String("confirm"), Eject: !c.Bool("no-eject"),
		Allow:   stick.Allow{Fixed: c.Bool("allow-fixed"), Loop: c.Bool("allow-loop")},
		Options: stick.Options{Verify: !c.Bool("no-verify"), Discard: c.Bool("discard")},
	}
	if err := stick.CheckSelector(job.Device, job.Allow); err != nil {
		return usagef("--device: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if isTerminal(os.Stdin) {
		job.Ask = func(question string) (string, error) { return ask(ctx, question, os.Stdin, stderr) }
	}
	r, err := job.Run(ctx, &teller{w: stderr})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d bytes written, %d read back and found equal\n", r.Written, r.Verified)
	return err
}

// isTerminal says whether a person may be at the other end of a file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// ask reads a line, until ctx ends: Ctrl-C has to end a question as it ends the rest.
func ask(ctx context.Context, question string, r io.Reader, w io.Writer) (string, error) {
	fmt.Fprint(w, printable(question)+" ")
	answer := make(chan string, 1)
	go func() { // reading cannot be broken off; the process ends soon
		line, _ := bufio.NewReader(r).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line := <-answer:
		if line == "" {
			return "", errors.New("there is no answer")
		}
		return strings.TrimSpace(line), nil
	}
}

// teller shows progress: a line for each stage, and for each tenth of it.
type teller struct {
	w     io.Writer
	tenth int64
}

// Stage shows what begins.
func (t *teller) Stage(name string) {
	t.tenth = 0
	fmt.Fprintln(t.w, printable(name))
}

// Advance shows each tenth.
func (t *teller) Advance(done, total int64) {
	if tenth := done * 10 / cmp.Or(total, 1); tenth > t.tenth && tenth < 10 {
		t.tenth = tenth
		fmt.Fprintf(t.w, "  %d %%\n", tenth*10)
	}
}

// Note shows a sentence.
func (t *teller) Note(text string) { fmt.Fprintln(t.w, printable(text)) }
