package offline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const now = 132_000_000_000_000_000

// start returns a communicator on a tree that holds the given files.
func start(t *testing.T, files map[string]string) (*Communicator, *tree.Tree) {
	t.Helper()
	tr := tree.New(now)
	for path, data := range files {
		if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
			t.Fatal(err)
		}
	}
	c := New(t.Context(), tr)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, tr
}

func content(t *testing.T, tr *tree.Tree, path string) string {
	t.Helper()
	n, err := tr.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tree.ReadAll(n.Data, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listing is every path of the tree, directories with a trailing slash.
func listing(tr *tree.Tree) string {
	var paths []string
	for path, e := range tr.Walk() {
		if e.Node.IsDir() {
			path += "/"
		}
		paths = append(paths, path)
	}
	return strings.Join(paths, " ")
}

// fileInfo is what Packer's file provisioner sends along.
type fileInfo struct {
	name string
	mode fs.FileMode
}

func (f fileInfo) Name() string       { return f.name }
func (f fileInfo) Size() int64        { return 0 }
func (f fileInfo) Mode() fs.FileMode  { return f.mode }
func (f fileInfo) ModTime() time.Time { return time.Unix(1, 0) }
func (f fileInfo) IsDir() bool        { return f.mode.IsDir() }
func (f fileInfo) Sys() any           { return nil }

func info(name string, mode fs.FileMode) *os.FileInfo {
	var i os.FileInfo = fileInfo{name, mode}
	return &i
}

func TestUpload(t *testing.T) {
	for _, test := range []struct {
		dst  string
		info *os.FileInfo
		want string
	}{
		{"C:/Tools/agent.exe", nil, "Tools/agent.exe"},
		{`c:\new\deep\agent.exe`, info("other", 0o644), "new/deep/agent.exe"},
		{"/TOOLS/agent.exe", nil, "Tools/agent.exe"},
		{"C:/Tools", info("agent.exe", 0o644), "Tools/agent.exe"}, // a directory: into it
		{"C:/New/", info("agent.exe", 0o644), "New/agent.exe"},
		{"C:/", info("agent.exe", 0o644), "agent.exe"},
		{"C:/tools/OLD.txt", nil, "Tools/old.txt"}, // replaces, and keeps the name
	} {
		c, tr := start(t, map[string]string{"Tools/old.txt": "old"})
		if err := c.Upload(test.dst, strings.NewReader("new"), test.info); err != nil {
			t.Errorf("%s: %v", test.dst, err)
			continue
		}
		if got := content(t, tr, test.want); got != "new" {
			t.Errorf("%s: %s holds %q", test.dst, test.want, got)
		}
		if e := tr.Find(test.want); e.Name != filepath.Base(test.want) {
			t.Errorf("%s: the name is now %q", test.dst, e.Name)
		}
	}
}

func TestUploadMetadata(t *testing.T) {
	c, tr := start(t, nil)
	upload := func(mode fs.FileMode) *tree.Node {
		if err := c.Upload("C:/a", strings.NewReader("x"), info("a", mode)); err != nil {
			t.Fatal(err)
		}
		n, _ := tr.Lookup("a")
		return n
	}
	if n := upload(0o444); n.Attributes != tree.AttrArchive|tree.AttrReadOnly || n.Modified != now {
		t.Errorf("attributes %#x, modified %d", n.Attributes, n.Modified)
	}
	if n := upload(0o755); n.Attributes != tree.AttrArchive {
		t.Errorf("attributes %#x", n.Attributes)
	}
}

func TestUploadMistakes(t *testing.T) {
	failing := iotest.ErrReader(errors.New("the line broke"))
	for _, test := range []struct {
		dst  string
		r    io.Reader
		want string
	}{
		{"C:/Tools", nil, "add the name"},
		{"C:/Tools/", nil, "add the name"},
		{"C:/a:b.txt", nil, `':', which Windows does not allow`},
		{"C:/what?.txt", nil, `'?', which Windows does not allow`},
		{"C:/dot./x", nil, "ends in a dot"},
		{"C:/nul.txt", nil, "that of a device"},
		{"C:/Tools/old.txt/x", nil, "is a file, not a directory"},
		{"C:/Link/x", nil, `C:\Link is a junction`},
		{"D:/x", nil, "no drive D:"},
		{"C:/x", failing, "the line broke"},
	} {
		c, tr := start(t, map[string]string{"Tools/old.txt": "old"})
		link(t, tr)
		before := listing(tr)
		if test.r == nil {
			test.r = strings.NewReader("new")
		}
		err := c.Upload(test.dst, test.r, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.dst, err, test.want)
		}
		if after := listing(tr); after != before {
			t.Errorf("%s: changed the tree to %s", test.dst, after)
		}
	}
}

// link adds a junction called Link.
func link(t *testing.T, tr *tree.Tree) {
	n, err := tr.MkdirAll("Link")
	if err != nil {
		t.Fatal(err)
	}
	n.Attributes |= tree.AttrReparsePoint
	n.Ensure().Reparse = &tree.Reparse{Tag: 0xA0000003}
}

// Large files, and many small ones, go to the temporary directory, last until Close, and are gone
// then.
func TestSpool(t *testing.T) {
	c, tr := start(t, nil)
	big := strings.Repeat("0123456789abcdef", 3<<20/16)
	for path, data := range map[string]string{"C:/big": big, "C:/edge": big[:smallFile], "C:/over": big[:smallFile+1]} {
		if err := c.Upload(path, iotest.HalfReader(strings.NewReader(data)), nil); err != nil {
			t.Fatal(err)
		}
		if got := content(t, tr, strings.TrimPrefix(path, "C:/")); got != data {
			t.Errorf("%s: %d bytes, want %d", path, len(got), len(data))
		}
	}
	if c.spool.memory != smallFile {
		t.Errorf("%d bytes in memory, want %d", c.spool.memory, smallFile)
	}
	c.spool.memory = memoryBudget
	if err := c.Upload("C:/small", strings.NewReader("x"), nil); err != nil || content(t, tr, "small") != "x" {
		t.Error("a small file beyond the budget:", err)
	}
	if files, _ := os.ReadDir(c.spool.dir); len(files) != 3 {
		t.Errorf("%d files in the spool, want 3", len(files))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.spool.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the spool is still there: %v", err)
	}
}

func TestDownload(t *testing.T) {
	c, tr := start(t, map[string]string{"Windows/win.ini": "[fonts]", "Windows/empty": ""})
	link(t, tr)
	var out bytes.Buffer
	if err := c.Download(`C:\windows\WIN.INI`, &out); err != nil || out.String() != "[fonts]" {
		t.Errorf("%q, %v", &out, err)
	}
	out.Reset()
	if err := c.Download("/Windows/empty", &out); err != nil || out.Len() != 0 {
		t.Errorf("%q, %v", &out, err)
	}
	if err := c.Download("C:/Windows/none", &out); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `C:\Windows\none`) {
		t.Error(err)
	}
	if err := c.Download("C:/Windows", &out); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
	if err := c.Download("C:/Link", &out); err == nil || !strings.Contains(err.Error(), "is a junction") {
		t.Error(err)
	}
}

func run(c *Communicator, command, stdin string) (stdout, stderr string, code int) {
	var out, errOut bytes.Buffer
	cmd := &packersdk.RemoteCmd{Command: command, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errOut}
	if err := c.Start(context.Background(), cmd); err != nil {
		return "", err.Error(), -1
	}
	code = cmd.Wait()
	return out.String(), errOut.String(), code
}

func TestStartRefuses(t *testing.T) {
	c, _ := start(t, nil)
	stdout, stderr, code := run(c, "powershell -File x.ps1 -Password hunter2", "")
	if code != exitCannotRun || stdout != "" {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	for _, want := range []string{"nothing can run in it", `so the command "powershell" was not run`, "SetupComplete.cmd", `"file" provisioner`} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is missing in: %s", want, stderr)
		}
	}
	for _, command := range []string{"powershell -Password hunter2", "PASSWORD=hunter2 ./x", `set "PASSWORD=hunter2" && x`, ""} {
		if _, stderr, code := run(c, command, ""); code != exitCannotRun || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: %d, %s", command, code, stderr)
		}
	}
	cmd := &packersdk.RemoteCmd{Command: "x"} // no streams at all
	if err := c.Start(context.Background(), cmd); err != nil || cmd.Wait() != exitCannotRun {
		t.Errorf("%v, exit code %d", err, cmd.ExitStatus())
	}
}

func TestHandler(t *testing.T) {
	c, tr := start(t, nil)
	c.Handle("winbake-test", func(_ context.Context, t *tree.Tree, request []byte) ([]byte, error) {
		if len(request) == 0 {
			return nil, errors.New("nothing asked")
		}
		_, err := t.WriteFile(string(request), nil)
		return []byte("done " + string(request)), err
	})
	if stdout, stderr, code := run(c, "winbake-test", "a.txt"); stdout != "done a.txt" || stderr != "" || code != 0 {
		t.Errorf("%q, %q, %d", stdout, stderr, code)
	}
	if listing(tr) != "a.txt" {
		t.Error(listing(tr))
	}
	if stdout, stderr, code := run(c, "winbake-test", ""); stdout != "" || stderr != "nothing asked\n" || code != exitFailed {
		t.Errorf("%q, %q, %d", stdout, stderr, code)
	}
	if _, stderr, code := run(c, "winbake-test", strings.Repeat("x", maxRequest+1)); code != exitFailed || !strings.Contains(stderr, "longer than") {
		t.Errorf("%q, %d", stderr, code)
	}
}

// Packer's provisioners may go on for a while after the build was cancelled.
func TestAfterTheBake(t *testing.T) {
	for name, end := range map[string]func(*Communicator, context.CancelFunc){
		"closed":    func(c *Communicator, _ context.CancelFunc) { c.Close(); c.Close() },
		"cancelled": func(_ *Communicator, cancel context.CancelFunc) { cancel() },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		c := New(ctx, tree.New(now))
		c.Handle("h", func(context.Context, *tree.Tree, []byte) ([]byte, error) { return nil, nil })
		end(c, cancel)
		dir := t.TempDir()
		for what, err := range map[string]error{
			"Upload":      c.Upload("C:/x", strings.NewReader("x"), nil),
			"UploadDir":   c.UploadDir("C:/x", dir, nil),
			"Download":    c.Download("C:/x", io.Discard),
			"DownloadDir": c.DownloadDir("C:/", filepath.Join(dir, "out"), nil),
		} {
			if !errors.Is(err, errClosed) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if _, stderr, code := run(c, "h", ""); code != exitFailed || !strings.Contains(stderr, "the bake has ended") {
			t.Errorf("%s: Start: %d, %q", name, code, stderr)
		}
		cancel()
		c.Close()
	}
}

// endless is a sender that never stops.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestCloseEndsAnUpload(t *testing.T) {
	c := New(context.Background(), tree.New(now))
	done := make(chan error)
	go func() { done <- c.Upload("C:/x", endless{}, nil) }()
	for {
		c.spool.mu.Lock()
		begun := c.spool.dir != ""
		c.spool.mu.Unlock()
		if begun {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, errClosed) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the upload goes on")
	}
}

func TestConcurrentUse(t *testing.T) {
	c, tr := start(t, map[string]string{"in": "in"})
	c.Handle("h", func(_ context.Context, t *tree.Tree, b []byte) ([]byte, error) {
		_, err := t.WriteFile(string(b), nil)
		return nil, err
	})
	var wg sync.WaitGroup
	for i := range 8 {
		name := string(rune('a' + i))
		for _, f := range []func() error{
			func() error { return c.Upload("C:/up/"+name, strings.NewReader(name), nil) },
			func() error { return c.Download("C:/in", io.Discard) },
			func() error {
				if _, stderr, code := run(c, "h", "h/"+name); code != 0 {
					return errors.New(stderr)
				}
				return nil
			},
		} {
			wg.Go(func() {
				if err := f(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if want := "h/ h/a h/b h/c h/d h/e h/f h/g h/h in up/ up/a up/b up/c up/d up/e up/f up/g up/h"; listing(tr) != want {
		t.Error(listing(tr))
	}
}

func TestFaultClass(t *testing.T) {
	c, _ := start(t, nil)
	if err := c.Upload("x", strings.NewReader(""), nil); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}
