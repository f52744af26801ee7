; fat32.asm - winbake's FAT32 volume boot record: the first sector of the volume, and sectors 12
; and 13.
;
; Written for winbake from the published structure of FAT32 and from the contract of BOOTMGR (see
; docs of package bootcode). Real mode, 80386, BIOS INT 13h extensions; addresses are 64-bit LBAs;
; sectors of 512 bytes.
;
; The first sector reads the other two to 0000:8000, the places they have in this file. They walk
; the root directory for BOOTMGR, read it to 2000:0000 and jump there. The file's second sector
; stands for FSInfo and stays empty: that sector belongs to the volume.
;
; Memory:
;   0000:0600 - 0000:7BFF   stack
;   0000:7C00 - 0000:83FF   this record
;   0000:8400               variables
;   0000:8600               a sector of the FAT
;   0000:8800               a sector of the root directory
;   2000:0000               BOOTMGR
;
; build: see build.sh

        cpu     386
        bits    16

BOOT            equ 0x7C00
SECTOR          equ 512
MORE            equ BOOT + 2 * SECTOR
MORE_SECTORS    equ 2
MORE_AT         equ 12                  ; their place in the volume, as in Microsoft's record
FAT             equ 0x8600
DIRECTORY       equ 0x8800
LOADER          equ 0x20000             ; linear
TAIL            equ 0x4C494154          ; "TAIL": last dword of the program

CLUSTER_MASK    equ 0x0FFFFFFF          ; the upper four bits are reserved
CLUSTER_BAD     equ 0x0FFFFFF7          ; and above: end of the chain
MAX_DIRECTORY   equ 4096                ; sectors: FAT allows 2 MiB
ENTRY           equ 32                  ; bytes; its fields:
ENTRY_ATTRIBUTES equ 11
ENTRY_HIGH      equ 20                  ; first cluster
ENTRY_LOW       equ 26
ENTRY_SIZE      equ 28
NOT_A_FILE      equ 0x18                ; directory, volume label, or part of a long name

        org     BOOT

        jmp     short start
        nop
        db      "MSDOS5.0"
; BIOS parameter block. The writer of the volume fills it; only the named fields are read.
        times 0x0B - ($ - $$) db 0
bpb_sector_size:        dw 0            ; bytes
bpb_cluster:            db 0            ; sectors
bpb_reserved:           dw 0            ; sectors before the first FAT
bpb_fats:               db 0
        times 0x1C - ($ - $$) db 0
bpb_hidden:             dd 0            ; first sector of the partition
        times 0x24 - ($ - $$) db 0
bpb_fat_size:           dd 0            ; sectors
        times 0x2C - ($ - $$) db 0
bpb_root:               dd 0            ; first cluster of the root directory
        times 0x52 - ($ - $$) db 0
        db      "FAT32   "

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
        test    cl, 1                   ; bit 0: AH=42h is there
        jz      .stop
        mov     si, wrong_sector
        cmp     word [bpb_sector_size], SECTOR
        jne     .stop
        mov     eax, MORE_AT
        mov     edi, MORE
        mov     cx, MORE_SECTORS
        call    read_volume
        cmp     dword [tail], TAIL      ; really ours, and whole?
        je      main
        mov     si, boot_damaged
.stop:  jmp     fail

; Reads CX sectors from sector EAX of the volume to linear address EDI. Keeps all registers but EDX.
read_volume:
        mov     [wanted], cx
        mov     [target], edi
        xor     edx, edx
        mov     [packet.lba], eax
        mov     [packet.lba + 4], edx
        mov     edx, [bpb_hidden]
        add     [packet.lba], edx
        adc     dword [packet.lba + 4], 0
        ; fall through

%include "io.inc"

wrong_sector:   db 13, 10, "Wrong sector size", 0

        times 0x1FE - ($ - $$) db 0     ; fails to assemble if the code is longer
        dw      0xAA55

        times SECTOR db 0               ; FSInfo

main:
        mov     eax, [bpb_fat_size]
        movzx   ecx, byte [bpb_fats]
        mul     ecx
        movzx   ecx, word [bpb_reserved]
        add     eax, ecx
        mov     [data], eax
        mov     dword [fat_sector], -1

; The root directory, cluster by cluster.
        mov     word [directory_left], MAX_DIRECTORY
        mov     eax, [bpb_root]
        mov     [cluster], eax
.cluster:
        call    locate
        movzx   bp, byte [bpb_cluster]
.sector:
        mov     edi, DIRECTORY
        mov     cx, 1
        call    read_volume
        dec     word [directory_left]
        jz      .missing
        call    scan
        je      load
        jc      .missing
        inc     eax
        dec     bp
        jnz     .sector
        call    next_cluster
        jnc     .cluster
.missing:
        mov     si, not_found
        jmp     fail

; Looks for BOOTMGR in the directory sector. ZF: DI -> its entry. CF: here the directory ends.
; Keeps EAX, BP.
scan:   mov     di, DIRECTORY
.entry: cmp     byte [di], 0
        je      .end
        test    byte [di + ENTRY_ATTRIBUTES], NOT_A_FILE
        jnz     .next
        mov     si, loader_name
        mov     cx, LOADER_CHARS
        push    di
        repe cmpsb
        pop     di
        je      .found                  ; equal: CF is clear
.next:  add     di, ENTRY
        cmp     di, DIRECTORY + SECTOR
        jb      .entry
        or      di, di                  ; neither: DI is not 0, and CF is clear
        ret
.end:   or      di, di
        stc
.found: ret

; DI -> the directory entry of BOOTMGR.
load:   mov     ax, [di + ENTRY_HIGH]
        shl     eax, 16
        mov     ax, [di + ENTRY_LOW]
        mov     [cluster], eax
        mov     ecx, [di + ENTRY_SIZE]
        mov     si, too_large
        int     0x12                    ; KiB below the extended BIOS data area
        movzx   eax, ax
        shl     eax, 10
        sub     eax, LOADER + SECTOR    ; the last sector is read whole
        cmp     ecx, eax
        ja      fail
        mov     si, empty
        add     ecx, SECTOR - 1
        shr     ecx, 9                  ; sectors left
        jz      fail
        mov     edi, LOADER
.cluster:
        call    locate
        push    cx
        movzx   bx, byte [bpb_cluster]
        cmp     cx, bx
        jbe     .some
        mov     cx, bx
.some:  call    read_volume
        mov     edi, [target]           ; read has moved it on
        mov     bx, cx
        pop     cx
        sub     cx, bx
        jz      hand_off
        call    next_cluster
        jnc     .cluster
        jmp     damaged_chain

; Returns EAX = first sector, in the volume, of [cluster]. Keeps the others but EDX.
locate: mov     eax, [cluster]
        sub     eax, 2
        jb      damaged_chain
        cmp     eax, CLUSTER_BAD - 2
        jae     damaged_chain
        movzx   edx, byte [bpb_cluster]
        mul     edx
        add     eax, [data]
        ret

damaged_chain:
        mov     si, damaged
        jmp     fail

; Replaces [cluster] by the one that follows it; CF = it was the last. Keeps CX, EDI.
next_cluster:
        push    cx
        push    edi
        mov     eax, [cluster]
        shr     eax, 7                  ; 128 entries in a sector
        cmp     eax, [fat_sector]
        je      .there
        mov     [fat_sector], eax
        movzx   edx, word [bpb_reserved]
        add     eax, edx
        mov     edi, FAT
        mov     cx, 1
        call    read_volume
.there: mov     bx, [cluster]
        and     bx, 127
        shl     bx, 2
        mov     eax, [bx + FAT]
        and     eax, CLUSTER_MASK
        mov     [cluster], eax
        cmp     eax, CLUSTER_BAD + 1
        cmc
        pop     edi
        pop     cx
        ret

%include "handoff.inc"

loader_name:    db "BOOTMGR    "
LOADER_CHARS    equ $ - loader_name

not_found:      db 13, 10, "BOOTMGR not found", 0
empty:          db 13, 10, "BOOTMGR is empty", 0
too_large:      db 13, 10, "BOOTMGR is too large", 0
damaged:        db 13, 10, "FAT structure damaged", 0

        align   4, db 0
tail:   dd      TAIL

        times (2 + MORE_SECTORS) * SECTOR - ($ - $$) db 0

; Variables. Memory here is not cleared: everything is set before it is read.
        absolute BOOT + 4 * SECTOR
%include "io_vars.inc"
                alignb 4
data:           resd 1                  ; first sector of cluster 2, in the volume
cluster:        resd 1                  ; the one in hand
fat_sector:     resd 1                  ; what FAT holds, from the start of the FAT
directory_left: resw 1                  ; sectors it may have yet
