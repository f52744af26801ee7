package bcd

import "fmt"

// ElementID is the number of an element: class in bits 31-28, format in bits 27-24
// (https://learn.microsoft.com/previous-versions/windows/desktop/bcd/bcdelementtype).
type ElementID uint32

// Class says which objects an element is for.
type Class uint8

// Classes of elements.
const (
	ClassLibrary     Class = 1 // every object
	ClassApplication Class = 2 // meaning depends on the object's type
	ClassDevice      Class = 3 // device options
	ClassTemplate    Class = 4 // left by Setup
	ClassOEM         Class = 5
)

// Format says how an element's value is encoded.
type Format uint8

// Formats of elements.
const (
	FormatDevice   Format = 1 // REG_BINARY: see Device
	FormatString   Format = 2 // REG_SZ
	FormatObject   Format = 3 // REG_SZ: a GUID in braces
	FormatObjects  Format = 4 // REG_MULTI_SZ: GUIDs in braces
	FormatInteger  Format = 5 // REG_BINARY: 1 to 8 bytes, little endian
	FormatBoolean  Format = 6 // REG_BINARY: 1 byte
	FormatIntegers Format = 7 // REG_BINARY: 8 bytes each, little endian
)

// Class returns the element's class.
func (id ElementID) Class() Class { return Class(id >> 28) }

// Format returns the element's format.
func (id ElementID) Format() Format { return Format(id >> 24 & 0xF) }

// String returns the eight digits that name the element in the hive.
func (id ElementID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// Elements that every object may have.
const (
	ElemDevice                  ElementID = 0x11000001
	ElemPath                    ElementID = 0x12000002
	ElemDescription             ElementID = 0x12000004
	ElemLocale                  ElementID = 0x12000005
	ElemInherit                 ElementID = 0x14000006
	ElemRecoverySequence        ElementID = 0x14000008
	ElemRecoveryEnabled         ElementID = 0x16000009
	ElemBadMemoryAccess         ElementID = 0x1600000B
	ElemDebugType               ElementID = 0x15000011
	ElemDebugPort               ElementID = 0x15000013
	ElemBaudRate                ElementID = 0x15000014
	ElemBootEMS                 ElementID = 0x16000020
	ElemLoadOptions             ElementID = 0x12000030
	ElemNoIntegrityChecks       ElementID = 0x16000048
	ElemTestSigning             ElementID = 0x16000049
	ElemIsolatedContext         ElementID = 0x16000060
	ElemDisplayMessage          ElementID = 0x15000065
	ElemDisplayMessageOverride  ElementID = 0x15000066
	ElemBootShutdownDisabled    ElementID = 0x16000074
	ElemAllowedInMemorySettings ElementID = 0x17000077
)

// Elements of the boot manager.
const (
	ElemDisplayOrder      ElementID = 0x24000001
	ElemBootSequence      ElementID = 0x24000002
	ElemDefault           ElementID = 0x23000003
	ElemTimeout           ElementID = 0x25000004
	ElemBootResumeObject  ElementID = 0x23000006
	ElemToolsDisplayOrder ElementID = 0x24000010
)

// Elements of an operating system loader.
const (
	ElemOSDevice             ElementID = 0x21000001
	ElemSystemRoot           ElementID = 0x22000002
	ElemResumeObject         ElementID = 0x23000003
	ElemDetectHAL            ElementID = 0x26000010
	ElemNX                   ElementID = 0x25000020
	ElemWinPE                ElementID = 0x26000022
	ElemEMS                  ElementID = 0x260000B0
	ElemBootMenuPolicy       ElementID = 0x250000C2
	ElemBootStatusPolicy     ElementID = 0x250000E0
	ElemHypervisorLaunchType ElementID = 0x250000F0
	ElemHypervisorDebugType  ElementID = 0x250000F3
	ElemHypervisorDebugPort  ElementID = 0x250000F4
	ElemHypervisorBaudRate   ElementID = 0x250000F5
)

// Elements of a resume application.
const (
	ElemFileDevice           ElementID = 0x21000001
	ElemFilePath             ElementID = 0x22000002
	ElemDebugOptionEnabled   ElementID = 0x26000006
	ElemResumeBootMenuPolicy ElementID = 0x25000008
)

// Elements of device options.
const (
	ElemRamdiskSDIDevice ElementID = 0x31000003
	ElemRamdiskSDIPath   ElementID = 0x32000004
)

// ElemRecoveryOS marks the loader of a recovery environment.
const ElemRecoveryOS ElementID = 0x46000010

// Values of ElemNX.
const (
	NXOptIn     = 0
	NXOptOut    = 1
	NXAlwaysOff = 2
	NXAlwaysOn  = 3
)

// MenuStandard is the value of ElemBootMenuPolicy for the graphical menu of Windows 8; 0 is the
// text menu.
const MenuStandard = 1

// MessageRecovery is the value of ElemDisplayMessage for "recovery".
const MessageRecovery = 3
