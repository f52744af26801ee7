package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// shown is a command with its arguments, in code of a page, at its start or after a prompt: to the end of the code, or of what the shell hands over.
var shown = regexp.MustCompile("(?m)(?:^    |`|\\$ |\\$\\()" + `winbake ((?:audit|inspect|usb|verify)\b[^` + "`" + `|>;&)\n]*)`)

// option is an option as it is written.
var option = regexp.MustCompile(`--[a-z-]+`)

// Every command that the pages show exists and has the options that are shown with it; and every option of
// every command stands in the pages.
func TestDocumented(t *testing.T) {
	var all strings.Builder
	commands := 0
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
		for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
			commands++
			for _, problem := range misuse(m[1]) {
				t.Errorf("%s: winbake %s: %s", name, m[1], problem)
			}
		}
	}
	if commands < 30 {
		t.Errorf("only %d commands were looked at", commands)
	}
	for _, c := range below(newApp(io.Discard, io.Discard)) {
		for _, f := range c.Flags {
			if name := "--" + f.Names()[0]; name != "--help" && !slices.Contains(option.FindAllString(all.String(), -1), name) {
				t.Errorf("%s of %s is not documented", name, c.Name)
			}
		}
	}
	for line, want := range map[string]int{"audit --no-such x": 1, "usb erase": 1, "usb list": 0, "verify --json x": 0} {
		if got := misuse(line); len(got) != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// documents are the pages.
func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// misuse returns what is wrong with a command line, without the program's name.
func misuse(line string) (problems []string) {
	words := strings.Fields(line)
	command := newApp(io.Discard, io.Discard)
	for len(words) > 0 && len(command.Commands) > 0 {
		next := command.Command(words[0])
		if next == nil {
			return []string{"there is no command " + words[0]}
		}
		command, words = next, words[1:]
	}
	for _, o := range option.FindAllString(line, -1) {
		if !slices.ContainsFunc(command.Flags, func(f cli.Flag) bool { return "--"+f.Names()[0] == o }) {
			problems = append(problems, o+" is no option of it")
		}
	}
	return problems
}

// below are all commands of a command.
func below(c *cli.Command) (all []*cli.Command) {
	for _, sub := range c.Commands {
		all = append(append(all, sub), below(sub)...)
	}
	return all
}
