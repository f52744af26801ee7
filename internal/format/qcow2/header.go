package qcow2

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

const (
	headerSize2 = 72  // of version 2
	headerSize3 = 104 // of version 3, at least
	// maxHeader bounds what is read of the header and its extensions. They have to be in the first
	// cluster, which may have 2 MiB; QEMU's take some hundred bytes.
	maxHeader = 64 << 10
	maxName   = 1023 // of a backing file

	// QEMU has clusters of 512 bytes to 2 MiB.
	minClusterBits, maxClusterBits = 9, 21
	minExtendedBits                = 14 // of clusters with subclusters, which have 512 bytes at least
)

// Incompatible features: a reader must know them all.
const (
	featureDirty = 1 << iota
	featureCorrupt
	featureExternalData
	featureCompression
	featureExtendedL2
)

// Types of header extensions.
const (
	extensionEnd      = 0
	extensionFeatures = 0x6803F857 // names of features
	extensionDataFile = 0x44415441 // the name of the external data file
)

// Compression is how clusters are compressed.
type Compression byte

// The compressions.
const (
	Deflate   Compression = 0
	Zstandard Compression = 1
)

// Methods of encryption.
var cryptNames = map[uint32]string{1: "AES", 2: "LUKS"}

// readHeader reads the header, its extensions, and checks all of it.
func (d *Disk) readHeader() error {
	b := make([]byte, min(maxHeader, max(d.file.Size(), headerSize2)))
	if err := d.file.Data(b, 0); err != nil {
		return err
	}
	if string(b[:4]) != Signature {
		return fault.Corruptf(0, "this is no qcow2 image; one begins with %q", Signature)
	}
	d.info.Version = int(binary.BigEndian.Uint32(b[4:]))
	if d.info.Version != 2 && d.info.Version != 3 {
		return fault.Unsupportedf(4, "version %d; 2 and 3 are read. Convert it with: qemu-img convert -O raw", d.info.Version)
	}
	if err := d.readFeatures(b); err != nil {
		return err
	}
	if err := d.checkAlone(b); err != nil {
		return err
	}
	return d.readLayout(b)
}

// readFeatures reads what version 3 has more than version 2.
func (d *Disk) readFeatures(b []byte) error {
	if d.info.Version == 2 {
		return nil
	}
	if len(b) < headerSize3 {
		return fault.Corruptf(0, "the file ends in its header")
	}
	length := int(binary.BigEndian.Uint32(b[100:]))
	if length < headerSize3 || length%8 != 0 || length > len(b) {
		return fault.Corruptf(100, "the header has %d bytes", length)
	}
	features := binary.BigEndian.Uint64(b[72:])
	extensions := readExtensions(b[length:])
	const known = featureDirty | featureCorrupt | featureExternalData | featureCompression | featureExtendedL2
	switch {
	case features&featureExternalData != 0:
		name := "another file"
		if e := extensions[extensionDataFile]; len(e) > 0 {
			name = fmt.Sprintf("%.1023q", e)
		}
		return fault.Unsupportedf(72, "the disk's data are in %s; join them with: qemu-img convert -O raw", name)
	case features&^known != 0:
		return fault.Unsupportedf(72, "the image uses %s, which winbake does not know; convert it with: qemu-img convert -O raw",
			featureNames(features&^known, extensions[extensionFeatures]))
	case features&featureCorrupt != 0:
		return fault.Corruptf(72, "QEMU has marked the image as corrupt; repair it with: qemu-img check -r all")
	}
	d.info.Dirty = features&featureDirty != 0
	d.info.ExtendedL2 = features&featureExtendedL2 != 0
	if length > headerSize3 {
		d.info.Compression = Compression(b[104])
	}
	if d.info.Compression > Zstandard {
		return fault.Unsupportedf(104, "clusters are compressed with method %d; deflate (0) and Zstandard (1) are read", d.info.Compression)
	}
	if (d.info.Compression != Deflate) != (features&featureCompression != 0) {
		return fault.Corruptf(104, "compression method %d and its feature bit contradict each other", d.info.Compression)
	}
	return nil
}

// readExtensions returns the header extensions that b begins with, by type.
func readExtensions(b []byte) map[uint32][]byte {
	all := map[uint32][]byte{}
	for len(b) >= 8 {
		kind, length := binary.BigEndian.Uint32(b), int64(binary.BigEndian.Uint32(b[4:]))
		padded := (length + 7) &^ 7
		if kind == extensionEnd || padded > int64(len(b)-8) {
			break
		}
		all[kind] = b[8:][:length]
		b = b[8+padded:]
	}
	return all
}

// featureNames names incompatible features by the image's own table of names, by their bits where it
// has none.
func featureNames(features uint64, table []byte) string {
	const entrySize, incompatible = 48, 0
	var names []string
	for ; features != 0; features &= features - 1 {
		bit := bits.TrailingZeros64(features)
		name := fmt.Sprintf("incompatible feature bit %d", bit)
		for e := table; len(e) >= entrySize; e = e[entrySize:] {
			if e[0] == incompatible && int(e[1]) == bit {
				text, _, _ := strings.Cut(string(e[2:entrySize]), "\x00")
				name += fmt.Sprintf(" (%q)", text)
				break
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// checkAlone refuses images that need something else to be read.
func (d *Disk) checkAlone(b []byte) error {
	if at := int64(binary.BigEndian.Uint64(b[8:])); at != 0 {
		length := binary.BigEndian.Uint32(b[16:])
		if length == 0 || length > maxName {
			return fault.Corruptf(16, "the name of the backing file has %d bytes", length)
		}
		name := make([]byte, length)
		if err := d.file.Data(name, at); err != nil {
			return err
		}
		return fault.Unsupportedf(8, "part of the disk is in its backing file, %q; join the two with: qemu-img convert -O raw", name)
	}
	if method := binary.BigEndian.Uint32(b[32:]); method != 0 {
		name, ok := cryptNames[method]
		if !ok {
			name = fmt.Sprintf("method %d", method)
		}
		return fault.Unsupportedf(32, "the disk is encrypted (%s); decrypt it with qemu-img convert first", name)
	}
	return nil
}

// readLayout reads where the tables are.
func (d *Disk) readLayout(b []byte) error {
	clusterBits := binary.BigEndian.Uint32(b[20:])
	d.info.Size = int64(binary.BigEndian.Uint64(b[24:]))
	l1Entries := int64(binary.BigEndian.Uint32(b[36:]))
	d.l1 = int64(binary.BigEndian.Uint64(b[40:]))
	if clusterBits < minClusterBits || clusterBits > maxClusterBits {
		return fault.Corruptf(20, "clusters of 2^%d bytes; there are 2^%d to 2^%d", clusterBits, minClusterBits, maxClusterBits)
	}
	d.info.ClusterSize = 1 << clusterBits
	d.l2Bits = int(clusterBits) - 3
	if d.info.ExtendedL2 {
		d.l2Bits--
	}
	switch {
	case d.info.ExtendedL2 && clusterBits < minExtendedBits:
		return fault.Corruptf(20, "clusters of 2^%d bytes are too small for subclusters", clusterBits)
	case d.info.Size <= 0:
		return fault.Corruptf(24, "the disk has %d bytes", d.info.Size)
	case (d.info.Size-1)>>clusterBits>>d.l2Bits >= l1Entries:
		return fault.Corruptf(36, "the disk has %d bytes, which an L1 table of %d entries cannot hold", d.info.Size, l1Entries)
	case d.l1&(d.info.ClusterSize-1) != 0:
		return fault.Corruptf(40, "the L1 table is at %#x, not at the start of a cluster", uint64(d.l1))
	case d.l1 < 0 || d.l1 > d.file.Size()-8*l1Entries:
		return fault.Corruptf(40, "the L1 table, %d entries at %#x, reaches past the end of the file; it is cut off or damaged", l1Entries, uint64(d.l1))
	}
	d.expands = newExpander(d.info.Compression, d.info.ClusterSize)
	return nil
}
