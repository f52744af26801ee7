//go:generate go tool packer-sdc struct-markdown

package media

import (
	"github.com/winbake/packer-plugin-winbake/internal/bake/catalog"
)

// What is in the media.
type DatasourceOutput struct {
	// What a source takes as `media`: the local media as they are given, or the file in Packer's cache.
	Path string `mapstructure:"path"`
	// What it is: `iso`, `folder`, `wim`, `esd`, `swm`, `raw`, `vhd`, `vhdx`, `qcow2`, or `volume`, an NTFS
	// volume without a disk around it.
	Kind string `mapstructure:"kind"`
	// Where it was downloaded from, without user, password and query; empty for local media.
	URL string `mapstructure:"url"`
	// Its size in bytes.
	Size int64 `mapstructure:"size"`
	// Its SHA-256 in hexadecimal, where `sha256`, `media_checksum` or `iso_checksum` asks for it; else empty.
	SHA256 string `mapstructure:"sha256"`
	// The images, in the order of their numbers: objects with the attributes below.
	Images []Image `mapstructure:"images"`
}

// One Windows in the media. What the media do not tell is empty.
type Image struct {
	// Its number, from 1.
	Index int `mapstructure:"index"`
	// Its name, such as `Windows Server 2022 SERVERSTANDARDCORE`; of a disk, the product's.
	Name string `mapstructure:"name"`
	// The name that Setup shows; of a disk, the label of the volume.
	DisplayName string `mapstructure:"display_name"`
	// What Setup says about it.
	Description string `mapstructure:"description"`
	// The edition as `image` takes it, which tells a Core image from one with a desktop: `ServerStandardCore`.
	Edition string `mapstructure:"edition"`
	// The edition as Windows has it in its registry: `ServerStandard`.
	EditionID string `mapstructure:"edition_id"`
	// `Client`, `Server`, `Server Core` or `WindowsPE`.
	InstallationType string `mapstructure:"installation_type"`
	// Such as `10.0.20348.587`.
	Version string `mapstructure:"version"`
	// Such as `20348`.
	Build int `mapstructure:"build"`
	// `amd64`, `arm64`, `x86` or `arm`.
	Architecture string `mapstructure:"architecture"`
	// Such as `["en-US"]`.
	Languages []string `mapstructure:"languages"`
	// Such as `en-US`.
	DefaultLanguage string `mapstructure:"default_language"`
	// How many bytes its files have, for each of their names.
	TotalSize int64 `mapstructure:"total_size"`
	// How many files it has. A file with two names counts twice.
	FileCount int64 `mapstructure:"file_count"`
	// How many directories it has.
	DirectoryCount int64 `mapstructure:"directory_count"`
	// Whether the files are there that machines with BIOS firmware boot from: `bootmgr` and the loader.
	BIOS *bool `mapstructure:"bios"`
	// Whether those are there that machines with UEFI firmware boot from.
	UEFI *bool `mapstructure:"uefi"`
	// Whether there is also the boot manager that is signed with the "Windows UEFI CA 2023" certificate, which
	// `uefi_ca_2023` of a source takes.
	UefiCA2023 *bool `mapstructure:"uefi_ca_2023"`
	// Whether it carries the recovery environment, `Winre.wim`.
	HasWinRE *bool `mapstructure:"has_winre"`
	// The version of the recovery environment, such as `10.0.20348.2201`; empty where there is none.
	WinREVersion *string `mapstructure:"winre_version"`
	// Sentences on what is wrong with the image, such as that its volume was not dismounted cleanly, or that
	// its recovery environment cannot be read.
	Notes []string `mapstructure:"notes"`
}

func output(c *catalog.Catalog) DatasourceOutput {
	out := DatasourceOutput{Kind: c.Kind, Size: c.Size, SHA256: c.SHA256, Images: []Image{}} // none is no null
	for n := range c.Images {
		out.Images = append(out.Images, image(&c.Images[n]))
	}
	return out
}

func image(i *catalog.Image) Image {
	out := Image{
		Index: i.Index, Name: i.Name, DisplayName: i.Title, Description: i.Description, Edition: i.Edition(), EditionID: i.EditionID,
		InstallationType: i.InstallationType, Version: i.Version, Build: i.Build, Architecture: i.Arch,
		Languages: list(i.Languages), DefaultLanguage: i.DefaultLanguage,
		TotalSize: i.Bytes, FileCount: i.Files, DirectoryCount: i.Dirs, Notes: list(i.Notes),
	}
	if d := i.Details; d != nil {
		out.BIOS, out.UEFI, out.UefiCA2023 = &d.BIOS, &d.UEFI, &d.UEFICA2023
		out.HasWinRE, out.WinREVersion = &d.WinRE, &d.WinREVersion
	}
	return out
}

// list makes an empty list of none, which would be null.
func list(s []string) []string { return append([]string{}, s...) }
