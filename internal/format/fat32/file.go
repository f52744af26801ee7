package fat32

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Lookup finds what is at a '/' path, whatever the case of its names: the content of a file, nil for an empty
// one, or a directory. The error wraps fs.ErrNotExist where there is nothing. Contents are read later.
func (v *Volume) Lookup(path string) (c tree.Content, dir bool, err error) {
	at := found{dir: true, cluster: v.first, root: true}
	for _, name := range tree.Split(path) {
		if at, err = v.find(at, name); err != nil {
			return nil, false, fault.In("FAT volume: "+path, err)
		}
	}
	if at.dir || at.size == 0 {
		return nil, at.dir, nil
	}
	return newContent(v, at.cluster, at.size), false, nil
}
