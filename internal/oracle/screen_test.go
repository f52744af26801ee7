package oracle

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadPicture reads pictures that look like the boot manager's blue screens. They were drawn with
// ImageMagick: convert -size 1024x768 xc:'#0078D7' -fill white -font DejaVu-Sans -pointsize 42
// -annotate +90+150 Recovery -pointsize 18 -annotate +90+220 "$text" -depth 8 -colors 16 PNG8:out.png,
// the other one with -size 640x480, 28 and 14 points.
func TestReadPicture(t *testing.T) {
	Need(t, "tesseract")
	for name, want := range map[string]BootReport{
		"convert-loader-1024x768.png": {Verdict: VerdictLoader, Status: "0xc000007b"},
		"convert-store-640x480.png":   {Verdict: VerdictStore, Status: "0xc000014c"},
	} {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		picture, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		read, err := readPicture(t.TempDir(), picture)
		if err != nil {
			t.Fatal(err)
		}
		if r := JudgeBootScreen(read); r.Verdict != want.Verdict || r.Status != want.Status {
			t.Errorf("%s: %+v of\n%s", name, r, read)
		}
	}
}

// verdictIs is enough for WatchScreen once one of its readers alone is sure.
func verdictIs(want BootVerdict, reader func(Shown) string) func(Shown) bool {
	return func(s Shown) bool { return JudgeBootScreen(reader(s)).Verdict == want }
}

// TestWatchTextScreen shows a text screen, which is read from the video memory and from the picture.
func TestWatchTextScreen(t *testing.T) {
	t.Parallel()
	Need(t, "tesseract")
	disk := bootSector(t, "\r\nFile: \\Windows\\system32\\winload.exe\r\n\r\nStatus: 0xc0000428\r\n")
	both := func(s Shown) bool {
		return verdictIs(VerdictLoader, func(s Shown) string { return s.Text })(s) && verdictIs(VerdictLoader, func(s Shown) string { return s.Read })(s)
	}
	s, err := WatchScreen(t, BootOptions{Disk: disk, Timeout: 60 * time.Second}, both)
	if err != nil || !both(s) || s.Picture == nil {
		t.Errorf("%v, text:\n%s\nread:\n%s", err, s.Text, s.Read)
	}
}

// TestWatchGraphicScreen has the shell of OVMF show a text, which it draws: it is read from the
// picture, and from COM1, to which OVMF sends its console as well.
func TestWatchGraphicScreen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("OVMF takes its time")
	}
	Need(t, "tesseract", "sgdisk", "mkfs.vfat", "mcopy")
	dir := t.TempDir()
	disk, script := filepath.Join(dir, "disk.img"), filepath.Join(dir, "startup.nsh")
	lines := []string{"@echo -off", "cls", `echo "Windows failed to start."`,
		`echo "File: \EFI\Microsoft\Boot\BCD"`, `echo "Status: 0xc000000f"`, "stall 200000000"}
	if err := os.WriteFile(script, []byte(strings.Join(lines, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 66<<20); err != nil {
		t.Fatal(err)
	}
	Run(t, "sgdisk", "-n", "1:2048:+64M", "-t", "1:ef00", disk)
	Run(t, "mkfs.vfat", "-F", "32", "--offset=2048", disk, "65536")
	Run(t, "mcopy", "-i", disk+"@@1M", script, "::/startup.nsh")
	both := func(s Shown) bool {
		return verdictIs(VerdictStore, func(s Shown) string { return s.Serial })(s) && verdictIs(VerdictStore, func(s Shown) string { return s.Read })(s)
	}
	s, err := WatchScreen(t, BootOptions{Disk: disk, Firmware: UEFI, Timeout: 2 * time.Minute}, both)
	if err != nil || !both(s) {
		t.Errorf("%v, serial:\n%s\nread:\n%s", err, s.Serial, s.Read)
	}
}

func TestPlainText(t *testing.T) {
	if got := plainText("\x1b[2J\x1b[01;01HFile: \x1b[0m\\Boot\r\nStatus\x00"); got != "  File:  \\Boot\nStatus" {
		t.Errorf("%q", got)
	}
}

func TestDecodePPM(t *testing.T) {
	p, err := decodePPM([]byte("P6\n2 1\n255\nabcdef"))
	if err != nil || p.Bounds().Dx() != 2 {
		t.Errorf("%v, %v", p, err)
	}
	for _, bad := range []string{"", "P5\n2 1\n255\nabcdef", "P6\n2 1\n255\nabcde", "P6\n99999 1\n255\n", "P6\n-1 1\n255\n"} {
		if _, err := decodePPM([]byte(bad)); err == nil {
			t.Errorf("%q is a picture", bad)
		}
	}
}
