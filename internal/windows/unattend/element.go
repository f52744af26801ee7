package unattend

import (
	"strings"

	"github.com/beevik/etree"
)

// attr returns an attribute that has no prefix, or "".
func attr(e *etree.Element, name string) string {
	for _, a := range e.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}

// children returns the elements of e with a name in the answer file's namespace.
func children(e *etree.Element, name string) []*etree.Element {
	var found []*etree.Element
	for _, c := range e.ChildElements() {
		if c.Tag == name && c.NamespaceURI() == namespace {
			found = append(found, c)
		}
	}
	return found
}

// child returns the first of children, or nil.
func child(e *etree.Element, name string) *etree.Element {
	if all := children(e, name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// ensure returns the child with the name, appended where it is missing.
func ensure(e *etree.Element, name string) *etree.Element {
	if c := child(e, name); c != nil {
		return c
	}
	return appendTo(e, name)
}

// empty takes everything out of e.
func empty(e *etree.Element) {
	for len(e.Child) > 0 {
		e.RemoveChildAt(len(e.Child) - 1)
	}
}

// appendTo adds an element behind the last one in e.
func appendTo(e *etree.Element, name string) *etree.Element {
	at := len(e.Child)
	if at > 0 && isBlank(e.Child[at-1]) {
		at-- // what indents the end tag
	}
	return insert(e, name, at)
}

// insert adds an element at an index of e's children, on a line of its own, indented like its siblings:
// Windows does not care, but people read these files.
func insert(e *etree.Element, name string, at int) *etree.Element {
	line := lineBefore(e) + indent
	for _, sibling := range e.ChildElements() {
		line = lineBefore(sibling)
		break
	}
	if len(e.Child) == 0 {
		e.CreateText(lineBefore(e))
	}
	c := etree.NewElement(name)
	c.Space = e.Space
	e.InsertChildAt(at, etree.NewText(line))
	e.InsertChildAt(at+1, c)
	return c
}

const indent = "    "

// lineBefore is the line break and the space in front of e.
func lineBefore(e *etree.Element) string {
	if before := e.Index() - 1; before >= 0 && isBlank(e.Parent().Child[before]) {
		text := e.Parent().Child[before].(*etree.CharData).Data
		if i := strings.LastIndexByte(text, '\n'); i >= 0 {
			return text[i:]
		}
	}
	depth := -2 // the document is an element, too; the root element's depth is 0
	for up := e; up != nil; up = up.Parent() {
		depth++
	}
	return "\n" + strings.Repeat(indent, depth)
}

// isBlank says whether a token is space between elements.
func isBlank(t etree.Token) bool {
	c, ok := t.(*etree.CharData)
	return ok && !c.IsCData() && strings.TrimSpace(c.Data) == ""
}
