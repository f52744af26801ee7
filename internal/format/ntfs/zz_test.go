package ntfs_test
import ("testing";"math/rand/v2";"github.com/winbake/packer-plugin-winbake/internal/format/ntfs";"bytes";"github.com/winbake/packer-plugin-winbake/internal/volume";"fmt")
func TestZZ(t *testing.T) {
	stats := map[string]int{}
	for seed := range uint64(2000) {
	r := rand.New(rand.NewPCG(seed, 10_000))
	tr := randomTree(t, r, r.IntN(40))
	o := randomOptions(t, r, tr)
	p, err := ntfs.NewPlan(tr, o)
	if err != nil { stats["refused"]++; continue }
	m := make(memory, o.Size)
	volume.Write(m, p)
	v := checkVolume(bytes.NewReader(m), o.Size)
	for n, f := range v.files {
		multi, parts := false, false
		for _, a := range f.attrs { if len(a.runs) > 1 && n != 8 { multi = true; stats[fmt.Sprintf("multi %x", a.typ)]++ } }
		for _, a := range f.pieces { if a.lowest > 0 { parts = true; stats[fmt.Sprintf("tail %x", a.typ)]++; stats[fmt.Sprintf("tail of %d", min(n, 64))]++ } }
		if multi { stats["multi files"]++ }
		if parts { stats["files in records"]++ }
	}
	stats["ok"]++
	if len(o.Bad)>0 {stats["bad"]++; stats["bads"]+=len(o.Bad)}
	}
	for k, n := range stats { fmt.Println(k, n) }
}
