package bake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/evidence"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
)

const (
	manifestName  = "manifest.json"
	checksumsName = "checksums.sha256"
	// partialSuffix marks a file that is still being written. A killed bake leaves it at worst.
	partialSuffix = ".partial"
)

// outputs are the files of a bake, written beside their final names.
type outputs struct {
	dir     string
	madeDir bool
	files   []*output
	// pending are the paths that discard removes, in the order in which publish renames them.
	pending []string
	// manifest is what was written, from prepare on; published are the paths that have their names.
	manifest  *Manifest
	published []string
}

// output is one disk file.
type output struct {
	name   string
	format Format
	disk   int64 // bytes of the disk
	size   int64 // bytes of the file
	sha256 string
	file   *image.File
	writer diskWriter
}

// createOutputs makes the sparse files. Without Force, a file that is already there is an error.
func createOutputs(c *Config, d *layout.Disk) (_ *outputs, err error) {
	o := &outputs{dir: c.OutputDir}
	if !c.Force {
		if err := o.refuseExisting(c); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(c.OutputDir); errors.Is(err, fs.ErrNotExist) {
		o.madeDir = true
	}
	if err := os.MkdirAll(c.OutputDir, 0o755); err != nil {
		return nil, fault.In("output_directory", err)
	}
	for _, f := range c.Formats {
		if err := o.create(c, d, f); err != nil {
			return nil, errors.Join(explainWrite(err), o.discard())
		}
	}
	return o, nil
}

// create makes the file of one format.
func (o *outputs) create(c *Config, d *layout.Disk, f Format) error {
	path := filepath.Join(c.OutputDir, c.file(f)+partialSuffix)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	size := int64(0) // it grows
	if f.flat() {
		size = c.Size
	}
	file, err := image.Create(path, size, f.sparse())
	if err != nil {
		return err
	}
	o.pending = append(o.pending, path)
	out := &output{name: c.file(f), format: f, disk: c.Size, file: file}
	o.files = append(o.files, out)
	out.writer, err = newDiskWriter(c, d, f, file)
	return fault.In(out.name, err)
}

func (o *outputs) refuseExisting(c *Config) error {
	names := []string{manifestName, checksumsName}
	for _, suffix := range []string{evidence.OpenVEXSuffix, evidence.CycloneDXSuffix, evidence.ExceptionsSuffix} {
		names = append(names, c.Name+suffix)
	}
	for _, f := range c.Formats {
		names = append(names, c.file(f))
		if f == Raw && c.BlockMap {
			names = append(names, c.file(f)+bmap.Suffix)
		}
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(o.dir, name)); err == nil {
			return fault.Invalidf("output_directory: %s is already there; remove it, choose another directory, or use -force", filepath.Join(o.dir, name))
		}
	}
	return nil
}

func (o *outputs) targets() []io.WriterAt {
	targets := make([]io.WriterAt, len(o.files))
	for i, f := range o.files {
		targets[i] = f.writer
	}
	return targets
}

// finish adds what the format has beyond the disk. It may be done again.
func (o *output) finish() (err error) {
	o.size, err = o.writer.Finish()
	return explainWrite(err)
}

// open returns the disk as a reader of the format finds it in the finished file.
func (o *output) open() (io.ReaderAt, error) {
	if o.format.flat() {
		return o.file, nil
	}
	disk, size, _, err := diskfile.Open(o.file, o.size, o.name)
	if err == nil && size != o.disk {
		err = fault.Bugf("the disk in %s has %d bytes, not %d", o.name, size, o.disk)
	}
	return disk, err
}

// hash takes the SHA-256 of every file. The flat ones begin with the same disk, which is hashed once.
func (o *outputs) hash(ctx context.Context, p Progress) error {
	flat, total := o.toHash()
	var done int64
	count := func(b []byte) error {
		done += int64(len(b))
		p.Advance(done, total)
		return ctx.Err()
	}
	if len(flat) > 0 {
		disk, err := flat[0].hash(flat[0].disk, count)
		if err != nil {
			return err
		}
		for _, f := range flat {
			if err := f.hashTail(disk); err != nil {
				return fault.In(f.name, err)
			}
		}
	}
	for _, f := range o.files {
		if f.format.flat() {
			continue
		}
		h, err := f.hash(f.size, count)
		if err != nil {
			return err
		}
		f.sha256 = hex.EncodeToString(h.Sum(nil))
	}
	return nil
}

// toHash returns the flat files, and how many bytes of all files are hashed.
func (o *outputs) toHash() (flat []*output, total int64) {
	for _, f := range o.files {
		if f.format.flat() {
			flat = append(flat, f)
		} else {
			total += f.size
		}
	}
	if len(flat) > 0 {
		total += flat[0].disk
	}
	return flat, total
}

// hash hashes the first size bytes of the file.
func (o *output) hash(size int64, count func([]byte) error) (hash.Hash, error) {
	h, err := image.Hash(o.file.File, size, count)
	return h, fault.In(o.name, err)
}

// hashTail finishes a file's hash from that of its disk.
func (o *output) hashTail(disk hash.Hash) error {
	cloner, ok := disk.(hash.Cloner)
	if !ok {
		return fault.Bugf("the SHA-256 of this build of Go cannot be cloned")
	}
	h, err := cloner.Clone()
	if err != nil {
		return err
	}
	if _, err := io.Copy(h, io.NewSectionReader(o.file, o.disk, o.size-o.disk)); err != nil {
		return err
	}
	o.sha256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// prepare flushes and closes the files, and writes what lies beside them. It may be done again until it
// has worked.
func (o *outputs) prepare(m *Manifest, records []evidence.Record) error {
	text, err := m.marshal()
	if err != nil {
		return err
	}
	for _, f := range o.files {
		if err := f.file.Sync(); err != nil {
			return explainWrite(fault.In(f.name, err))
		}
	}
	for _, r := range records {
		if err := o.writeText(r.Name, r.Data); err != nil {
			return err
		}
	}
	if err := o.writeText(checksumsName, o.checksums(text, records)); err != nil {
		return err
	}
	if err := o.writeText(manifestName, text); err != nil {
		return err
	}
	o.manifest = m
	for _, f := range o.files { // which Windows renames only then; it is all flushed
		err = errors.Join(err, explainWrite(fault.In(f.name, f.file.Close())))
		f.file = nil
	}
	return err
}

// publish gives the files their names, the manifest last: where there is a manifest, all it names is there
// and whole. The manifest of an earlier image goes when the first of its files does. After an error,
// such as of Windows about an earlier file that is in use, it goes on where it was.
func (o *outputs) publish() ([]string, error) {
	for len(o.pending) > 0 {
		final := strings.TrimSuffix(o.pending[0], partialSuffix)
		if err := os.Rename(o.pending[0], final); err != nil {
			return nil, err
		}
		o.published, o.pending = append(o.published, final), o.pending[1:]
		if len(o.pending) == 0 {
			break
		}
		if err := os.Remove(filepath.Join(o.dir, manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return o.published, nil
}

func (o *outputs) writeText(name string, text []byte) error {
	path := filepath.Join(o.dir, name+partialSuffix)
	if !slices.Contains(o.pending, path) {
		o.pending = append(o.pending, path)
	}
	return explainWrite(os.WriteFile(path, text, 0o644))
}

// checksums is what `sha256sum -c` reads.
func (o *outputs) checksums(manifest []byte, records []evidence.Record) []byte {
	var b strings.Builder
	for _, f := range o.files {
		if f.sha256 != "" {
			fmt.Fprintf(&b, "%s  %s\n", f.sha256, f.name)
		}
	}
	for _, r := range records {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(r.Data), r.Name)
	}
	fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(manifest), manifestName)
	return []byte(b.String())
}

// discard closes everything and removes what has no final name.
func (o *outputs) discard() error {
	var errs []error
	for _, f := range o.files {
		if f.file != nil {
			errs = append(errs, f.file.Close())
			f.file = nil
		}
	}
	for _, path := range o.pending {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if len(o.pending) > 0 && o.madeDir {
		_ = os.Remove(o.dir) // only if nothing else came into it
	}
	o.pending = nil
	return errors.Join(errs...)
}
