package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/package-url/packageurl-go"
)

// winrePURL names the recovery environment. Package URLs have no type for Windows.
func winrePURL(version string) string {
	return packageurl.NewPackageURL(packageurl.TypeGeneric, "microsoft", "winre", version, nil, "").String()
}

// purl names the image, or with a SHA-256 one of its files. Its name is in lower case because Grype looks
// for an image under its name in lower case.
func (b *Bake) purl(sha256 string) string {
	var q packageurl.Qualifiers
	if sha256 != "" {
		q = packageurl.Qualifiers{{Key: "checksum", Value: "sha256:" + strings.ToLower(sha256)}}
	}
	return packageurl.NewPackageURL(packageurl.TypeGeneric, "", strings.ToLower(b.Name), b.Version, q, "").String()
}

// The CPE names of Windows by its build, as the National Vulnerability Database uses them.
var (
	serverCPE = map[int]string{
		14393: "windows_server_2016", 17763: "windows_server_2019", 20348: "windows_server_2022",
		25398: "windows_server_2022_23h2", 26100: "windows_server_2025",
	}
	clientCPE = map[int]string{
		10240: "windows_10_1507", 14393: "windows_10_1607", 17763: "windows_10_1809", 19041: "windows_10_2004",
		19042: "windows_10_20h2", 19043: "windows_10_21h1", 19044: "windows_10_21h2", 19045: "windows_10_22h2",
		22000: "windows_11_21h2", 22621: "windows_11_22h2", 22631: "windows_11_23h2", 26100: "windows_11_24h2",
		26200: "windows_11_25h2",
	}
	hardwareCPE = map[string]string{"amd64": "x64", "x64": "x64", "x86": "x86", "arm64": "arm64"}
)

// CPE is the CPE 2.3 name of a Windows of version "10.0.20348.2227" on arch ("amd64", "x86", "arm64"), in
// the form that the National Vulnerability Database uses. It is empty for a Windows that is not known.
func CPE(version, arch string, server bool) string {
	parts := strings.Split(version, ".")
	if len(parts) < 3 || parts[0] != "10" || parts[1] != "0" {
		return ""
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 32); err != nil {
			return ""
		}
	}
	build, _ := strconv.Atoi(parts[2])
	product := clientCPE[build]
	if server {
		product = serverCPE[build]
	}
	if product == "" {
		return ""
	}
	hardware := hardwareCPE[strings.ToLower(arch)]
	if hardware == "" {
		hardware = "*"
	}
	return fmt.Sprintf("cpe:2.3:o:microsoft:%s:%s:*:*:*:*:*:%s:*", product, version, hardware)
}
