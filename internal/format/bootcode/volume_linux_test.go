package bootcode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// partitionStart is where the test disks' only partition begins, in bytes.
const partitionStart = 1 << 20

// heavy skips tests that take seconds to set up or to boot.
func heavy(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("heavy")
	}
}

// makeVolume formats an NTFS volume for a disk of these tests and lets fill put files in.
// Everything in it is by outside programs: mkntfs and ntfs-3g.
func makeVolume(t *testing.T, spec oracle.NTFSSpec, fill func(dir string) error) oracle.Volume {
	t.Helper()
	if spec.Size == 0 {
		spec.Size = 32 << 20
	}
	if spec.Sector == 0 {
		spec.Sector = 512
	}
	spec.Hidden = partitionStart / int64(spec.Sector)
	v := oracle.MakeNTFS(t, spec)
	if fill != nil {
		oracle.EditNTFS(t, v, fill)
	}
	return v
}

// makeDisk puts an NTFS volume on a disk and installs records. It returns the disk's path.
func makeDisk(t *testing.T, v oracle.Volume, sector int, r Records) string {
	t.Helper()
	return newDisk(t, v, sector, "7", r.MBR.Code, NTFSSize, func(b []byte) error {
		return InstallNTFS(b, r.NTFS.Code)
	})
}

// newDisk puts a volume behind a partition table made by sfdisk, installs the MBR code and changes
// the first n bytes of the volume.
func newDisk(t *testing.T, v oracle.Volume, sector int, kind string, mbr []byte, n int, change func([]byte) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	disk, err := os.Create(path)
	check(t, err)
	defer disk.Close()
	size, err := copyAt(disk, v.Path)
	check(t, err)
	partition(t, path, size, sector, kind)
	check(t, edit(disk, 0, 512, func(b []byte) error { return InstallMBR(b, mbr) }))
	check(t, edit(disk, partitionStart, n, change))
	return path
}

// partition writes the table. sfdisk counts in 512 bytes and takes 32 bits of them; both do not
// matter to a boot record, which looks at the start alone.
func partition(t *testing.T, path string, size int64, sector int, kind string) {
	t.Helper()
	oracle.Need(t, "sfdisk")
	script := filepath.Join(t.TempDir(), "table")
	line := fmt.Sprintf("label: dos\nstart=%d, size=%d, type=%s, bootable\n", partitionStart/sector, min(size/int64(sector), 1<<31), kind)
	check(t, os.WriteFile(script, []byte(line), 0o600))
	oracle.Run(t, "sh", "-c", `PATH="$PATH:/usr/sbin:/sbin" sfdisk -q --no-reread --no-tell-kernel "$1" <"$2"`, "sh", path, script)
}

// copyAt copies a sparse file to partitionStart in disk, and returns its size.
func copyAt(disk *os.File, path string) (int64, error) {
	in, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	const seekData, seekHole = 3, 4 // lseek(2)
	for end := int64(0); ; {
		start, err := in.Seek(end, seekData)
		if errors.Is(err, syscall.ENXIO) {
			return info.Size(), disk.Truncate(partitionStart + info.Size())
		}
		if err != nil {
			return 0, err
		}
		if end, err = in.Seek(start, seekHole); err != nil {
			return 0, err
		}
		if _, err := io.Copy(io.NewOffsetWriter(disk, partitionStart+start), io.NewSectionReader(in, start, end-start)); err != nil {
			return 0, err
		}
	}
}

// edit changes n bytes at off.
func edit(f *os.File, off int64, n int, change func([]byte) error) error {
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return err
	}
	if err := change(b); err != nil {
		return err
	}
	_, err := f.WriteAt(b, off)
	return err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// attribute is what ntfsinfo tells of one extent of an attribute.
type attribute struct {
	kind   string // such as $DATA
	record int    // file record it is in
	large  bool   // non-resident
	runs   []run
}

type run struct{ lcn, length int64 }

// attributes asks ntfsinfo about a file: by path, or by record number as "#5".
func attributes(t *testing.T, v oracle.Volume, file string) []attribute {
	t.Helper()
	oracle.Need(t, "ntfsinfo")
	by := []string{"-F", file}
	if n, ok := strings.CutPrefix(file, "#"); ok {
		by = []string{"-i", n}
	}
	// ntfsinfo fails at the end when a directory's index root is not in the base record; what it
	// printed before is good.
	out, _, _ := oracle.Try("ntfsinfo", append(append([]string{"-v"}, by...), v.Path)...)
	var all []attribute
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "Dumping attribute") && len(f) >= 8:
			record, err := strconv.Atoi(f[7])
			check(t, err)
			all = append(all, attribute{kind: f[2], record: record})
		case len(all) == 0:
		case strings.HasPrefix(strings.TrimSpace(line), "Resident:"):
			all[len(all)-1].large = f[1] == "No"
		case len(f) == 3 && strings.HasPrefix(f[0], "0x") && strings.HasPrefix(f[1], "0x"):
			lcn, err := strconv.ParseInt(f[1], 0, 64)
			check(t, err)
			length, err := strconv.ParseInt(f[2], 0, 64)
			check(t, err)
			last := &all[len(all)-1]
			last.runs = append(last.runs, run{lcn, length})
		}
	}
	if len(all) == 0 {
		t.Fatalf("ntfsinfo says nothing of %s", file)
	}
	return all
}

// dataRuns are the runs of a file's $DATA.
func dataRuns(t *testing.T, v oracle.Volume, file string) (runs []run) {
	t.Helper()
	for _, a := range attributes(t, v, file) {
		if a.kind == "$DATA" {
			runs = append(runs, a.runs...)
		}
	}
	return runs
}

// has tells whether a file has an attribute of this kind for which is holds.
func has(t *testing.T, v oracle.Volume, file, kind string, is func(attribute) bool) bool {
	t.Helper()
	for _, a := range attributes(t, v, file) {
		if a.kind == kind && is(a) {
			return true
		}
	}
	return false
}
