/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.S - snippets of guest user code for the stub tests. Mapped read-execute at GUEST_CODE;
 * position-independent. Registers are preset by the test.
 */
#include "engine/soft/stub/stub_layout.h"

	.section .rodata
	.globl	guest_start, guest_end
	.balign	4096
guest_start:
#define G(n) .globl n; .balign 16; n:

/* ---- well-behaved ---- */
G(g_syscall)		syscall; hlt
G(g_loop_a)		1: mov $39, %eax; syscall; jmp 1b
G(g_loop_b)		1: syscall; cmp $-4095, %rax; sbb %r8, %r8; jmp 1b
G(g_restart_a)		mov $39, %eax
G(g_restart_a_insn)	syscall; hlt
G(g_spin)		1: inc %rax; jmp 1b
G(g_load)		mov (%rdi), %rax; hlt
G(g_store)		mov %rsi, (%rdi); hlt
G(g_jmp)		jmp *%rbp
G(g_ud2)		ud2
G(g_int3)		int3; hlt
G(g_div)		xor %ecx, %ecx; xor %edx, %edx; mov $1, %eax; div %ecx; hlt
G(g_tf)			pushfq; orl $0x100, (%rsp); popfq; nop; nop; hlt
G(g_hlt)		hlt
G(g_ac)			pushfq; orl $0x40000, (%rsp); popfq; mov 1(%rdi), %eax; hlt
G(g_int80)		int $0x80; hlt
G(g_intn)		int $0x82; hlt
G(g_vsyscall)		mov $0xffffffffff600400, %rax; xor %edi, %edi; call *%rax; hlt
G(g_noncanonical)	mov $0x8000000000000000, %rax; mov (%rax), %rax; hlt
G(g_xmm_set)		movq %rdi, %xmm5; movq %rdi, %xmm6; punpcklqdq %xmm6, %xmm5; vinserti128 $1, %xmm5, %ymm5, %ymm7; syscall; hlt
G(g_xmm_get)		movq %xmm5, %rdi; vextracti128 $1, %ymm7, %xmm4; movq %xmm4, %rsi; syscall; hlt
G(g_flags)		push %rdi; popfq; syscall; pushfq; pop %rbx; syscall; hlt
G(g_regs)		syscall; hlt
G(g_compat)		pushq $0x23; lea 1f(%rip), %rax; push %rax; lretq
	.code32
1:			mov $0x2b, %ebx; mov %ebx, %ds; mov $0x1234, %ebx; mov (%edi), %ecx; mov $20, %eax; int $0x80; nop; hlt
	.code64
G(g_compat_tls)		pushq $0x23; lea 1f(%rip), %rax; push %rax; lretq
	.code32
1:			mov $0x2b, %ebx; mov %ebx, %ds; mov $0x63, %eax; mov %eax, %gs; mov %gs:4, %ecx; int $0x80; mov %gs, %edx; mov %gs:8, %ecx; int $0x80
	.code64
G(g_fsgs)		wrfsbase %rdi; wrgsbase %rsi; syscall; rdfsbase %rax; rdgsbase %rbx; syscall; hlt
G(g_touch)		1: movb $1, (%rdi); add $4096, %rdi; cmp %rsi, %rdi; jb 1b; syscall; hlt

/* rbx and xmm0 count the system calls; r12 spins r13 times between */
G(g_count_init)		mov $1, %eax; movq %rax, %xmm1; pxor %xmm0, %xmm0; xor %ebx, %ebx; ud2
G(g_count)		1: inc %rbx; paddq %xmm1, %xmm0; mov %r13, %r12; 2: dec %r12; jns 2b; movq %xmm0, %r14; mov %rbx, %rax; syscall; jmp 1b
G(g_count_a)		1: inc %rbx; paddq %xmm1, %xmm0; mov %r13, %r12; 2: dec %r12; jns 2b; movq %xmm0, %r14; mov $39, %eax; syscall; jmp 1b
G(g_count_b)		1: inc %rbx; paddq %xmm1, %xmm0; mov %r13, %r12; 2: dec %r12; jns 2b; movq %xmm0, %r14; mov %rbx, %rax; syscall; cmp $-4095, %rax; jmp 1b
	.balign	4096
guest_end:
	.section .note.GNU-stack, "", @progbits
