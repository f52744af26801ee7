; bootmgr.asm - winbake's stand-in for BOOTMGR, the BIOS boot manager of Windows.
;
; A boot record loads the file to 2000:0000 and jumps there with DL = BIOS drive and the A20 line
; on. The stand-in checks all of that, and its own bytes up to the last one, says on COM1 and on
; the screen what it saw, and switches the machine off:
;
;   winbake stand-in BOOTMGR: bios, drive 0x80, 2000:0000, checksum ok
;
; Package bootprog fills in the size, the sum and, if asked, another name, and pads the file.
;
; build: see build.sh

        cpu     386
        bits    16
        org     0

        jmp     near start              ; as BOOTMGR begins
        db      0
        db      "WBSTANDB"
size:   dd      0                       ; bytes of the file, a multiple of 4
sum:    dd      0                       ; of all its dwords, with 0 here
name:   times 48 db 0

; CS:0 is the start of the file unless the loader erred: base is where we really are.
start:  cld
        call    .here
.here:  pop     bp
        sub     bp, .here               ; 0, if the loader jumped to offset 0
        mov     ax, cs
        mov     ds, ax
        push    dx
        mov     ax, 0x00E3              ; COM1: 9600 baud, 8N1
        xor     dx, dx
        int     0x14

        lea     si, [bp + name]
        call    print
        lea     si, [bp + at_drive]
        call    print
        pop     ax                      ; AL = drive
        call    byte_hex
        lea     si, [bp + comma]
        call    print
        mov     ax, cs
        call    word_hex
        mov     al, ":"
        call    char
        mov     ax, bp
        call    word_hex

        call    checksum
        lea     si, [bp + sum_ok]
        je      .sum
        lea     si, [bp + sum_wrong]
.sum:   call    print
        call    a20_on
        jne     .on
        lea     si, [bp + a20_off]
        call    print
.on:    lea     si, [bp + newline]
        call    print

; Off: APM, then the ACPI registers and the exit device of QEMU's machines, then nothing.
        mov     ax, 0x5301              ; connect, real mode
        xor     bx, bx
        int     0x15
        mov     ax, 0x530E              ; we speak APM 1.2
        xor     bx, bx
        mov     cx, 0x0102
        int     0x15
        mov     ax, 0x5307              ; all devices: off
        mov     bx, 1
        mov     cx, 3
        int     0x15
        mov     ax, 0x2000              ; sleep enable
        mov     dx, 0x0604
        out     dx, ax
        mov     dx, 0xB004
        out     dx, ax
        mov     dx, 0x0501
        out     dx, al
.halt:  hlt
        jmp     .halt

; ZF = the dwords of the file sum up to [sum]. The sum is rotated, so that order matters.
checksum:
        xor     eax, eax
        mov     edx, eax
        xchg    edx, [ds:bp + sum]        ; BP would mean SS
        mov     ecx, [ds:bp + size]
        shr     ecx, 2
        mov     bx, cs
        mov     fs, bx
        mov     si, bp
        jecxz   .done
.dword: rol     eax, 5
        add     eax, [fs:si]
        add     si, 4
        jnc     .next
        mov     bx, fs
        add     bh, 0x10                ; 64 KiB on
        mov     fs, bx
.next:  dec     ecx
        jnz     .dword
.done:  cmp     eax, edx
        ret

; ZF = the A20 line is off: FFFF:0010 + n is 0000:n.
a20_on: xor     ax, ax
        mov     fs, ax
        dec     ax
        mov     gs, ax
        mov     cx, 2
.try:   not     ax
        mov     [fs:0x0600], ax
        cmp     ax, [gs:0x0610]
        loope   .try                    ; equal once may be chance
        ret

print:  lodsb
        test    al, al
        jz      char.done
        call    char
        jmp     print

word_hex:
        push    ax
        mov     al, ah
        call    byte_hex
        pop     ax
byte_hex:
        push    ax
        shr     al, 4
        call    .digit
        pop     ax
        and     al, 0x0F
.digit: cmp     al, 10
        sbb     al, 0x69
        das                             ; 0..15 -> "0".."F"
        or      al, 0x20                ; lower case; digits have this bit
        ; fall through

; Prints AL on COM1 and on the screen. Keeps all registers.
char:   pusha
        mov     ah, 0x0E
        mov     bx, 7
        push    ax
        int     0x10
        pop     ax
        mov     ah, 0x01
        xor     dx, dx
        int     0x14
        popa
.done:  ret

at_drive:       db ": bios, drive 0x", 0
comma:          db ", ", 0
sum_ok:         db ", checksum ok", 0
sum_wrong:      db ", checksum WRONG", 0
a20_off:        db ", A20 off", 0
newline:        db 13, 10, 0
        align   4, db 0
