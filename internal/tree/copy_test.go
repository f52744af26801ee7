package tree

import (
	"bytes"
	"testing"
)

func TestCopyFile(t *testing.T) {
	from, to := New(1), New(2)
	src, err := from.WriteFile("Windows/Boot/x.efi", Bytes("content"))
	if err != nil {
		t.Fatal(err)
	}
	src.Attributes = AttrReadOnly
	src.Security = from.AddSecurity([]byte("descriptor"))
	src.Streams = []Stream{{Name: "s"}}
	src.Ensure().EA = []EA{{Name: "A"}}
	src.Extra.ObjectID = make([]byte, 16)
	if _, err := to.WriteFile("efi/BOOT/BOOTX64.EFI", Bytes("old")); err != nil {
		t.Fatal(err)
	}
	n, err := to.CopyFile("EFI/Boot/bootx64.efi", from, src)
	if err != nil {
		t.Fatal(err)
	}
	data, err := ReadAll(n.Data, 100)
	if err != nil || string(data) != "content" || n.Attributes != AttrReadOnly || !bytes.Equal(to.Descriptor(n), []byte("descriptor")) {
		t.Errorf("%q, %v, attributes %#x, security %q", data, err, n.Attributes, to.Descriptor(n))
	}
	if n.Path() != "efi/BOOT/bootx64.efi" || len(src.Names) != 1 || to.Root.Len() != 1 {
		t.Errorf("path %q; the original has %d names", n.Path(), len(src.Names))
	}
	if n.Extra.ObjectID != nil || src.Extra.ObjectID == nil {
		t.Error("two files of one volume would have the same object id")
	}
	n.Streams[0].Name, n.Extra.EA = "changed", nil
	if src.Streams[0].Name != "s" || src.Extra.EA == nil {
		t.Error("a change of the copy shows in the original")
	}
	if same, err := to.CopyFile("EFI/Boot/bootx64.efi", to, n); err != nil || same != n {
		t.Errorf("copied onto itself: %v", err)
	}
	if _, err := to.CopyFile("EFI/x", to, to.Root); err == nil {
		t.Error("a directory was copied as a file")
	}
	if _, err := to.CopyFile("", from, src); err == nil {
		t.Error("a file was copied onto the root")
	}
}

func TestCopyIntoKeepsShortNamesApart(t *testing.T) {
	from, to := New(1), New(2)
	src, old := from.NewFile(nil), to.NewFile(nil)
	for _, link := range []struct {
		tree        *Tree
		name, short string
		node        *Node
	}{{from, "segoen_slboot.ttf", "SEGOE_~1.TTF", src}, {from, "x.y.z", "XYZ~1", from.NewFile(nil)}, {to, "segoe_slboot.ttf", "segoe_~1.ttf", old}} {
		if _, err := link.tree.Link(link.tree.Root, link.name, link.short, link.node); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.CopyInto("", from, from.Root); err != nil {
		t.Fatal(err)
	}
	for name, short := range map[string]string{"segoe_slboot.ttf": "segoe_~1.ttf", "segoen_slboot.ttf": "", "x.y.z": "XYZ~1"} {
		if e := to.Find(name); e == nil || e.Short != short {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
