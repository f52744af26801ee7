package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// enter opens the last of files that lie in one another. Without any it is s itself, which the caller
// closes; closing what is inside does not close s.
func (s *source) enter(paths []string) (*source, error) {
	current := &source{file: s.file, r: s.r, size: s.size, disk: s.disk, table: s.table, wim: s.wim, disc: s.disc, hive: s.hive}
	for _, path := range paths {
		c, err := current.content(Place{}, path)
		if err != nil {
			return nil, err
		}
		next, err := open(path, io.NewSectionReader(c, 0, c.Size()), c.Size(), "")
		if err != nil {
			next.close()
			return nil, err
		}
		next.closers = append(next.closers, current.close)
		current = next
	}
	return current, nil
}

// tree returns the files of a place: of the partition or image with the number that at gives, or else of
// the only one that has the path. Who names the files that he needs gets no more than these of an NTFS volume.
func (s *source) tree(at Place, path string, files ...string) (*tree.Tree, error) {
	if s.wim != nil {
		return s.imageTree(at)
	}
	v, err := s.volume(at, path)
	if err != nil {
		return nil, err
	}
	if v.NTFS == nil || len(files) == 0 {
		return s.volumeTree(v)
	}
	t, err := v.Part(files...)
	return t, inPartition(v, err)
}

// volume returns the volume of a place of a disk, as tree finds it.
func (s *source) volume(at Place, path string) (*volumes.Volume, error) {
	switch {
	case s.disk == nil:
		return nil, fault.Invalidf("a %s has no files", s.file.Kind)
	case at.Image != 0:
		return nil, fault.Invalidf("a %s has no images; give a partition", s.file.Kind)
	case at.Partition != 0:
		v := s.disk.Number(at.Partition)
		if v == nil {
			return nil, fault.Invalidf("there is no partition %d; there are %s", at.Partition, numbers(s.disk.Volumes))
		}
		return v, nil
	}
	var found []*volumes.Volume
	var problem error
	for _, v := range s.disk.Volumes {
		is, err := v.Exists(path)
		if err != nil || v.Err != nil {
			problem = errors.Join(problem, fault.In(fmt.Sprintf("partition %d", v.Number), errors.Join(v.Err, err)))
		}
		if is {
			found = append(found, v)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fault.Invalidf("%s is on partitions %s; say which with --partition", path, numbers(found))
	case problem != nil:
		return nil, problem
	}
	return nil, fault.Invalidf("there is no %s on any volume", path)
}

func inPartition(v *volumes.Volume, err error) error {
	if v.Number != 0 {
		return fault.In(fmt.Sprintf("partition %d", v.Number), err)
	}
	return err
}

func (s *source) volumeTree(v *volumes.Volume) (*tree.Tree, error) {
	t, err := v.Tree()
	if errors.Is(err, fs.ErrNotExist) {
		if err = v.Err; err == nil {
			err = fault.Unsupportedf(fault.NoOffset, "its file system %q is not read", v.FileSystem)
		}
	}
	return t, inPartition(v, err)
}

func (s *source) imageTree(at Place) (*tree.Tree, error) {
	images := s.wim.Images()
	index := at.Image
	switch {
	case at.Partition != 0:
		return nil, fault.Invalidf("a WIM has no partitions; give an image")
	case index == 0 && len(images) != 1:
		return nil, fault.Invalidf("the WIM has %d images; say which with --image", len(images))
	case index == 0:
		index = images[0].Index
	}
	return s.wim.Tree(index)
}

func numbers(list []*volumes.Volume) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = fmt.Sprint(v.Number)
	}
	return strings.Join(out, ", ")
}

// content returns the bytes of a file or, after a colon, of one of its streams.
func (s *source) content(at Place, name string) (tree.Content, error) {
	path := volumes.Slashes(name)
	if s.disc != nil {
		c, err := media.DiscFile(s.disc, path)
		if err != nil {
			return nil, noFile(path, err)
		}
		return c, nil
	}
	stream := ""
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		path, stream = path[:i], path[i+1:]
	}
	if stream == "" {
		return s.data(at, path)
	}
	t, err := s.tree(at, path)
	if err != nil {
		return nil, err
	}
	n, err := t.Lookup(path)
	if err != nil {
		return nil, noFile(path, err)
	}
	for _, x := range n.Streams {
		if strings.EqualFold(x.Name, stream) {
			if x.Data == nil {
				return tree.Bytes(nil), nil
			}
			return x.Data, nil
		}
	}
	return nil, fault.Invalidf("%s has no stream %q", path, stream)
}

// data returns the bytes of a file.
func (s *source) data(at Place, path string) (tree.Content, error) {
	if s.wim == nil {
		v, err := s.volume(at, path)
		if err != nil {
			return nil, err
		}
		if v.NTFS != nil {
			c, err := v.Content(path)
			return c, noFile(path, err)
		}
	}
	t, err := s.tree(at, path)
	if err != nil {
		return nil, err
	}
	c, err := volumes.Content(t, path)
	return c, noFile(path, err)
}

func noFile(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Invalidf("there is no %s", path)
	}
	return err
}

// folder lists a folder, or a file as the only entry.
func (s *source) folder(at Place, name string) (*Folder, error) {
	path := volumes.Slashes(name)
	if s.disc != nil {
		return discFolder(s.disc, path)
	}
	if s.disk != nil && path == "" && at.Partition == 0 && len(s.disk.Volumes) > 1 {
		return nil, fault.Invalidf("say which with --partition; there are %s", numbers(s.disk.Volumes))
	}
	if s.disk != nil && path == "" && at.Partition == 0 && len(s.disk.Volumes) == 1 {
		at.Partition = s.disk.Volumes[0].Number
	}
	var t *tree.Tree
	var err error
	if s.disk != nil && s.disk.Identity == nil {
		t, err = s.volumeTree(s.disk.Volumes[0])
	} else {
		t, err = s.tree(at, path)
	}
	if err != nil {
		return nil, err
	}
	n, err := t.Lookup(path)
	if err != nil {
		return nil, noFile(path, err)
	}
	out := &Folder{Path: path, Entries: []Entry{}}
	if !n.IsDir() {
		out.Entries = append(out.Entries, describeEntry(t.Find(path)))
		return out, nil
	}
	for _, e := range t.Entries(n) {
		out.Entries = append(out.Entries, describeEntry(e))
	}
	return out, nil
}

func discFolder(disc fs.FS, path string) (*Folder, error) {
	real, err := media.FindPath(disc, path)
	if err != nil {
		return nil, noFile(path, err)
	}
	out := &Folder{Path: path, Entries: []Entry{}}
	entries, err := fs.ReadDir(disc, real)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, Entry{Name: e.Name(), Directory: e.IsDir(), Size: info.Size(), Modified: stamp(info.ModTime())})
	}
	return out, err
}

// attributeLetters are those of the command attrib, and C, E, S for what it does not show.
var attributeLetters = []struct {
	bit    uint32
	letter byte
}{
	{tree.AttrReadOnly, 'R'}, {tree.AttrHidden, 'H'}, {tree.AttrSystem, 'S'}, {tree.AttrArchive, 'A'}, {tree.AttrTemporary, 'T'},
	{tree.AttrSparse, 'P'}, {tree.AttrReparsePoint, 'L'}, {tree.AttrCompressed, 'C'}, {tree.AttrOffline, 'O'},
	{tree.AttrNotContentIndexed, 'I'}, {tree.AttrEncrypted, 'E'},
}

func describeEntry(e *tree.Entry) Entry {
	n := e.Node
	out := Entry{Name: e.Name, Short: e.Short, Directory: n.IsDir(), Size: tree.SizeOf(n.Data), Modified: keyTime(n.Modified)}
	for _, a := range attributeLetters {
		if n.Attributes&a.bit != 0 {
			out.Attributes += string(a.letter)
		}
	}
	if len(n.Names) > 1 {
		out.Links = len(n.Names)
	}
	for _, s := range n.Streams {
		out.Streams = append(out.Streams, Stream{Name: s.Name, Size: tree.SizeOf(s.Data)})
	}
	if r := n.Reparse(); r != nil {
		out.Reparse, out.Target = describeReparse(r)
	}
	return out
}
