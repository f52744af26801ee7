; efi.asm - winbake's stand-in for bootmgfw.efi, the UEFI boot manager of Windows (x86-64).
;
; An EFI application: it says on COM1 and on the console which file it was loaded from and asks
; the firmware to switch the machine off:
;
;   winbake stand-in boot manager: uefi, \EFI\Boot\bootx64.efi
;
; A PE32+ image with a code, a data and a base relocation section, page-aligned, so that firmware
; that enforces "no page both writable and executable" loads it. Package bootprog can put another
; name in.
;
; build: see build.sh

        bits    64
        default rel

FILE_ALIGN      equ 0x200
PAGE            equ 0x1000
TEXT_RVA        equ PAGE
DATA_RVA        equ 2 * PAGE
RELOC_RVA       equ 3 * PAGE
IMAGE_END       equ 4 * PAGE

; UEFI specification 2.10: offsets of fields, in bytes.
SYSTEM_CONOUT   equ 0x40
SYSTEM_RUNTIME  equ 0x58
SYSTEM_BOOT     equ 0x60
BOOT_HANDLE_PROTOCOL equ 0x98
RUNTIME_RESET   equ 0x68
CONOUT_OUTPUT_STRING equ 0x08
LOADED_FILE_PATH equ 0x20
RESET_SHUTDOWN  equ 2
NODE_MEDIA_FILE equ 0x0404              ; device path node: media, file path
NODE_END        equ 0x7F

section header start=0 vstart=0
        db      "MZ"
        times 0x3C - ($ - $$) db 0
        dd      pe
pe:     db      "PE", 0, 0
        dw      0x8664                  ; machine: x86-64
        dw      3                       ; sections
        dd      0, 0, 0                 ; time stamp, symbols
        dw      optional_end - optional
        dw      0x0022                  ; executable, large addresses
optional:
        dw      0x020B                  ; PE32+
        db      0, 0
        dd      text_size, data_size + reloc_size, 0
        dd      TEXT_RVA                ; entry point
        dd      TEXT_RVA
        dq      0                       ; image base: wherever
        dd      PAGE, FILE_ALIGN
        dw      0, 0, 0, 0, 0, 0        ; versions
        dd      0
        dd      IMAGE_END, header_size, 0
        dw      10                      ; subsystem: EFI application
        dw      0x0160                  ; high-entropy addresses, dynamic base, NX compatible
        dq      0x10000, 0x1000, 0x10000, 0x1000
        dd      0, 16
        times 5 dq 0
        dd      RELOC_RVA, reloc_used   ; directory 5: base relocations
        times 10 dq 0
optional_end:
        db      ".text", 0, 0, 0
        dd      text_used, TEXT_RVA, text_size, header_size, 0, 0, 0, 0x60000020
        db      ".data", 0, 0, 0
        dd      data_used, DATA_RVA, data_size, header_size + text_size, 0, 0, 0, 0xC0000040
        db      ".reloc", 0, 0
        dd      reloc_used, RELOC_RVA, reloc_size, header_size + text_size + data_size, 0, 0, 0, 0x42000040
        times FILE_ALIGN - (($ - $$) % FILE_ALIGN) db 0
header_size     equ $ - $$

section .text follows=header vstart=TEXT_RVA align=FILE_ALIGN
; Microsoft x64 calls: RCX = image handle, RDX = system table. We never return, but shut down.
start:  and     rsp, -16
        sub     rsp, 0x40
        mov     rbx, rdx
        mov     r13, rcx
        lea     rsi, [name]
        call    put_ascii
        lea     rsi, [uefi]
        call    put_ascii
        mov     rax, [rbx + SYSTEM_BOOT]
        mov     rcx, r13
        lea     rdx, [loaded_image_guid]
        lea     r8, [loaded_image]
        call    [rax + BOOT_HANDLE_PROTOCOL]
        test    rax, rax
        jnz     .no_path
        mov     rsi, [loaded_image]
        mov     rsi, [rsi + LOADED_FILE_PATH]
        test    rsi, rsi
        jz      .no_path
        call    put_path
.no_path:
        lea     rsi, [newline]
        call    put_ascii

        mov     rcx, [rbx + SYSTEM_CONOUT]
        test    rcx, rcx
        jz      .serial
        mov     rdi, [used]
        lea     rdx, [line]
        mov     word [rdx + rdi * 2], 0
        call    [rcx + CONOUT_OUTPUT_STRING]
.serial:
        call    put_serial

        mov     rax, [rbx + SYSTEM_RUNTIME]
        mov     ecx, RESET_SHUTDOWN
        xor     edx, edx
        xor     r8d, r8d
        xor     r9d, r9d
        call    [rax + RUNTIME_RESET]
.halt:  hlt
        jmp     .halt

; Appends the file path nodes of the device path at RSI to the line.
put_path:
        cmp     byte [rsi], NODE_END
        je      .done
        movzx   ecx, word [rsi + 2]     ; bytes of the node
        cmp     ecx, 4
        jb      .done
        lea     r12, [rsi + rcx]
        cmp     word [rsi], NODE_MEDIA_FILE
        jne     .next
        lea     rdi, [rsi + 4]
.char:  cmp     rdi, r12
        jae     .next
        mov     ax, [rdi]
        test    ax, ax
        jz      .next
        call    put
        add     rdi, 2
        jmp     .char
.next:  mov     rsi, r12
        jmp     put_path
.done:  ret

; Appends the ASCII text at RSI to the line.
put_ascii:
        movzx   eax, byte [rsi]
        test    al, al
        jz      .done
        call    put
        inc     rsi
        jmp     put_ascii
.done:  ret

; Appends the UTF-16 unit AX to the line, unless it is full.
put:    mov     rcx, [used]
        cmp     rcx, LINE_UNITS
        jae     .full
        lea     rdx, [line]
        mov     [rdx + rcx * 2], ax
        inc     qword [used]
.full:  ret

; Writes the line to COM1; what is not ASCII as a question mark.
put_serial:
        lea     rsi, [line]
        mov     rdi, [used]
.unit:  test    rdi, rdi
        jz      .done
        mov     r8d, 0x10000            ; do not wait for ever for a port that is not there
.wait:  dec     r8d
        jz      .send
        mov     dx, 0x3FD               ; line status
        in      al, dx
        test    al, 0x20                ; transmitter is empty
        jz      .wait
.send:  mov     ax, [rsi]
        cmp     ax, 0x7F
        jb      .ascii
        mov     al, "?"
.ascii: mov     dx, 0x3F8
        out     dx, al
        add     rsi, 2
        dec     rdi
        jmp     .unit
.done:  ret
text_used       equ $ - $$
        times FILE_ALIGN - (($ - $$) % FILE_ALIGN) db 0
text_size       equ $ - $$

LINE_UNITS      equ 400

section .data follows=.text vstart=DATA_RVA align=FILE_ALIGN
        db      "WBSTANDE"              ; the name follows
name:   times 48 db 0
uefi:   db      ": uefi, ", 0
newline: db     13, 10, 0
        align   8, db 0
loaded_image_guid:                      ; EFI_LOADED_IMAGE_PROTOCOL_GUID
        dd      0x5B1B31A1
        dw      0x9562, 0x11D2
        db      0x8E, 0x3F, 0x00, 0xA0, 0xC9, 0x69, 0x72, 0x3B
loaded_image:   dq 0
used:   dq      0                       ; units in the line
line:   times LINE_UNITS + 1 dw 0
data_used       equ $ - $$
        times FILE_ALIGN - (($ - $$) % FILE_ALIGN) db 0
data_size       equ $ - $$

section .reloc follows=.data vstart=RELOC_RVA align=FILE_ALIGN
        dd      TEXT_RVA, 12            ; one block for the first page,
        dw      0, 0                    ; with two entries of padding: nothing is relocated
reloc_used      equ $ - $$
        times FILE_ALIGN - (($ - $$) % FILE_ALIGN) db 0
reloc_size      equ $ - $$
