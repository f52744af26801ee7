package bcd

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
)

// PrintOptions choose what Print shows.
type PrintOptions struct {
	// Verbose shows GUIDs in place of names such as {bootmgr}, like bcdedit /v.
	Verbose bool
}

// Print writes the store as `bcdedit /enum all` does, in the same order: the boot manager and its
// entries, other applications, shared settings, device options. Equal stores give equal text.
// An element that cannot be read is shown with the reason.
func (s *Store) Print(w io.Writer, o PrintOptions) error {
	p := printer{options: o}
	if d := s.Resolve(Default); d != nil {
		p.defaultEntry = d.ID
	}
	for _, object := range s.inPrintOrder() {
		p.object(object)
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// inPrintOrder sorts by rank, and loaders by the boot manager's display order.
func (s *Store) inPrintOrder() []*Object {
	shown := map[guid.GUID]int{}
	if manager := s.Object(BootManager); manager != nil {
		if e, ok := manager.Element(ElemDisplayOrder); ok {
			list, _ := e.Objects()
			for i, id := range list {
				shown[id] = i - len(list)
			}
		}
	}
	objects := s.Objects()
	slices.SortStableFunc(objects, func(a, b *Object) int {
		return cmp.Or(cmp.Compare(printRank(a), printRank(b)), cmp.Compare(shown[a.ID], shown[b.ID]))
	})
	return objects
}

// printOrder is the order of bcdedit's output: application types, then the shared settings.
var (
	printOrder = []ObjectType{
		TypeFirmwareBootManager, TypeBootManager, TypeFirmwareApplication, TypeOSLoader, TypeResume, TypeMemoryTester,
	}
	settingsOrder = []guid.GUID{
		EMSSettings, DebuggerSettings, BadMemory, GlobalSettings, LoaderSettings, HypervisorSettings, ResumeSettings,
	}
)

// printRank is the place of an object in bcdedit's output.
func printRank(o *Object) int {
	if i := slices.Index(printOrder, o.Type); i >= 0 {
		return i
	}
	rank := len(printOrder) + (len(settingsOrder)+1)*o.Type.class()
	if i := slices.Index(settingsOrder, o.ID); i >= 0 {
		return rank + i
	}
	return rank + len(settingsOrder)
}

type printer struct {
	options      PrintOptions
	defaultEntry guid.GUID
	out          bytes.Buffer
}

// nameColumn is the width of bcdedit's first column.
const nameColumn = 24

func (p *printer) object(o *Object) {
	if p.out.Len() > 0 {
		p.out.WriteByte('\n')
	}
	title := o.title()
	fmt.Fprintf(&p.out, "%s\n%s\n", title, strings.Repeat("-", len(title)))
	p.row("identifier", p.id(o.ID))
	for _, e := range o.elements {
		p.row(o.Type.Name(e.ID), p.values(o.Type, e)...)
	}
}

func (o *Object) title() string {
	if t := titles[o.ID]; t != "" {
		return t
	}
	if t := typeTitles[o.Type]; t != "" {
		return t
	}
	if o.Type.IsInherit() {
		return fmt.Sprintf("Inherited settings (%08x)", uint32(o.Type))
	}
	return fmt.Sprintf("Unknown object (%08x)", uint32(o.Type))
}

// row prints a name and its values, each on a line.
func (p *printer) row(name string, values ...string) {
	if len(values) == 0 {
		values = []string{""}
	}
	for _, v := range values {
		line := fmt.Sprintf("%-*s%s", nameColumn, name, v)
		if len(name) >= nameColumn {
			line = name + " " + v
		}
		p.out.WriteString(strings.TrimRight(line, " ") + "\n")
		name = ""
	}
}

func (p *printer) id(id guid.GUID) string {
	if p.options.Verbose {
		return id.Braced()
	}
	if alias := Alias(id); alias != "" {
		return alias
	}
	if id == p.defaultEntry && !id.IsZero() {
		return Alias(Default)
	}
	return id.Braced()
}

func (p *printer) values(t ObjectType, e Element) []string {
	values, err := p.decode(t, e)
	if err != nil {
		return []string{"(" + err.Error() + ")"}
	}
	return values
}

// decode turns an element's value into lines of text.
func (p *printer) decode(t ObjectType, e Element) ([]string, error) {
	switch e.ID.Format() {
	case FormatDevice:
		d, err := e.Device()
		if err != nil {
			return nil, err
		}
		return []string{printable(d.String())}, nil
	case FormatString:
		s, err := e.Text()
		return []string{printable(s)}, err
	case FormatObject:
		id, err := e.Object()
		return []string{p.id(id)}, err
	case FormatObjects:
		list, err := e.Objects()
		return each(list, p.id), err
	case FormatInteger:
		n, err := e.Integer()
		return []string{integerText(t, e.ID, n)}, err
	case FormatBoolean:
		yes, err := e.Bool()
		if yes {
			return []string{"Yes"}, err
		}
		return []string{"No"}, err
	case FormatIntegers:
		list, err := e.Integers()
		return each(list, hexadecimal), err
	}
	return []string{fmt.Sprintf("%v %x", e.Value.Type, e.Value.Data)}, nil
}

func each[T any](list []T, text func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = text(v)
	}
	return out
}

func hexadecimal(n uint64) string { return fmt.Sprintf("%#x", n) }

// addresses are integers that bcdedit shows in hexadecimal.
var addresses = []ElementID{
	0x15000007, // truncatememory
	0x1500000E, // avoidlowmemory
	0x15000012, // debugaddress
	0x2500012E, // kerneldebugaddress
}

func integerText(t ObjectType, id ElementID, n uint64) string {
	if name, ok := names().lookup(t, id); ok && n < uint64(len(name.values)) {
		return name.values[n]
	}
	if slices.Contains(addresses, id) {
		return hexadecimal(n)
	}
	return strconv.FormatUint(n, 10)
}

// printable keeps a string from a store from breaking the layout: control characters and invalid
// text are escaped.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) && r != ' ' }) {
		quoted := strconv.Quote(s)
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `\\`, `\`)
	}
	return s
}
