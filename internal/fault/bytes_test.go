package fault

import "testing"

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 512: "512 bytes", 1 << 10: "1 KiB", 500 << 20: "500 MiB", 30 << 30: "30 GiB", 2 << 40: "2 TiB",
		16e9: "16 GB", 512e6: "512 MB", 24e9: "24 GB", 8192e9: "8192 GB", 657093120: "626.7 MiB (657093120 bytes)",
		23999999488: "22.4 GiB (23999999488 bytes)", 3298534883328: "3 TiB", -1: "-1 bytes",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
