package sanpolicy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const parameters = `\Services\partmgr\Parameters`

// The policy is set in every control set, and nothing else is.
func TestAsOthersReadIt(t *testing.T) {
	for _, image := range []systemhive.Image{systemhive.Windows7, systemhive.StandIn} {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			after := systemhive.Apply(t, tr, func(r *registry.Registry) error { return Apply(r, Settings{"offline_internal"}) })
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for _, set := range image.Sets {
					systemhive.Key(t, h, set+parameters)["SanPolicy"] = systemhive.DWord(4)
				}
			})
		})
	}
}

func TestPolicies(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	for policy, want := range map[string]string{"online_all": "1", "offline_shared": "2", "offline_all": "3", "offline_internal": "4"} {
		after := systemhive.Apply(t, tr, func(r *registry.Registry) error { return Apply(r, Settings{policy}) })
		systemhive.GetValue(t, after, "ControlSet001"+parameters, "SanPolicy", want)
	}
	for _, policy := range []string{"", "4", "OnlineAll"} {
		if err := (Settings{policy}).Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), "san_policy: ") {
			t.Errorf("%q: %v", policy, err)
		}
	}
}
