package verify_test

// The places below are offsets of the formats' specifications; "torn" is the last word of a 512-byte sector
// of an NTFS record, which its update sequence protects.
var mutations = []mutation{
	// the file's format
	{"VHD", "footer, current size", 0x10, "container", func(s *scene) int64 { return s.size - 512 + 52 }},
	{"dynamic VHD", "footer, time stamp", 1, "container", func(s *scene) int64 { return s.size - 512 + 24 }},
	{"dynamic VHD", "copy of the footer, creator", 1, "container", func(*scene) int64 { return 28 }},
	{"dynamic VHD", "header, greatest number of blocks", 1, "container", func(*scene) int64 { return 512 + 28 }},
	{"dynamic VHD", "table, entry of the first block", 0x40, "container", func(s *scene) int64 { return be64(s.read(512+16, 8)) }},
	{"VHDX", "second header, sequence number", 1, "container", func(*scene) int64 { return 128<<10 + 8 }},
	{"VHDX", "second region table, offset of the BAT", 1, "container", func(*scene) int64 { return 256<<10 + 16 + 18 }},
	{"VHDX", "BAT, offset of the first block", 0x40, "container", func(s *scene) int64 { return s.u64(192<<10+16+16) + 4 }},
	{"qcow2", "L1 table, first entry", 1, "container", func(s *scene) int64 { return be64(s.read(40, 8)) + 5 }},
	{"qcow2", "L2 table, first entry", 1, "container", func(s *scene) int64 { return be64(s.read(be64(s.read(40, 8)), 8))&(1<<56-1) + 5 }},
	{"qcow2", "reference count of a cluster", 2, "container", func(s *scene) int64 { return be64(s.read(be64(s.read(48, 8)), 8)) + 7 }},

	// partition table
	{"BIOS", "MBR, boot signature", 1, "mbr", func(*scene) int64 { return 510 }},
	{"BIOS", "MBR, status of partition 1", 1, "mbr", func(*scene) int64 { return 0x1BE }},
	{"BIOS", "MBR, active flag of partition 1", 0x80, "boot-none", func(*scene) int64 { return 0x1BE }},
	{"BIOS", "MBR, first sector of partition 1", 0x80, "partitions", func(*scene) int64 { return 0x1BE + 11 }},
	{"both", "MBR, sectors of partition 1", 0x20, "partitions", func(*scene) int64 { return 0x1BE + 14 }},
	{"UEFI", "protective MBR, first sector", 2, "mbr", func(*scene) int64 { return 0x1BE + 8 }},
	{"UEFI", "protective MBR, type of entry 2", 7, "mbr", func(*scene) int64 { return 0x1CE + 4 }},
	{"UEFI", "GPT header, disk GUID", 1, "gpt", func(*scene) int64 { return 512 + 0x38 }},
	{"UEFI", "GPT entry 1, attributes", 1, "gpt", func(*scene) int64 { return 1024 + 48 }},
	{"UEFI", "second GPT header, last usable sector", 1, "gpt-backup", func(s *scene) int64 { return s.size - 512 + 0x30 }},
	{"UEFI", "second GPT, entry 2, name", 1, "gpt-backup", func(s *scene) int64 { return s.size - 512 - 16384 + 128 + 56 }},

	// boot records
	{"BIOS", "MBR, code", 0x10, "mbr-code", func(*scene) int64 { return 0x20 }},
	{"BIOS", "NTFS boot record, code", 0x10, "boot-sector", func(s *scene) int64 { return s.ntfs(1).at + 0x220 }},
	{"BIOS", "NTFS boot sector, hidden sectors", 1, "boot-sector", func(s *scene) int64 { return s.ntfs(1).at + 0x1C }},
	{"BIOS", "NTFS boot sector, name of the file system", 1, "volume", func(s *scene) int64 { return s.ntfs(1).at + 3 }},
	{"UEFI", "FAT32 boot sector, name of the file system", 1, "volume", func(s *scene) int64 { return s.fat(1).at + 0x52 }},
	{"BIOS", "NTFS boot sector, serial number", 1, "ntfs-copies", func(s *scene) int64 { return s.ntfs(1).at + 0x48 }},
	{"BIOS", "copy of the NTFS boot sector, code", 1, "ntfs-copies", func(s *scene) int64 { v := s.ntfs(1); return v.at + v.length - 512 + 0x80 }},
	{"BIOS", "bootmgr, code", 1, "boot-file", func(s *scene) int64 { return s.ntfs(1).content("bootmgr") + 0x100 }},
	{"both", "FAT32 boot record, code in sector 12", 0x10, "boot-sector", func(s *scene) int64 { return s.fat(1).at + 12*512 + 0x10 }},

	// FAT32
	{"UEFI", "backup boot sector, label", 1, "fat-boot", func(s *scene) int64 { return s.fat(1).at + 6*512 + 0x47 }},
	{"UEFI", "FSInfo, signature", 1, "fat-boot", func(s *scene) int64 { return s.fat(1).at + 512 + 0x1E4 }},
	{"UEFI", "FSInfo, free clusters", 1, "fat-free", func(s *scene) int64 { return s.fat(1).at + 512 + 0x1E8 }},
	{"UEFI", "second FAT, entry of a file", 1, "fat-fat", func(s *scene) int64 { f := s.fat(1); return f.second + 4*f.firstOf("BOOTX64 EFI") }},
	{"UEFI", "first FAT, entry of a file", 0x40, "fat-clusters", func(s *scene) int64 { f := s.fat(1); return f.first + 4*f.firstOf("BOOTX64 EFI") }},
	{"UEFI", "FAT, clean-shutdown bit", 8, "volume-dirty", func(s *scene) int64 { return s.fat(1).first + 7 }},
	{"UEFI", "directory entry, first cluster", 4, "fat-clusters", func(s *scene) int64 { return s.fat(1).entry("BOOTX64 EFI") + 26 }},
	{"UEFI", "directory entry, size", 0x80, "fat-clusters", func(s *scene) int64 { return s.fat(1).entry("BOOTX64 EFI") + 30 }},
	{"UEFI", "long name, checksum", 1, "fat-directory", func(s *scene) int64 { return s.fat(1).entry("BOOTX64 EFI") - 32 + 13 }},

	// NTFS
	{"BIOS", "MFT record of a file, signature", 1, "ntfs-mft-bitmap", func(s *scene) int64 { v := s.ntfs(1); return v.record(v.named("winload.exe")) }},
	{"BIOS", "MFT record of a file, torn", 1, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.record(v.named("winload.exe")) + 510 }},
	{"BIOS", "MFT record of a file, link count", 1, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.record(v.named("winload.exe")) + 0x12 }},
	{"BIOS", "MFT record of a file, its own number", 1, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.record(v.named("winload.exe")) + 0x2C }},
	{"BIOS", "$STANDARD_INFORMATION, security id", 0x40, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.value(v.named("winload.exe"), 0x10, "") + 53 }},
	{"BIOS", "$FILE_NAME, name", 1, "ntfs-names", func(s *scene) int64 { v := s.ntfs(1); return v.value(v.named("winload.exe"), 0x30, "") + 0x42 }},
	{"BIOS", "$FILE_NAME, mark of an index", 1, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.attribute(v.named("winload.exe"), 0x30, "") + 0x16 }},
	{"BIOS", "$DATA, type", 0x18, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.attribute(v.named("winload.exe"), 0x80, "") }},
	{"BIOS", "$DATA, flags", 0x08, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.attribute(v.named("winload.exe"), 0x80, "") + 0x0C }},
	{"BIOS", "$DATA, allocated size", 0x10, "ntfs-records", func(s *scene) int64 { v := s.ntfs(1); return v.attribute(v.named("winload.exe"), 0x80, "") + 0x29 }},
	{"BIOS", "$DATA, first run", 1, "ntfs-bitmap", func(s *scene) int64 { v := s.ntfs(1); return v.attribute(v.named("winload.exe"), 0x80, "") + 0x42 }},
	{"BIOS", "$MFTMirr, record of the log", 1, "ntfs-copies", func(s *scene) int64 { v := s.ntfs(1); return v.value(1, 0x80, "") + 2*recordSize + 0x60 }},
	{"BIOS", "$LogFile, first restart page", 1, "ntfs-log", func(s *scene) int64 { return s.ntfs(1).value(2, 0x80, "") + 0x40 }},
	{"BIOS", "$Volume, dirty flag", 1, "volume-dirty", func(s *scene) int64 { return s.ntfs(1).value(3, 0x70, "") + 10 }},
	{"BIOS", "$AttrDef, type of $FILE_NAME", 1, "ntfs-tables", func(s *scene) int64 { return s.ntfs(1).value(4, 0x80, "") + 2*0xA0 + 0x80 }},
	{"BIOS", "$Bitmap, a free cluster", 1, "ntfs-bitmap", func(s *scene) int64 { v := s.ntfs(1); return v.value(6, 0x80, "") + v.length/v.cluster/8 - 100 }},
	{"BIOS", "$MFT:$BITMAP, the record of a file", 2, "ntfs-mft-bitmap", func(s *scene) int64 { v := s.ntfs(1); return v.value(0, 0xB0, "") + v.named("winload.exe")/8 }},
	{"BIOS", "$UpCase, a letter", 1, "ntfs-tables", func(s *scene) int64 { return s.ntfs(1).value(10, 0x80, "") + 2*0x3B1 }},
	{"BIOS", "$Secure:$SDS, a descriptor", 1, "ntfs-security", func(s *scene) int64 { return s.ntfs(1).value(9, 0x80, "$SDS") + 0x20 }},
	{"BIOS", "$Secure:$SDS, its copy", 1, "ntfs-security", func(s *scene) int64 { return s.ntfs(1).value(9, 0x80, "$SDS") + 256<<10 + 0x20 }},
	{"BIOS", "$Secure:$SDH, a hash", 1, "ntfs-security", func(s *scene) int64 { return s.ntfs(1).value(9, 0x90, "$SDH") + 0x20 + 0x10 }},
	{"BIOS", "directory block of System32, torn", 1, "ntfs-index", func(s *scene) int64 { v := s.ntfs(1); return v.value(v.named("System32"), 0xA0, "$I30") + 1022 }},
	{"BIOS", "directory block of System32, an entry's file", 1, "ntfs-names", func(s *scene) int64 { v := s.ntfs(1); return v.value(v.named("System32"), 0xA0, "$I30") + 0x40 }},
	{"BIOS", "directory block of System32, an entry's name", 2, "ntfs-names", func(s *scene) int64 {
		v := s.ntfs(1)
		return v.value(v.named("System32"), 0xA0, "$I30") + 0x40 + 0x10 + 0x44
	}},
	{"BIOS", "$Reparse:$R, a tag", 1, "ntfs-views", func(s *scene) int64 { return s.ntfs(1).value(26, 0x90, "$R") + 0x20 + 0x10 }},
	{"BIOS", "$ObjId:$O, an id", 1, "ntfs-views", func(s *scene) int64 { return s.ntfs(1).value(25, 0x90, "$O") + 0x20 + 0x10 }},

	// registry hives
	{"BIOS", "SYSTEM, header's checksum", 1, "hive", func(s *scene) int64 { return s.system().at + 508 }},
	{"BIOS", "SYSTEM, header's file name", 1, "hive", func(s *scene) int64 { return s.system().at + 0x30 }},
	{"BIOS", "SYSTEM, signature of a bin", 1, "hive", func(s *scene) int64 { return s.system().at + 4096 }},
	{"BIOS", "SYSTEM, size of a cell", 4, "hive", func(s *scene) int64 { return s.system().at + 4096 + 32 }},
	{"BIOS", "SYSTEM, name of a key", 1, "hive", func(s *scene) int64 { return s.system().key("Select") + 76 }},
	{"BIOS", "SYSTEM, parent of a key", 8, "hive", func(s *scene) int64 { return s.system().key("Select") + 0x10 }},
	{"BIOS", "SYSTEM, references of a security descriptor", 1, "hive", func(s *scene) int64 { h := s.system(); return h.cell(h.key("Select")+0x2C) + 0x0C }},

	// boot configuration
	{"UEFI", "BCD, partition of the boot manager", 1, "boot-device", func(s *scene) int64 { p := s.partition(1); return s.bcd(p.ID[:]) }},
	{"UEFI", "BCD, partition of Windows", 1, "boot-device", func(s *scene) int64 { p := s.partition(3); return s.bcd(p.ID[:]) }},
	{"UEFI", "BCD, path of the loader", 1, "boot-file", func(s *scene) int64 { return s.bcd(utf16(`\Windows\system32\winload.efi`)) + 18 }},
	{"UEFI", "BCD, folder of Windows", 1, "boot-file", func(s *scene) int64 { return s.bcd(utf16("\\Windows\x00")) + 2 }},
	{"UEFI", "BCD, signature of a key", 1, "boot-store", func(s *scene) int64 { return s.bcd([]byte("Description")) - 76 }},

	// boot files
	{"UEFI", "bootx64.efi, machine", 1, "boot-file", func(s *scene) int64 { at := s.fat(1).content("BOOTX64 EFI"); return at + s.u32(at+0x3C) + 4 }},
	{"UEFI", "bootmgfw.efi, code", 1, "boot-file", func(s *scene) int64 { return s.fat(1).content("BOOTMGFWEFI") + 0x400 }},
	{"UEFI", "winload.efi, machine", 1, "boot-file", func(s *scene) int64 {
		at := s.ntfs(3).content("Windows/System32/winload.efi")
		return at + s.u32(at+0x3C) + 4
	}},
	{"UEFI", "Winre.wim, signature", 1, "boot-recovery", func(s *scene) int64 { return s.ntfs(4).content("Recovery/WindowsRE/Winre.wim") }},
	{"UEFI", "boot.sdi, signature", 1, "boot-recovery", func(s *scene) int64 { return s.ntfs(4).content("Recovery/WindowsRE/boot.sdi") }},
}

// system is the SYSTEM hive of the BIOS disk.
func (s *scene) system() hive {
	return hive{s, s.ntfs(1).content("Windows/System32/config/SYSTEM")}
}

// bcd finds bytes in the store of the UEFI disk.
func (s *scene) bcd(what []byte) int64 {
	return s.find(s.fat(1).content("BCD        "), 32<<10, what)
}
