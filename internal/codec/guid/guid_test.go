package guid

import "testing"

func TestOnDiskOrder(t *testing.T) {
	// The GPT partition id: text and bytes as Windows wrote them.
	g := MustParse("{ecd43012-88cf-4f80-a8de-8d3719d0653a}")
	want := GUID{0x12, 0x30, 0xd4, 0xec, 0xcf, 0x88, 0x80, 0x4f, 0xa8, 0xde, 0x8d, 0x37, 0x19, 0xd0, 0x65, 0x3a}
	if g != want {
		t.Errorf("bytes % x, want % x", g, want)
	}
	if g.String() != "ecd43012-88cf-4f80-a8de-8d3719d0653a" || g.Braced() != "{ecd43012-88cf-4f80-a8de-8d3719d0653a}" {
		t.Errorf("text %s", g)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "ecd43012", "{ecd43012-88cf-4f80-a8de-8d3719d0653a", "gcd43012-88cf-4f80-a8de-8d3719d0653a", "ecd4301288cf-4f80-a8de-8d3719d0653a--"} {
		if _, err := Parse(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestFromHashIsVersion4(t *testing.T) {
	if s := FromHash([16]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}).String(); s[14] != '4' || s[19] != 'b' {
		t.Error(s)
	}
}
