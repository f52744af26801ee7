package volumes_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestFind finds the partition that a device of a BCD store names, or says why it is none.
func TestFind(t *testing.T) {
	id, other := guid.Derive(nil, "disk"), guid.Derive(nil, "other")
	gpt := &volumes.Disk{Identity: &disk.Identity{GPT: true, ID: id}, Volumes: []*volumes.Volume{{Partition: disk.Partition{Number: 1, ID: other, Offset: 1 << 20}}}}
	mbr := &volumes.Disk{Identity: &disk.Identity{Signature: 7}, Volumes: []*volumes.Volume{{Partition: disk.Partition{Number: 2, Offset: 1 << 20}}}}
	for _, c := range []struct {
		d    *volumes.Disk
		p    bcd.Partition
		want error
	}{
		{gpt, bcd.GPTPartition(id, other), nil}, {gpt, bcd.GPTPartition(other, other), bootstore.ErrOtherDisk}, {gpt, bcd.GPTPartition(id, id), bootstore.ErrNoPartition},
		{gpt, bcd.MBRPartition(7, 1<<20), bootstore.ErrOtherDisk}, {mbr, bcd.MBRPartition(7, 1<<20), nil}, {mbr, bcd.MBRPartition(8, 1<<20), bootstore.ErrOtherDisk},
		{mbr, bcd.MBRPartition(7, 2<<20), bootstore.ErrNoPartition}, {mbr, bcd.GPTPartition(id, other), bootstore.ErrOtherDisk},
		{&volumes.Disk{}, bcd.MBRPartition(7, 1<<20), volumes.ErrNoTable},
	} {
		v, err := c.d.Find(c.p)
		if !errors.Is(err, c.want) || (v == nil) != (c.want != nil) {
			t.Errorf("%v: %v, %v, want %v", c.p, v, err, c.want)
		}
	}
	if gpt.Number(1) != gpt.Volumes[0] || gpt.Number(2) != nil {
		t.Error("numbers")
	}
}

// TestUnknown opens a volume whose file system is not read, and one that is damaged.
func TestUnknown(t *testing.T) {
	blank := make([]byte, 1<<20)
	damaged := bytes.Clone(blank)
	copy(damaged[3:], "NTFS    ")
	for name, b := range map[string][]byte{"": blank, volumes.NTFS: damaged} {
		v := volumes.New(disk.Partition{}, io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))))
		if v.FileSystem != name || (v.Err != nil) != (name != "") || v.NTFS != nil && v.Err != nil {
			t.Errorf("%q: %+v", name, v)
		}
		if found, err := v.Exists("x"); found || err != nil {
			t.Errorf("%q: %v, %v", name, found, err)
		}
		if _, err := v.ReadFile("x", 10); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := v.Store("Boot/BCD"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := volumes.Open(bytes.NewReader(damaged), int64(len(damaged))); !errors.Is(err, fault.ErrCorrupt) {
		t.Error(err)
	}
}

func TestContent(t *testing.T) {
	tr := tree.New(0)
	if _, err := tr.WriteFile("a/b", nil); err != nil {
		t.Fatal(err)
	}
	if c, err := volumes.Content(tr, "A/B"); err != nil || c.Size() != 0 {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := volumes.Content(tr, "a"); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if _, err := volumes.Content(tr, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
