// Package verify looks for damage in disks that are finished, whoever made them, and for what keeps them
// from starting: the file's format, the partition table, boot records, file systems, the boot chain file by
// file, registry hives, and the records that a bake leaves beside a disk. WIM files can be verified, too.
//
// It only reads. What is damaged is a finding, and the rest is looked at all the same; what cannot be read
// at all, such as a failing medium or a format that is not known, makes a file unreadable.
package verify

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
)

// Options say how to verify.
type Options struct {
	Tool string // name and version, for the report
	// NoChecksums leaves out the SHA-256 of a disk that has one beside it: all of the file is read for it.
	NoChecksums bool
}

// Run verifies every path. What cannot be read is in the report; the error is that of ctx.
func Run(ctx context.Context, paths []string, o Options) (*Report, error) {
	r := &Report{SchemaVersion: SchemaVersion, Tool: o.Tool, Verdict: OK, Files: []*File{}}
	for _, path := range paths {
		f := verifyPath(ctx, path, o)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Files = append(r.Files, f)
		r.Verdict = r.Verdict.Worse(f.Verdict)
	}
	return r, nil
}

func newFile(path string) *File {
	return &File{Path: path, Verdict: OK, Checked: []string{}, Findings: []Finding{}}
}

// fail notes that the file could not be read.
func (f *File) fail(err error) *File {
	f.Verdict, f.Error = Unreadable, err.Error()
	return f
}

// verifyPath opens a file and verifies what it is.
func verifyPath(ctx context.Context, path string, o Options) *File {
	f := newFile(path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.fail(fault.Invalidf("there is no %s", path))
	case err != nil:
		return f.fail(err)
	case info.IsDir():
		return f.fail(fault.Invalidf("%s is a folder; give the file of a disk, a volume or a WIM", path))
	case !info.Mode().IsRegular():
		return f.fail(fault.Invalidf("%s is no file; copy a device to a file first", path))
	}
	file, err := os.Open(path)
	if err != nil {
		return f.fail(err)
	}
	defer file.Close()
	if is, _ := wim.Recognize(file); is {
		return verifyWIM(ctx, path, f)
	}
	if err := diskfile.Refuse(file, path, instead); err != nil {
		return f.fail(err)
	}
	verifyDisk(ctx, file, info.Size(), path, f, o)
	return f
}

// verifyDisk verifies the disk in a file and what is beside it, at the same time.
func verifyDisk(ctx context.Context, file *os.File, size int64, path string, f *File, o Options) {
	records := openRecords(path, size)
	c := newChecker(f, "")
	g, hashing := errgroup.WithContext(ctx)
	if !o.NoChecksums {
		g.Go(func() error { return records.hash(hashing, file) })
	}
	c.container(file, size, path)
	c.errs = append(c.errs, g.Wait())
	records.check(c)
	c.conclude()
}

// Disk verifies the disk that r holds in size bytes, in the form that a VM sees. name stands in errors.
func Disk(r io.ReaderAt, size int64, name string) *File {
	f := newFile(name)
	c := newChecker(f, "")
	c.container(r, size, name)
	c.conclude()
	return f
}

// instead is what to do with a file that holds no disk.
const instead = "verify a disk that was made from it, or its sources/install.wim"

// verifyWIM reads all of a WIM: .wim, .esd or the first part of a set of .swm.
func verifyWIM(ctx context.Context, path string, f *File) *File {
	f.Format = "WIM"
	c := newChecker(f, "")
	w, err := wim.Open(path)
	if err == nil {
		err = w.Verify(ctx, nil)
		err = errors.Join(err, w.Close())
	}
	if errors.Is(err, fault.ErrUnsupported) || errors.Is(err, fault.ErrInvalid) { // not damaged: pipable, or a part is missing
		c.errs = append(c.errs, err)
	} else {
		c.found("wim", "", err)
		c.checked("WIM")
	}
	c.conclude()
	return f
}

// container opens the file's format, and verifies the disk in it.
func (c *checker) container(r io.ReaderAt, size int64, name string) {
	disk, diskSize, format, err := diskfile.Open(r, size, name)
	if errors.Is(err, fault.ErrUnsupported) {
		c.errs = append(c.errs, err)
		return
	}
	if err != nil {
		c.found("container", "", err)
		return
	}
	if c.where.Disk == "" {
		c.file.Format = format
	}
	c.checked("%s", format)
	if d, ok := disk.(interface{ Check() []error }); ok {
		for _, err := range d.Check() {
			c.found("container", "", err)
		}
	}
	c.state(disk)
	c.disk(disk, diskSize)
}
