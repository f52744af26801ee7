package registry

import (
	"fmt"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regfile"
)

// fileItems returns what a .reg file does. What cannot be done is said with the file's line.
func fileItems(path string) ([]edit.Item, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ops, err := regfile.Parse(data)
	if err != nil {
		return nil, fault.In(path, err)
	}
	items := make([]edit.Item, len(ops))
	for i, op := range ops {
		items[i] = edit.Item{Origin: fmt.Sprintf("%s, line %d", path, op.Line), Edit: opEdit(op)}
	}
	return items, nil
}

func opEdit(op regfile.Op) edit.Edit {
	switch op.Kind {
	case regfile.DeleteKey:
		return &edit.DeleteKey{Key: op.Key}
	case regfile.DeleteValue:
		return &edit.DeleteValue{Key: op.Key, Name: op.Name}
	case regfile.SetValue:
		return &edit.SetValue{Key: op.Key, Name: op.Name, Type: regf.Type(op.Type), Data: op.Data}
	}
	return &edit.CreateKey{Key: op.Key}
}
