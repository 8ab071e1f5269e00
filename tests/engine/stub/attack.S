/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * attack.S - what a hostile guest program might try. The test maps it at ATTACK_CODE; snippets
 * are position-independent.
 */
#include "engine/soft/stub/stub_layout.h"

	.section .rodata.attack, "a"
	.globl	attack_start, attack_end
	.balign	4096
attack_start:
#define G(n) .globl n; .balign 16; n:

G(a_syscall)		syscall; hlt
G(a_jmp)		jmp *%rbp
G(a_store)		movl $0x41, (%rdi); hlt
G(a_load)		mov (%rdi), %eax; hlt
G(a_sweep)		1: mov %r12, %rax; syscall; inc %r12; jmp 1b
G(a_sweep80)		1: mov %r12, %rax; int $0x80; inc %r12; jmp 1b
G(a_sysenter)		mov %rsp, %rbp; sysenter; hlt
G(a_compat_sysenter)	pushq $0x23; lea 1f(%rip), %rax; push %rax; lretq
	.code32
1:			mov $20, %eax; mov %esp, %ebp; sysenter; hlt
	.code64
G(a_compat_syscall)	pushq $0x23; lea 1f(%rip), %rax; push %rax; lretq
	.code32
1:			mov $20, %eax; syscall; hlt
	.code64
G(a_sigreturn)		mov %rdi, %rsp; mov $15, %eax; syscall; hlt
G(a_gs)			mov %edi, %gs; mov %edi, %fs; wrfsbase %rsi; wrgsbase %rsi; syscall; hlt
G(a_ss)			mov %edi, %ss; syscall; hlt
G(a_nt_iret)		pushfq; orl $0x4000, (%rsp); popfq; mov %rsp, %rax; pushq $0x2b; push %rax; pushq $0x202; pushq $0x33; lea 1f(%rip), %rax; push %rax; iretq
1:			hlt
G(a_rdpmc)		xor %ecx, %ecx; rdpmc; hlt
G(a_rdmsr)		mov $0x10, %ecx; rdmsr; hlt
G(a_in)			mov $0x71, %edx; in %dx, %al; hlt
G(a_cli)		cli; hlt
G(a_xsetbv)		xor %ecx, %ecx; mov $3, %eax; xor %edx, %edx; xsetbv; hlt
G(a_icebp)		.byte 0xf1; hlt
G(a_int2)		int $2; hlt
G(a_int4)		.byte 0xcd, 4; hlt
G(a_mov_ss)		mov %ss, %eax; mov %eax, %ss; syscall; hlt
G(a_tf_syscall)		pushfq; orl $0x100, (%rsp); popfq; syscall; nop; hlt

/* Claims to have stopped, and goes on. */
G(a_lie)		1: movl $1, STUB_X + X_TURN; incq (%rdi); jmp 1b
/* Claims odd things, and goes on. */
G(a_scribble)		1: mov $STUB_X, %edi; mov $STUB_X_SIZE / 8, %ecx; mov %r12, %rax; rep stosq; add $0x1234567, %r12; incq (%rsi); jmp 1b
/* Writes only the control words, again and again. */
G(a_words)		1: mov %r12d, STUB_X + X_WHY; mov %r12d, STUB_X + X_KICK; mov %r12d, STUB_X + X_GO; movl $1, STUB_X + X_SLEEP; mov %r12, STUB_X + X_FPU_AT; mov %r12d, STUB_X + X_LIVE; inc %r12; incq (%rsi); jmp 1b
G(a_altstack_end)	mov $STUB_ALT + 0x400, %esp; 1: syscall; jmp 1b
G(a_altstack_in)	mov $STUB_ALT + 0xe000, %esp; 1: jmp 1b
G(a_storm)		1: mov $202, %eax; mov $STUB_X, %edi; mov $1, %esi; mov $1, %edx; xor %r10d, %r10d; syscall; incq (%r12); jmp 1b
/* Spends its time in stub code that resumes from a forged frame (rdx). */
G(a_bounce)		incq (%rsi); jmp *%rbp
/* Goes to the gate of the proof by itself, with X.go as it is (rdi) or forged. */
G(a_park)		mov %rdi, STUB_X + X_GO; mov $18, %eax; mov $STUB_FD_R, %edi; mov $STUB_Q + Q_GO, %esi; mov $8, %edx; xor %r10d, %r10d; mov $STUB_GATE_PROVE, %ecx; jmp *%rcx
/* Goes to stub code (rbp) with single-step on. */
G(a_jmp_tf)		pushfq; orl $0x100, (%rsp); popfq; jmp *%rbp

	.balign	4096
attack_end:
	.section .note.GNU-stack, "", @progbits
