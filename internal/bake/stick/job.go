package stick

import (
	"context"
	"errors"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Job is an image that goes to a stick, with everything that the user decides.
type Job struct {
	Image  string // a path
	Device string // a serial number or a path in /dev/disk/by-id
	// Confirm is the disk's serial number. Empty, the user is asked for it, with Ask.
	Confirm string
	Allow   Allow
	Options Options
	Eject   bool
	// Ask asks the user a question. It is nil, or fails, where there is nobody to ask.
	Ask func(question string) (string, error)
}

// Run does the job. Nothing is written to the disk before the image is open, the disk is found, no reason to
// refuse it is known, and the user has confirmed it.
func (j *Job) Run(ctx context.Context, p Progress) (_ *Result, err error) {
	i, err := OpenImage(j.Image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	found, err := Find(j.Device, j.Allow)
	if err != nil {
		return nil, fault.In("device", err)
	}
	if err := found.suits(i); err != nil {
		return nil, err
	}
	if err := j.confirm(found); err != nil {
		return nil, fault.In("confirm", err)
	}
	d, err := found.Open(j.Allow)
	if err != nil {
		return nil, fault.In("device", err)
	}
	r, err := d.Write(ctx, i, j.Options, p)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	note := d.Finish(j.Eject)
	if err := d.Close(); err != nil {
		return nil, d.explain(err)
	}
	if note != "" {
		p.Note(note)
	}
	return r, nil
}

// confirm compares what the user gave, or says now, with the disk's serial number.
func (j *Job) confirm(d *Disk) error {
	answer := j.Confirm
	if answer == "" {
		if j.Ask == nil {
			return nobody(d, nil)
		}
		var err error
		question := fmt.Sprintf("All that is on %s is lost. Type %s to write %s to it:", d, d.Name(), j.Image)
		if answer, err = j.Ask(question); err != nil {
			return nobody(d, err)
		}
	}
	return d.Confirm(answer)
}

func nobody(d *Disk, err error) error {
	text := fmt.Sprintf("there is nobody to ask whether %s may be overwritten; set it to the serial of the disk that you mean, which is %q if it is this one", d, d.Name())
	if err != nil {
		text += " (" + err.Error() + ")"
	}
	return fault.Invalidf("%s", text)
}
