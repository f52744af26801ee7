package oracle

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMeasure(t *testing.T) {
	Need(t, "sh", "dd")
	u, err := Measure(exec.Command("sh", "-c", "sleep 0.2; exec dd if=/dev/zero of=/dev/null bs=64M count=40"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Wall < 200*time.Millisecond || u.Wall > 30*time.Second || u.CPU() <= 0 {
		t.Errorf("%+v", u)
	}
	if u.PeakRSS != 0 && (u.PeakRSS < 64<<20 || u.PeakRSS > 256<<20) {
		t.Errorf("dd with a buffer of 64 MiB: peak %d bytes", u.PeakRSS)
	}
	if _, err := Measure(exec.Command("sh", "-c", "echo reason >&2; exit 3")); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("a command that fails: %v", err)
	}
}

func TestMeasurePairs(t *testing.T) {
	var order []string
	step := func(name string, wall time.Duration) func(int) (Usage, error) {
		return func(run int) (Usage, error) {
			order = append(order, name)
			return Usage{Wall: wall * time.Duration(run+1)}, nil
		}
	}
	pairs, err := MeasurePairs(3, step("a", time.Second), step("b", 4*time.Second))
	if err != nil || strings.Join(order, "") != "ababab" {
		t.Fatalf("%v %v", err, order)
	}
	if got := Ratios(pairs, Wall); got != (Spread{0.25, 0.25, 0.25}) {
		t.Errorf("ratios %v", got)
	}
	if got := SpreadOf([]float64{4, 1, 2, 3}).String(); got != "2.50 (1.00-4.00)" {
		t.Errorf("spread %s", got)
	}
}
