package bcd

import (
	"strconv"
	"strings"
	"sync"
)

// bcdedit's names of elements, one a line: number, name, and the names of the values 0, 1, 2... if
// they have names. Elements without a name are shown by their number, as bcdedit does
// (https://learn.microsoft.com/windows-hardware/drivers/devtest/bcd-boot-options-reference, and
// "BCD Elements", http://www.geoffchappell.com/notes/windows/boot/bcd/elements.htm).
const (
	// of every object
	libraryNames = `
11000001 device
11000043 bootstatdevice
11000084 windowssyspart
12000002 path
12000004 description
12000005 locale
12000016 targetname
12000019 busparams
1200001d key
1200001f hostipv6
12000030 loadoptions
12000044 bootstatfilepath
1200004a fontpath
12000088 additionalcipolicy
14000006 inherit
14000008 recoverysequence
15000007 truncatememory
1500000c firstmegabytepolicy UseNone UseAll UsePrivate
1500000d relocatephysical
1500000e avoidlowmemory
15000011 debugtype Serial 1394 USB NET Local
15000012 debugaddress
15000013 debugport
15000014 baudrate
15000015 channel
15000018 debugstart Active AutoEnable Disable
1500001a hostip
1500001b port
15000022 emsport
15000023 emsbaudrate
15000042 keyringaddress
15000047 configaccesspolicy Default DisallowMmConfig
1500004b integrityservices Default Enable Disable
1500004c volumebandid
15000051 initialconsoleinput
15000052 graphicsresolution 1024x768 800x600 1024x600
15000065 displaymessage Default Resume HyperV Recovery StartupRepair SystemImageRecovery CommandPrompt SystemRestore PushButtonReset
15000066 displaymessageoverride Default Resume HyperV Recovery StartupRepair SystemImageRecovery CommandPrompt SystemRestore PushButtonReset
15000079 bootuxtransitiontime
1500007d booterrorux Legacy Standard Simple
1500007f measuredbootlogformat Default Sha1
15000080 displayrotation 0 90 180 270
15000081 logcontrol
15000088 linearaddress57 default optout optin
16000009 recoveryenabled
1600000b badmemoryaccess
1600000f traditionalkseg
16000010 bootdebug
16000017 noumex
1600001c dhcp
1600001e vm
16000020 bootems
16000040 advancedoptions
16000041 optionsedit
16000045 preservebootstat
16000046 graphicsmodedisabled
16000048 nointegritychecks
16000049 testsigning
16000050 extendedinput
16000053 restartonfailure
16000054 highestmode
16000060 isolatedcontext
16000068 nobootuxtext
16000069 nobootuxprogress
1600006a nobootuxfade
1600006c bootuxdisabled
16000072 nokeyboard
16000074 bootshutdowndisabled
1600007a mobilegraphics
1600007b forcefipscrypto
1600007e flightsigning
16000082 nofirmwaresync
16000087 numlock
1700000a badmemorylist
17000077 allowedinmemorysettings
25000510 chargethreshold
25000aaa bootflow
26000202 skipffumode
26000203 forceffumode
26000512 offmodecharging
47000006 elementstomigrate
`

	// of boot managers, the firmware's too
	bootManagerNames = `
21000022 bcddevice
22000023 bcdfilepath
22000040 fverecoveryurl
22000041 fverecoverymessage
23000003 default
23000006 resumeobject
24000001 displayorder
24000002 bootsequence
24000007 startupsequence
24000010 toolsdisplayorder
25000004 timeout
26000005 resume
26000020 displaybootmenu
26000021 noerrordisplay
26000025 hiberboot
26000028 processcustomactionsfirst
26000031 persistbootsequence
26000032 skipstartupsequence
26000042 flightedbootmgr
27000030 customactions
`

	// of OS loaders
	osLoaderNames = `
21000001 osdevice
21000138 imcdevice
21000150 systemdatadevice
21000151 osarcdevice
21000153 osdatadevice
21000154 bspdevice
22000002 systemroot
22000011 kernel
22000012 hal
22000013 dbgtransport
22000053 evstore
220000f1 hypervisorpath
220000f9 hypervisorbusparams
22000110 hypervisorusekey
22000117 hypervisorloadoptions
2200011b hypervisorrootprocnumanodes
2200011e hypervisorrootprocnumanodelps
2200012d kernelbusparams
22000132 kerneltargetname
22000136 kernelkey
22000137 imchivename
22000140 mfgmode
22000156 kernelhostipv6
22000161 hypervisorhostipv6
23000003 resumeobject
25000020 nx OptIn OptOut AlwaysOff AlwaysOn
25000021 pae Default ForceEnable ForceDisable
25000031 removememory
25000032 increaseuserva
25000033 perfmem
25000050 clustermodeaddressing
25000052 restrictapiccluster
25000055 x2apicpolicy Default Disable Enable
25000061 numproc
25000063 configflags
25000066 groupsize
25000071 msi Default ForceDisable
25000072 pciexpress Default ForceDisable
25000080 safeboot Minimal Network DsRepair
250000a6 tscsyncpolicy Default Legacy Enhanced
250000c1 driverloadfailurepolicy Fatal UseErrorControl
250000c2 bootmenupolicy Legacy Standard
250000e0 bootstatuspolicy DisplayAllFailures IgnoreAllFailures IgnoreShutdownFailures IgnoreBootFailures IgnoreCheckpointFailures DisplayShutdownFailures DisplayBootFailures DisplayCheckpointFailures AlwaysDisplayStartupFailures
250000f0 hypervisorlaunchtype Off Auto
250000f3 hypervisordebugtype Serial 1394 None Net
250000f4 hypervisordebugport
250000f5 hypervisorbaudrate
250000f6 hypervisorchannel
250000f7 bootux Disabled Basic Standard
250000fa hypervisornumproc
250000fb hypervisorrootprocpernode
250000fd hypervisorhostip
250000fe hypervisorhostport
250000ff hypervisordebugpages
25000100 tpmbootentropy Default ForceDisable ForceEnable
25000113 hypervisorrootproc
25000115 hypervisoriommupolicy Default Enable Disable
25000118 hypervisormsrfilterpolicy Disable Enable
25000119 hypervisormmionxpolicy Disable Enable
2500011a hypervisorschedulertype Classic Core Root
2500011c hypervisorperfmon System Hypervisor
2500011d hypervisorrootprocpercore
25000120 xsavepolicy
25000121 xsaveaddfeature0
25000122 xsaveaddfeature1
25000123 xsaveaddfeature2
25000124 xsaveaddfeature3
25000125 xsaveaddfeature4
25000126 xsaveaddfeature5
25000127 xsaveaddfeature6
25000128 xsaveaddfeature7
25000129 xsaveremovefeature
2500012a xsaveprocessorsmask
2500012b xsavedisable
2500012c kerneldebugtype Serial 1394 USB NET
2500012e kerneldebugaddress
2500012f kerneldebugport
25000130 claimedtpmcounter
25000131 kernelchannel
25000133 kernelhostip
25000134 kernelport
25000139 kernelbaudrate
25000142 vsmlaunchtype Off Auto
25000144 hypervisorenforcedcodeintegrity Disable Enable Strict
26000004 stampdisks
26000010 detecthal
26000022 winpe
26000024 nocrashautoreboot
26000025 lastknowngood
26000026 oslnointegritychecks
26000027 osltestsigning
26000030 nolowmem
26000040 vga
26000041 quietboot
26000042 novesa
26000043 novga
26000051 usephysicaldestination
26000054 uselegacyapicmode
26000060 onecpu
26000062 maxproc
26000064 maxgroup
26000065 groupaware
26000070 usefirmwarepcisettings
26000081 safebootalternateshell
26000090 bootlog
26000091 sos
260000a0 debug
260000a1 halbreakpoint
260000a2 useplatformclock
260000a3 forcelegacyplatform
260000a4 useplatformtick
260000a5 disabledynamictick
260000b0 ems
260000c3 onetimeadvancedoptions
260000c4 onetimeoptionsedit
260000e1 disableelamdrivers
260000f2 hypervisordebug
260000f8 hypervisordisableslat
260000fc hypervisoruselargevtlb
26000114 hypervisordhcp
26000116 hypervisorusevapic
26000135 kerneldhcp
26000141 event
26000145 dtrace
`

	// of resume applications
	resumeNames = `
21000001 filedevice
21000005 associatedosdevice
22000002 filepath
25000007 bootux Disabled Basic Standard
25000008 bootmenupolicy Legacy Standard
26000003 customsettings
26000004 pae
26000006 debugoptionenabled
`

	// of the memory tester of Windows 8 and later
	memoryTesterNames = `
25000001 passcount
25000002 testmix Basic Extended
25000003 failurecount
25000004 testtofail Stride Mats InverseCoupling RandomPattern Checkerboard
25000005 stridefailcount
25000006 invcfailcount
25000007 matsfailcount
25000008 randfailcount
25000009 chckrfailcount
26000003 cacheenable
26000004 failuresenabled
`

	// of NTLDR and SETUPLDR
	legacyNames = `
22000001 bpbstring
`

	// of real-mode programs
	startupNames = `
22000002 applicationname
26000001 pxesoftreboot
`

	// of other boot applications
	bootAppNames = `
26000145 enablebootdebugpolicy
26000146 enablebootorderclean
26000147 enabledeviceid
26000148 enableffuloader
26000149 enableiuloader
2600014a enablemassstorage
2600014b enablerpmbprovisioning
2600014c enablesecurebootpolicy
2600014d enablestartcharge
2600014e enableresettpm
`

	// of device options
	deviceNames = `
31000003 ramdisksdidevice
32000004 ramdisksdipath
35000001 ramdiskimageoffset
35000002 ramdisktftpclientport
35000005 ramdiskimagelength
35000007 ramdisktftpblocksize
35000008 ramdisktftpwindowsize
36000006 exportascd
36000009 ramdiskmcenabled
3600000a ramdiskmctftpfallback
3600000b ramdisktftpvarwindow
3600000c vhdramdiskboot
`
)

// elementName is what bcdedit calls an element, and the values of an integer.
type elementName struct {
	name   string
	values []string
}

type nameTable map[ElementID]elementName

// nameTables are the tables by class and, for applications, by the application in the object's
// type.
type nameTables struct {
	library, device nameTable
	applications    map[int]nameTable
}

var names = sync.OnceValue(func() *nameTables {
	bootManager, legacy := parseNames(bootManagerNames), parseNames(legacyNames)
	return &nameTables{
		library: parseNames(libraryNames),
		device:  parseNames(deviceNames),
		applications: map[int]nameTable{
			TypeFirmwareBootManager.application(): bootManager,
			TypeBootManager.application():         bootManager,
			TypeOSLoader.application():            parseNames(osLoaderNames),
			TypeResume.application():              parseNames(resumeNames),
			TypeMemoryTester.application():        parseNames(memoryTesterNames),
			TypeNTLDR.application():               legacy,
			TypeSetupLoader.application():         legacy,
			TypeStartup.application():             parseNames(startupNames),
			TypeBootApplication.application():     parseNames(bootAppNames),
		},
	}
})

func parseNames(table string) nameTable {
	t := nameTable{}
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if id, err := strconv.ParseUint(words[0], 16, 32); err == nil {
			t[ElementID(id)] = elementName{words[1], words[2:]}
		}
	}
	return t
}

// lookup finds an element's name in an object of type t.
func (n *nameTables) lookup(t ObjectType, id ElementID) (elementName, bool) {
	table := n.library
	switch t.class() {
	case classApplication, classInherit:
		if id.Class() == ClassApplication {
			table = n.applications[t.application()]
		}
	case classDevice:
		if id.Class() == ClassDevice {
			table = n.device
		}
	}
	if name, ok := table[id]; ok {
		return name, true
	}
	name, ok := n.library[id]
	return name, ok
}

// Name returns what bcdedit calls an element of an object of type t: "osdevice", or
// "custom:46000010" if it has no name for it. The same number has other names in other objects.
func (t ObjectType) Name(id ElementID) string {
	if n, ok := names().lookup(t, id); ok {
		return n.name
	}
	return "custom:" + id.String()
}

// ElementByName returns the number of the element that bcdedit calls name in objects of type t,
// and whether there is one. "custom:46000010" is the number itself.
func (t ObjectType) ElementByName(name string) (ElementID, bool) {
	if digits, ok := strings.CutPrefix(name, "custom:"); ok {
		id, err := strconv.ParseUint(digits, 16, 32)
		return ElementID(id), err == nil
	}
	tables := names()
	for _, table := range []nameTable{tables.applications[t.application()], tables.device, tables.library} {
		for id, n := range table {
			if n.name != name {
				continue
			}
			if found, ok := tables.lookup(t, id); ok && found.name == name {
				return id, true
			}
		}
	}
	return 0, false
}
