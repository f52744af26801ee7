package guid

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestOnDiskOrder(t *testing.T) {
	// The EFI system partition type, as every GPT disk holds it (UEFI 2.10, 5.3.3).
	g := MustParse("{C12A7328-F81F-11D2-BA4B-00A0C93EC93B}")
	if got := hex.EncodeToString(g[:]); got != "28732ac11ff8d211ba4b00a0c93ec93b" {
		t.Errorf("on disk: %s", got)
	}
	if g.String() != "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" || g.Braced() != "{"+g.String()+"}" {
		t.Errorf("text: %s", g)
	}
	if Read(append(g[:], 1, 2)) != g {
		t.Error("Read does not return what String came from")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "{}", "c12a7328-f81f-11d2-ba4b-00a0c93ec93", "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
		"c12a7328f-81f-11d2-ba4b-00a0c93ec93b", "c12a7328-f81f-11d2-ba4b-00a0c93ec93g",
		"c12a7328-f81f-11d2-ba4b-00a0c93ec9-b", "(c12a7328-f81f-11d2-ba4b-00a0c93ec93b)",
	} {
		if _, err := Parse(s); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("Parse(%q): %v", s, err)
		}
	}
}

func TestDerive(t *testing.T) {
	a := Derive([]byte("seed"), "loader")
	if a != Derive([]byte("seed"), "loader") {
		t.Error("the same inputs give different GUIDs")
	}
	for _, other := range []GUID{Derive([]byte("seed"), "resume"), Derive([]byte("seedl"), "oader"), Derive(nil, "loader")} {
		if a == other {
			t.Errorf("different inputs give %s", a)
		}
	}
	if s := a.String(); s[14] != '8' || s[19] != '8' && s[19] != '9' && s[19] != 'a' && s[19] != 'b' {
		t.Errorf("%s is not an RFC 9562 version 8 UUID", a)
	}
}

func TestCompareAndZero(t *testing.T) {
	a, b := MustParse("00000001-0000-0000-0000-000000000000"), MustParse("00000100-0000-0000-0000-000000000000")
	if a.Compare(b) >= 0 || b.Compare(a) <= 0 || a.Compare(a) != 0 {
		t.Error("the order is not that of the text forms")
	}
	if a.IsZero() || !(GUID{}).IsZero() {
		t.Error("IsZero")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("{9dea862c-5cdd-4e70-acc1-f32b344d4795}")
	f.Add("9DEA862C-5CDD-4E70-ACC1-F32B344D4795")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(g.Braced()); err != nil || again != g {
			t.Fatalf("%q: %s gives %s, %v", s, g, again, err)
		}
	})
}
