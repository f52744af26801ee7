package filetime

import (
	"testing"
	"time"
)

func TestKnown(t *testing.T) {
	for ft, want := range map[Time]time.Time{
		0:                  time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC),
		116444736000000000: time.Unix(0, 0).UTC(),
		131277024000000000: time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		132645414241234567: time.Date(2021, 5, 3, 18, 50, 24, 123456700, time.UTC),
	} {
		if ft.Time() != want {
			t.Errorf("%d is %v, want %v", ft, ft.Time(), want)
		}
		if got := From(want); got != ft {
			t.Errorf("%v is %d, want %d", want, got, ft)
		}
	}
	if From(time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)) != 0 {
		t.Error("a time before 1601 is not 0")
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(132645414241234567))
	f.Fuzz(func(t *testing.T, n uint64) {
		if n > 1<<63-1 {
			return // beyond the year 30828: nobody's file
		}
		if got := From(Time(n).Time()); got != Time(n) {
			t.Errorf("%d became %d", n, got)
		}
	})
}
