package regf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
)

// TestRandom writes random hives, reads them back, edits them and does it again.
func TestRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := &random{rand.New(rand.NewPCG(seed, 1)), letters}
		h := New(r.name())
		h.Minor, h.LastWritten, h.FileName = 2+uint32(seed%5), filetime.Time(r.Uint64()), "random"
		r.grow(t, h.Root, 1+r.IntN(200))
		for range 2 {
			b := marshal(t, h)
			audit(t, b)
			got := parse(t, b)
			sameHive(t, got, h)
			if !bytes.Equal(marshal(t, got), b) {
				t.Errorf("seed %d: another rewrite gives other bytes", seed)
			}
			h = got
			r.shrink(t, h.Root)
			r.grow(t, h.Root, r.IntN(50))
		}
	}
}

type random struct {
	*rand.Rand
	letters []string
}

// letters of every stored form and compare path.
var letters = []string{"a", "B", "c", "Z", "_", "0", " ", "{", "é", "ÿ", "µ", "Ж", "ж", "語", "\xED\xA0\x80", "😀", "\uFFFD"}

// name returns a new kind of name: ASCII, Latin-1 or UTF-16.
func (r *random) name() string {
	var b strings.Builder
	most := []int{8, 11, len(r.letters)}[r.IntN(3)]
	for range 1 + r.IntN(12) {
		b.WriteString(r.letters[r.IntN(most)])
	}
	return b.String()
}

// grow makes keys and values in random places below k.
func (r *random) grow(t *testing.T, k *Key, n int) {
	all := []*Key{k}
	for range n {
		parent := all[r.IntN(len(all))]
		k := create(t, parent, r.name())
		k.LastWritten, k.Access, k.Control = filetime.Time(r.Uint64()), r.Uint32(), uint16(r.Uint32())
		k.Flags = KeyFlags(r.Uint32()) &^ (KeyCompName | KeyPredefHandle)
		if r.IntN(10) == 0 {
			k.Class = r.name()
		}
		if r.IntN(5) == 0 {
			k.Security = append(DefaultSecurity(), make([]byte, r.IntN(3))...)
		}
		for range r.IntN(4) {
			r.value(k)
		}
		all = append(all, k)
	}
}

func (r *random) value(k *Key) {
	size := []int{r.IntN(9), r.IntN(200), r.IntN(5000), r.IntN(40000)}[r.IntN(4)]
	v := Value{Name: r.name(), Type: Type(r.IntN(14)), Data: pattern(size)}
	switch r.IntN(8) {
	case 0:
		v.Name = ""
	case 1:
		v.Flags, v.Data = TombstoneValue, nil
	}
	k.Set(v)
}

// shrink deletes some keys and values.
func (r *random) shrink(t *testing.T, k *Key) {
	for _, v := range k.Values() {
		if r.IntN(3) == 0 {
			k.DeleteValue(v.Name)
		}
	}
	for _, c := range k.Subkeys() {
		if r.IntN(6) > 0 {
			r.shrink(t, c)
			continue
		}
		if err := k.Delete(c.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRandomJudged asks hivex about random hives: without lone surrogates, which it cannot print,
// and without tombstones, which it does not know. Its times are signed.
func TestRandomJudged(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := &random{rand.New(rand.NewPCG(seed, 2)), slices.DeleteFunc(slices.Clone(letters), func(s string) bool { return s[0] == 0xED })}
			h := New("random")
			h.Minor = minors[seed%5]
			r.grow(t, h.Root, 300)
			walk(h.Root, func(k *Key) {
				k.LastWritten &= 1<<62 - 1
				k.values = slices.DeleteFunc(k.Values(), func(v Value) bool { return v.Flags != 0 })
			})
			checkSome(t, h, "python-hivex")
		})
	}
}
