/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.S - entry points for exceptions, events and system calls, and the ways back.
 *
 * Xen enters with rcx and r11 on top of the frame, whatever the vector; the entries pop them
 * and build a struct trap_frame (guest.h). All returns are iret hypercalls.
 */
#define FRAME_VECTOR (15 * 8)

.macro save_registers
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
.endm

    .text
.macro entry name, vector, has_error
    .globl \name
\name:
    pop %rcx
    pop %r11
    .if !\has_error
    push $0
    .endif
    push $\vector
    jmp trap_common
.endm

    .set nr, 0
    .rept 32
    .altmacro
    .macro numbered n, has_error
    entry trap_entry_\n, \n, \has_error
    .endm
    .if nr == 8 || (nr >= 10 && nr <= 14) || nr == 17 || nr == 21
    numbered %nr, 1
    .else
    numbered %nr, 0
    .endif
    .purgem numbered
    .noaltmacro
    .set nr, nr + 1
    .endr

    entry trap_entry_int80, 0x80, 0
    entry event_entry, 256, 0
    entry syscall_entry, 257, 0

    .globl failsafe_entry
failsafe_entry:
    ud2

trap_common:
    save_registers
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call trap_dispatch
    mov %rbp, %rsp

/* rsp = struct trap_frame to continue at. The iret hypercall's own words are laid over the
 * vector and error fields and two register slots that have been loaded by then. */
restore_and_iret:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    add $16, %rsp
    push $0                     /* flags: restore rcx and r11 too */
    push %rcx
    push %r11
    push %rax
    mov $23, %eax
    syscall
    ud2

/* void user_enter(struct trap_frame *frame): returns through user_leave. */
    .globl user_enter
user_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, user_saved_rsp(%rip)
    mov %rdi, %rsp
    jmp restore_and_iret

/* void user_enter_words(const uint64_t words[9], nr, a1, a2): the same by a hypercall. */
    .globl user_enter_words
user_enter_words:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, user_saved_rsp(%rip)
    mov %rdi, %rsp
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    syscall
    ud2

/* void user_leave(void): back to the caller of user_enter. */
    .globl user_leave
user_leave:
    mov user_saved_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .rodata
    .balign 8
    .globl trap_entries
trap_entries:
    .set nr, 0
    .rept 32
    .altmacro
    .macro address n
    .quad trap_entry_\n
    .endm
    address %nr
    .purgem address
    .noaltmacro
    .set nr, nr + 1
    .endr

    .bss
    .balign 8
user_saved_rsp:
    .skip 8

    .section .note.GNU-stack, "", @progbits
