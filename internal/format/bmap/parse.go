package bmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// MaxFile is the largest file that Parse takes: 35,000 ranges. The map of an image from a bake has some
// thousand. XML takes many times its room in memory while it is read.
const MaxFile = 4 << 20

// noChecksum stands for the file's own checksum while it is taken.
const noChecksum = "0000000000000000000000000000000000000000000000000000000000000000"

// file is the XML.
type file struct {
	XMLName      xml.Name `xml:"bmap"`
	Version      string   `xml:"version,attr"`
	ImageSize    []string
	BlockSize    []string
	BlocksCount  []string
	Mapped       []string `xml:"MappedBlocksCount"`
	ChecksumType []string
	Checksum     []string `xml:"BmapFileChecksum"`
	BlockMap     []struct {
		Range []struct {
			Checksum string `xml:"chksum,attr"`
			Text     string `xml:",chardata"`
		}
	}
}

// Parse reads a map. A file of an older version, or with checksums other than SHA-256, is an error of
// class fault.ErrUnsupported; one that is cut off, changed or contradicts itself, of fault.ErrCorrupt.
func Parse(b []byte) (*Map, error) {
	if len(b) > MaxFile {
		return nil, fault.Unsupportedf(fault.NoOffset, "a block map of more than %s, which is not read; without it, all of the image is written", fault.Bytes(MaxFile))
	}
	f, err := decode(b)
	if err != nil {
		return nil, err
	}
	if f.Version != "2.0" && f.Version != "1.4" {
		return nil, fault.Unsupportedf(fault.NoOffset, "a block map of version %.16q; only 2.0 is read: make it anew with bmaptool create", f.Version)
	}
	kind, err := one("ChecksumType", f.ChecksumType)
	if err != nil {
		return nil, err
	}
	if kind != "sha256" {
		return nil, fault.Unsupportedf(fault.NoOffset, "checksums of type %.16q; only sha256 is read: make the block map anew with bmaptool create", kind)
	}
	if err := f.checkSum(b); err != nil {
		return nil, err
	}
	m, err := f.parse()
	if err != nil {
		return nil, err
	}
	return m, m.Validate()
}

func decode(b []byte) (*file, error) {
	var f file
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&f); err != nil {
		return nil, fault.Corruptf(d.InputOffset(), "this is no block map: %v", err)
	}
	for { // what is behind the document: white space, comments
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return &f, nil
		}
		text, isText := t.(xml.CharData)
		_, isComment := t.(xml.Comment)
		if err != nil || !isComment && (!isText || len(bytes.TrimSpace(text)) > 0) {
			return nil, fault.Corruptf(d.InputOffset(), "there is something behind the end of the block map")
		}
	}
}

// checkSum compares the file's checksum with its bytes.
func (f *file) checkSum(b []byte) error {
	text, err := one("BmapFileChecksum", f.Checksum)
	if err != nil {
		return err
	}
	want, err := sum(text)
	if err != nil {
		return err
	}
	// As bmaptool does it: the first place where the number stands is its own.
	if got := sha256.Sum256(bytes.Replace(b, []byte(text), []byte(noChecksum), 1)); got != want {
		return fault.Corruptf(fault.NoOffset, "the block map does not have its SHA-256: it is %x, not %s", got, text)
	}
	return nil
}

func (f *file) parse() (*Map, error) {
	var n numbers
	m := &Map{Size: n.of("ImageSize", f.ImageSize), BlockSize: n.of("BlockSize", f.BlockSize)}
	count, mapped := n.of("BlocksCount", f.BlocksCount), n.of("MappedBlocksCount", f.Mapped)
	if n.err != nil {
		return nil, n.err
	}
	if len(f.BlockMap) != 1 {
		return nil, fault.Corruptf(fault.NoOffset, "%d elements BlockMap, not one", len(f.BlockMap))
	}
	if m.BlockSize <= 0 || m.Size <= 0 || m.Size > maxSize || m.BlockSize > maxBlock || count != (m.Size+m.BlockSize-1)/m.BlockSize {
		return nil, fault.Corruptf(fault.NoOffset, "an image of %d bytes in %d blocks of %d", m.Size, count, m.BlockSize)
	}
	var got int64
	for i, r := range f.BlockMap[0].Range {
		first, last, ok := span(r.Text)
		if !ok || last >= count {
			return nil, fault.Corruptf(fault.NoOffset, "range %d is %.40q, of an image of %d blocks", i+1, strings.TrimSpace(r.Text), count)
		}
		s, err := sum(r.Checksum)
		if err != nil {
			return nil, err
		}
		got += last - first + 1
		start := first * m.BlockSize
		m.Blocks = append(m.Blocks, Block{Range{start, min((last+1)*m.BlockSize, m.Size) - start}, s})
	}
	if got != mapped {
		return nil, fault.Corruptf(fault.NoOffset, "the ranges have %d blocks, and %d are announced", got, mapped)
	}
	return m, nil
}

// span reads "first-last", or "block".
func span(text string) (first, last int64, ok bool) {
	from, to, two := strings.Cut(strings.TrimSpace(text), "-")
	first, ok = number(from)
	if !two || !ok {
		return first, first, ok
	}
	last, ok = number(to)
	return first, last, ok && last >= first
}

func number(text string) (int64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 63)
	return int64(n), err == nil
}

// numbers reads elements that are numbers, and keeps the first error.
type numbers struct{ err error }

func (n *numbers) of(name string, elements []string) int64 {
	text, err := one(name, elements)
	v, ok := number(text)
	if err == nil && !ok {
		err = fault.Corruptf(fault.NoOffset, "%s is %.40q, and should be a number", name, text)
	}
	if n.err == nil {
		n.err = err
	}
	return v
}

// one returns the text of an element that must be there once.
func one(name string, elements []string) (string, error) {
	if len(elements) != 1 {
		return "", fault.Corruptf(fault.NoOffset, "%d elements %s, not one", len(elements), name)
	}
	return strings.TrimSpace(elements[0]), nil
}

func sum(text string) (out [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != sha256.Size {
		return out, fault.Corruptf(fault.NoOffset, "%.80q is no SHA-256", text)
	}
	return [sha256.Size]byte(b), nil
}
