package inspect_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// media is the stand-in media that all tests share.
var media = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "winbake-inspect")
	if err != nil {
		return "", err
	}
	return dir, standin.Media(context.Background(), dir, standin.Options{Files: 20})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := media(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func mediaDir(t testing.TB) string {
	t.Helper()
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// bakeDisk bakes the stand-in with winbake's engine.
func bakeDisk(t testing.TB, firmware layout.Firmware, change func(*bake.Config)) *bake.Result {
	t.Helper()
	c := bake.Config{
		Media: mediaDir(t), Image: "ServerStandardCore", Size: 640 << 20, Firmware: firmware, Formats: []bake.Format{bake.Raw},
		OutputDir: filepath.Join(t.TempDir(), "out"), Name: "disk", Label: "Windows", NoChecksums: true, Tool: "test",
	}
	if change != nil {
		change(&c)
	}
	r, err := bake.Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// native makes it a stick with Windows in a virtual disk on it.
func native(file string) func(*bake.Config) {
	const why = "a test"
	return func(c *bake.Config) {
		c.Size = 3 << 30
		c.Native = &bake.NativeBoot{File: file, Size: 640 << 20, Label: "STICK", Overrides: map[bake.Rule]string{bake.RuleDiskSize: why, bake.RuleVirtualSize: why}}
		c.Recovery = &bake.Recovery{Policy: winre.Exclude}
	}
}

// one inspects a path without trouble.
func one(t testing.TB, path string, place inspect.Place) *inspect.File {
	t.Helper()
	f := inspect.Run([]string{path}, inspect.Options{Place: place}).Files[0]
	if f.Error != "" {
		t.Fatal(f.Error)
	}
	return f
}
