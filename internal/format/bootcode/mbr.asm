; mbr.asm - winbake's master boot record code: the first 440 bytes of an MBR disk.
;
; Written for winbake from the contract between PC firmware, partition table and volume boot
; record. It runs at 0000:7C00 with DL = the BIOS drive, moves itself to 0000:0600, finds the one
; active partition, reads that partition's first sector to 0000:7C00 with the INT 13h extensions
; (EDD; 64-bit addresses, of which the table's 32-bit field fills the low half) and jumps to it
; with DL = drive and DS:SI (and BP) -> the active entry. There is no CHS path: every BIOS that
; can boot the Windows versions winbake bakes has the extensions.
;
; build: see build.sh

        cpu     386
        bits    16

LOADED          equ 0x7C00              ; where the firmware puts this sector, and we the next
RELOCATED       equ 0x0600
TABLE           equ RELOCATED + 0x1BE   ; four entries of 16 bytes
ENTRIES         equ 4
ENTRY_SIZE      equ 16
ENTRY_LBA       equ 8                   ; first sector of the partition, 32 bits
ACTIVE          equ 0x80
MAGIC           equ 0xAA55              ; last word of a boot sector
MAGIC_AT        equ LOADED + 0x1FE
TRIES           equ 5

        org     RELOCATED

start:
        cli
        xor     ax, ax
        mov     ss, ax
        mov     sp, LOADED
        sti
        mov     ds, ax
        mov     es, ax
        cld
        mov     si, LOADED
        mov     di, RELOCATED
        mov     cx, 512 / 2
        rep movsw
        jmp     0:find_active

; Exactly one entry must be active (0x80), the others must be 0x00. BP = the active one.
find_active:
        mov     [drive], dl
        xor     bp, bp
        mov     si, TABLE
        mov     cx, ENTRIES
.entry: cmp     byte [si], 0
        je      .next
        cmp     byte [si], ACTIVE
        jne     bad_table
        test    bp, bp
        jnz     bad_table
        mov     bp, si
.next:  add     si, ENTRY_SIZE
        loop    .entry
        test    bp, bp
        jnz     check_extensions

        mov     si, no_active
        call    print
        int     0x18                    ; let the firmware try its next boot device
        jmp     halt

check_extensions:
        mov     ah, 0x41
        mov     bx, 0x55AA
        int     0x13                    ; DL is still the drive
        mov     si, no_extensions
        jc      fail
        cmp     bx, 0xAA55
        jne     fail
        test    cl, 1                   ; bit 0: AH=42h is there
        jz      fail

        mov     eax, [bp + ENTRY_LBA]   ; BP addresses through SS, which is 0 too
        mov     [packet.lba], eax
        mov     di, TRIES
.read:  mov     word [packet.count], 1  ; firmware may change it on failure
        mov     si, packet
        mov     dl, [drive]
        mov     ah, 0x42
        int     0x13
        jnc     start_volume
        mov     dl, [drive]
        xor     ah, ah                  ; reset the drive, then try again
        int     0x13
        dec     di
        jnz     .read
        mov     si, read_error
        jmp     fail

start_volume:
        mov     si, no_system
        cmp     word [MAGIC_AT], MAGIC
        jne     fail
        mov     dl, [drive]
        xor     dh, dh
        mov     [bp], dl                ; as other boot records do: the entry carries the drive
        mov     si, bp
        jmp     0:LOADED

bad_table:
        mov     si, invalid_table
fail:   call    print
halt:   hlt                             ; interrupts are on: Ctrl+Alt+Del still works
        jmp     halt

; Prints the text at SI, which ends with a zero byte.
print:  lodsb
        test    al, al
        jz      .done
        mov     ah, 0x0E
        mov     bx, 7
        push    si                      ; some firmware does not keep SI, BP
        push    bp
        int     0x10
        pop     bp
        pop     si
        jmp     print
.done:  ret

no_active:      db 13, 10, "No active partition", 0
no_extensions:  db 13, 10, "The BIOS has no LBA disk access (INT 13h extensions)", 0
read_error:     db 13, 10, "Error reading the active partition", 0
no_system:      db 13, 10, "The active partition has no boot record", 0
invalid_table:  db 13, 10, "Invalid partition table", 0

        align   4, db 0
packet: db      16, 0                   ; EDD disk address packet
.count: dw      1
        dw      LOADED, 0
.lba:   dq      0
drive:  db      0

        times 440 - ($ - $$) db 0       ; fails to assemble if the code is longer
