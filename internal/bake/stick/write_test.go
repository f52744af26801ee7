package stick

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const mib = 1 << 20

// imageSize is that of the images here, data what they hold besides the partition table.
const imageSize = 64 * mib

var data = []bmap.Range{{Offset: 2 * mib, Length: 9*mib + 4096}, {Offset: 30*mib + 8192, Length: 4096}, {Offset: imageSize - mib - 4096, Length: 4096}}

// newImage makes a GPT image, with a block map beside it or without one, and returns its path.
func newImage(t *testing.T, withMap, gpt bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := disk.Partition{Offset: mib, Size: imageSize - 2*mib, MBRType: disk.TypeNTFS, Type: disk.TypeBasicData, ID: guid.Derive(nil, "p")}
	err = disk.WriteMBR(f, imageSize, 1, []byte("code"), []disk.Partition{p})
	if gpt {
		err = errors.Join(f.Truncate(0), disk.WriteGPT(f, imageSize, guid.Derive(nil, "d"), []disk.Partition{p}))
	}
	if err := errors.Join(err, f.Truncate(imageSize)); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for _, r := range data {
		b := make([]byte, r.Length)
		for i := range b {
			b[i] = byte(random.Uint32() | 1)
		}
		if _, err := f.WriteAt(b, r.Offset); err != nil {
			t.Fatal(err)
		}
	}
	if withMap {
		mapped := append([]bmap.Range{{Offset: 0, Length: 34 * 512}, {Offset: imageSize - 33*512, Length: 33 * 512}}, data...)
		m, err := bmap.Create(context.Background(), f, imageSize, slices.Values(mapped), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Marshal()
		if err := errors.Join(err, os.WriteFile(path+bmap.Suffix, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// fakeStick is a stick in a file, which can be pulled out.
type fakeStick struct {
	*os.File
	writes int
	// onWrite, if there is one, may change what becomes of the n-th write.
	onWrite func(n int, p []byte, off int64) (int, error)
	pulled  bool
	synced  int
	eject   error // of Eject
	reread  int
}

func (s *fakeStick) WriteAt(p []byte, off int64) (int, error) {
	s.writes++
	if s.onWrite != nil {
		return s.onWrite(s.writes, p, off)
	}
	return s.File.WriteAt(p, off)
}
func (s *fakeStick) Sync() error              { s.synced++; return nil }
func (*fakeStick) Drop() error                { return nil }
func (*fakeStick) Discard(int64, int64) error { return errors.ErrUnsupported }
func (s *fakeStick) Present() bool            { return !s.pulled }
func (s *fakeStick) Reread() error            { s.reread++; return nil }
func (s *fakeStick) Eject() error             { return s.eject }

// newStick is a stick that held something else before.
func newStick(t *testing.T, size int64) (*Device, *fakeStick) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stick"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(bytes.Repeat([]byte{0xA5}, int(size))); err != nil {
		t.Fatal(err)
	}
	d := fine()
	d.Size = size
	s := &fakeStick{File: f}
	return &Device{Disk: d, target: s}, s
}

// TestFinish has the kernel look at the new partitions where the disk stays.
func TestFinish(t *testing.T) {
	for _, test := range []struct {
		eject  bool
		fails  error
		reread int
		says   string
	}{
		{true, nil, 0, "may be pulled out"},
		{true, syscall.ENOTTY, 1, "could not be ejected"},
		{false, nil, 1, ""},
	} {
		d, s := newStick(t, mib)
		s.eject = test.fails
		if note := d.Finish(test.eject); !strings.Contains(note, test.says) || test.says == "" && note != "" || s.reread != test.reread {
			t.Errorf("%+v: %q, %d", test, note, s.reread)
		}
	}
}

// listener notes what Write tells.
type listener struct {
	stages, notes []string
	onStage       func(string)
	done, total   int64
}

func (l *listener) Stage(s string) {
	l.stages = append(l.stages, s)
	if l.onStage != nil {
		l.onStage(s)
	}
}
func (l *listener) Note(s string)             { l.notes = append(l.notes, s) }
func (l *listener) Advance(done, total int64) { l.done, l.total = done, total }

func open(t *testing.T, path string) *Image {
	t.Helper()
	i, err := OpenImage(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWrite writes images with and without a map, to sticks of their size and larger ones, and compares
// every byte.
func TestWrite(t *testing.T) {
	oracle.Need(t, "sgdisk", "sfdisk")
	for _, more := range []int64{0, 512, 5 * mib} {
		for _, test := range []struct{ withMap, gpt bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
			i := open(t, newImage(t, test.withMap, test.gpt))
			d, s := newStick(t, imageSize+more)
			r, err := d.Write(context.Background(), i, Options{Verify: true}, &listener{})
			if err != nil {
				t.Fatalf("%+v, %d more: %v", test, more, err)
			}
			got, want := content(t, s.Name()), content(t, i.Path)
			for _, r := range data {
				if !bytes.Equal(got[r.Offset:r.End()], want[r.Offset:r.End()]) {
					t.Errorf("%+v, %d more: the data at %d differ", test, more, r.Offset)
				}
			}
			between := byte(0)
			if test.withMap {
				between = 0xA5
			}
			for _, off := range []int64{12 * mib, 30*mib + 4096, 50 * mib} {
				if got[off] != between {
					t.Errorf("%+v, %d more: %#x at %d", test, more, got[off], off)
				}
			}
			if !test.gpt && !bytes.Equal(got[:mib], want[:mib]) {
				t.Errorf("%+v, %d more: the boot record differs", test, more)
			}
			oracle.JudgeDisk(t, s.Name())
			if test.withMap && (r.Written > 14*mib || r.Verified < 10*mib) {
				t.Errorf("%+v", r)
			}
		}
	}
}

// TestFailures breaks the stick in the middle. Each time the error says what happened, and the stick has
// no partition table.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*fakeStick, context.CancelFunc)
		is      error
		says    string
	}{
		"pulled out": {func(s *fakeStick, _ context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if n < 5 {
					return s.File.WriteAt(p, off)
				}
				s.pulled = true
				return 0, syscall.EIO
			}
		}, syscall.EIO, "pulled out"},
		"gone": {func(s *fakeStick, _ context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if n < 4 {
					return s.File.WriteAt(p, off)
				}
				return 0, syscall.ENODEV
			}
		}, syscall.ENODEV, "pulled out"},
		"worn out": {func(s *fakeStick, _ context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if off < 8*mib || off > 60*mib {
					return s.File.WriteAt(p, off)
				}
				return 0, syscall.EIO
			}
		}, syscall.EIO, "worn out"},
		"short write": {func(s *fakeStick, _ context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if off == 8*mib {
					p = p[:len(p)/2]
				}
				return s.File.WriteAt(p, off)
			}
		}, io.ErrShortWrite, "does not write and read as it should"},
		"lies": {func(s *fakeStick, _ context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if off == 8*mib {
					p = bytes.Clone(p)
					p[4711] ^= 1
				}
				return s.File.WriteAt(p, off)
			}
		}, fault.ErrCorrupt, "does not read back"},
		"cancelled": {func(s *fakeStick, cancel context.CancelFunc) {
			s.onWrite = func(n int, p []byte, off int64) (int, error) {
				if n == 4 {
					cancel()
				}
				return s.File.WriteAt(p, off)
			}
		}, context.Canceled, "write it again"},
	} {
		i := open(t, newImage(t, true, true))
		d, s := newStick(t, imageSize)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		test.prepare(s, cancel)
		_, err := d.Write(ctx, i, Options{Verify: true}, &listener{})
		if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), d.Path) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
		if _, err := disk.Read(s.File, imageSize); err == nil {
			t.Errorf("%s: the stick looks finished", name)
		}
	}
}

// TestCancelledBefore writes nothing once the user has given up, such as at the question.
func TestCancelledBefore(t *testing.T) {
	d, s := newStick(t, imageSize)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.Write(ctx, open(t, newImage(t, true, true)), Options{}, &listener{})
	if !errors.Is(err, context.Canceled) || s.writes > 0 {
		t.Errorf("%d writes, %v", s.writes, err)
	}
}

// TestDamagedImage finds while it writes that the image is not what its map says.
func TestDamagedImage(t *testing.T) {
	path := newImage(t, true, true)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0}, 7*mib); err != nil {
		t.Fatal(err)
	}
	d, s := newStick(t, imageSize)
	_, err = d.Write(context.Background(), open(t, path), Options{}, &listener{})
	if !errors.Is(err, fault.ErrCorrupt) || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), ".bmap") || !strings.Contains(err.Error(), d.Path+" is not finished") {
		t.Error(err)
	}
	if _, err := disk.Read(s.File, imageSize); err == nil {
		t.Error("the stick looks finished")
	}
}

// TestUnsuitable refuses before a byte is written.
func TestUnsuitable(t *testing.T) {
	for name, test := range map[string]struct {
		size   int64
		sector int64
		spoil  func(path string) error
		says   string
	}{
		"smaller":       {imageSize - 512, 512, nil, "and the image has"},
		"other sectors": {imageSize, 4096, nil, "sectors of 4096"},
		"no table":      {imageSize, 512, func(p string) error { return change(p, 510, 0) }, "55 AA"},
		"damaged table": {imageSize, 512, func(p string) error { return change(p, 1024, 0) }, "CRC"},
	} {
		path := newImage(t, false, true)
		if test.spoil != nil {
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
		}
		d, s := newStick(t, test.size)
		d.Sector = test.sector
		before := content(t, s.Name())
		_, err := d.Write(context.Background(), open(t, path), Options{Verify: true}, &listener{})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		if s.writes > 0 || !bytes.Equal(before, content(t, s.Name())) {
			t.Errorf("%s: something was written", name)
		}
	}
}

func change(path string, off int64, b byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{b}, off)
	return errors.Join(err, f.Close())
}

func TestOpenImage(t *testing.T) {
	path := newImage(t, true, true)
	if i := open(t, path); i.Map == nil || i.Size != imageSize || i.Held() > 10*mib {
		t.Errorf("%+v", i)
	}
	if err := os.Truncate(path, imageSize-512); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenImage(path); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), path+".bmap") {
		t.Errorf("another image's map: %v", err)
	}
	if err := errors.Join(os.Remove(path+bmap.Suffix), os.Truncate(path, imageSize-100)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenImage(path); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("not whole sectors: %v", err)
	}
	if _, err := OpenImage(t.TempDir()); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a folder: %v", err)
	}
}

// TestQCOW2 writes an image of another format.
func TestQCOW2(t *testing.T) {
	oracle.Need(t, "qemu-img")
	raw := newImage(t, false, true)
	for format, options := range map[string]string{"qcow2": "", "vhdx": "", "vpc": "subformat=fixed,force_size=on"} {
		path := filepath.Join(t.TempDir(), "image."+format)
		args := []string{"convert", "-O", format, raw, path}
		if options != "" {
			args = slices.Insert(args, 3, "-o", options)
		}
		oracle.Run(t, "qemu-img", args...)
		d, s := newStick(t, imageSize)
		if _, err := d.Write(context.Background(), open(t, path), Options{Verify: true}, &listener{}); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if !bytes.Equal(content(t, raw), content(t, s.Name())) {
			t.Errorf("%s: the stick differs", format)
		}
	}
}
