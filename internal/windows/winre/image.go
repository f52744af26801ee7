package winre

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Find returns the path of Winre.wim in the tree of a Windows volume, "" if there is none.
func Find(_ *tree.Tree) string { return "" }

// Remove takes every Winre.wim, and what belongs to it, out of the tree of a Windows volume. It returns the
// bytes that this saves, 0 if there was none. ReAgent.xml stays: see SetState.
func Remove(_ *tree.Tree) (saved int64, err error) {
	return 0, fault.Bugf("winre.Remove is not there yet")
}

// SetState writes the ReAgent.xml of the Windows volume in t. Attributes and security of one that is
// there stay.
func SetState(_ *tree.Tree, _ *ReAgent) error { return fault.Bugf("winre.SetState is not there yet") }

// State reads the ReAgent.xml of the Windows volume in t; nil if there is none.
func State(_ *tree.Tree) (*ReAgent, error) { return nil, fault.Bugf("winre.State is not there yet") }

// Partition returns the tree of the recovery partition for the Windows volume in t: Winre.wim and boot.sdi,
// whose contents are shared, not read, and a copy of the state, each hidden and kept from ordinary users.
// Neither t nor state is changed. It is an error if t has no Winre.wim or no boot.sdi.
func Partition(_ *tree.Tree, _ *ReAgent) (*tree.Tree, error) {
	return nil, fault.Bugf("winre.Partition is not there yet")
}

// Unstage takes Winre.wim out of a Windows volume whose recovery partition has it now.
func Unstage(_ *tree.Tree) error { return fault.Bugf("winre.Unstage is not there yet") }
