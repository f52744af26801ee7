// Package redact takes credentials out of URLs: user names and passwords, and the query, which is where
// presigned URLs carry their signature. Packer's own step for downloads shows and logs URLs as they are.
package redact

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// URL returns a URL without user, query and fragment. What is no URL stays as it is; of one that cannot be
// read, only the scheme is left.
func URL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	if _, err := url.Parse(s); err != nil {
		return scheme + "://..."
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	host, path, below := strings.Cut(rest, "/")
	host = host[strings.LastIndex(host, "@")+1:]
	if below {
		host += "/" + path
	}
	return scheme + "://" + host
}

// inText is a URL in a text: up to a space, a quote, or what else cannot stand in one.
var inText = regexp.MustCompile("[A-Za-z][A-Za-z0-9+.-]*://[^\\s\"'<>`]+")

// The same without a scheme, as go-getter takes addresses of buckets, and as URLs are mistyped: a path with a
// query, which may be written in another way than the user did, and a user with a password.
var (
	query = regexp.MustCompile("([^\\s\"'<>`?]*/[^\\s\"'<>`?]*)\\?[^\\s\"'<>`]*=[^\\s\"'<>`]*")
	user  = regexp.MustCompile("[^\\s\"'<>`/\\\\@:]+:[^\\s\"'<>`/\\\\@]+@")
)

// Text returns a text with all its URLs as URL has them, and without what looks like the credentials of one that
// has no scheme. Known are URLs that may be in it and hold characters that end one elsewhere, such as spaces.
func Text(s string, known ...string) string {
	for _, k := range known {
		s = strings.ReplaceAll(s, k, bare(k))
	}
	s = inText.ReplaceAllStringFunc(s, URL)
	s = query.ReplaceAllString(s, "$1")
	return user.ReplaceAllString(s, "")
}

// bare is URL for what may also be an address without a scheme, as go-getter takes it.
func bare(s string) string {
	if strings.Contains(s, "://") {
		return URL(s)
	}
	path, query, _ := strings.Cut(s, "?")
	if strings.Contains(query, "=") {
		return path
	}
	return s
}

// Writer passes on what a logger writes, each Write a whole line, without credentials.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.w, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// UI shows on another Ui what it is told, without credentials. Known is as for Text.
func UI(to packersdk.Ui, known ...string) packersdk.Ui {
	return &ui{Ui: to, known: slices.Clone(known)}
}

type ui struct {
	packersdk.Ui
	known []string
}

func (u *ui) Say(s string)   { u.Ui.Say(Text(s, u.known...)) }
func (u *ui) Error(s string) { u.Ui.Error(Text(s, u.known...)) }

// Message is Say: the SDK has deprecated it.
func (u *ui) Message(s string) { u.Say(s) }

func (u *ui) Sayf(format string, args ...any)   { u.Say(fmt.Sprintf(format, args...)) }
func (u *ui) Errorf(format string, args ...any) { u.Error(fmt.Sprintf(format, args...)) }
