package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Shown is what a virtual machine with a screen showed when it was last looked at.
type Shown struct {
	Serial  string      // all that arrived on COM1, without a terminal's control sequences
	Text    string      // the text screen, with BIOS
	Read    string      // what a reader of pictures reads on the screen
	Picture image.Image // of the screen; nil if there was none
	Off     bool        // the machine switched itself off
}

// All is everything that could be read.
func (s Shown) All() string { return s.Serial + "\n" + s.Text + "\n" + s.Read }

// WatchScreen boots a disk and looks at the machine, once a second, until enough says that it has seen
// enough, the machine is off, or the time is up. Only a machine that does not start is an error.
func WatchScreen(t testing.TB, o BootOptions, enough func(Shown) bool) (Shown, error) {
	t.Helper()
	o = withDefaults(o)
	o.Display = true
	Need(t, "qemu-system-x86_64", "tesseract")
	dir := t.TempDir()
	args := machineArgs(t, dir, o)
	bootSlots <- struct{}{}
	defer func() { <-bootSlots }()
	deadline := time.Now().Add(o.Timeout)
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(30*time.Second)) // time to read the screen
	defer cancel()
	m, err := startMachine(ctx, dir, args)
	if err != nil {
		return Shown{}, err
	}
	defer m.stop()
	w := watcher{m: m, bios: o.Firmware == BIOS}
	for {
		s, err := w.look()
		if err != nil {
			return s, err
		}
		if s.Off || enough(s) || time.Now().After(deadline) {
			return w.lastPicture(), nil
		}
		select {
		case <-m.ended:
		case <-time.After(time.Second):
		}
	}
}

// watcher remembers what was read of the screen, so that a picture that stays is read once.
type watcher struct {
	m        *machine
	bios     bool
	last     []byte // the picture at the last look
	lastRead []byte // the picture that shown.Read is of
	shown    Shown
}

func (w *watcher) look() (Shown, error) {
	s := &w.shown
	select {
	case <-w.m.ended:
		s.Off = true
	default:
		if w.bios {
			s.Text = w.m.screen()
		}
		if err := w.lookAtPicture(); err != nil {
			return *s, err
		}
	}
	s.Serial = plainText(w.m.serial())
	return *s, nil
}

// lookAtPicture reads a picture that has not changed since the last look: what is being painted is not
// worth the time.
func (w *watcher) lookAtPicture() error {
	dump, err := w.m.screendump()
	if err != nil {
		return nil // the machine went off meanwhile, or has no screen yet
	}
	still := samePicture(dump, w.last)
	w.last = dump
	if !still || samePicture(dump, w.lastRead) {
		return nil
	}
	picture, err := decodePPM(dump)
	if err != nil {
		return err
	}
	read, err := readPicture(w.m.dir, picture)
	if err != nil {
		return err
	}
	w.lastRead, w.shown.Picture, w.shown.Read = dump, picture, read
	return nil
}

// lastPicture is what was shown with the screen as it is now, read or not.
func (w *watcher) lastPicture() Shown {
	if dump, err := w.m.screendump(); err == nil {
		if picture, err := decodePPM(dump); err == nil {
			w.shown.Picture = picture
		}
	}
	return w.shown
}

// samePicture compares two pictures but for a cursor that blinks.
func samePicture(a, b []byte) bool {
	const cursor = 3 * 16 * 16 // bytes
	if len(a) != len(b) {
		return false
	}
	differ := 0
	for i := range a {
		if a[i] != b[i] {
			differ++
		}
	}
	return differ <= cursor
}

// screendump returns a picture of the screen as QEMU writes it, a PPM file.
func (m *machine) screendump() ([]byte, error) {
	file := filepath.Join(m.dir, "screen.ppm")
	name, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	if err := m.command(fmt.Sprintf(`{"execute":"screendump","arguments":{"filename":%s}}`, name)); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// maxPicture bounds what a picture's header may ask for; no screen of QEMU's is larger.
const maxPicture = 1 << 13

// decodePPM reads a picture with three bytes for each point
// (https://netpbm.sourceforge.net/doc/ppm.html).
func decodePPM(b []byte) (image.Image, error) {
	var width, height, most int
	var magic string
	r := bytes.NewReader(b)
	if _, err := fmt.Fscan(r, &magic, &width, &height, &most); err != nil {
		return nil, fmt.Errorf("PPM header: %w", err)
	}
	if magic != "P6" || most != 255 || width <= 0 || height <= 0 || width > maxPicture || height > maxPicture {
		return nil, fmt.Errorf("%s of %d x %d points up to %d is no screen", magic, width, height, most)
	}
	r.ReadByte() // the one blank after the header
	points := b[len(b)-r.Len():]
	if len(points) < 3*width*height {
		return nil, errors.New("the picture is cut off")
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		out.Set(i%width, i/width, color.RGBA{points[3*i], points[3*i+1], points[3*i+2], 255})
	}
	return out, nil
}

// readPicture has tesseract read a picture of a screen.
func readPicture(dir string, picture image.Image) (string, error) {
	file := filepath.Join(dir, "reading.png")
	if err := SavePicture(file, forReading(picture)); err != nil {
		return "", err
	}
	// Mode 6: one block of text, so that lines far apart stay in order.
	out, stderr, err := Try("tesseract", file, "stdout", "--psm", "6", "-l", "eng")
	if err != nil {
		return "", judged("tesseract", file, err, stderr)
	}
	return strings.TrimSpace(out), nil
}

// forReading makes black letters on white, three times as large and with soft edges: tesseract expects
// letters of some thirty points, dark on light, from a scanner.
func forReading(picture image.Image) image.Image {
	const scale = 3
	gray, mean := grayOf(picture)
	b := gray.Bounds()
	out := image.NewGray(image.Rect(0, 0, scale*b.Dx(), scale*b.Dy()))
	for y := range scale * b.Dy() {
		for x := range scale * b.Dx() {
			v := between(gray, x, y, scale)
			if mean < 128 {
				v = 255 - v
			}
			out.SetGray(x, y, color.Gray{Y: uint8(v)})
		}
	}
	return out
}

// grayOf takes the colours away, and says how bright the picture is.
func grayOf(picture image.Image) (gray *image.Gray, mean int) {
	b := picture.Bounds()
	gray = image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	sum := 0
	for y := range b.Dy() {
		for x := range b.Dx() {
			g := color.GrayModel.Convert(picture.At(b.Min.X+x, b.Min.Y+y)).(color.Gray)
			gray.SetGray(x, y, g)
			sum += int(g.Y)
		}
	}
	return gray, sum / max(1, b.Dx()*b.Dy())
}

// between interpolates linearly at the point (x, y) of the enlarged picture.
func between(g *image.Gray, x, y, scale int) int {
	at := func(x, y int) int { // the last row and column go on
		return int(g.GrayAt(min(x, g.Rect.Max.X-1), min(y, g.Rect.Max.Y-1)).Y)
	}
	px, py, fx, fy := x/scale, y/scale, x%scale, y%scale
	above := at(px, py)*(scale-fx) + at(px+1, py)*fx
	below := at(px, py+1)*(scale-fx) + at(px+1, py+1)*fx
	return (above*(scale-fy) + below*fy) / (scale * scale)
}

// SavePicture writes a PNG file.
func SavePicture(path string, picture image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, picture), f.Close())
}

// controlSequence is what steers a terminal (ECMA-48, 5.4): OVMF sends what it shows to COM1 as well.
var controlSequence = regexp.MustCompile(`\x1b\[[0-9;?=]*[@-~]|\x1b[@-Z\\-_]`)

// plainText takes a terminal's control sequences out.
func plainText(serial string) string {
	text := controlSequence.ReplaceAllString(serial, " ")
	return strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7F {
			return r
		}
		return -1
	}, text)
}
