package fat32

import (
	"io"
	"io/fs"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// File is the content of a file on a volume. It is safe for concurrent use as far as the volume's reader
// is.
type File struct {
	v    *Volume
	size int64
	runs []run
}

// run is clusters that follow one another.
type run struct {
	first uint32
	count int64
	start int64 // byte of the file
}

// Lookup finds the file or directory at a '/' path, whatever the case of its names; a nil File is a
// directory. The error wraps fs.ErrNotExist where there is nothing. The chain of clusters is read, and what
// is in them later.
func (v *Volume) Lookup(path string) (*File, error) {
	at := found{dir: true, cluster: v.first, root: true}
	for _, name := range tree.Split(path) {
		next, err := v.find(at, name)
		if err != nil {
			return nil, fault.In("FAT volume: "+path, err)
		}
		at = next
	}
	if at.dir {
		return nil, nil
	}
	f := &File{v: v, size: at.size}
	return f, fault.In("FAT volume: "+path, f.chain(at.cluster))
}

// chain follows the FAT as far as the size needs it, so that a loop ends.
func (f *File) chain(cluster uint32) error {
	v := f.v
	for held := int64(0); held < f.size; held += v.cluster {
		if cluster < rootCluster || int64(cluster)-rootCluster >= v.clusters {
			return fault.Corruptf(fault.NoOffset, "the chain of clusters leads to %d of %d after %d bytes", cluster, v.clusters, held)
		}
		if n := len(f.runs); n > 0 && int64(cluster) == int64(f.runs[n-1].first)+f.runs[n-1].count {
			f.runs[n-1].count++
		} else {
			f.runs = append(f.runs, run{cluster, 1, held})
		}
		var err error
		if cluster, err = v.next(cluster); err != nil {
			return err
		}
	}
	return nil
}

// Size is the file's length in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt reads from the file.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	done := 0
	// A file may have as many runs as clusters: the first one is searched for.
	i := sort.Search(len(f.runs), func(i int) bool { return f.runs[i].start > off }) - 1
	for ; i >= 0 && i < len(f.runs) && done < len(p); i++ {
		r, in := &f.runs[i], off+int64(done)-f.runs[i].start
		length := min(r.count*f.v.cluster, f.size-r.start)
		if in >= length {
			break
		}
		n := int(min(int64(len(p)-done), length-in))
		if err := f.v.readFull(p[done:done+n], f.v.data+(int64(r.first)-rootCluster)*f.v.cluster+in); err != nil {
			return done, err
		}
		done += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
