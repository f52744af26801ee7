package ntfs

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Exists says whether there is a file or directory at a '/' path, whatever the case of its names. It
// reads the directories on the way only, where Tree reads all of the MFT.
func (v *Volume) Exists(path string) (bool, error) {
	f, err := v.file(recordRoot)
	for _, name := range tree.Split(path) {
		if f == nil || err != nil {
			break
		}
		f, err = v.child(f, name)
	}
	return f != nil && err == nil, fault.In("NTFS volume", err)
}

// child returns the file called name in a directory, or nil.
func (v *Volume) child(dir *inode, name string) (*inode, error) {
	var ref uint64
	err := v.walkIndex(dir, dirIndex, func(e *treeEntry) error {
		n, err := parseFileName(e.key)
		if err != nil {
			return dir.corrupt("index %s: %v", dirIndex, err)
		}
		if sameFolded(n.name, name) {
			ref = e.head
		}
		return nil
	})
	if err != nil || ref == 0 {
		return nil, err
	}
	return v.referenced(ref)
}
