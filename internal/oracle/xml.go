package oracle

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed xmlread.py
var xmlReader string

// JudgeXML fails the test if xmllint, of libxml2, does not take a document for well-formed XML with
// namespaces.
func JudgeXML(t testing.TB, document []byte) {
	t.Helper()
	Need(t, "xmllint")
	verdict(t, Xmllint(document))
}

// Xmllint is JudgeXML for documents that may be wrong; the caller has asked Need for xmllint.
func Xmllint(document []byte) error {
	_, stderr, err := feed(Command("xmllint", "--nonet", "--noout", "-"), document)
	if err != nil || stderr != "" { // of an undeclared prefix it only warns
		return judged("xmllint", "a document", err, stderr)
	}
	return nil
}

// ReadXML returns what Python's own parser, expat, sees in a document, a line for each element, text and
// comment, and objects to what is not well-formed. It runs python3, which the caller has asked Need for.
func ReadXML(document []byte) ([]string, error) {
	out, stderr, err := feed(Command("python3", "-c", xmlReader), document)
	if err != nil {
		return nil, judged("xmlread.py", "a document", err, stderr)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n"), nil
}
