// Package regf reads and writes Windows registry hives: SYSTEM, SOFTWARE, NTUSER.DAT, the BCD.
//
// A hive is checked whole, read into a tree of keys where it is looked at, edited there, and written
// anew, compactly: every cell is placed again, security descriptors are shared again, free space and the remains of deleted
// keys are gone. Everything that has a meaning survives: names and their case, classes, times,
// flags, values and their order, the header's identifiers. The format is not documented by
// Microsoft; the facts are those of https://github.com/msuhanov/regf and
// https://github.com/libyal/libregf (documentation folder), checked against real hives.
//
// The package does not follow symbolic links, does not merge layered (container) hives, and knows
// no hive paths: those belong to internal/windows. Parse refuses a hive that needs its transaction
// logs with ErrDirty; Recover and ParseWithLogs replay them. Salvage reads what is left of a
// damaged hive.
package regf

import (
	"errors"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// ErrDirty says that a hive was not closed cleanly: its latest changes are in its transaction logs,
// or its header is damaged and has to be taken from one. See Recover.
var ErrDirty = errors.New("dirty hive")

// ErrNotFound says that a key does not exist.
var ErrNotFound = errors.New("no such key")

// Hive is one registry hive in memory. It is not safe for concurrent use, not even for reading: what
// Parse has checked is read when it is asked for.
type Hive struct {
	Root *Key

	// Minor is the format's minor version: 3 (BCD, Windows 2000), 4, 5 (XP and later) or 6. It
	// decides how subkey lists and values above 16,344 bytes are stored.
	Minor uint32

	// FileName is the header's hint of where the hive was, at most 32 UTF-16 units; only
	// debuggers read it. Marshal keeps the end of a longer one, as Windows does.
	FileName string

	// LastWritten is the header's time of the last write.
	LastWritten filetime.Time

	// Now is the time that Create, Set, Delete and the other edits give to the keys they change.
	// Zero (the default) gives no time: new keys have none, changed keys keep theirs.
	Now filetime.Time

	// base is the header as it was read: identifiers of the transaction manager (TxR), times of
	// reorganization and other fields that are carried over.
	base [baseSize]byte

	// For keys that have not been read; see lazy.go.
	source *reader
	room   room
}

// New returns a hive of minor version 3 with an empty root key, secured by DefaultSecurity. Set
// Minor to 5 for a hive other than a BCD.
func New(rootName string) *Hive {
	h := &Hive{Minor: 3}
	b := baseBlock{Sequence1: 1, Sequence2: 1, Clustering: 1}
	b.marshal(h.base[:])
	h.Root = &Key{
		Name:     rootName,
		Flags:    KeyHiveEntry | KeyNoDelete,
		Security: DefaultSecurity(),
		hive:     h,
	}
	return h
}

// header returns the base block to write.
func (h *Hive) header() baseBlock {
	var b baseBlock
	b.unmarshal(h.base[:])
	b.Sequence2 = b.Sequence1
	b.LastWritten = h.LastWritten
	b.Major, b.Minor = majorVersion, h.Minor
	b.FileType, b.Format = 0, 1
	b.FileName = fileNameField(h.FileName)
	return b
}

// fileNameField is the base block's form of name: its last 32 units.
func fileNameField(name string) (field [nameFieldSize]byte) {
	raw := utf16le.Encode(name)
	copy(field[:], raw[max(0, len(raw)-nameFieldSize):])
	return field
}

func decodeFileName(field []byte) string {
	name, _, _ := strings.Cut(utf16le.Decode(field), "\x00")
	return name
}
