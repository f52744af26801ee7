package baker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registryimage "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"

	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

// What Artifact.State answers, besides Packer's own "generated_data" and "par.artifact.metadata".
// The values are such that they arrive in other processes: strings, and maps of strings.
const (
	// StateTags is a map of string to string: the image's tags.
	StateTags = "winbake.tags"
	// StateManifest is the text of manifest.json.
	StateManifest = "winbake.manifest"
)

// Artifact is a finished image with its records. It implements packersdk.Artifact.
type Artifact struct {
	builderID string
	id        string
	directory string
	files     []string
	manifest  *bake.Manifest
	state     map[string]any
}

var _ packersdk.Artifact = (*Artifact)(nil)

func newArtifact(builderID string, r *bake.Result, directory string, generated map[string]any) *Artifact {
	text, err := json.MarshalIndent(r.Manifest, "", "  ")
	if err != nil {
		log.Printf("[ERROR] the manifest has no JSON form: %s", err) // plain fields: cannot happen
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	a := &Artifact{builderID: builderID, id: hex.EncodeToString(sum[:]), directory: directory, files: r.Files, manifest: r.Manifest}
	a.state = map[string]any{
		"generated_data": generated,
		StateTags:        maps.Clone(r.Manifest.Tags),
		StateManifest:    string(text),
	}
	return a
}

// BuilderId says which builder made the image.
func (a *Artifact) BuilderId() string { return a.builderID }

// Files are the paths of the image files, of the manifest and of the checksums.
func (a *Artifact) Files() []string { return a.files }

// Id is the SHA-256 of manifest.json: equal for equal images only.
func (a *Artifact) Id() string { return a.id }

// String describes the image in a few lines.
func (a *Artifact) String() string {
	w := a.manifest.Windows
	var b strings.Builder
	firmware := string(a.manifest.Disk.Firmware)
	if a.manifest.Disk.Firmware == layout.Both {
		firmware = "bios and uefi"
	}
	fmt.Fprintf(&b, "%s, for %s firmware:", describe(w), firmware)
	sizes := map[string]int64{}
	for _, f := range a.manifest.Files {
		sizes[f.Name] = f.Size
	}
	for _, path := range a.files {
		fmt.Fprintf(&b, "\n  %s", path)
		if size, ok := sizes[base(path)]; ok {
			fmt.Fprintf(&b, " (%s)", bytesize.Format(size))
		}
	}
	return b.String()
}

// State answers for the keys above; nil for any other.
func (a *Artifact) State(name string) any {
	if name == registryimage.ArtifactStateURI {
		return a.registryImage()
	}
	return a.state[name]
}

// registryImage is what HCP Packer keeps of the image.
func (a *Artifact) registryImage() any {
	labels := map[string]any{}
	for key, value := range generatedLabels(a.manifest) {
		labels[key] = value
	}
	for key, value := range a.manifest.Tags {
		labels[key] = value
	}
	options := []registryimage.ArtifactOverrideFunc{
		registryimage.WithProvider("winbake"),
		registryimage.WithRegion(string(a.manifest.Disk.Firmware)),
		registryimage.SetLabels(labels),
	}
	if inputs := a.manifest.Inputs; len(inputs) > 0 && inputs[0].SHA256 != "" {
		options = append(options, registryimage.WithSourceID(inputs[0].SHA256))
	}
	image, err := registryimage.FromArtifact(a, options...)
	if err != nil {
		log.Printf("[ERROR] no metadata for HCP Packer: %s", err)
		return nil
	}
	return image
}

// Destroy removes the files, and the directory when nothing else is in it.
func (a *Artifact) Destroy() error {
	var errs []error
	for _, path := range slices.Backward(a.files) { // the records first: they vouch for the image
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		_ = os.Remove(a.directory) // fails when there is something else in it, which is right
	}
	return errors.Join(errs...)
}
