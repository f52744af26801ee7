package standin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

func media(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 40}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "sources", "install.wim")
}

func TestSameBytes(t *testing.T) {
	a, err1 := os.ReadFile(media(t))
	b, err2 := os.ReadFile(media(t))
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("two runs differ: %v, %v", err1, err2)
	}
}

func TestWimlibAccepts(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	path := media(t)
	oracle.Run(t, "wimlib-imagex", "verify", "--quiet", path)
	out := t.TempDir()
	oracle.Run(t, "wimlib-imagex", "extract", "--quiet", path, "1", "/Windows/System32/Recovery/Winre.wim", "--dest-dir="+out)
	oracle.Run(t, "wimlib-imagex", "verify", "--quiet", filepath.Join(out, "Winre.wim"))
}

func TestWithoutRecovery(t *testing.T) {
	tr, err := standin.Windows(standin.Options{Files: 4, WithoutRecovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if tr.Find("Windows/System32/Recovery/Winre.wim") != nil {
		t.Error("Winre.wim is there")
	}
}
