package bcd

import "encoding/binary"

// Keys and values of a store's hive.
const (
	keyDescription = "Description"
	keyObjects     = "Objects"
	keyElements    = "Elements"

	valueElement  = "Element"
	valueType     = "Type"
	valueFirmware = "FirmwareVariable"
	valueKeyName  = "KeyName"
	valueSystem   = "System"
	valueTreatAs  = "TreatAsSystem"
	valueModified = "FirmwareModified"
	valueCache    = "GuidCache"
)

// DefaultRoot is the name of the root key of a store that bcdedit, bcdboot or Setup made. The media
// templates say "System". bootmgr does not look at it.
const DefaultRoot = "NewStoreRoot"

// Bounds on what a store may hold; the largest real stores have a few dozen objects of a few dozen
// elements.
const (
	maxObjects  = 4096
	maxElements = 4096    // of one object
	maxData     = 1 << 20 // bytes of one element
)

// A device element is the GUID of an object with options for the device, or zeros, and then one
// device descriptor. Descriptors nest. All numbers are little endian.
//
// The layout is known from real stores and from ReactOS boot/environ/include/bl.h
// (BCD_DEVICE_OPTION, BL_DEVICE_DESCRIPTOR, BL_LOCAL_DEVICE), whose partition number is in truth
// the 16-byte identifier below.
const (
	optionsSize    = 16 // GUID before the outermost descriptor
	descriptorSize = 16 // u32 type, u32 flags, u32 size with this header, u32 zero
	sizeOffset     = 8  // of the size within the header

	// maxNesting is more than any device needs: a ramdisk in a file in a VHD in a file on a
	// partition is five deep.
	maxNesting = 8
)

// Device types, of the descriptor's header.
const (
	typeLocal     = 0
	typeBoot      = 5
	typePartition = 6
	typeLocate    = 8
)

// flagRamdisk is set in the header of a local device that is a RAM disk.
const flagRamdisk = 1

// Kinds of disk, of a local device's body and of a partition's disk.
const (
	diskHard    = 0
	diskRAM     = 3
	diskFile    = 5
	diskVirtual = 6
)

// A partition's body: the partition's id, then the disk it is on.
const (
	partitionID   = 0  // 16 bytes: GPT unique partition GUID, or u64 byte offset of an MBR partition
	partitionDisk = 16 // the disk, laid out like the body of a local device

	// A disk, hard or virtual.
	diskKind  = 0  // u32
	diskTable = 4  // u32: a Table
	diskID    = 8  // 16 bytes: GPT disk GUID, or u32 MBR signature
	diskBody  = 24 // hard: 16 zero bytes; virtual: the descriptor of the file that holds it

	hardDiskTail   = 16
	bootBody       = partitionDisk + diskBody + hardDiskTail // zeros: as large as a partition
	partitionBytes = descriptorSize + bootBody               // 0x48
)

// A RAM disk's body, after its kind.
const (
	ramdiskBase   = 4  // u64: address; 0 = load from the file
	ramdiskSize   = 12 // u64
	ramdiskOffset = 20 // u32: of the image in the file
	ramdiskPath   = 24 // a file path
)

// A file path: its version, its length with this header, its type, the descriptor of the volume,
// and the path in UTF-16 with a NUL.
const (
	pathVersion  = 0 // u32: 1
	pathLength   = 4 // u32: from pathVersion to the end
	pathType     = 8 // u32: 5
	pathHeader   = 12
	pathVersion1 = 1
	pathTypeFile = 5
)

// A locate device's body.
const (
	locateKind   = 0 // u32
	locateID     = 4 // u32: the element that holds the path
	locateParent = 8 // u32: from the start of the descriptor; 0 = look on every volume
	locatePath   = 12

	locateByElement = 0
	locateByPath    = 1
)

var le = binary.LittleEndian
