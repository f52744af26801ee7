package oracle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ntfsSide is one mounted volume.
type ntfsSide struct {
	dir   string
	image string
}

// ntfsNode is one file as a mount shows it.
type ntfsNode struct {
	side       *ntfsSide
	path       string // host path
	ino        uint64 // the file record's number
	links      uint64
	mode       uint32
	attributes uint32
	times      [4]uint64
}

// FILE_ATTRIBUTE_* bits ([MS-FSCC] 2.6).
const (
	attrDirectory = 0x10
	attrReparse   = 0x400
)

func (n *ntfsNode) directory() bool { return n.attributes&attrDirectory != 0 }

// plain says that the mount shows the file's unnamed data as it is.
func (n *ntfsNode) plain() bool { return n.mode&syscall.S_IFMT == syscall.S_IFREG }

// walkable says that the mount shows the directory as one.
func (n *ntfsNode) walkable() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// stat reads what every comparison needs. The attributes and the order of the times are those of
// ntfs-3g's system.ntfs_attrib and system.ntfs_times: little-endian here, as all its hosts are.
func (s *ntfsSide) stat(p string) (*ntfsNode, error) {
	n := &ntfsNode{side: s, path: s.dir + p}
	var st syscall.Stat_t
	if err := syscall.Lstat(n.path, &st); err != nil {
		return nil, err
	}
	n.ino, n.links, n.mode = st.Ino, uint64(st.Nlink), st.Mode
	attrib, err := n.xattr("system.ntfs_attrib")
	if err != nil || len(attrib) != 4 {
		return nil, fmt.Errorf("system.ntfs_attrib: %d bytes, %v", len(attrib), err)
	}
	n.attributes = binary.NativeEndian.Uint32(attrib)
	times, err := n.xattr("system.ntfs_times")
	if err != nil || len(times) < 32 {
		return nil, fmt.Errorf("system.ntfs_times: %d bytes, %v", len(times), err)
	}
	for i := range n.times {
		n.times[i] = binary.NativeEndian.Uint64(times[8*i:])
	}
	return n, nil
}

// names lists a directory, sorted.
func (s *ntfsSide) names(p string) ([]string, error) {
	f, err := os.Open(s.dir + p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	if n := len(names); err == nil && len(slices.Compact(names)) != n {
		return nil, errors.New("a name is listed twice")
	}
	return names, err
}

// maxXattr is the most that Linux passes for an extended attribute (XATTR_SIZE_MAX).
const maxXattr = 64 << 10

var xattrBuffers = sync.Pool{New: func() any { return new([maxXattr]byte) }}

// xattr reads an extended attribute of the file itself, also where it is shown as a link. A file
// that has none gives nil.
func (n *ntfsNode) xattr(name string) ([]byte, error) {
	buf := xattrBuffers.Get().(*[maxXattr]byte)
	defer xattrBuffers.Put(buf)
	size, err := unix.Lgetxattr(n.path, name, buf[:])
	if errors.Is(err, unix.ENODATA) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return append([]byte{}, buf[:size]...), nil
}

// streams lists the named streams, sorted.
func (n *ntfsNode) streams() ([]string, error) {
	list, err := n.xattr("ntfs.streams.list")
	if err != nil || len(list) == 0 {
		return nil, err
	}
	names := strings.Split(strings.TrimRight(string(list), "\x00"), "\x00")
	slices.Sort(names)
	return names, nil
}

// open opens a stream for reading; the unnamed one has the name "".
func (n *ntfsNode) open(stream string) (io.ReadCloser, error) {
	switch {
	case n.plain() && stream == "":
		return os.Open(n.path)
	case n.plain() || n.walkable():
		return os.Open(n.path + ":" + stream)
	}
	return n.cat(stream)
}

// cat opens a stream that the mount does not show, with ntfscat, by the number of the file record.
func (n *ntfsNode) cat(stream string) (io.ReadCloser, error) {
	args := []string{"-f", "-i", strconv.FormatUint(n.ino, 10)}
	if stream != "" {
		args = append(args, "-n", stream)
	}
	cmd := Command("ntfscat", append(args, n.side.image)...)
	c := &catReader{}
	cmd.Stderr = &c.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.Reader, c.wait = out, cmd.Wait
	return c, nil
}

// catReader reads a process's output; what the process complains about ends it.
type catReader struct {
	io.Reader
	stderr bytes.Buffer
	wait   func() error
}

// Read reads; the end is only an end if the process succeeded.
func (c *catReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF && c.wait != nil {
		if werr := c.wait(); werr != nil {
			err = c.explain(werr)
		}
		c.wait = nil
	}
	return n, err
}

// errNoStream says that a file has no such stream, not even an empty one.
var errNoStream = errors.New("has none")

// explain turns ntfscat's failure into an error. It names the attribute type ($DATA, 0x80) that it
// did not find.
func (c *catReader) explain(err error) error {
	said := bytes.TrimSpace(c.stderr.Bytes())
	if bytes.Contains(said, []byte("Cannot find attribute type 0x80")) {
		return errNoStream
	}
	return fmt.Errorf("ntfscat: %w: %s", err, said)
}

// Close ends the process.
func (c *catReader) Close() error {
	if c.wait != nil {
		io.Copy(io.Discard, c.Reader)
		c.wait()
		c.wait = nil
	}
	return nil
}

// compareBlock is how much of two streams is compared at a time.
const compareBlock = 256 << 10

var compareBuffers = sync.Pool{New: func() any { return new([2][compareBlock]byte) }}

// compareReaders reads both to the end and says where they differ.
func compareReaders(a, b io.Reader) error {
	bufs := compareBuffers.Get().(*[2][compareBlock]byte)
	defer compareBuffers.Put(bufs)
	for off := int64(0); ; {
		na, errA := fill(a, bufs[0][:])
		nb, errB := fill(b, bufs[1][:])
		if errA == errNoStream && errB == errNoStream {
			return nil
		}
		if errA != nil || errB != nil {
			return fmt.Errorf("reading at byte %d: a: %v, b: %v", off, errA, errB)
		}
		pa, pb := bufs[0][:na], bufs[1][:nb]
		if !bytes.Equal(pa, pb) {
			return describeDifference(off, pa, pb, a, b)
		}
		if na < compareBlock {
			return nil
		}
		off += int64(na)
	}
}

// fill reads until p is full or the stream ends, which is no error.
func fill(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// describeDifference words the first difference; pa and pb were read at off.
func describeDifference(off int64, pa, pb []byte, a, b io.Reader) error {
	i := firstDifference(pa, pb)
	if i < len(pa) && i < len(pb) {
		return fmt.Errorf("differs at byte %d: a %#02x, b %#02x", off+int64(i), pa[i], pb[i])
	}
	restA, _ := io.Copy(io.Discard, a)
	restB, _ := io.Copy(io.Discard, b)
	return fmt.Errorf("size: a %d, b %d", off+int64(len(pa))+restA, off+int64(len(pb))+restB)
}
