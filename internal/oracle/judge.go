package oracle

import (
	"fmt"
	"strings"
	"testing"
)

// judged words a judge's refusal: its name, what it looked at, and its own words.
func judged(judge, what string, err error, words string) error {
	if err == nil {
		return fmt.Errorf("%s rejects %s:\n%s", judge, what, strings.TrimSpace(words))
	}
	return fmt.Errorf("%s rejects %s: %w\n%s", judge, what, err, strings.TrimSpace(words))
}

// fatal ends the test on an error, else returns the value.
func fatal[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// verdict fails the test, which goes on, if a judge had an objection.
func verdict(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// tail returns the last n lines of a long output.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
