package bcd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// sampleStores are real stores in the folder of sample files, which not every machine has.
var sampleStores = []string{
	"bcd/EricZimmerman+Registry/Registry.Test/Hives/BCD",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/boot/bcd",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/efi/microsoft/boot/bcd",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/efi/microsoft/bootia32/bcd",
	"bcd/mhkarimi1383+windeploy-linux/BCD",
	"bcd/mhkarimi1383+windeploy-linux/BCD-efi",
	regipyStore,
}

// regipyStore comes with a list of what another parser sees in it.
const regipyStore = "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz"

// sample returns a sample file, unpacked, or skips the test quietly: the folder is no part of the
// project.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join(samplesDir(), filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no sample %s", name)
	}
	if filepath.Ext(name) != ".xz" {
		return data
	}
	oracle.Need(t, "xz")
	out, err := exec.Command("xz", "-dc", path).Output()
	if err != nil {
		t.Fatalf("xz %s: %v", name, err)
	}
	return bytes.Clone(out)
}

func samplesDir() string {
	if dir := os.Getenv("WINBAKE_SAMPLES"); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../../shared/samples")
}
