package offline

import (
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// UploadDir puts a directory of the host into the image. As with rsync, and with Packer's other
// communicators, "dir" becomes dst/dir, and "dir/" puts what it holds into dst. Symbolic links are
// followed. Exclude holds patterns (as path.Match) of names, or of paths below src.
func (c *Communicator) UploadDir(dst, src string, exclude []string) error {
	p, err := parsePath(dst)
	if err != nil {
		return err
	}
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fault.Invalidf("%s is not a directory", src)
	}
	if name, ok := embeddedName(filepath.ToSlash(src)); ok {
		p = p.join(name)
	}
	u := &upload{c: c, src: filepath.Clean(src), exclude: exclude, written: map[*tree.Node]string{}}
	return u.directory(p, "", nil)
}

// embeddedName is the name that a source without a trailing slash gets in the destination. "." and
// ".." have none: they mean what they hold.
func embeddedName(src string) (string, bool) {
	base := path.Base(src)
	if strings.HasSuffix(src, "/") || base == "." || base == ".." {
		return "", false
	}
	return base, true
}

// upload is one UploadDir under way.
type upload struct {
	c       *Communicator
	src     string
	exclude []string
	written map[*tree.Node]string // by which host path each file was written
}

// directory copies the host directory rel (below src, '/' separated) to p. Above are the real
// paths of the directories that it lies in, to notice links that lead in a circle.
func (u *upload) directory(p guestPath, rel string, above []string) error {
	host := filepath.Join(u.src, filepath.FromSlash(rel))
	actual, err := filepath.EvalSymlinks(host)
	if err != nil {
		return err
	}
	for _, a := range above {
		if a == actual {
			return fault.Invalidf("%s is a symbolic link to a directory that it lies in", host)
		}
	}
	if err := u.c.with(func(t *tree.Tree) error { return makeDirectory(t, p) }); err != nil {
		return err
	}
	entries, err := os.ReadDir(host) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := u.entry(p, path.Join(rel, e.Name()), append(above, actual)); err != nil {
			return err
		}
	}
	return nil
}

func makeDirectory(t *tree.Tree, p guestPath) error {
	if err := checkNoLinks(t, p); err != nil {
		return err
	}
	_, err := t.MkdirAll(p.String())
	return err
}

func (u *upload) entry(dir guestPath, rel string, above []string) error {
	if excluded(rel, u.exclude) {
		return nil
	}
	host := filepath.Join(u.src, filepath.FromSlash(rel))
	name := path.Base(rel)
	if !utf8.ValidString(name) {
		return fault.Invalidf("%q: the name is not UTF-8, so it has no equal in Windows", host)
	}
	info, err := os.Stat(host) // follows links
	if err != nil {
		return err
	}
	if info.IsDir() {
		return u.directory(dir.join(name), rel, above)
	}
	return u.file(dir.join(name), host, info)
}

func (u *upload) file(p guestPath, host string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fault.Invalidf("%s is neither a file nor a directory", host)
	}
	f, err := os.Open(host)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := u.c.spool.store(contextReader{u.c.ctx, f})
	if err != nil {
		return fault.In(host, err)
	}
	return u.c.with(func(t *tree.Tree) error {
		n, err := writeFile(t, p, content, readOnly(&info))
		if err != nil {
			return err
		}
		if other, ok := u.written[n]; ok {
			return fault.Invalidf("%s and %s would be the same file in Windows, where case does not count", other, host)
		}
		u.written[n] = host
		return nil
	})
}

// excluded says whether a pattern matches the path below the source, or its last name.
func excluded(rel string, patterns []string) bool {
	for _, pattern := range patterns {
		pattern = strings.Trim(filepath.ToSlash(pattern), "/")
		if ok, err := path.Match(pattern, rel); err == nil && ok {
			return true
		}
		if ok, err := path.Match(pattern, path.Base(rel)); err == nil && ok {
			return true
		}
	}
	return false
}

// DownloadDir copies a directory of the image to the directory dst of the host, which is made when
// it is missing. The trailing slash and exclude work as in UploadDir. The last part of src may be
// a pattern (as path.Match, without regard to case): what it matches is copied into dst. Links are
// left out.
func (c *Communicator) DownloadDir(src, dst string, exclude []string) error {
	p, err := parsePath(src)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dst, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dst) // names come from the image: they must not lead out of dst
	if err != nil {
		return err
	}
	defer root.Close()
	list, err := c.list(p, exclude)
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := c.downloadOne(root, f); err != nil {
			return err
		}
	}
	return nil
}

// found is one file or directory to download.
type found struct {
	guest   guestPath
	rel     string // where it goes, below the destination
	dir     bool
	content tree.Content
}

func (c *Communicator) downloadOne(root *os.Root, f found) error {
	name := filepath.FromSlash(f.rel)
	if f.dir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	err = c.copyOut(f.guest, out, f.content)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

// list finds everything that a DownloadDir of p copies, while it holds the tree; the copying then
// needs the tree no more.
func (c *Communicator) list(p guestPath, exclude []string) ([]found, error) {
	l := lister{exclude: exclude}
	err := c.with(func(t *tree.Tree) error {
		l.tree = t
		if strings.ContainsAny(p.base(), "*?[") {
			return l.matches(p)
		}
		n, err := find(t, p)
		if err != nil {
			return err
		}
		if !n.IsDir() {
			return fault.Invalidf("%s is a file, not a directory", p.windows())
		}
		l.base = len(p.names)
		if !p.dir && l.base > 0 {
			l.base--
		}
		return l.add(n, p)
	})
	return l.all, err
}

type lister struct {
	tree    *tree.Tree
	exclude []string
	base    int // how many names of a path lie above the destination
	all     []found
}

func (l *lister) matches(p guestPath) error {
	dir, err := find(l.tree, p.parent())
	if err != nil {
		return err
	}
	l.base = len(p.names) - 1
	pattern := strings.ToLower(p.base())
	any := false
	for _, e := range l.tree.Entries(dir) {
		ok, err := path.Match(pattern, strings.ToLower(e.Name))
		if err != nil {
			return fault.Invalidf("%s: %v", p.windows(), err)
		}
		if ok {
			any = true
			if err := l.add(e.Node, p.parent().join(e.Name)); err != nil {
				return err
			}
		}
	}
	if !any {
		return &fs.PathError{Op: "download", Path: p.windows(), Err: fs.ErrNotExist}
	}
	return nil
}

func (l *lister) add(n *tree.Node, p guestPath) error {
	rel := strings.Join(p.names[l.base:], "/")
	switch {
	case rel != "" && excluded(rel, l.exclude):
		return nil
	case n.Reparse() != nil:
		log.Printf("[INFO] not downloaded, because it is a link: %s", p.windows())
		return nil
	case rel != "" && !filepath.IsLocal(filepath.FromSlash(rel)):
		return fault.Unsupportedf(fault.NoOffset, "%s has a name that this machine cannot hold", p.windows())
	case !n.IsDir():
		l.all = append(l.all, found{p, rel, false, n.Data})
		return nil
	}
	if rel != "" {
		l.all = append(l.all, found{guest: p, rel: rel, dir: true})
	}
	for _, e := range l.tree.Entries(n) {
		if err := l.add(e.Node, p.join(e.Name)); err != nil {
			return err
		}
	}
	return nil
}
