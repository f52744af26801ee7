package wim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxXML bounds the XML data; real files need about 4 KB for an image.
const maxXML = 4 << 20

// The elements of the XML data that are read and written, in the order in which Windows writes them.
type (
	xmlWIM struct {
		XMLName    xml.Name   `xml:"WIM"`
		TotalBytes number     `xml:"TOTALBYTES"`
		Images     []xmlImage `xml:"IMAGE"`
		Encrypted  *struct{}  `xml:"ESD>ENCRYPTED"`
	}
	xmlImage struct {
		Index         number      `xml:"INDEX,attr"`
		DirCount      number      `xml:"DIRCOUNT"`
		FileCount     number      `xml:"FILECOUNT"`
		TotalBytes    number      `xml:"TOTALBYTES"`
		HardLinkBytes number      `xml:"HARDLINKBYTES"`
		Created       *xmlTime    `xml:"CREATIONTIME"`
		Modified      *xmlTime    `xml:"LASTMODIFICATIONTIME"`
		WIMBoot       number      `xml:"WIMBOOT,omitempty"`
		Windows       *xmlWindows `xml:"WINDOWS"`
		Name          string      `xml:"NAME,omitempty"`
		Description   string      `xml:"DESCRIPTION,omitempty"`
		Flags         string      `xml:"FLAGS,omitempty"`
		DisplayName   string      `xml:"DISPLAYNAME,omitempty"`
		DisplayDescr  string      `xml:"DISPLAYDESCRIPTION,omitempty"`
	}
	xmlTime struct {
		High hexadecimal `xml:"HIGHPART"`
		Low  hexadecimal `xml:"LOWPART"`
	}
	xmlWindows struct {
		Arch         string        `xml:"ARCH,omitempty"`
		ProductName  string        `xml:"PRODUCTNAME,omitempty"`
		EditionID    string        `xml:"EDITIONID,omitempty"`
		InstallType  string        `xml:"INSTALLATIONTYPE,omitempty"`
		Servicing    *xmlServicing `xml:"SERVICINGDATA"`
		HAL          string        `xml:"HAL,omitempty"`
		ProductType  string        `xml:"PRODUCTTYPE,omitempty"`
		ProductSuite string        `xml:"PRODUCTSUITE,omitempty"`
		Languages    *xmlLanguages `xml:"LANGUAGES"`
		Version      *xmlVersion   `xml:"VERSION"`
		SystemRoot   string        `xml:"SYSTEMROOT,omitempty"`
	}
	xmlServicing struct {
		ImageState       string `xml:"IMAGESTATE,omitempty"`
		GDRDURevision    string `xml:"GDRDUREVISION,omitempty"`
		PKeyConfigVer    string `xml:"PKEYCONFIGVERSION,omitempty"`
		UpdateImageState string `xml:"UPDATEIMAGESTATE,omitempty"`
	}
	xmlLanguages struct {
		Languages []string      `xml:"LANGUAGE"`
		Fallbacks []xmlFallback `xml:"FALLBACK"`
		Default   string        `xml:"DEFAULT,omitempty"`
	}
	xmlFallback struct {
		Language string `xml:"LANGUAGE,attr"`
		Fallback string `xml:",chardata"`
	}
	xmlVersion struct {
		Major   number `xml:"MAJOR"`
		Minor   number `xml:"MINOR"`
		Build   number `xml:"BUILD"`
		SPBuild number `xml:"SPBUILD"`
		SPLevel number `xml:"SPLEVEL"`
		Branch  string `xml:"BRANCH,omitempty"`
	}
)

// number is an unsigned decimal integer. Anything else reads as 0, as it does in wimlib: a strange
// count must not make an image unusable.
type number uint64

// UnmarshalText reads a number.
func (n *number) UnmarshalText(text []byte) error {
	*n = number(lenient(string(text), 10))
	return nil
}

// hexadecimal is a 32-bit number with or without 0x before it.
type hexadecimal uint32

// UnmarshalText reads a number.
func (h *hexadecimal) UnmarshalText(text []byte) error {
	*h = hexadecimal(lenient(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(string(text))), "0x"), 16))
	return nil
}

// MarshalText writes the number as Windows does.
func (h hexadecimal) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "0x%08X", uint32(h)), nil }

func lenient(text string, base int) uint64 {
	v, err := strconv.ParseUint(strings.TrimSpace(text), base, 64)
	if err != nil {
		return 0
	}
	return v
}

func (t *xmlTime) time() filetime.Time {
	if t == nil {
		return 0
	}
	return filetime.Time(t.High)<<32 | filetime.Time(t.Low)
}

func newXMLTime(t filetime.Time) *xmlTime {
	return &xmlTime{hexadecimal(t >> 32), hexadecimal(t)}
}

// archNames are the PROCESSOR_ARCHITECTURE numbers of the ARCH element.
var archNames = []struct{ number, name string }{
	{"0", "x86"}, {"5", "arm"}, {"6", "ia64"}, {"9", "amd64"}, {"12", "arm64"},
}

func archName(number string) string {
	number = strings.TrimSpace(number)
	for _, a := range archNames {
		if a.number == number {
			return a.name
		}
	}
	return number
}

func archNumber(name string) string {
	for _, a := range archNames {
		if a.name == name {
			return a.number
		}
	}
	return name
}

// readXML reads what the file says of its images. They come in the order of the XML; finishImages
// gives them their places.
func (f *File) readXML() error {
	if f.header.XML.Size == 0 {
		return nil
	}
	res, err := f.newResource(f.header.XML)
	if err != nil {
		return fault.In("XML data", err)
	}
	b, err := res.readAll(maxXML)
	if err != nil {
		return fault.In("XML data", err)
	}
	doc, err := parseXML(b)
	if err != nil && f.header.Version == versionSolid {
		err = fmt.Errorf("%w; if the file is an encrypted ESD, only Windows Setup can read it", err)
	}
	if err != nil {
		return fault.In("XML data", fault.Corruptf(res.offset, "%v", err))
	}
	if doc.Encrypted != nil {
		return fault.Unsupportedf(res.offset, "the file is an encrypted ESD, which only Windows Setup can read")
	}
	for i := range doc.Images {
		f.images = append(f.images, doc.Images[i].image())
	}
	return nil
}

func parseXML(b []byte) (*xmlWIM, error) {
	var doc xmlWIM
	text := utf8From(b)
	if n := bytes.Count(text, []byte("<IMAGE")); n > maxImages { // an Image takes a hundred times the room
		return nil, fmt.Errorf("%d images are described, and there can be %d", n, maxImages)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	// The text is UTF-8 by now, whatever a declaration in it says.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	return &doc, nil
}

// utf8From converts UTF-16LE, with or without a byte order mark, to UTF-8.
func utf8From(b []byte) []byte {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i])|uint16(b[i+1])<<8)
	}
	if len(units) > 0 && units[0] == 0xFEFF {
		units = units[1:]
	}
	out := make([]byte, 0, len(units))
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return bytes.TrimRight(out, "\x00")
}

// utf16From converts UTF-8 to UTF-16LE with a byte order mark.
func utf16From(text []byte) []byte {
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(string(text))) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

// finishImages puts the images in the order of their metadata, which is what counts: the XML may
// be out of order or lack images.
func (f *File) finishImages() error {
	described := f.images
	f.images = make([]Image, len(f.metadata))
	if len(f.metadata) < int(f.header.Images) {
		return fault.Corruptf(0x2c, "the header counts %d images, but the blob table has metadata for %d", f.header.Images, len(f.metadata))
	}
	f.metadata = f.metadata[:f.header.Images]
	f.images = f.images[:f.header.Images]
	for _, m := range described {
		if m.Index >= 1 && m.Index <= len(f.images) && f.images[m.Index-1].Index == 0 {
			f.images[m.Index-1] = m
		}
	}
	for i := range f.images {
		f.images[i].Index = i + 1
	}
	return nil
}

func (x *xmlImage) image() Image {
	m := Image{
		Index: int(min(x.Index, maxImages+1)), Name: x.Name, Description: x.Description, Flags: x.Flags,
		DisplayName: x.DisplayName, DisplayDescription: x.DisplayDescr,
		DirCount: uint64(x.DirCount), FileCount: uint64(x.FileCount),
		TotalBytes: uint64(x.TotalBytes), HardLinkBytes: uint64(x.HardLinkBytes),
		Created: x.Created.time(), Modified: x.Modified.time(), WIMBoot: x.WIMBoot != 0,
	}
	if x.Windows != nil {
		x.Windows.fill(&m)
	}
	return m
}

func (x *xmlWindows) fill(m *Image) {
	m.Arch, m.ProductName, m.EditionID = archName(x.Arch), x.ProductName, x.EditionID
	m.InstallationType, m.HAL, m.ProductType = x.InstallType, x.HAL, x.ProductType
	m.ProductSuite, m.SystemRoot = x.ProductSuite, x.SystemRoot
	if s := x.Servicing; s != nil {
		m.Servicing = Servicing{s.GDRDURevision, s.PKeyConfigVer, s.ImageState, s.UpdateImageState}
	}
	if v := x.Version; v != nil {
		m.Version = Version{uint64(v.Major), uint64(v.Minor), uint64(v.Build), uint64(v.SPBuild), uint64(v.SPLevel), v.Branch}
	}
	if l := x.Languages; l != nil {
		m.Languages, m.DefaultLanguage = l.Languages, l.Default
		for _, fb := range l.Fallbacks {
			m.Fallbacks = append(m.Fallbacks, Fallback(fb))
		}
	}
}

func newXMLImage(m *Image) xmlImage {
	x := xmlImage{
		Index: number(m.Index), Name: m.Name, Description: m.Description, Flags: m.Flags,
		DisplayName: m.DisplayName, DisplayDescr: m.DisplayDescription,
		DirCount: number(m.DirCount), FileCount: number(m.FileCount),
		TotalBytes: number(m.TotalBytes), HardLinkBytes: number(m.HardLinkBytes),
		Created: newXMLTime(m.Created), Modified: newXMLTime(m.Modified),
		Windows: newXMLWindows(m),
	}
	if m.WIMBoot {
		x.WIMBoot = 1
	}
	return x
}

// newXMLWindows returns nil for an image that says nothing of a Windows in it.
func newXMLWindows(m *Image) *xmlWindows {
	x := xmlWindows{
		Arch: archNumber(m.Arch), ProductName: m.ProductName, EditionID: m.EditionID,
		InstallType: m.InstallationType, HAL: m.HAL, ProductType: m.ProductType,
		ProductSuite: m.ProductSuite, SystemRoot: m.SystemRoot,
	}
	if s := m.Servicing; s != (Servicing{}) {
		x.Servicing = &xmlServicing{s.ImageState, s.GDRDURevision, s.PKeyConfigVer, s.UpdateImageState}
	}
	if v := m.Version; v != (Version{}) {
		x.Version = &xmlVersion{number(v.Major), number(v.Minor), number(v.Build), number(v.SPBuild), number(v.SPLevel), v.Branch}
	}
	if len(m.Languages) > 0 || m.DefaultLanguage != "" {
		x.Languages = &xmlLanguages{Languages: m.Languages, Default: m.DefaultLanguage}
		for _, fb := range m.Fallbacks {
			x.Languages.Fallbacks = append(x.Languages.Fallbacks, xmlFallback(fb))
		}
	}
	if x == (xmlWindows{}) {
		return nil
	}
	return &x
}

// marshalXML returns the XML data for the images, which end at byte total of the file.
func marshalXML(images []Image, total int64) ([]byte, error) {
	doc := xmlWIM{TotalBytes: number(total)}
	for i := range images {
		doc.Images = append(doc.Images, newXMLImage(&images[i]))
	}
	text, err := xml.Marshal(&doc)
	if err != nil {
		return nil, fault.Bugf("XML data: %v", err)
	}
	return utf16From(text), nil
}
