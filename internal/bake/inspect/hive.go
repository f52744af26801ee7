package inspect

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// hiveFile is a hive on its own.
type hiveFile struct {
	base  regf.Base
	hive  *regf.Hive
	clean bool // the logs fit, or were not needed
	store *bcd.Store
}

const hiveSignature = "regf"

func isHive(r io.ReaderAt) bool {
	b := make([]byte, len(hiveSignature))
	n, _ := r.ReadAt(b, 0)
	return n == len(b) && string(b) == hiveSignature
}

// openHive reads a hive, with the logs that lie beside it on the host.
func (s *source) openHive() error {
	s.file.Kind = KindHive
	head := make([]byte, min(s.size, 4096))
	if _, err := s.r.ReadAt(head, 0); err != nil && int64(len(head)) < s.size {
		return err
	}
	base, err := regf.ReadBase(head)
	if err != nil {
		return fault.In(s.file.Path, err)
	}
	s.hive = &hiveFile{base: base}
	const name = "hive"
	t := tree.New(0)
	if _, err := t.WriteFile(name, part{io.NewSectionReader(s.r, 0, s.size)}); err != nil {
		return err
	}
	for _, extension := range registry.LogExtensions {
		if c := beside(s.host, extension); c != nil {
			if _, err := t.WriteFile(name+extension, c); err != nil {
				return err
			}
		}
	}
	if s.hive.hive, s.hive.clean, err = registry.Load(t, name); err != nil {
		s.reportBase()
		return fault.In(s.file.Path, err)
	}
	if s.hive.hive.Root.Subkey("Objects") != nil && s.hive.hive.Root.Subkey("Description") != nil {
		s.file.Kind = KindBCD
		// A store that cannot be read is still a hive.
		s.hive.store, _ = bootstore.Read(func(path string, limit int64) ([]byte, error) {
			c, err := volumes.Content(t, path)
			if err != nil {
				return nil, err
			}
			return tree.ReadAll(c, limit)
		}, name)
	}
	return nil
}

// part is the bytes of a file as a content.
type part struct{ *io.SectionReader }

// beside is the log of a hive on the host, nil where there is none.
func beside(path, extension string) tree.Content {
	if path == "" {
		return nil
	}
	for _, name := range []string{path + extension, path + strings.ToLower(extension)} {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			if c, err := tree.OpenHostFile(name); err == nil {
				return c
			}
		}
	}
	return nil
}

// reportBase tells what the header says.
func (s *source) reportBase() {
	b := &s.hive.base
	s.file.Hive = &Hive{
		FileName: b.FileName, Version: fmt.Sprintf("%d.%d", b.Major, b.Minor), Sequence: []uint32{b.Sequence1, b.Sequence2}, Dirty: b.Dirty(),
		LastWritten: stamp(b.LastWritten.Time()), BinsSize: b.BinsSize, Subkeys: []string{},
	}
}

func (s *source) reportHive() {
	s.reportBase()
	h, root := s.file.Hive, s.hive.hive.Root
	h.Name = root.Name
	switch {
	case !h.Dirty:
	case s.hive.clean:
		h.Logs = "replayed"
	default:
		h.Logs = "missing, or of another time; the hive is whole, and shown as it is"
	}
	h.Keys, h.Values = count(root)
	h.Subkeys = names(root)
	if s.file.Kind == KindBCD {
		s.file.Store = describeStore(s.hive.store, nil)
	}
}

// count counts the keys of a hive, the root left aside, and their values.
func count(k *regf.Key) (keys, values int) {
	values = len(k.Values())
	for _, sub := range k.Subkeys() {
		n, v := count(sub)
		keys, values = keys+n+1, values+v
	}
	return keys, values
}

func names(k *regf.Key) []string {
	out := []string{}
	for _, sub := range k.Subkeys() {
		out = append(out, sub.Name)
	}
	return out
}

// key returns a key of the hive, or of the Windows at a place.
func (s *source) key(at Place, path string) (*Key, error) {
	if s.hive != nil {
		return hiveKey(s.hive.hive, path)
	}
	t, err := s.tree(at, registry.SystemHive, registry.Files()...)
	if err != nil {
		return nil, err
	}
	k, err := registry.Open(t).Key(path)
	if err == nil && k == nil {
		err = fault.Invalidf("there is no key %s", path)
	}
	if err != nil {
		return nil, err
	}
	return describeKey(path, k), nil
}

// hiveKey finds a key by its path below the root of a hive, with CurrentControlSet as Windows has it.
func hiveKey(h *regf.Hive, path string) (*Key, error) {
	path = strings.Trim(path, `\`)
	k := h.Root.Subkey(path)
	first, rest, _ := strings.Cut(path, `\`)
	if k == nil && strings.EqualFold(first, "CurrentControlSet") {
		k = h.Root.Subkey(strings.Trim(registry.CurrentControlSet(h)+`\`+rest, `\`))
	}
	if k == nil {
		return nil, fault.Invalidf("there is no key %s; paths begin below the root, which has: %s", path, strings.Join(first10(names(h.Root)), ", "))
	}
	return describeKey(path, k), nil
}

func first10(list []string) []string {
	const most = 10
	if len(list) > most {
		return append(list[:most:most], "...")
	}
	return list
}

func describeKey(path string, k *regf.Key) *Key {
	out := &Key{Path: path, Class: k.Class, LastWritten: keyTime(k.LastWritten), Values: []Value{}, Subkeys: names(k)}
	for _, v := range k.Values() {
		out.Values = append(out.Values, describeValue(v))
	}
	return out
}

func keyTime(t filetime.Time) string { return stamp(t.Time()) }

// maxData bounds the bytes of a value that are shown.
const maxData = 4096

func describeValue(v regf.Value) Value {
	out := Value{Name: v.Name, Type: v.Type.String(), Data: hex.EncodeToString(v.Data[:min(len(v.Data), maxData)]), Size: len(v.Data)}
	if text, err := v.Text(); err == nil {
		out.Text = &text
	}
	if list, err := v.Strings(); err == nil {
		out.Strings = append([]string{}, list...)
	}
	if n, err := v.Integer(); err == nil {
		out.Number = &n
	}
	return out
}
