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

    note XEN_ELFNOTE_LOADER, .asciz, "generic"
    note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
    note XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
#ifdef LOW_GUEST                /* all else by default: base 0, entry as in the ELF header */
    note XEN_ELFNOTE_FEATURES, .asciz, ""
#else
    note XEN_ELFNOTE_GUEST_OS, .asciz, "xenolith-test"
    note XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
    note XEN_ELFNOTE_VIRT_BASE, .quad, 0xffffffff80000000
    note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
    note XEN_ELFNOTE_ENTRY, .quad, _start
#endif

    .set entry_at, 0
    .section .text.start, "ax"
    .globl _start
_start:
    /* struct entry_state, before anything is changed */
    .irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    mov %\reg, entry_state + 8 * entry_at(%rip)
    .set entry_at, entry_at + 1
    .endr
    pushfq
    pop entry_state + 128(%rip)
    mov %cs, entry_state + 136(%rip)
    mov %ss, entry_state + 138(%rip)
    mov %ds, entry_state + 140(%rip)
    mov %es, entry_state + 142(%rip)
    mov %fs, entry_state + 144(%rip)
    mov %gs, entry_state + 146(%rip)
    fnstcw entry_state + 148(%rip)
    stmxcsr entry_state + 152(%rip)
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
    .balign 8
    .globl entry_state
entry_state:
    .skip 160

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
