// Package edit is the changes of an image as values: registry, page file, drivers, answer files. They
// are checked by themselves, travel as JSON from Packer's provisioners to the builder that holds the
// tree, and are applied there.
//
// Every item says which block of the user's configuration it comes from, and every error begins with
// that.
package edit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Edit is one change of an image. Its exported fields are its JSON.
type Edit interface {
	// Validate says what is wrong with the edit by itself, each problem naming its field.
	Validate() error
	// Apply makes the change.
	Apply(*Image) error
}

// Image is what edits change.
type Image struct {
	Tree     *tree.Tree
	Registry *registry.Registry
	// Store keeps a content that does not exist anywhere yet until the disk is written.
	Store Store

	context context.Context
	notes   []string
	windows *boot.Windows
}

// Windows is what the image is.
func (i *Image) Windows() (boot.Windows, error) {
	if i.windows == nil {
		w, err := boot.Detect(i.Tree)
		if err != nil {
			return w, err
		}
		i.windows = &w
	}
	return *i.windows, nil
}

// Note tells the person at the terminal something that is no error, in a whole sentence.
func (i *Image) Note(format string, args ...any) {
	i.notes = append(i.notes, fmt.Sprintf(format, args...))
}

// Store reads a content to its end and keeps it until the disk is written.
type Store func(io.Reader) (tree.Content, error)

// Item is an edit and where it comes from.
type Item struct {
	// Origin is the block of the user's configuration, such as "set[2]"; empty for the whole of a
	// small one.
	Origin string
	Edit   Edit
}

// Validate returns the problems of all items.
func Validate(items []Item) []error {
	var problems []error
	for _, item := range items {
		if err := item.Edit.Validate(); err != nil {
			problems = append(problems, item.explain(err))
		}
	}
	return problems
}

func (item Item) explain(err error) error {
	if item.Origin == "" {
		return err
	}
	return fault.In(item.Origin, err)
}

// Apply makes the changes in their order. It stops at the first that fails; the image is then of no
// use. A hive that several items change is read and written once. It returns what the person at the
// terminal should know.
func Apply(ctx context.Context, t *tree.Tree, store Store, items []Item) (notes []string, err error) {
	if problems := Validate(items); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	image := &Image{Tree: t, Registry: registry.Open(t), Store: store, context: ctx}
	image.Registry.Note, image.Registry.Store = image.Note, store
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return image.notes, err
		}
		if err := item.Edit.Apply(image); err != nil {
			return image.notes, item.explain(err)
		}
	}
	return image.notes, image.Registry.Flush()
}

// kinds are the names of the edits in JSON.
var kinds = map[string]func() Edit{
	"set-value":             func() Edit { return new(SetValue) },
	"create-key":            func() Edit { return new(CreateKey) },
	"delete-value":          func() Edit { return new(DeleteValue) },
	"delete-key":            func() Edit { return new(DeleteKey) },
	"paging":                func() Edit { return new(Paging) },
	"driver":                func() Edit { return new(Driver) },
	"answer-file":           func() Edit { return new(AnswerFile) },
	"setup-complete":        func() Edit { return new(SetupComplete) },
	"hostname":              func() Edit { return new(Hostname) },
	"time-zone":             func() Edit { return new(TimeZone) },
	"san-policy":            func() Edit { return new(SANPolicy) },
	"remote-desktop":        func() Edit { return new(RemoteDesktop) },
	"openssh":               func() Edit { return new(OpenSSH) },
	"firewall-rule":         func() Edit { return new(FirewallRule) },
	"enable-firewall-rules": func() Edit { return new(EnableFirewallRules) },
	"usb-boot":              func() Edit { return new(USBBoot) },
	"flash":                 func() Edit { return new(Flash) },
}

// kindOf finds the name of an edit's type.
var kindOf = func() map[reflect.Type]string {
	names := map[reflect.Type]string{}
	for name, empty := range kinds {
		names[reflect.TypeOf(empty())] = name
	}
	return names
}()

// wire is an Item in JSON.
type wire struct {
	Origin string          `json:"origin,omitempty"`
	Kind   string          `json:"kind"`
	Edit   json.RawMessage `json:"edit"`
}

// MarshalJSON writes the item with the kind of its edit.
func (item Item) MarshalJSON() ([]byte, error) {
	kind, ok := kindOf[reflect.TypeOf(item.Edit)]
	if !ok {
		return nil, fault.Bugf("%T is no edit that can travel", item.Edit)
	}
	body, err := json.Marshal(item.Edit)
	if err != nil {
		return nil, err
	}
	return json.Marshal(wire{item.Origin, kind, body})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (item *Item) UnmarshalJSON(data []byte) error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	empty, ok := kinds[w.Kind]
	if !ok {
		return fault.Unsupportedf(fault.NoOffset, "an edit of kind %q: the builder and the provisioner are not of the same version of winbake", w.Kind)
	}
	item.Origin, item.Edit = w.Origin, empty()
	return json.Unmarshal(w.Edit, item.Edit)
}
