/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.S - the test program's first instruction, and the way into native code and back.
 */
	.text
	.globl difftest_start, start_main
difftest_start:
	xor %ebp, %ebp
	mov %rsp, %rdi
	mov $start_stack_top, %esp
	call difftest_main
start_main: /* entry.S wants it; nothing starts there */
	ud2

#define GPR(i) native+(i)*8
#define N_JUMP native+128
#define N_RFLAGS native+136
#define N_HOST_RSP native+144

	.globl native_enter, native_exit, native_leave
native_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, N_HOST_RSP
	pushq N_RFLAGS
	popfq
	mov GPR(0), %rax
	mov GPR(1), %rcx
	mov GPR(2), %rdx
	mov GPR(3), %rbx
	mov GPR(4), %rsp
	mov GPR(5), %rbp
	mov GPR(6), %rsi
	mov GPR(7), %rdi
	mov GPR(8), %r8
	mov GPR(9), %r9
	mov GPR(10), %r10
	mov GPR(11), %r11
	mov GPR(12), %r12
	mov GPR(13), %r13
	mov GPR(14), %r14
	mov GPR(15), %r15
	jmp *N_JUMP

native_exit:
	mov %rax, GPR(0)
	mov %rcx, GPR(1)
	mov %rdx, GPR(2)
	mov %rbx, GPR(3)
	mov %rsp, GPR(4)
	mov %rbp, GPR(5)
	mov %rsi, GPR(6)
	mov %rdi, GPR(7)
	mov %r8, GPR(8)
	mov %r9, GPR(9)
	mov %r10, GPR(10)
	mov %r11, GPR(11)
	mov %r12, GPR(12)
	mov %r13, GPR(13)
	mov %r14, GPR(14)
	mov %r15, GPR(15)
	mov N_HOST_RSP, %rsp
	pushfq
	popq N_RFLAGS
	pushq $2
	popfq
/* From the signal handler, by sigreturn: the registers were saved there. */
native_leave:
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
