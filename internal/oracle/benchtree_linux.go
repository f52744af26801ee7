package oracle

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// benchVersion is part of the cached name: raise it when the material changes.
const benchVersion = 1

// BenchWIM returns the WIM that bakes are timed with: one image, LZX, about 25,000 names and 2 GB,
// shaped like a Windows Server image in its mix of sizes, kinds and links: 40 % of the names are hard
// links between WinSxS and System32 or SysWOW64, most bytes are machine code, a quarter of the files
// are manifests of a few hundred bytes. The bytes come from this machine's /usr. It is made once per
// machine, which takes some minutes and 6 GB of disk, and cached.
func BenchWIM(t testing.TB) string {
	t.Helper()
	return benchWIM(t, 1)
}

// BenchWIMAs is BenchWIM with its contents compressed otherwise, as wimlib names it.
func BenchWIMAs(t testing.TB, compress string) string {
	t.Helper()
	from := BenchWIM(t)
	return cached(t, fmt.Sprintf("bench-v%d-%s.wim", benchVersion, compress), func(_, file string) error {
		return wimlib("export", from, "1", file, "--compress="+compress)
	})
}

// BenchESD is a quarter of BenchWIM as a solid file: LZMS in chunks of 64 MiB, as Windows' own are.
func BenchESD(t testing.TB) string {
	t.Helper()
	from := benchWIM(t, 0.25)
	return cached(t, fmt.Sprintf("bench-v%d.esd", benchVersion), func(_, file string) error {
		return wimlib("export", from, "1", file, "--solid")
	})
}

// SmallFilesWIM returns a WIM of count files of some hundred bytes to some KiB, none like another, 50 in
// a directory, compressed with LZX. It is made once per machine and cached.
func SmallFilesWIM(t testing.TB, count int) string {
	t.Helper()
	Need(t, "wimlib-imagex")
	return cached(t, fmt.Sprintf("small-v%d-%d.wim", benchVersion, count), func(scratch, file string) error {
		dir := filepath.Join(scratch, "tree")
		r := rand.New(rand.NewPCG(uint64(count), benchVersion))
		const words = "servicing manifest component assembly identity version processorArchitecture publicKeyToken "
		var b []byte
		for i := range count {
			folder := filepath.Join(dir, fmt.Sprintf("amd64_component-%05d_31bf3856ad364e35_10.0.20348.%d_none", i/50, i/50%900))
			if i%50 == 0 {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					return err
				}
			}
			b = b[:0]
			for size := 300 + r.IntN(200<<r.IntN(6)); len(b) < size; {
				at := r.IntN(len(words) - 12)
				b = append(fmt.Appendf(b, "%08x", r.Uint32()), words[at:at+12]...)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file-%06d.manifest", i)), b, 0o644); err != nil {
				return err
			}
		}
		return wimlib("capture", dir, file, "small", "--compress=LZX:20")
	})
}

// benchWIM is BenchWIM at a scale from 0 to 1.
func benchWIM(t testing.TB, scale float64) string {
	t.Helper()
	Need(t, "wimlib-imagex", "mkntfs")
	needMount(t)
	return cached(t, fmt.Sprintf("bench-v%d-%g.wim", benchVersion, scale), func(scratch, file string) error {
		g, err := newBenchTree(filepath.Join(scratch, "tree"), scale)
		if err != nil {
			return err
		}
		if err := g.write(); err != nil {
			return err
		}
		plain := filepath.Join(scratch, "plain.wim")
		if err := wimlib("capture", g.dir, plain, "bench", "--compress=none"); err != nil {
			return err
		}
		if err := os.RemoveAll(g.dir); err != nil {
			return err
		}
		return captureDecorated(scratch, plain, file, TreeSpec{Compress: "LZX"}, decorateBench, g.names, g.bytes)
	})
}

// benchClass is one kind of file: count files, of sizes around median (log-normal with sigma), in
// directories and with names from its patterns. '#' in a pattern is a word, '@' a WinSxS component,
// '%' 16 hexadecimal digits.
type benchClass struct {
	count    int
	median   float64 // bytes
	sigma    float64
	max      int64
	material string
	path     string
	link     string // where a hard link goes; "" for none
}

// benchClasses sum up to 17,500 files with 7,500 further links.
var benchClasses = []benchClass{
	{3200, 85e3, 1.35, 24 << 20, "code", "Windows/WinSxS/amd64_@/#.dll", "Windows/System32/#.dll"},
	{250, 70e3, 1.1, 4 << 20, "code", "Windows/WinSxS/amd64_@/#.sys", "Windows/System32/drivers/#.sys"},
	{350, 60e3, 1.2, 8 << 20, "code", "Windows/WinSxS/amd64_@/#.exe", "Windows/System32/#.exe"},
	{1500, 80e3, 1.35, 16 << 20, "code", "Windows/WinSxS/wow64_@/#.dll", "Windows/SysWOW64/#.dll"},
	{1700, 9e3, 1.0, 400 << 10, "text", "Windows/WinSxS/amd64_@/#.dll.mui", "Windows/System32/en-US/#.dll.mui"},
	{500, 12e3, 1.0, 400 << 10, "packed", "Windows/WinSxS/amd64_@/#.cat", "Windows/System32/CatRoot/#.cat"},
	{1900, 70e3, 1.4, 24 << 20, "code", "Windows/WinSxS/amd64_@/#.dll", ""},
	{3300, 700, 0.7, 20 << 10, "packed", "Windows/WinSxS/Manifests/amd64_@.manifest", ""},
	{1400, 4e3, 0.9, 60 << 10, "text", "Windows/WinSxS/Manifests/wow64_@.manifest", ""},
	{900, 2500, 0.8, 60 << 10, "text", "Windows/servicing/Packages/#-Package~%~amd64~~.mum", ""},
	{420, 70e3, 1.1, 4 << 20, "code", "Windows/System32/DriverStore/FileRepository/#.inf_amd64_%/#.sys", ""},
	{420, 12e3, 0.9, 300 << 10, "text", "Windows/System32/DriverStore/FileRepository/#.inf_amd64_%/#.inf", ""},
	{800, 95e3, 1.2, 20 << 20, "code", "Windows/assembly/NativeImages_v4.0.30319_64/System.#/%/#.ni.dll", ""},
	{860, 6e3, 1.2, 500 << 10, "text", "Windows/SystemApps/#/#/#.xml", ""},
	{20, 5e6, 1.0, 24 << 20, "text", "Windows/System32/config/#", ""},
	{1, 90e6, 0.01, 200 << 20, "packed", "Windows/System32/Recovery/Winre.wim", ""},
}

var benchWords = strings.Fields(`active audio auth boot client cluster common compat config control core crypto
device dhcp display dns driver event file firewall font framework graphics group host input install kernel key
language ldap loader log manager media mobile monitor multi net ntfs object policy power print protocol provider
recovery registry remote resource runtime schedule script search security server service session setup shell
smart spool storage system task telemetry terminal text theme time token trace update user virtual volume wlan`)

// benchTree writes the tree. All its choices come from one seeded generator.
type benchTree struct {
	dir      string
	scale    float64
	rand     *rand.Rand
	material map[string]*material
	used     map[string]bool
	names    int64
	bytes    int64
}

func newBenchTree(dir string, scale float64) (*benchTree, error) {
	g := &benchTree{dir: dir, scale: scale, rand: rand.New(rand.NewPCG(benchVersion, 25_000)),
		material: map[string]*material{}, used: map[string]bool{}}
	for kind, from := range map[string]struct {
		root string
		exts string
	}{
		"code":   {"/usr/lib", ".so"},
		"text":   {"/usr/share", ".txt .xml .html .json .js .css .conf .pl .pm .py .svg .h"},
		"packed": {"/usr/share", ".gz .png .jpg .ttf .jar .xz"},
	} {
		m, err := gather(from.root, strings.Fields(from.exts))
		if err != nil {
			return nil, err
		}
		g.material[kind] = m
	}
	return g, nil
}

// write makes all files, class by class.
func (g *benchTree) write() error {
	for _, c := range benchClasses {
		for range max(1, int(float64(c.count)*g.scale)) {
			if err := g.file(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// file makes one file of a class and its link.
func (g *benchTree) file(c benchClass) error {
	size := int64(c.median * math.Exp(g.rand.NormFloat64()*c.sigma))
	size = max(64, min(size, c.max))
	if c.count == 1 {
		size = int64(float64(size) * g.scale)
	}
	word := g.word()
	path := g.place(c.path, word)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := g.fill(path, c.material, size); err != nil {
		return err
	}
	g.names, g.bytes = g.names+1, g.bytes+size
	if c.link == "" {
		return nil
	}
	link := g.place(c.link, word)
	g.names++
	return errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Link(path, link))
}

// fill writes a file; one of machine code begins like a PE file.
func (g *benchTree) fill(path, kind string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if kind == "code" {
		header := make([]byte, 1024)
		copy(header, "MZ\x90\x00")
		copy(header[0x80:], "PE\x00\x00\x64\x86")
		binary.LittleEndian.PutUint64(header[0x88:], g.rand.Uint64())
		if _, err := f.Write(header[:min(size, 1024)]); err != nil {
			return err
		}
		size = max(0, size-1024)
	}
	_, err = io.CopyN(f, g.material[kind], size)
	return err
}

func (g *benchTree) word() string {
	w := ""
	for range 2 + g.rand.IntN(2) {
		w += benchWords[g.rand.IntN(len(benchWords))]
	}
	return w
}

func (g *benchTree) hex(n int) string {
	b := binary.BigEndian.AppendUint64(nil, g.rand.Uint64())
	return hex.EncodeToString(b)[:n]
}

// place fills a pattern in and makes the path unique, without regard to case.
func (g *benchTree) place(pattern, word string) string {
	last := strings.LastIndexByte(pattern, '/')
	dir, name := pattern[:last], pattern[last+1:]
	for strings.Contains(dir, "#") {
		dir = strings.Replace(dir, "#", benchWords[g.rand.IntN(len(benchWords))], 1)
	}
	component := func() string {
		return fmt.Sprintf("%s-%s_31bf3856ad364e35_10.0.20348.%d_none", benchWords[g.rand.IntN(len(benchWords))],
			benchWords[g.rand.IntN(len(benchWords))], g.rand.IntN(3))
	}
	dir = strings.ReplaceAll(strings.ReplaceAll(dir, "@", component()), "%", g.hex(3))
	name = strings.ReplaceAll(strings.ReplaceAll(name, "@", component()), "%", g.hex(16))
	name = strings.ReplaceAll(name, "#", word)
	path := filepath.Join(g.dir, dir, name)
	for i := 1; g.used[strings.ToLower(path)]; i++ {
		path = filepath.Join(g.dir, dir, fmt.Sprintf("%d%s", i, name))
	}
	g.used[strings.ToLower(path)] = true
	return path
}

// material is an endless reader over files: when all are used up it begins again, a little later in
// the first, so that no two files get the same bytes.
type material struct {
	paths []string
	next  int
	shift int64
	cur   *os.File
}

// gather lists the regular files of some kinds below root, of useful sizes.
func gather(root string, exts []string) (*material, error) {
	m := &material{}
	files, _, err := realFiles(root, TreeSpec{Files: 1 << 20, Bytes: 1 << 40})
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || info.Size() < 2048 || info.Size() > 64<<20 || unix.Access(path, unix.R_OK) != nil {
			continue
		}
		for _, ext := range exts {
			if strings.Contains(filepath.Base(path)+"$", ext+"$") || ext == ".so" && strings.Contains(path, ".so.") {
				m.paths = append(m.paths, path)
				break
			}
		}
	}
	if len(m.paths) == 0 {
		return nil, fmt.Errorf("no %v below %s", exts, root)
	}
	return m, nil
}

// Read reads on, from file to file.
func (m *material) Read(p []byte) (int, error) {
	for {
		if m.cur == nil {
			if err := m.open(); err != nil {
				return 0, err
			}
		}
		n, err := m.cur.Read(p)
		if n > 0 {
			return n, nil
		}
		m.cur.Close()
		m.cur = nil
		if err != io.EOF {
			return 0, err
		}
	}
}

// open goes to the next file.
func (m *material) open() (err error) {
	if m.next == len(m.paths) {
		m.next, m.shift = 0, m.shift+1021
	}
	if m.cur, err = os.Open(m.paths[m.next]); err != nil {
		return err
	}
	m.next++
	_, err = m.cur.Seek(m.shift, io.SeekStart)
	return err
}

// decorateBench gives a bench tree its NT metadata: what decorate adds, but for the odd cases, which
// would be too many of too few.
func decorateBench(dir string) error {
	files, _, err := listTree(dir)
	if err != nil {
		return err
	}
	for i, path := range files {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		switch {
		case i%200 == 0:
			err = os.WriteFile(path+":Zone.Identifier", []byte("[ZoneTransfer]\r\nZoneId=3\r\n"), 0o600)
		case i%8 == 1 && info.Sys().(*syscall.Stat_t).Nlink == 1 && !shortEnough(path):
			err = (&Stage{Path: path}).ShortName(shortNameFor(path, i)).Err
		}
		if err != nil {
			return err
		}
	}
	return stampAll(dir)
}
