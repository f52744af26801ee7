package redact

import (
	"bytes"
	"log"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com/a/ws.iso":                           "https://example.com/a/ws.iso",
		"https://user:secret@example.com/a.iso":                  "https://example.com/a.iso",
		"https://secret@example.com":                             "https://example.com",
		"https://u:p@ss@example.com/a@b.iso":                     "https://example.com/a@b.iso",
		"https://example.com/a.iso?X-Amz-Signature=secret":       "https://example.com/a.iso",
		"https://example.com?sig=secret":                         "https://example.com",
		"https://example.com/a.iso#secret":                       "https://example.com/a.iso",
		"https://[::1]:8080/a.iso?sig=secret":                    "https://[::1]:8080/a.iso",
		"https://user:se/cret@example.com/a.iso":                 "https://...",
		"s3::https://host/b/k?aws_access_key_secret=secret":      "s3::https://host/b/k",
		"/media/ws.iso":                                          "/media/ws.iso",
		`C:\media\ws?.iso`:                                       `C:\media\ws?.iso`,
		"smb://user:secret@server/share/ws.iso":                  "smb://server/share/ws.iso",
		"https://example.com/a%20b.iso?sv=1&se=2&sig=a%2Fsecret": "https://example.com/a%20b.iso",
	} {
		if got := URL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	const known = "https://h/a b.iso?sig=x y'secret"
	for in, want := range map[string]string{
		"Trying https://u:secret@h/a?b=secret":                 "Trying https://h/a",
		`Get "https://h/a?b=secret": EOF`:                      `Get "https://h/a": EOF`,
		"'https://h/a?b=secret' => /cache/x.iso":               "'https://h/a' => /cache/x.iso",
		"Trying " + known + ", once":                           "Trying https://h/a b.iso, once",
		"no URL here: a?b=c, user@host":                        "no URL here: a?b=c, user@host",
		"lock: b.s3.amazonaws.com/k?a=1&key=secret%2Fx (/c/l)": "lock: b.s3.amazonaws.com/k (/c/l)",
		"'me:secret@host/ws.iso?checksum=sha256%3A00'":         "'host/ws.iso'",
		`Get "http:/me:secret@host/ws.iso": no Host`:           `Get "http:/host/ws.iso": no Host`,
		`12:30:59 C:\Users\me@corp\ws.iso`:                     `12:30:59 C:\Users\me@corp\ws.iso`,
		"Trying bucket.s3.amazonaws.com/k?secret=secret once.": "Trying bucket.s3.amazonaws.com/k once.",
	} {
		if got := Text(in, known, "bucket.s3.amazonaws.com/k?secret=secret"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	l := log.New(Writer(&out), "", 0)
	l.Printf("Acquiring lock for: %s (%s)", "https://u:secret@h/x.iso?sig=secret", "/cache/x.lock")
	if got := out.String(); got != "Acquiring lock for: https://h/x.iso (/cache/x.lock)\n" || strings.Contains(got, "secret") {
		t.Error(got)
	}
}
