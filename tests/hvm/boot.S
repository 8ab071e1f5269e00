/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * boot.S - a guest in one sector. It says who it is on the first serial port and the screen,
 * how many hard disks the BIOS has found, shows the text in its disk's second sector (which it
 * cannot when it came by network), and then obeys: each character from the serial
 * port or the keyboard is shown as "<c>"; 'q' switches the machine off by ACPI, 'r' resets it,
 * 't' makes a triple fault, 'd' sets the clock to a day of 2042, 'y' tells the clock's year. The
 * power button switches it off, too.
 *
 * Blind spots: real mode, one CPU, the BIOS's own drivers for disk, screen and keyboard.
 */
        .code16
        .globl _start

        .set COM1, 0x3f8
        .set PM_STATUS, 0x600   /* where SeaBIOS puts the PIIX4's power management */
        .set PM_ENABLE, 0x602
        .set PM_CONTROL, 0x604
        .set POWER_BUTTON, 0x100
        .set BUFFER, 0x8000

_start:
        ljmp $0, $1f
1:      xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        movb %dl, drive
        movw $PM_ENABLE, %dx
        movw $POWER_BUTTON, %ax
        outw %ax, %dx
        movb 0x475, %al         /* the BIOS's count of hard disks */
        addb %al, disks
        movw $hello, %si
        call print
        movw $0x0201, %ax       /* read one sector: cylinder 0, head 0, sector 2 */
        movw $0x0002, %cx
        movb drive, %dl
        xorb %dh, %dh
        movw $BUFFER, %bx
        int $0x13
        movw $BUFFER, %si
        jnc 2f
        movw $failed, %si
2:      call print

wait:
        movw $PM_STATUS, %dx
        inw %dx, %ax
        cmpw $0xffff, %ax       /* nothing there: no ACPI */
        je 3f
        testw $POWER_BUTTON, %ax
        jz 3f
        movw $button, %si
        call print
        jmp off
3:      movw $COM1 + 5, %dx     /* something came by the serial port? */
        inb %dx, %al
        testb $1, %al
        jz 4f
        movw $COM1, %dx
        inb %dx, %al
        jmp obey
4:      movb $1, %ah            /* by the keyboard? */
        int $0x16
        jnz 5f
        sti
        hlt                     /* the timer wakes it 18 times a second */
        jmp wait
5:      xorb %ah, %ah
        int $0x16

obey:
        movb %al, shown + 1
        movw $shown, %si
        call print
        movb shown + 1, %al
        cmpb $'q', %al
        je off
        cmpb $'r', %al
        je reset
        cmpb $'d', %al
        je date
        cmpb $'y', %al
        je year
        cmpb $'t', %al
        jne wait
        lidt no_table
        int3
date:   movb $5, %ah
        movw $0x2042, %cx
        movw $0x0304, %dx
        int $0x1a
        jmp wait
year:   movb $4, %ah
        int $0x1a               /* its last two digits in cl */
        movb %cl, %al
        shrb $4, %al
        andb $15, %cl
        movb %cl, %ah
        addw $0x3030, %ax
        movw %ax, years
        movw $years, %si
        call print
        jmp wait
off:
        movw $PM_CONTROL, %dx
        movw $0x2000, %ax       /* sleep now, type 0: soft off */
        outw %ax, %dx
        jmp stop
reset:
        movb $0x06, %al
        movw $0xcf9, %dx
        outb %al, %dx
stop:   cli
        hlt
        jmp stop

/* The text at si, up to a zero byte, on both outputs. */
print:
        lodsb
        testb %al, %al
        jz 9f
        pushw %ax
        movb $0x0e, %ah
        movw $0x0007, %bx
        int $0x10
        movw $COM1 + 5, %dx
8:      inb %dx, %al
        testb $0x20, %al
        jz 8b
        popw %ax
        movw $COM1, %dx
        outb %al, %dx
        jmp print
9:      ret

hello:  .ascii "Boot sector here.\r\nHard disks: "
disks:  .asciz "0\r\n"
failed: .asciz "Cannot read the disk.\r\n"
button: .asciz "Power button.\r\n"
shown:  .asciz "<?>\r\n"
years:  .asciz "??.\r\n"
no_table:
        .word 0
        .long 0
drive:  .byte 0

        .org 510
        .word 0xaa55
