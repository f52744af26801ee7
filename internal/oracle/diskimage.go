package oracle

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// QemuImgCheck fails the test if qemu-img finds an error or a leak in a qcow2, VHDX or VDI image. Raw
// and VHD ("vpc") have no check.
func QemuImgCheck(t testing.TB, image, format string) {
	t.Helper()
	Need(t, "qemu-img")
	verdict(t, qemuImgCheck(image, format))
}

func qemuImgCheck(image, format string) error {
	out, stderr, err := Try("qemu-img", "check", "-f", format, image)
	if err != nil {
		return judged("qemu-img check", image, err, out+stderr)
	}
	return nil
}

// ImageInfo is what qemu-img tells of an image.
type ImageInfo struct {
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual-size"` // bytes of the disk
	ActualSize  int64  `json:"actual-size"`  // bytes allocated on the host
	ClusterSize int64  `json:"cluster-size"`
	Specific    struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
	} `json:"format-specific"`
}

// QemuImgInfo opens an image with qemu-img, as format or, if that is "", as what qemu takes it for.
func QemuImgInfo(t testing.TB, image, format string) ImageInfo {
	t.Helper()
	Need(t, "qemu-img")
	info, err := qemuImgInfo(image, format)
	return fatal(t, info, err)
}

func qemuImgInfo(image, format string) (info ImageInfo, err error) {
	args := []string{"info", "--output=json"}
	if format != "" {
		args = append(args, "-f", format)
	}
	out, stderr, err := Try("qemu-img", append(args, image)...)
	if err != nil {
		return info, judged("qemu-img info", image, err, out+stderr)
	}
	return info, json.Unmarshal([]byte(out), &info)
}

// QemuImgCompare fails the test unless two images are the same disk: size and bytes.
func QemuImgCompare(t testing.TB, a, formatA, b, formatB string) {
	t.Helper()
	Need(t, "qemu-img")
	verdict(t, qemuImgCompare(a, formatA, b, formatB))
}

func qemuImgCompare(a, formatA, b, formatB string) error {
	out, stderr, err := Try("qemu-img", "compare", "-f", formatA, "-F", formatB, a, b)
	// Without -s, which also wants the same holes, a longer image passes if zeros are all it has more.
	if err != nil || strings.Contains(out+stderr, "size mismatch") {
		return judged("qemu-img compare", a+" and "+b, err, out+stderr)
	}
	return nil
}

// QemuImgConvert converts an image and returns the new one, which lives as long as the test. Options
// are those of qemu-img's -o, such as "subformat=fixed"; "" for none.
func QemuImgConvert(t testing.TB, image, from, to, options string) string {
	t.Helper()
	Need(t, "qemu-img")
	path := filepath.Join(t.TempDir(), "converted."+to)
	args := []string{"convert", "-f", from, "-O", to}
	if options != "" {
		args = append(args, "-o", options)
	}
	Run(t, "qemu-img", append(args, image, path)...)
	return path
}
