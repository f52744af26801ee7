package ntfs_test
import ("testing")
func TestZZ(t *testing.T) {
	w := treeWriter{seed: 35}
	w.try(t)
}
