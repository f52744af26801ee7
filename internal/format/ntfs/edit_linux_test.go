package ntfs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestEdited has ntfs-3g change volumes, as Windows will: it must find its way in every index, and
// the volume must be sound afterwards.
func TestEdited(t *testing.T) {
	tr := directoryTree(t, 0, 5, 1500)
	r := rand.New(rand.NewPCG(21, 21))
	for i := range 200 {
		n := tr.NewFile(tree.Bytes(randomBytes(r, i*50)))
		n.Security = tr.AddSecurity(secdesc.Build(secdesc.Users, secdesc.Users, secdesc.ACE{Mask: uint32(i), SID: secdesc.Everyone}))
		n.Ensure().ObjectID = randomBytes(r, 16)
		link(t, tr, tr.Root, fmt.Sprint("file ", i), "", n)
	}
	image := filepath.Join(t.TempDir(), "edited.img")
	writeImage(t, image, tr, 32<<20)
	v := oracle.WholeFile(image)
	oracle.EditNTFS(t, v, func(dir string) error {
		for _, sub := range []string{"dir 0", "dir 5", "dir 1500"} {
			if err := churn(r, filepath.Join(dir, sub)); err != nil {
				return err
			}
		}
		return decorate(r, dir)
	})
	oracle.JudgeNTFS(t, v)
	dir := oracle.MountNTFS(t, v)
	for sub, want := range map[string]int{"dir 0": 600, "dir 5": 600 + 2, "dir 1500": 600 + 750} {
		if list, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(list) != want {
			t.Errorf("%s has %d entries, want %d (%v)", sub, len(list), want, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "dir 1500", "new 17")); err != nil || string(b) != "content of 17" {
		t.Errorf("a new file holds %q (%v)", b, err)
	}
}

// churn removes every other entry of a directory, in any order, and adds 600.
func churn(r *rand.Rand, dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	for i := range 600 {
		if i < (len(list)+1)/2 {
			if err := os.Remove(filepath.Join(dir, list[i].Name())); err != nil {
				return err
			}
		}
		name := filepath.Join(dir, fmt.Sprint("new ", i))
		if err := os.WriteFile(name, []byte(fmt.Sprint("content of ", i)), 0o644); err != nil {
			return err
		}
	}
	for i := 600; i < (len(list)+1)/2; i++ {
		if err := os.Remove(filepath.Join(dir, list[i].Name())); err != nil {
			return err
		}
	}
	return nil
}

// decorate changes descriptors and object ids, which stand in indexes of their own.
func decorate(r *rand.Rand, dir string) error {
	for i := range 200 {
		s := oracle.Stage{Path: filepath.Join(dir, fmt.Sprint("file ", i))}
		sd := secdesc.Build(secdesc.LocalSystem, secdesc.Users, secdesc.ACE{Mask: uint32(0x10000 + i), SID: secdesc.Everyone})
		if err := s.Security(sd).ObjectID([16]byte(randomBytes(r, 16))).Err; err != nil {
			return err
		}
	}
	return nil
}
