package fault

import "fmt"

// Bytes prints a number of bytes for a message: exactly, where a unit makes that short ("30 GiB", "16 GB"),
// else rounded and exactly ("22.3 GiB (23999999488 bytes)").
func Bytes(n int64) string {
	units := []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}}
	const short = 100_000
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 && n/u.bytes < short {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	for _, u := range units {
		if n >= u.bytes && u.bytes&(u.bytes-1) == 0 {
			return fmt.Sprintf("%.1f %s (%d bytes)", float64(n)/float64(u.bytes), u.name, n)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
