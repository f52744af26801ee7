package ntfs

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// checkNode says whether NTFS can hold what the tree has for a node. What comes from a medium is not
// trusted; what a careful reader cannot have let through is checked all the same, since a volume
// that Windows stumbles over is found too late.
func checkNode(n *tree.Node) error {
	if n.Attributes&tree.AttrEncrypted != 0 {
		return fault.Unsupportedf(fault.NoOffset, "the file is encrypted (EFS): its content cannot be moved to another volume")
	}
	if len(n.Streams) > 0 {
		if err := checkStreams(n); err != nil {
			return err
		}
	}
	if packedContent(n) != nil && (n.IsDir() || n.Reparse() != nil || n.Data.Size() == 0) {
		return fault.Bugf("a directory, reparse point or empty file cannot be compressed")
	}
	if n.Extra == nil {
		return nil
	}
	if l := len(n.Extra.ObjectID); l != 0 && l != objectIDShort && l != objectIDLong {
		return fault.Corruptf(fault.NoOffset, "object id has %d bytes, not %d or %d", l, objectIDShort, objectIDLong)
	}
	if err := checkReparse(n.Extra.Reparse); err != nil {
		return err
	}
	return checkEAs(n.Extra.EA)
}

func checkStreams(n *tree.Node) error {
	sorted := sortedStreams(n)
	for i, s := range sorted {
		switch length := utf16le.Len(s.Name); {
		case length == 0 || length > tree.MaxName || strings.ContainsAny(s.Name, ":/\\\x00"):
			return fault.Corruptf(fault.NoOffset, "stream name %q is not possible", s.Name)
		case i > 0 && sameFolded(sorted[i-1].Name, s.Name):
			return fault.Corruptf(fault.NoOffset, "stream %q stands twice", s.Name)
		}
	}
	return nil
}

func checkReparse(r *tree.Reparse) error {
	switch {
	case r == nil:
	case len(r.Data)+8 > maxReparse:
		return fault.Corruptf(fault.NoOffset, "reparse point has %d bytes; %d are possible", len(r.Data)+8, maxReparse)
	case !microsoftTag(r.Tag) && len(r.Data) < reparseGUID:
		return fault.Corruptf(fault.NoOffset, "reparse point with tag %#x has no GUID", r.Tag)
	}
	return nil
}

func checkEAs(list []tree.EA) error {
	for _, ea := range list {
		if ea.Name == "" || len(ea.Name) > 254 || strings.Contains(ea.Name, "\x00") || len(ea.Value) > 0xFFFF {
			return fault.Corruptf(fault.NoOffset, "extended attribute %q with %d bytes is not possible", ea.Name, len(ea.Value))
		}
	}
	if n := packedEASize(list); n > 0xFFFF {
		return fault.Corruptf(fault.NoOffset, "extended attributes have %d bytes; 65535 are possible", n)
	}
	if len(list) > 0 {
		if n := len(eaValue(list)); n > maxEA {
			return fault.Corruptf(fault.NoOffset, "extended attributes have %d bytes on disk; %d are possible", n, maxEA)
		}
	}
	return nil
}

// checkLinks bounds the names of a file.
func checkLinks(list []attribute) error {
	names := 0
	for i := range list {
		if list[i].typ == typeFileName {
			names++
		}
	}
	if names > maxLinks {
		return fault.Unsupportedf(fault.NoOffset, "the file has %d names, short ones included; NTFS allows %d", names, maxLinks)
	}
	return nil
}
