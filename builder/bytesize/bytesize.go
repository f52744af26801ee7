// Package bytesize reads and prints numbers of bytes as people write them: "30GiB", "512 MiB",
// "24 GB".
package bytesize

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Max is the largest size that Parse takes: 1 EiB, far more than any format holds.
const Max = 1 << 60

// units gives the bytes of each unit, in lower case. A letter alone is binary, as QEMU and its
// Packer plugin take it; "GB" is decimal, as disk vendors and the SI take it.
var units = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

// Parse returns the number of bytes that text means: a number, whole or with a decimal point, and
// a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB, or K, M, G, T for the binary ones; case does not
// count). It must come to a whole, positive number of bytes.
func Parse(text string) (int64, error) {
	trimmed := strings.TrimSpace(text)
	end := strings.IndexFunc(trimmed, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(trimmed)
	}
	unit, known := units[strings.ToLower(strings.TrimSpace(trimmed[end:]))]
	number, ok := parseDecimal(trimmed[:end])
	if !ok || !known {
		return 0, fault.Invalidf("%q is not a size; write a number and a unit, such as \"30GiB\", \"512MiB\" or \"24 GB\"", text)
	}
	number.Mul(number, new(big.Rat).SetInt64(unit))
	switch {
	case !number.IsInt():
		return 0, fault.Invalidf("%q is not a whole number of bytes", text)
	case number.Sign() <= 0:
		return 0, fault.Invalidf("%q is not a size; it must be more than zero", text)
	case number.Cmp(new(big.Rat).SetInt64(Max)) > 0:
		return 0, fault.Invalidf("%q is larger than the largest size, %s", text, Format(Max))
	}
	return number.Num().Int64(), nil
}

// parseDecimal reads digits with at most one point between them, of a length that makes sense.
func parseDecimal(s string) (*big.Rat, bool) {
	const longest = 40
	if s == "" || len(s) > longest || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// Format prints n bytes for people: exactly when that is short ("30 GiB"), else with one decimal
// ("7.2 GiB").
func Format(n int64) string {
	names := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n == 1 {
		return "1 byte"
	}
	unit, i := int64(1), 0
	for i+1 < len(names) && n/unit >= 1024 {
		unit <<= 10
		i++
	}
	if n%unit == 0 {
		return fmt.Sprintf("%d %s", n/unit, names[i])
	}
	return fmt.Sprintf("%.1f %s", float64(n)/float64(unit), names[i])
}
