// Package inspect tells what is in a file: disks in any format with their partitions, volumes, boot
// configuration and Windows, WIMs, optical discs, registry hives. What a file is, is told by its
// content. A disk or WIM inside of a volume that its boot configuration names is looked into as well.
//
// It only reads. What cannot be read is an error in its part of the report, and the rest is shown all
// the same.
package inspect

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Options say what to show.
type Options struct {
	Tool  string // name and version, for the report
	Place Place
	// Key and Folder are shown in place of all else; at most one of them is not nil.
	Key, Folder *string
}

// Place says where in a file to look for keys, folders and files. Its zero value is the only place that
// has what is looked for.
type Place struct {
	// In are files to go into, each a disk, WIM or disc on a volume of the one before.
	In []string
	// Partition and Image are the number of a partition of a disk, and of an image of a WIM; 0 for the
	// only one.
	Partition, Image int
}

// Run inspects every path. What cannot be read is in the report.
func Run(paths []string, o Options) *Report {
	r := &Report{SchemaVersion: SchemaVersion, Tool: o.Tool, Files: []*File{}}
	for _, path := range paths {
		r.Files = append(r.Files, inspectPath(path, &o))
	}
	return r
}

// Cat writes the bytes of a file inside of the file at path. name may end in ":" and the name of a
// stream.
func Cat(w io.Writer, path string, at Place, name string) error {
	src, err := openHost(path)
	if err != nil {
		return err
	}
	defer src.close()
	in, err := src.enter(at.In)
	if err != nil {
		return fault.In(path, err)
	}
	defer in.close()
	c, err := in.content(at, name)
	if err != nil {
		return fault.In(path, err)
	}
	_, err = io.Copy(w, io.NewSectionReader(c, 0, c.Size()))
	return fault.In(path, err)
}

func inspectPath(path string, o *Options) *File {
	src, err := openHost(path)
	if err != nil {
		f := &File{Path: path, Kind: KindUnknown}
		if src != nil {
			f = src.file
		}
		f.fail(err)
		return f
	}
	defer src.close()
	in, err := src.enter(o.Place.In)
	if err == nil {
		defer in.close()
		switch {
		case o.Key != nil:
			src.file.Key, err = in.key(o.Place, *o.Key)
		case o.Folder != nil:
			src.file.Folder, err = in.folder(o.Place, *o.Folder)
		case len(o.Place.In) > 0:
			in.report(0)
			in.file.Path = strings.Join(append([]string{path}, o.Place.In...), " > ")
			return in.file
		default:
			src.report(0)
		}
	}
	if err != nil {
		src.file.fail(fault.In(path, err))
	}
	return src.file
}

// fail notes why the file could not be read.
func (f *File) fail(err error) {
	f.Error = strings.TrimPrefix(err.Error(), "media: ") // which is what reads it elsewhere
}

// source is a file that has been opened as what it is.
type source struct {
	file *File
	r    io.ReaderAt
	size int64
	host string // its path if it is a file of the host

	disk  *volumes.Disk // of a disk or volume
	table disk.Table    // of a disk
	blank bool          // of a disk without a partition table
	wim   *wim.File
	disc  fs.FS
	hive  *hiveFile

	closers []func()
}

// close closes the file, and what was opened for it. Nothing was written that could be lost.
func (s *source) close() {
	for _, c := range s.closers {
		c()
	}
	s.closers = nil
}

// openHost opens a file of the host. For a file that is there but cannot be read the source has what is
// known of it, besides the error.
func openHost(path string) (*source, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Invalidf("there is no %s", path)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fault.Invalidf("%s is a folder; name the files in it", path)
	}
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekEnd) // which a device tells the length of, too
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	s, err := open(path, f, size, path)
	s.closers = append(s.closers, func() { f.Close() })
	if err != nil {
		s.close()
	}
	return s, err
}

// open finds out what the size bytes of r are. host is the path on the host, "" for what is inside of
// something.
func open(name string, r io.ReaderAt, size int64, host string) (*source, error) {
	s := &source{file: &File{Path: name, Kind: KindUnknown, Size: size}, r: r, size: size, host: host}
	if isHive(r) {
		return s, s.openHive()
	}
	s.file.Container = describeContainer(r, size)
	what, content, err := media.Detect(r, size, name)
	switch {
	case err != nil:
		return s, s.openStrange(err)
	case what == media.WIM:
		s.file.Container = nil
		return s, s.openWIM()
	case what == media.ISO:
		s.file.Kind, s.file.Container = KindISO, nil
		s.r, s.size = content, content.Size()
		s.disc, err = media.OpenDisc(content, content.Size())
		return s, err
	}
	if v := bareVolume(content); v != nil {
		s.useVolume(v)
		return s, v.Err
	}
	s.file.Kind = KindDisk
	s.r, s.size = content, content.Size()
	if s.table, err = disk.Describe(content, content.Size()); err != nil {
		return s, err
	}
	s.disk, err = volumes.Open(content, content.Size())
	return s, err
}

func (s *source) useVolume(v *volumes.Volume) {
	s.file.Kind, s.disk = KindVolume, &volumes.Disk{Volumes: []*volumes.Volume{v}}
}

// openStrange opens what holds neither a WIM nor a disk with partitions, which is why: a volume with
// another file system than Windows', or a disk with nothing on it. Of a raw disk without a partition
// table nothing says that it is one.
func (s *source) openStrange(why error) error {
	r, size, format, err := diskfile.Open(s.r, s.size, s.file.Path)
	if err != nil {
		if s.file.Container.Format != diskfile.Raw {
			s.file.Kind = KindDisk
		}
		return why
	}
	if v := bareVolume(io.NewSectionReader(r, 0, size)); v != nil {
		s.useVolume(v)
		return nil
	}
	if format == diskfile.Raw {
		return why
	}
	s.file.Kind, s.blank = KindDisk, true
	s.r, s.size = r, size
	return nil
}

// bareVolume is a volume without a disk around it: one whose first sector is a boot sector of a file
// system. Nil if r is something else.
func bareVolume(r *io.SectionReader) *volumes.Volume {
	v := volumes.New(disk.Partition{}, r)
	if v.FileSystem == "" || v.FAT == nil && (v.FileSystem == volumes.FAT || v.FileSystem == volumes.FAT32) {
		return nil
	}
	return v
}

func (s *source) openWIM() (err error) {
	s.file.Kind = KindWIM
	if s.host != "" {
		s.wim, err = wim.Open(s.host)
	} else {
		s.wim, err = wim.NewFile(s.r, s.size, filepath.Base(s.file.Path))
	}
	if err == nil {
		s.closers = append(s.closers, func() { _ = s.wim.Close() })
	}
	return err
}

// report fills the file's report. depth is how many files are around it.
func (s *source) report(depth int) {
	switch {
	case s.hive != nil:
		s.reportHive()
	case s.wim != nil:
		s.file.WIM = describeWIM(s.wim)
	case s.disc != nil:
		s.file.ISO = s.describeISO(depth)
	case s.blank:
		s.file.Disk = &Disk{Table: "none", Partitions: []*Partition{}}
	case s.disk != nil:
		s.reportDisk(depth)
	}
}

// maxDepth is how many files may be around one that is looked into: a WIM in a VHD on a stick has two.
const maxDepth = 3

// inside reports on a file of a volume or disc.
func inside(name string, r io.ReaderAt, size int64, depth int) *File {
	s, err := open(name, r, size, "")
	if err != nil {
		s.file.fail(err)
		return s.file
	}
	defer s.close()
	s.report(depth)
	return s.file
}

// hasWindows says whether a volume has a Windows on it.
func hasWindows(v *volumes.Volume) (bool, error) { return v.Exists(registry.SystemHive) }
