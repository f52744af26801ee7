package oracle

import (
	"slices"
	"testing"
)

// TestXMLJudges shows both readers good and bad documents.
func TestXMLJudges(t *testing.T) {
	Need(t, "xmllint", "python3")
	good := []byte(`<a xmlns="urn:x" xmlns:p="urn:y"><!-- c --><b p:q="1">t &amp; ü</b> <c/>tail</a>`)
	if err := Xmllint(good); err != nil {
		t.Error(err)
	}
	want := []string{"{urn:x}a", "\tcomment ' c '", "\t{urn:x}b {urn:y}q='1'", "\t\t't & \\xfc'", "\t{urn:x}c", "\t'tail'"}
	if got, err := ReadXML(good); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "<a>", "<a></b>", "<a b='1' b='2'/>", "<a>&x;</a>", "<p:a/>", "<a/><b/>", "\n<?xml version='1.0'?><a/>"} {
		if Xmllint([]byte(bad)) == nil {
			t.Errorf("xmllint accepts %q", bad)
		}
		if _, err := ReadXML([]byte(bad)); err == nil {
			t.Errorf("python accepts %q", bad)
		}
	}
}
