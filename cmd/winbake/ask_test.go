package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	for text, want := range map[string]string{"4C53\n": "4C53", " 4C53 \r\n": "4C53", "4C53": "4C53"} {
		if got, err := ask(t.Context(), "Which?", strings.NewReader(text), io.Discard); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got, err := ask(t.Context(), "Which?", strings.NewReader(""), io.Discard); got != "" || err == nil {
		t.Errorf("nobody there: %q, %v", got, err)
	}
}

// Ctrl-C ends the question although nobody answers it.
func TestAskEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if _, err := ask(ctx, "Which?", r, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
