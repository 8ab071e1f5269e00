/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.S - ELF notes, entry point, hypercall page, stacks.
 */
#include <xen/elfnote.h>

.macro note type, format, value:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 9f - 8f, \type
    .asciz "Xen"
8:  \format \value
9:  .balign 4
    .popsection
.endm

    note XEN_ELFNOTE_GUEST_OS, .asciz, "xenolith-test"
    note XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
    note XEN_ELFNOTE_LOADER, .asciz, "generic"
    note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
    note XEN_ELFNOTE_VIRT_BASE, .quad, 0xffffffff80000000
    note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
    note XEN_ELFNOTE_ENTRY, .quad, _start
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
    note XEN_ELFNOTE_PAE_MODE, .asciz, "yes"

    .section .text.start, "ax"
    .globl _start
_start:
    cld
    mov %rsi, start_info(%rip)
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    call guest_main
    ud2

    .text
    .balign 4096
    .globl hypercall_page
hypercall_page:
    .skip 4096

    .bss
    .balign 4096
    .skip 32768
    .globl boot_stack_top
boot_stack_top:
    .skip 4096                  /* the next thing above a stack is not data */
    .balign 4096
    .skip 16384
    .globl trap_stack_top
trap_stack_top:                 /* for entries from user mode */
    .skip 64

    .section .note.GNU-stack, "", @progbits
