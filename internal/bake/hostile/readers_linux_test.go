package hostile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lzms"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lznt1"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lzx"
	"github.com/winbake/packer-plugin-winbake/internal/codec/xpress"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/iso9660"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regfile"
	"github.com/winbake/packer-plugin-winbake/internal/format/udf"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// reader takes a file as a user may give it, or as it may be in what a user gives.
type reader struct {
	name string
	read func(path string, b []byte) error
}

// readers are all there are, whatever the file is said to be.
var readers = []reader{
	{"medium", func(path string, _ []byte) error { return readMedium(path) }},
	{"audit", func(path string, _ []byte) error {
		_, err := audit.Run([]string{path}, nil, audit.Options{})
		return err
	}},
	{"inspect", func(path string, _ []byte) error { inspect.Run([]string{path}, inspect.Options{}); return nil }},
	{"verify", func(path string, _ []byte) error {
		_, err := verify.Run(context.Background(), []string{path}, verify.Options{})
		return err
	}},
	{"log", func(path string, _ []byte) error {
		_, err := audit.Run(nil, []string{path}, audit.Options{})
		return err
	}},
	{"disk file", func(path string, b []byte) error {
		r, size, _, err := diskfile.Open(bytes.NewReader(b), int64(len(b)), path)
		if err != nil {
			return err
		}
		return readDisk(r, size)
	}},
	{"vhd", opened(func(r io.ReaderAt, size int64) (sized, error) { return vhd.Open(r, size) })},
	{"vhdx", opened(func(r io.ReaderAt, size int64) (sized, error) { return vhdx.Open(r, size) })},
	{"qcow2", opened(func(r io.ReaderAt, size int64) (sized, error) { return qcow2.Open(r, size) })},
	{"ntfs", func(_ string, b []byte) error { return readNTFS(bytes.NewReader(b), int64(len(b))) }},
	{"udf", func(_ string, b []byte) error {
		v, err := udf.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return readDisc(v)
	}},
	{"iso9660", func(_ string, b []byte) error {
		v, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return readDisc(v)
	}},
	{"wim", func(path string, b []byte) error {
		f, err := wim.NewFile(bytes.NewReader(b), int64(len(b)), path)
		if err != nil {
			return err
		}
		return readTrees(len(f.Images()), f.Tree)
	}},
	{"hive", func(_ string, b []byte) error { _, err := regf.Parse(b); return err }},
	{"hive with log", func(_ string, b []byte) error { _, _, err := regf.ParseWithLogs(b, b); return err }},
	{"damaged hive", func(_ string, b []byte) error { regf.Salvage(b); return nil }},
	{"boot store", func(_ string, b []byte) error { _, err := bcd.Parse(b); return err }},
	{"device", func(_ string, b []byte) error { _, err := bcd.DecodeDevice(b); return err }},
	{"inf", func(_ string, b []byte) error { _, err := inf.Parse(b); return err }},
	{"reg", func(_ string, b []byte) error { _, err := regfile.Parse(b); return err }},
	{"block map", func(_ string, b []byte) error { _, err := bmap.Parse(b); return err }},
	{"program", func(_ string, b []byte) error { _, err := pe.Read(bytes.NewReader(b)); return err }},
	{"answer file", func(_ string, b []byte) error { _, err := unattend.Check(b, unattend.Target{}); return err }},
	{"ReAgent.xml", func(_ string, b []byte) error { _, err := winre.ParseReAgent(b); return err }},
	{"advisories", func(_ string, b []byte) error { _, err := winre.ParseAdvisories(b); return err }},
	{"LZMS", func(_ string, b []byte) error {
		d, err := lzms.NewDecoder(1 << 26)
		return decode(d, err, b, 1<<26)
	}},
	{"LZX", func(_ string, b []byte) error {
		d, err := lzx.NewDecoder(1 << 21)
		return decode(d, err, b, 1<<21)
	}},
	{"XPRESS", func(_ string, b []byte) error { return decode(new(xpress.Decoder), nil, b, 1<<16) }},
	{"LZNT1", func(_ string, b []byte) error { return lznt1.Decode(make([]byte, 1<<16), b) }},
	{"waste", func(_ string, b []byte) error { return waste(b) }},
}

// errNothing is what a reader returns that has found nothing to read.
var errNothing = errors.New("nothing is there")

// readMedium does what a bake does with a medium, up to its contents.
func readMedium(path string) error {
	m, err := media.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	return readTrees(len(m.Images()), m.Tree)
}

// enough is how much is read of what is in a tree or on a disc.
const enough = 4 << 20

// readTrees reads the first trees, and the start of what is in them.
func readTrees(images int, load func(int) (*tree.Tree, error)) error {
	if images == 0 {
		return errNothing
	}
	for i := range min(images, 2) {
		t, err := load(i + 1)
		if err != nil {
			return err
		}
		if err := readTree(t); err != nil {
			return err
		}
	}
	return nil
}

func readTree(t *tree.Tree) error {
	room := int64(enough)
	return fs.WalkDir(t.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		f, err := t.FS().Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.CopyN(io.Discard, f, room)
		if room -= n; room <= 0 {
			return fs.SkipAll
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

func readNTFS(r io.ReaderAt, size int64) error {
	v, err := ntfs.Open(r, size)
	if err != nil {
		return err
	}
	problems := v.Check()
	t, err := v.Tree()
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	return errors.Join(append(problems, readTree(t))...)
}

// readDisk reads what may be on a disk.
func readDisk(r io.ReaderAt, size int64) error {
	buf := make([]byte, 1<<20)
	for _, off := range []int64{0, size / 2, size - int64(len(buf))} {
		if _, err := r.ReadAt(buf, max(off, 0)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if _, err := fat32.Open(r, size); err == nil {
		return nil
	}
	if err := readNTFS(r, size); err == nil {
		return nil
	}
	partitions, err := disk.Read(r, size)
	for _, p := range partitions {
		if err := readNTFS(io.NewSectionReader(r, p.Offset, p.Size), p.Size); err != nil {
			return err
		}
	}
	return err
}

type sized interface {
	io.ReaderAt
	Size() int64
}

func opened(open func(io.ReaderAt, int64) (sized, error)) func(string, []byte) error {
	return func(_ string, b []byte) error {
		d, err := open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return readDisk(d, d.Size())
	}
}

// readDisc reads the folders and the start of the files of a disc.
func readDisc(files fs.FS) error {
	room := int64(enough)
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.CopyN(io.Discard, f, room)
		if room -= n; room <= 0 {
			return fs.SkipAll
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

// decode takes a file for a chunk, of the largest size that it may become.
func decode(d interface{ Decode(dst, src []byte) error }, err error, src []byte, size int) error {
	if err != nil {
		return err
	}
	return d.Decode(make([]byte, size), src)
}

// wasteful is the file that makes waste take too much.
const wasteful = "a file to waste time and memory with"

// waste shows that time and memory are measured.
func waste(b []byte) error {
	if string(b) != wasteful {
		return errNothing
	}
	memory := make([]byte, maxPeak)
	for start := cpu(); cpu()-start < maxCPU+100*time.Millisecond; {
		for i := 0; i < len(memory); i += 512 {
			memory[i]++
		}
	}
	return nil
}
