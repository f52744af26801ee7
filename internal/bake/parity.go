package bake

import (
	"encoding/json"
	"io"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// maxManifest bounds what is read of a manifest; real ones have some KiB.
const maxManifest = 16 << 20

// ReadParity reads from another image's manifest.json what this image must agree with.
func ReadParity(path string) (*winre.Parity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	var m struct {
		SchemaVersion int    `json:"schema_version"`
		WinRE         *WinRE `json:"winre"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fault.In(path, fault.Corruptf(fault.NoOffset, "this is no manifest.json of winbake: %v", err))
	}
	if m.SchemaVersion != ManifestVersion || m.WinRE == nil {
		return nil, fault.In(path, fault.Unsupportedf(fault.NoOffset, "schema_version %d: only manifests of version %d can be compared", m.SchemaVersion, ManifestVersion))
	}
	return &winre.Parity{Name: path, Present: m.WinRE.Present, Version: m.WinRE.Version}, nil
}
