package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/evidence"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// The records that a bake leaves beside its disks.
const (
	manifestName  = "manifest.json"
	checksumsName = "checksums.sha256"
	// maxRecord bounds a record; real ones have some KiB.
	maxRecord = 16 << 20
)

// records are what lies beside a disk.
type records struct {
	dir, name string
	size      int64
	checksums map[string]string // SHA-256 by name, from checksums.sha256; nil where there is none
	manifest  []byte            // nil where there is none
	sum       hash.Hash         // of the disk's file, once it has been read
	problems  []problem
}

type problem struct {
	check, path string
	err         error
}

// openRecords reads what is beside the disk at a path. What cannot be read is among the problems.
func openRecords(path string, size int64) *records {
	r := &records{dir: filepath.Dir(path), name: filepath.Base(path), size: size}
	list, err := r.read(checksumsName)
	r.problem("checksum", checksumsName, err)
	if list != nil {
		r.parseChecksums(list)
	}
	r.manifest, err = r.read(manifestName)
	r.problem("manifest", manifestName, err)
	return r
}

// read returns a record, or nil where there is none. Names come from records, too: what is not beside the disk,
// or is no file, is not opened.
func (r *records) read(name string) ([]byte, error) {
	if !beside(name) {
		return nil, fault.Corruptf(fault.NoOffset, "%q is no name of a file beside the disk", name)
	}
	path := filepath.Join(r.dir, name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fault.Corruptf(fault.NoOffset, "%s is no file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil || len(b) > maxRecord {
		return nil, errors.Join(err, fault.In(name, fault.Corruptf(maxRecord, "it has more than %d bytes", maxRecord)))
	}
	return b, nil
}

// beside says whether a name is that of a file in the disk's folder, on this system.
func beside(name string) bool {
	return name == filepath.Base(name) && name != "." && name != ".." && filepath.IsLocal(name) && !strings.ContainsAny(name, `/\`)
}

func (r *records) problem(check, path string, err error) {
	if err != nil {
		r.problems = append(r.problems, problem{check, path, err})
	}
}

func (r *records) bad(check, path, format string, args ...any) {
	r.problem(check, path, fault.Corruptf(fault.NoOffset, format, args...))
}

// parseChecksums reads what sha256sum writes.
func (r *records) parseChecksums(list []byte) {
	r.checksums = map[string]string{}
	n := 0
	for line := range bytes.Lines(list) {
		n++
		sum, name, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		// A space, or an asterisk for "binary", stands before the name.
		if ok = ok && len(name) > 1 && (name[0] == ' ' || name[0] == '*'); ok {
			name = strings.TrimPrefix(name[1:], "./")
		}
		if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != sha256.Size {
			r.bad("checksum", checksumsName, "line %d is no checksum and name as sha256sum writes them", n)
			continue
		}
		sum = strings.ToLower(sum)
		if other, ok := r.checksums[name]; ok && other != sum {
			r.bad("checksum", checksumsName, "line %d has another checksum for %s than a line before", n, name)
			continue
		}
		r.checksums[name] = sum
	}
}

// hash reads all of the disk's file, if there is something to compare with.
func (r *records) hash(ctx context.Context, f *os.File) error {
	if r.manifest == nil && r.checksums[r.name] == "" {
		return nil
	}
	sum, err := image.Hash(f, r.size, func([]byte) error { return ctx.Err() })
	if err != nil {
		return err
	}
	r.sum = sum
	return nil
}

// check compares the records with the disk.
func (r *records) check(c *checker) {
	if r.checksums != nil {
		r.listed()
		c.checked("%s", checksumsName)
	}
	if r.manifest != nil && r.checkManifest(c) {
		c.checked("%s", manifestName)
	}
	for _, p := range r.problems {
		c.found(p.check, p.path, p.err)
	}
}

// listed compares the files of checksums.sha256: the disk, and the records beside it. Other disks are verified
// by themselves.
func (r *records) listed() {
	for _, name := range slices.Sorted(maps.Keys(r.checksums)) {
		want := r.checksums[name]
		if name == r.name {
			r.compareSum(checksumsName, want)
			continue
		}
		if name != manifestName && !isRecord(name) || !beside(name) {
			continue
		}
		b, err := r.read(name)
		switch {
		case err != nil:
			r.problem("checksum", name, err)
		case b == nil:
			r.bad("checksum", name, "%s names it, and it is not there", checksumsName)
		default:
			if got := hex.EncodeToString(sum(b)); got != want {
				r.bad("checksum", name, "its SHA-256 is %s, %s says %s", got, checksumsName, want)
			}
		}
	}
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

func isRecord(name string) bool {
	return strings.HasSuffix(name, evidence.OpenVEXSuffix) || strings.HasSuffix(name, evidence.CycloneDXSuffix) || strings.HasSuffix(name, evidence.ExceptionsSuffix)
}

// compareSum compares the disk's SHA-256 with what a record says, unless it was not taken.
func (r *records) compareSum(record, want string) {
	if r.sum == nil || want == "" {
		return
	}
	if got := hex.EncodeToString(r.sum.Sum(nil)); !strings.EqualFold(got, want) {
		r.bad("checksum", "", "the SHA-256 of %s is %s, %s says %s", r.name, got, record, want)
	}
}

// checkManifest compares manifest.json with the disk. It says whether it is winbake's and about this disk.
func (r *records) checkManifest(c *checker) bool {
	var m bake.Manifest
	if err := json.Unmarshal(r.manifest, &m); err != nil {
		r.bad("manifest", manifestName, "it cannot be read: %v", err)
		return false
	}
	if m.SchemaVersion == 0 && m.Files == nil {
		return false // another program's
	}
	if m.SchemaVersion != bake.ManifestVersion {
		r.bad("manifest", manifestName, "schema_version is %d; %d is known", m.SchemaVersion, bake.ManifestVersion)
		return false
	}
	i := slices.IndexFunc(m.Files, func(f bake.File) bool { return f.Name == r.name })
	if i < 0 {
		c.find(Note, "manifest", Where{Path: manifestName}, "it is about other files than %s", r.name)
		return false
	}
	f := m.Files[i]
	if f.Size != r.size {
		r.bad("manifest", manifestName, "it says that %s has %d bytes, it has %d", r.name, f.Size, r.size)
	}
	r.compareSum(manifestName, f.SHA256)
	if f.SHA256 != "" && r.checksums != nil && r.checksums[r.name] == "" {
		r.bad("checksum", checksumsName, "it does not name %s, whose SHA-256 %s has", r.name, manifestName)
	}
	if c.partitions != nil {
		r.compareTable(c, &m)
	}
	r.compareTags(c, &m)
	r.compareRecords(&m, f)
	return true
}

// compareTable compares the partitions, which a disk that was started may have more of.
func (r *records) compareTable(c *checker, m *bake.Manifest) {
	id := c.identity.ID.String()
	if !c.identity.GPT {
		id = fmt.Sprintf("%08x", c.identity.Signature)
	}
	if m.Disk.ID != id || m.Disk.Size != c.size {
		r.bad("manifest", manifestName, "it is about a disk %s of %d bytes, this is %s with %d", m.Disk.ID, m.Disk.Size, id, c.size)
	}
	if len(m.Disk.Partitions) != len(c.partitions) {
		r.bad("manifest", manifestName, "it has %d partitions, the disk %d", len(m.Disk.Partitions), len(c.partitions))
		return
	}
	for i, want := range m.Disk.Partitions {
		p := &c.partitions[i]
		kind, unique := p.Type.String(), p.ID.String()
		if !c.identity.GPT {
			kind, unique = fmt.Sprintf("%02x", p.MBRType), ""
		}
		if p.Offset != want.Offset || p.Size != want.Size || kind != want.Type || unique != want.ID {
			r.bad("manifest", manifestName, "partition %d is at %d with %d bytes, type %s, id %q, on the disk at %d with %d bytes, type %s, id %q",
				i+1, want.Offset, want.Size, want.Type, want.ID, p.Offset, p.Size, kind, unique)
		}
	}
}

// compareTags compares the manifest with what the image's own registry says of its bake.
func (r *records) compareTags(c *checker, m *bake.Manifest) {
	const prefix = `HKLM\SOFTWARE\`
	for _, v := range c.volumes {
		if !v.windows {
			continue
		}
		data, err := v.read(registry.SoftwareHive, maxHive)
		if err != nil {
			return // hive complains
		}
		h, err := regf.Parse(data)
		if err != nil {
			return
		}
		key := h.Root.Subkey(strings.TrimPrefix(bake.TagKey, prefix))
		if key == nil {
			return // an image whose hive could not be read gets no tags
		}
		r.compareTag(key, "Tool", m.Tool)
		r.compareTag(key, "BuildTime", m.BuildTime.UTC().Format(time.RFC3339))
		tags := key.Subkey("Tags")
		for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
			if tags == nil {
				r.bad("manifest", manifestName, "it has tags, and %s has none", bake.TagKey)
				return
			}
			r.compareTag(tags, name, strings.ReplaceAll(m.Tags[name], "\x00", ""))
		}
		return
	}
}

func (r *records) compareTag(k *regf.Key, name, want string) {
	v, _ := k.Value(name)
	if got, _ := v.Text(); got != want {
		r.bad("manifest", manifestName, "it says that %s is %q, the image's registry (%s) says %q", name, want, bake.TagKey, got)
	}
}

// compareRecords looks whether the evidence is about this file.
func (r *records) compareRecords(m *bake.Manifest, f bake.File) {
	for _, name := range m.Records {
		b, err := r.read(name)
		switch {
		case err != nil:
			r.problem("manifest", name, err)
		case b == nil:
			r.bad("manifest", name, "%s names it, and it is not there", manifestName)
		case filepath.Ext(name) == bmap.Suffix:
			r.compareMap(name, b, m.Disk.Size)
		case f.SHA256 != "" && !bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(f.SHA256))):
			r.bad("manifest", name, "it is not bound to the SHA-256 of %s, %s", r.name, f.SHA256)
		}
	}
}

// compareMap looks whether a block map is whole and of a disk of that size. It has checksums of its own in
// place of the image's.
func (r *records) compareMap(name string, b []byte, size int64) {
	m, err := bmap.Parse(b)
	if err != nil {
		r.problem("manifest", name, err)
		return
	}
	if m.Size != size {
		r.bad("manifest", name, "it is for an image of %s, and the disk has %s", fault.Bytes(m.Size), fault.Bytes(size))
	}
}
