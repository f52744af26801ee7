// Package bake turns install media, or a disk that Windows is on, into a bootable disk. It is the
// whole flow: media, tree, edits, layout, image. It knows nothing of Packer.
package bake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/bake/spool"
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// Progress hears how far a bake is. Its methods are called one at a time.
type Progress interface {
	// Stage says that a stage begins, in words for the person who waits.
	Stage(name string)
	// Advance says that done of total bytes of the stage are done.
	Advance(done, total int64)
	// Note tells something that is no error, in whole sentences.
	Note(text string)
}

// Bake is one bake in progress. Its stages are called once each, in order; Close always. A stage that
// failed may be tried again, which is what Packer's -on-error=ask offers.
type Bake struct {
	c         Config
	medium    *media.Medium
	image     media.Image
	tree      *tree.Tree
	disk      *layout.Disk // that Windows is on, from InstallBoot on
	host      *host        // what is around it; nil where it is the disk itself
	windows   boot.Windows // what the image is, from DecideRecovery on
	recovery  *recovery    // from DecideRecovery on
	boot      bootFiles
	spool     *spool.File  // of contents that the bake itself has made; nil where there are none
	compacted *CompactInfo // nil for a volume that is not
	plan      *layout.Plan
	written   *image.Written // from Write on
	out       *outputs
	inputs    []Input
}

// Result is a finished bake.
type Result struct {
	// Files are the output files' paths, the disks first.
	Files    []string
	Manifest *Manifest
}

// New starts a bake. The config has no problems.
func New(c Config) *Bake {
	if c.Progress == nil {
		c.Progress = silent{}
	}
	return &Bake{c: c}
}

type silent struct{}

func (silent) Stage(string)         {}
func (silent) Advance(int64, int64) {}
func (silent) Note(string)          {}

// Run is the whole bake. provision, which may be nil, changes the tree before it is laid out.
func Run(ctx context.Context, c Config, provision func(*tree.Tree) error) (_ *Result, err error) {
	if err := errors.Join(c.Problems()...); err != nil {
		return nil, err
	}
	b := New(c)
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, stage := range []func(context.Context) error{
		b.OpenMedia,
		b.LoadTree,
		func(context.Context) error { return b.provision(provision) },
		b.DecideRecovery,
		b.InstallBoot,
		b.Compact,
		b.Plan,
		b.Write,
		b.Verify,
	} {
		if err := stage(ctx); err != nil {
			return nil, err
		}
	}
	return b.Publish(ctx)
}

func (b *Bake) provision(f func(*tree.Tree) error) error {
	if f == nil {
		return nil
	}
	return f(b.tree)
}

// OpenMedia opens the medium and finds the image in it.
func (b *Bake) OpenMedia(context.Context) (err error) {
	b.c.Progress.Stage("Opening " + b.c.Media)
	if b.medium != nil { // a step that Packer's user asked to repeat
		if err := b.medium.Close(); err != nil {
			return err
		}
	}
	if b.medium, err = media.Open(b.c.Media); err != nil {
		return err
	}
	if err := b.refuseReplacing(); err != nil {
		return err
	}
	b.image, err = b.medium.Find(b.c.Image)
	return err
}

// refuseReplacing keeps a bake from putting its result in the place of the disk that it reads.
func (b *Bake) refuseReplacing() error {
	medium, err := os.Stat(b.medium.Path)
	if err != nil {
		return err
	}
	for _, f := range b.c.Formats {
		path := filepath.Join(b.c.OutputDir, b.c.file(f))
		if info, err := os.Stat(path); err == nil && os.SameFile(info, medium) {
			return fault.Invalidf("output_directory: %s is the media that is baked from; choose another directory or output_name", path)
		}
	}
	return nil
}

// LoadTree reads the image's directory tree. Contents stay in the medium.
func (b *Bake) LoadTree(ctx context.Context) (err error) {
	b.c.Progress.Stage(fmt.Sprintf("Reading image %d, %s", b.image.Index, b.image.Name))
	if b.tree, err = b.medium.Tree(b.image.Index); err != nil {
		return err
	}
	if b.c.BuildTime.IsZero() {
		b.c.BuildTime = b.imageTime()
	}
	b.tree.Now = filetime.From(b.c.BuildTime)
	return ctx.Err()
}

// imageTime is when the image was last changed, or a fixed time when it does not say.
func (b *Bake) imageTime() time.Time {
	for _, t := range []filetime.Time{b.image.Modified, b.image.Created} {
		if t != 0 {
			return t.Time()
		}
	}
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
}

// Tree is the Windows volume, from LoadTree on. Changing it before DecideRecovery is what
// provisioners do.
func (b *Bake) Tree() *tree.Tree { return b.tree }

// inMemory is what a content that the bake has made may have to stay in memory.
const inMemory = 1 << 20

// store keeps a content that the bake has made until the disk is written.
func (b *Bake) store(r io.Reader) (tree.Content, error) {
	head, err := io.ReadAll(io.LimitReader(r, inMemory+1))
	if err != nil || len(head) <= inMemory {
		return tree.Bytes(head), err
	}
	if err := b.openSpool(); err != nil {
		return nil, err
	}
	content, err := b.spool.Store(io.MultiReader(bytes.NewReader(head), r))
	return content, explainWrite(err)
}

func (b *Bake) openSpool() (err error) {
	if b.spool == nil {
		b.spool, err = spool.Create(b.c.OutputDir, b.c.Name+".spool"+partialSuffix)
	}
	return explainWrite(err)
}

// Plan places everything on the disk.
func (b *Bake) Plan(ctx context.Context) (err error) {
	b.c.Progress.Stage("Laying out the disk")
	contents := layout.Contents{
		System: b.boot.system, MBR: b.boot.records.MBR.Code, NTFS: b.boot.records.NTFS.Code, FAT32: b.boot.records.FAT32.Code,
	}
	sizeField := "size"
	if b.host != nil {
		if err := b.host.layOut(contents); err != nil {
			return fault.In("usb_size", err)
		}
		contents, sizeField = layout.Contents{}, "vhd_size"
	}
	contents.Main, contents.Recovery = b.tree, b.recovery.tree
	if b.plan, err = b.disk.Plan(contents); err != nil {
		return fault.In(sizeField, err)
	}
	makeRoom()
	return ctx.Err()
}

// Write fills the output files under their temporary names, and hashes the medium meanwhile.
func (b *Bake) Write(ctx context.Context) (err error) {
	b.c.Progress.Stage("Writing " + b.c.Name)
	if b.out != nil {
		if err := b.out.discard(); err != nil {
			return err
		}
	}
	if b.out, err = createOutputs(&b.c, b.outer()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return explainWrite(b.nameContent(b.write(ctx, b.out.targets()))) })
	g.Go(func() (err error) {
		b.inputs, err = b.listInputs(ctx)
		return err
	})
	return g.Wait()
}

// write fills the disk, and first the one around it.
func (b *Bake) write(ctx context.Context, targets []io.WriterAt) (err error) {
	before, total := int64(0), image.Total(b.plan)
	advance := func(done int64) { b.c.Progress.Advance(before+done, total) }
	if b.host != nil {
		around := image.Total(b.host.plan)
		total += around
		if err := b.host.write(ctx, advance, targets); err != nil {
			return err
		}
		before, targets = around, image.At(targets, b.host.diskOffset())
	}
	b.written, err = image.Write(ctx, b.plan, advance, targets...)
	return err
}

// Verify finishes the formats of the outputs, and reads their metadata back through the readers.
func (b *Bake) Verify(ctx context.Context) error {
	b.c.Progress.Stage("Verifying")
	for _, o := range b.out.files {
		if err := o.finish(); err != nil {
			return fault.In(o.name, err)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.Go(o.file.Sync) // the disk is busy while the processors are
		g.Go(func() error { return b.verify(ctx, o) })
		if err := g.Wait(); err != nil {
			return fault.In(o.name, explainWrite(err))
		}
	}
	return nil
}

func (b *Bake) verify(ctx context.Context, o *output) error {
	disk, err := o.open()
	if err != nil {
		return fault.Bugf("it cannot be read back: %v", err)
	}
	if b.host != nil {
		if disk, err = b.host.verify(ctx, disk); err != nil {
			return err
		}
	}
	if err := image.Verify(ctx, b.plan, b.written, disk); err != nil || !b.c.VerifyContents {
		return err
	}
	return b.verifyContents(ctx, disk)
}

// Publish hashes the outputs, writes the manifest, and gives everything its final name.
func (b *Bake) Publish(ctx context.Context) (*Result, error) {
	if b.out.manifest == nil { // or only names are missing
		if err := b.prepare(ctx); err != nil {
			return nil, err
		}
	}
	paths, err := b.out.publish()
	if err != nil {
		return nil, err
	}
	return &Result{Files: paths, Manifest: b.out.manifest}, nil
}

// prepare makes all that lies beside the disks.
func (b *Bake) prepare(ctx context.Context) error {
	if !b.c.NoChecksums {
		b.c.Progress.Stage("Checksums")
		if err := b.out.hash(ctx, b.c.Progress); err != nil {
			return err
		}
	}
	records, err := b.records()
	if err != nil {
		return err
	}
	maps, err := b.blockMaps(ctx)
	if err != nil {
		return err
	}
	records = append(records, maps...)
	m := b.manifest()
	for _, r := range records {
		m.Records = append(m.Records, r.Name)
	}
	return b.out.prepare(m, records)
}

// Close releases the medium and removes what was not published.
func (b *Bake) Close() error {
	var err error
	if b.out != nil {
		err = b.out.discard()
	}
	if b.spool != nil {
		err = errors.Join(err, b.spool.Close())
	}
	if b.medium != nil {
		err = errors.Join(err, b.medium.Close())
	}
	return err
}
