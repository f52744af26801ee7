; ntfs.asm - winbake's NTFS volume boot record: the 8192 bytes of $Boot.
;
; Written for winbake from the published structure of NTFS and from the contract of BOOTMGR (see
; docs of package bootcode). Real mode, 80386, BIOS INT 13h extensions; addresses are 64-bit LBAs.
;
; Sector 0 (this file, after the BPB) reads the other sectors of $Boot behind itself. They
; (ntfs_main.inc and the files it includes) find the file BOOTMGR in the root directory, read it
; to 2000:0000 and jump there.
;
; Memory, all below the extended BIOS data area:
;   0000:0600 - 0000:7BFF   stack
;   0000:7C00 - 0000:9BFF   $Boot
;   0000:9C00 - 0000:9FFF   variables
;   0000:A000               base file record              (RECORD,    4 KiB)
;   0000:B000               extension file record         (EXTENSION, 4 KiB)
;   0000:C000               index block                   (INDEX,     8 KiB)
;   1000:0000               runs of $MFT                  (6144 runs)
;   1C00:0000               runs of the attribute in use  (1536 runs)
;   1F00:0000               runs of an attribute list     (512 runs)
;   2000:0000               while searching: attribute list; in the end: BOOTMGR
;   6000:0000               while searching: bitmap of the root directory
;
; build: see build.sh

        cpu     386
        bits    16

BOOT            equ 0x7C00
BOOT_SIZE       equ 8192
TAIL            equ 0x4C494154          ; "TAIL": last dword of the program

        org     BOOT

        jmp     short start
        nop
        db      "NTFS    "
; BIOS parameter block. The writer of the volume fills it; only the named fields are read.
        times 0x0B - ($ - $$) db 0
bpb_sector_size:        dw 0            ; bytes
bpb_cluster:            db 0            ; sectors, or minus log2 of them above 128
        times 0x1C - ($ - $$) db 0
bpb_hidden:             dd 0            ; first sector of the partition
        times 0x30 - ($ - $$) db 0
bpb_mft:                dq 0            ; first cluster of $MFT
        times 0x40 - ($ - $$) db 0
bpb_record:             db 0            ; clusters per file record, or minus log2 of its bytes
        times 0x54 - ($ - $$) db 0

start:
        cli
        xor     ax, ax
        mov     ss, ax
        mov     sp, BOOT
        sti
        cld
        mov     ds, ax
        mov     es, ax
        jmp     0:.here
.here:  mov     [drive], dl

        mov     ah, 0x41
        mov     bx, 0x55AA
        int     0x13
        mov     si, no_extensions
        jc      .stop
        cmp     bx, 0xAA55
        jne     .stop
        test    cl, 1                   ; bit 0: AH=42h and AH=48h are there
        jz      .stop

; The firmware's sector must be the volume's. Firmware that does not say is believed to fit.
        mov     si, parameters
        mov     word [si], 0x1A         ; bytes there is room for
        mov     dl, [drive]
        mov     ah, 0x48
        int     0x13
        mov     cx, [bpb_sector_size]
        jc      .fits
        cmp     cx, [parameters + 0x18]
        mov     si, wrong_sector
        jne     .stop

; Read the other sectors of $Boot.
.fits:  movzx   ecx, cx
        lea     eax, [ecx + BOOT]
        mov     [target], eax
        mov     ax, BOOT_SIZE
        xor     dx, dx
        div     cx
        dec     ax
        mov     [wanted], ax
        mov     eax, [bpb_hidden]
        inc     eax
        mov     [packet.lba], eax
        call    read
        cmp     dword [tail], TAIL      ; really ours, and whole?
        je      main
        mov     si, boot_damaged
.stop:  jmp     fail

%include "io.inc"

wrong_sector:   db 13, 10, "Wrong sector size", 0

        times 0x1FE - ($ - $$) db 0     ; fails to assemble if the code is longer
        dw      0xAA55

%include "ntfs_main.inc"
%include "ntfs_stream.inc"
%include "ntfs_attribute.inc"
%include "handoff.inc"

        align   4, db 0
tail:   dd      TAIL

        times BOOT_SIZE - ($ - $$) db 0

; Variables. Memory here is not cleared: everything is set before it is read.
        absolute BOOT + BOOT_SIZE
%include "io_vars.inc"
parameters:     resb 0x1A               ; EDD drive parameters
%include "ntfs_vars.inc"
