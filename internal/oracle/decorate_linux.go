package oracle

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// decorate gives the files of a mounted volume what Windows volumes have beside names and bytes, by
// rules over their order, so that the same files always get the same.
func decorate(dir string) error {
	files, dirs, err := listTree(dir)
	if err != nil {
		return err
	}
	for i, path := range files {
		if err := decorateFile(dir, path, i); err != nil {
			return err
		}
	}
	for i, path := range dirs {
		if err := decorateDir(path, i); err != nil {
			return err
		}
	}
	if err := addSpecials(filepath.Join(dir, "Specials")); err != nil {
		return err
	}
	return stampAll(dir)
}

// listTree lists files and directories below dir, each in the order of their paths.
func listTree(dir string) (files, dirs []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == dir:
		case e.IsDir():
			dirs = append(dirs, path)
		default:
			files = append(files, path)
		}
		return err
	})
	return files, dirs, err
}

// decorateFile adds streams, links, short names and object ids to the i-th file.
func decorateFile(root, path string, i int) error {
	s := &Stage{Path: path}
	switch {
	case i%50 == 0:
		return os.WriteFile(path+":Zone.Identifier", []byte("[ZoneTransfer]\r\nZoneId=3\r\n"), 0o600)
	case i%1000 == 1:
		return os.WriteFile(path+":payload", numbered(200_000+i), 0o600)
	case i%1000 == 2:
		return os.WriteFile(path+":empty", nil, 0o600)
	case i%1000 == 3:
		return os.WriteFile(path+":名前 ünïcode 😀", []byte(filepath.Base(path)), 0o600)
	case i%10 == 4:
		component := filepath.Join(root, "Windows", "WinSxS", fmt.Sprintf("amd64_component_%03d", i/200))
		if err := os.MkdirAll(component, 0o700); err != nil {
			return err
		}
		return os.Link(path, filepath.Join(component, fmt.Sprintf("%05d_%s", i, shorten(filepath.Base(path)))))
	case i%10 == 5 && !shortEnough(path):
		return s.ShortName(shortNameFor(path, i)).Err
	case i%100 == 6:
		return s.ObjectID([16]byte{byte(i), byte(i >> 8), 0x7e, 0x11}).Err
	case i%100 == 7 && !shortEnough(path):
		if err := s.ShortName(shortNameFor(path, i)).Err; err != nil {
			return err
		}
		return os.Link(path, filepath.Join(filepath.Dir(path), shorten(filepath.Base(path))+" second link"))
	}
	return nil
}

// decorateDir adds streams and short names to the i-th directory.
func decorateDir(path string, i int) error {
	if i%20 == 1 {
		if err := os.WriteFile(path+":of a directory", []byte(filepath.Base(path)), 0o600); err != nil {
			return err
		}
	}
	if i%3 == 0 && !shortEnough(path) {
		return (&Stage{Path: path}).ShortName(shortNameFor(path, i)).Err
	}
	return nil
}

// shortEnough says that a name may be an 8.3 name already (it errs on that side).
func shortEnough(path string) bool { return len(filepath.Base(path)) <= 12 }

// shorten keeps derived names below NTFS's 255 units.
func shorten(name string) string { return name[:min(len(name), 200)] }

// shortNameFor makes an 8.3 name that is unique in its directory, since i is.
func shortNameFor(path string, i int) string {
	ext := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(filepath.Ext(path)))
	name := fmt.Sprintf("N%05X~1", i)
	if ext == "" {
		return name
	}
	return name + "." + ext[:min(3, len(ext))]
}

// numbered returns n bytes that compress, and differ from block to block.
func numbered(n int) []byte {
	b := make([]byte, 0, n+16)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "line %08d\r\n", i*i)
	}
	return b[:n]
}

// addSpecials makes what no /usr has.
func addSpecials(dir string) error {
	for _, d := range []string{dir, dir + "/wide", dir + "/sizes", dir + "/Case", dir + "/CASE"} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	for _, add := range []func(dir string) error{addNames, addSizes, addWide, addLinks, addReparse} {
		if err := add(dir); err != nil {
			return err
		}
	}
	return nil
}

// addNames makes files with awkward names, all with content.
func addNames(dir string) error {
	for _, name := range []string{
		"case", "cASE", "Case/inner", "CASE/inner", "CASE/INNER", // differ in case only
		strings.Repeat("漢", 255), strings.Repeat("x", 255), strings.Repeat("é", 254) + "É",
		"😀 beyond the first plane", "e\u0301 decomposed", "ß and ẞ", "ı and İ", "ǅ title case",
		"lone \xed\xa0\x80 surrogate", "\xed\xb0\x80", "�", "\uffff", "\ue000",
		"A.B", "NAME.EXT", "name.ext2", ".hidden", "two  spaces", "~", "$file", "a'b", "semi;colon", "[brackets]", "100%",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// addSizes makes files around the sizes where a WIM or a volume changes its ways: resident data,
// sectors, clusters, chunks, and a run of zeros.
func addSizes(dir string) error {
	for _, around := range []int{1, 512, 700, 1024, 4096, 8192, 32768, 65536, 131072, 1 << 20, 3 << 20} {
		for n := around - 1; n <= around+1; n++ {
			if err := os.WriteFile(fmt.Sprintf("%s/sizes/%d", dir, n), numbered(n), 0o600); err != nil {
				return err
			}
		}
	}
	holed := make([]byte, 8<<20)
	copy(holed[5<<20:], numbered(100_000))
	return os.WriteFile(dir+"/sizes/mostly zeros", holed, 0o600)
}

// addWide fills a directory so that its index has several levels.
func addWide(dir string) error {
	for i := range 1500 {
		name := fmt.Sprintf("%s/wide/%04d a name that takes its room in an index block %d", dir, i*7919%1500, i)
		if err := os.WriteFile(name, fmt.Appendf(nil, "%d", i%100), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// addLinks makes a file with so many links that its names need an attribute list.
func addLinks(dir string) error {
	first := dir + "/wide/link 000"
	if err := os.WriteFile(first, numbered(5000), 0o600); err != nil {
		return err
	}
	for i := 1; i < 300; i++ {
		if err := os.Link(first, fmt.Sprintf("%s/wide/link %03d", dir, i)); err != nil {
			return err
		}
	}
	return nil
}

// Reparse tags ([MS-FSCC] 2.1.2.1), and one that no one has.
const (
	tagMountPoint = 0xA0000003
	tagSymlink    = 0xA000000C
	tagMicrosoft  = 0x80000F0F
	tagThirdParty = 0x00000F0F
)

// addReparse makes reparse points, on files with and without data and on directories.
func addReparse(dir string) error {
	guid := []byte("sixteen bytes ..")
	for _, r := range []struct {
		name string
		dir  bool
		data string
		tag  uint32
		with []byte
	}{
		{"symlink", false, "", tagSymlink, linkData(tagSymlink, `C:\Windows\notepad.exe`)},
		{"directory symlink", true, "", tagSymlink, linkData(tagSymlink, `C:\Windows`)},
		{"junction", true, "", tagMountPoint, linkData(tagMountPoint, `C:\Users`)},
		{"filter", false, "", tagMicrosoft, []byte("data")},
		{"filter with content", false, "content below", tagMicrosoft, numbered(15_000)},
		{"filter of others", false, "content below", tagThirdParty, append(guid, "data"...)},
	} {
		path := filepath.Join(dir, r.name)
		var err error
		if r.dir {
			err = os.Mkdir(path, 0o700)
		} else if err = os.WriteFile(path, []byte(r.data), 0o600); err == nil && r.data != "" {
			err = os.WriteFile(path+":stream", numbered(20_000), 0o600)
		}
		if err != nil {
			return err
		}
		if err := (&Stage{Path: path}).Reparse(r.tag, r.with).Err; err != nil {
			return err
		}
	}
	return nil
}

// linkData encodes the target of a symbolic link or a junction ([MS-FSCC] 2.1.2.4, 2.1.2.5): the name
// that NT resolves, then the one that is shown. A junction's names end in NUL, a link has flags.
func linkData(tag uint32, target string) []byte {
	terminator := ""
	if tag == tagMountPoint {
		terminator = "\x00"
	}
	nt, shown := encode16(`\??\`+target+terminator), encode16(target+terminator)
	end := 2 * len(terminator)
	var b []byte
	for _, n := range []int{0, len(nt) - end, len(nt), len(shown) - end} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	if tag == tagSymlink {
		b = append(b, 0, 0, 0, 0)
	}
	return append(append(b, nt...), shown...)
}

// stampAll sets the security descriptor, attributes and times of every file and directory, last of
// all, since every other change moves the times.
func stampAll(dir string) error {
	files, dirs, err := listTree(dir)
	if err != nil {
		return err
	}
	attributes := []uint32{0x20, 0x20, 0x20, 0x21, 0x22, 0x06, 0x80, 0x2020, 0x27, 0x100, 0x1020, 0x20}
	for i, path := range append(files, dirs...) {
		ft := uint64(129_000_000_000_000_000 + i*864_000_000_007)
		s := (&Stage{Path: path}).Security(securityDescriptor(i % 97))
		if i < len(files) {
			s.Attributes(attributes[i%len(attributes)])
		} else if i%5 == 0 {
			s.Attributes(0x16)
		}
		if err := s.Times(ft, ft+uint64(i), ft+uint64(2*i)).Err; err != nil {
			return err
		}
	}
	return nil
}
