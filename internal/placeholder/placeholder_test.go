package placeholder

import (
	"errors"
	"slices"
	"testing"
)

func TestForgive(t *testing.T) {
	of := func(texts ...string) (errs []error) {
		for _, s := range texts {
			errs = append(errs, errors.New(s))
		}
		return errs
	}
	texts := func(errs []error) (out []string) {
		for _, err := range errs {
			out = append(out, err.Error())
		}
		return out
	}
	problems := of("size: wrong", "label: too long", "set[0]: value: no number", "usb_free: too little", `tags: "<unknown>"`, "no colon")
	given := func(size, value any) []any {
		return []any{
			map[string]any{"size": size, "label": "x", "tags": map[string]any{}, "set": []any{map[string]any{"value": value}}, "usb_free": nil},
			map[string]any{"packer_build_name": "x"},
			7,
		}
	}
	for name, test := range map[string]struct {
		raws []any
		want []string
	}{
		"all known": {given("1", "2"), texts(problems)},
		"a string":  {given(Unknown, "2"), []string{"label: too long", "set[0]: value: no number"}},
		"deep":      {given("1", Unknown), []string{"size: wrong", "label: too long"}},
		"a part":    {given("a-"+Unknown, Unknown), []string{"label: too long"}},
	} {
		if got := texts(Forgive(test.raws, problems)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if len(problems) != 6 {
		t.Error("the list that was given is changed")
	}
}
