package oracle

import (
	"encoding/json"
	"strings"
	"testing"
)

// JudgeDisk asks sgdisk, of a GPT, and sfdisk about a disk image, and returns the partitions.
func JudgeDisk(t testing.TB, image string) PartitionTable {
	t.Helper()
	table := Sfdisk(t, image)
	if table.Label == "gpt" {
		Sgdisk(t, image)
	}
	return table
}

// Sgdisk fails the test unless sgdisk finds a GPT, no problem and nothing to caution against.
func Sgdisk(t testing.TB, image string) {
	t.Helper()
	Need(t, "sgdisk")
	verdict(t, sgdisk(image))
}

func sgdisk(image string) error {
	out, stderr, err := Try("sgdisk", "-v", image)
	said := out + stderr
	for _, bad := range []string{"Creating new GPT", "invalid GPT", "Caution", "Warning", "Problem:"} {
		if strings.Contains(said, bad) {
			return judged("sgdisk", image, err, said)
		}
	}
	if err != nil || !strings.Contains(out, "No problems found") {
		return judged("sgdisk", image, err, said)
	}
	return nil
}

// PartitionTable is what sfdisk reads; starts and sizes are in sectors.
type PartitionTable struct {
	Label      string // gpt or dos
	ID         string // disk GUID, or signature as 0x...
	SectorSize int64
	FirstLBA   int64 // GPT only
	LastLBA    int64
	Partitions []Partition
}

// Partition is one entry of a partition table.
type Partition struct {
	Start, Size int64
	Type        string // GUID in upper case, or hexadecimal byte
	UUID        string // GPT only
	Name        string // GPT only
	Attrs       string // GPT only, in sfdisk's words
	Bootable    bool   // MBR only: the active partition
}

// Volume returns the place of the n-th partition, from 1, in the image.
func (p PartitionTable) Volume(image string, n int) Volume {
	e := p.Partitions[n-1]
	return Volume{Path: image, Offset: e.Start * p.SectorSize, Size: e.Size * p.SectorSize}
}

// Sfdisk fails the test unless sfdisk finds a partition table without errors, and returns it.
func Sfdisk(t testing.TB, image string) PartitionTable {
	t.Helper()
	Need(t, "sfdisk")
	table, err := sfdisk(image)
	return fatal(t, table, err)
}

func sfdisk(image string) (PartitionTable, error) {
	out, stderr, err := Try("sfdisk", "--verify", image)
	if err != nil || stderr != "" || !strings.Contains(out, "No errors detected") {
		return PartitionTable{}, judged("sfdisk", image, err, out+stderr)
	}
	out, stderr, err = Try("sfdisk", "--json", image)
	if err != nil || stderr != "" {
		return PartitionTable{}, judged("sfdisk", image, err, out+stderr)
	}
	var answer struct{ PartitionTable PartitionTable }
	err = json.Unmarshal([]byte(out), &answer)
	if answer.PartitionTable.SectorSize == 0 { // sfdisk omits it for some versions of MBR output
		answer.PartitionTable.SectorSize = 512
	}
	return answer.PartitionTable, err
}
