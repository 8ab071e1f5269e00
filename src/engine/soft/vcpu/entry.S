/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.S - the process's start, the way into translated code and out of it, and the fast
 * half of the resolver for kernel accesses to user memory. struct vcpu and struct soft are
 * reached by absolute address; their offsets are checked in vcpu.h and soft.h.
 */
#include "engine/soft/layout.h"

#define GPR(i) vcpu+(i)*8
#define V_RIP vcpu+128
#define V_RFLAGS vcpu+136
#define S_RCX soft+0
#define S_JUMP soft+32
#define S_HOST_RSP soft+40
#define S_EA soft+64
#define S_EA_INFO soft+72
#define S_EA_HOST soft+80
#define S_EA_RET soft+88
#define S_SAVE(i) soft+96+(i)*8
#define S_TARGET soft+24
#define S_REASON soft+48
#define S_RSP_OFFSET soft+152
#define S_MINUS_TAG soft+168
#define S_BUDGET soft+176
#define SOFT_INDIRECT 2
#define SOFT_TIRED 9

	.text
	.globl _start
_start:
	xor %ebp, %ebp
	mov (%rsp), %rdi		/* argc */
	mov $start_stack_top, %esp
	call start_main
	ud2

	.globl rt_sigreturn_restorer
rt_sigreturn_restorer:
	mov $15, %eax
	syscall

/* void soft_enter(void): guest registers in, to soft.jump. */
	.globl soft_enter, soft_enter_end
soft_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, S_HOST_RSP
load_guest:
	mov S_RSP_OFFSET, %rax
	add GPR(4), %rax
	mov %rax, S_SAVE(0)
	pushq V_RFLAGS
	popfq
	mov GPR(0), %rax
	mov GPR(1), %rcx
	mov GPR(2), %rdx
	mov GPR(3), %rbx
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
	mov S_SAVE(0), %rsp
	jmp *S_JUMP
soft_enter_end:

.macro SAVE_GUEST
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
	mov S_HOST_RSP, %rsp
	pushfq
	popq V_RFLAGS
	mov S_RSP_OFFSET, %rax
	sub %rax, GPR(4)
	cld
.endm

/* From translated code: soft.reason and what belongs to it are set. */
	.globl soft_exit_common, soft_exit_fault
soft_exit_common:
	SAVE_GUEST
/* From the signal handler, by sigreturn: the registers were saved there. */
soft_exit_fault:
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* A marked instruction wants the host address of soft.ea. Try the software TLB with two
 * borrowed registers and the flags saved; else all registers and C. */
	.globl soft_resolve
soft_resolve:
	mov %rax, S_SAVE(0)
	mov %rcx, S_SAVE(1)
	mov %rdx, S_SAVE(2)
	lahf
	seto %al
	mov %rax, S_SAVE(3)
	mov S_EA, %rcx
	mov S_EA_INFO, %edx
	movzwl %dx, %eax
	add %rcx, %rax			/* last byte of the access */
	shr $16, %edx
	shl $3, %edx			/* 8 = offset of tag_write, 0 = tag_read */
	and $-4096, %rax
	shr $12, %rcx
	movzbl %cl, %ecx		/* SOFT_TLB_BITS = 8 */
	shl $5, %ecx
	cmp %rax, soft_tlb(%rcx, %rdx)	/* an access over the page's end never matches */
	jne 1f
	mov S_EA, %rdx
	add soft_tlb+16(%rcx), %rdx
	mov %rdx, S_EA_HOST
	mov S_SAVE(3), %rax
	add $0x7f, %al			/* overflow flag back */
	sahf
	mov S_SAVE(2), %rdx
	mov S_SAVE(1), %rcx
	mov S_SAVE(0), %rax
	jmp *S_EA_RET
1:	mov S_SAVE(3), %rax
	add $0x7f, %al
	sahf
	mov S_SAVE(2), %rdx
	mov S_SAVE(1), %rcx
	mov S_SAVE(0), %rax
	SAVE_GUEST
	call resolve_access
	test %eax, %eax
	jz soft_exit_fault
	mov S_EA_RET, %rax
	mov %rax, S_JUMP
	jmp load_guest

/* A program's translated code (local.h) did not find soft.ea in local_tlb: as above. */
	.globl local_resolve_slow
local_resolve_slow:
	SAVE_GUEST
	call local_resolve
	test %eax, %eax
	jz soft_exit_fault
	mov S_EA_RET, %rax
	mov %rax, S_JUMP
	jmp load_guest

/* It jumps to rcx, by a register, or to another page; its rcx is in soft.rcx. Nothing here
 * changes flags: the comparison is "tag + ~target + 1 - asid", and jrcxz. A tag's low 16 bits are
 * those of all targets that come to it, so that this sum's are 0: the target's upper 16 bits are
 * added, and no address that is not canonical makes up for another asid. */
	.globl local_jump
local_jump:
	mov %rcx, S_TARGET
	mov %rdx, S_SAVE(0)
	mov %rbx, S_SAVE(1)
	movzwl %cx, %edx
	not %rcx
	mov S_MINUS_TAG, %rbx
	lea 1(%rcx,%rbx), %rcx
	mov local_jump_tag(,%rdx,8), %rbx
	lea (%rcx,%rbx), %rcx
	movzwl S_TARGET+6, %ebx
	lea (%rcx,%rbx), %rcx
	jrcxz 1f
	mov $SOFT_INDIRECT, %ecx
	jmp 2f
1:	mov S_BUDGET, %rcx
	lea -1(%rcx), %rcx
	mov %rcx, S_BUDGET
	jrcxz 3f
	mov local_jump_host(,%rdx,4), %ecx
	mov S_SAVE(1), %rbx
	mov S_SAVE(0), %rdx
	jmp *%rcx			/* the block's header reloads it */
3:	mov $SOFT_TIRED, %ecx
2:	mov %rcx, S_REASON
	mov S_TARGET, %rbx
	mov %rbx, V_RIP
	mov S_SAVE(1), %rbx
	mov S_SAVE(0), %rdx
	mov S_RCX, %rcx
	jmp soft_exit_common

	.section .note.GNU-stack, "", @progbits
