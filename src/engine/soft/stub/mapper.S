/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mapper.S - the mapper M: shares the stub's address space and changes its mappings as V asks.
 *
 * Registers only: S can write every writable page of the address space, so M has no stack and
 * believes no memory but the read-only page Q. Each operation is read into registers once and
 * checked there. The answer is pwrite(R): only the kernel, on M's behalf, can store there.
 *
 * At the entry r14 = number of the zygote. Then r12 = last batch done, rbx = operation, r13 =
 * operations left, r14 = wake the stub afterwards.
 */
#include "engine/soft/stub/stub_layout.h"

#define SYS_mmap 9
#define SYS_munmap 11
#define SYS_rt_sigprocmask 14
#define SYS_pwrite64 18
#define SYS_getppid 110
#define SYS_prctl 157
#define SYS_futex 202
#define SYS_exit_group 231
#define SYS_seccomp 317
#define SYS_close_range 436

#define Q(field) STUB_Q + Q_##field

	.text
	.globl	mapper_entry
mapper_entry:
	mov	$SYS_rt_sigprocmask, %eax /* no signal is ever handled here */
	mov	$2, %edi
	mov	$all_signals, %esi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
	mov	$SYS_prctl, %eax /* die with the zygote, even if it is dead already */
	mov	$1, %edi
	mov	$9, %esi
	syscall
	mov	$SYS_getppid, %eax
	syscall
	cmp	%r14d, %eax
	jne	die
	mov	$SYS_close_range, %eax
	mov	$(STUB_FD_RAM + 1), %edi
	mov	$(STUB_FD_R - 1), %esi
	xor	%edx, %edx
	syscall
	test	%eax, %eax
	jnz	die
	mov	$SYS_close_range, %eax
	mov	$(STUB_FD_R + 1), %edi
	mov	$-1, %esi
	xor	%edx, %edx
	syscall
	test	%eax, %eax
	jnz	die
	mov	$SYS_seccomp, %eax
	mov	$1, %edi
	xor	%esi, %esi
	mov	$(STUB_POLICY + 16), %edx
	syscall
	test	%eax, %eax
	jnz	die
	xor	%r12d, %r12d

wait:
	cmp	Q(SEQ), %r12d
	jne	batch
	mov	$SYS_futex, %eax
	mov	$Q(SEQ), %edi
	xor	%esi, %esi
	mov	%r12d, %edx
	xor	%r10d, %r10d
	syscall
	jmp	wait

batch:
	mov	Q(SEQ), %r12d
	mov	Q(NOPS), %r13d
	mov	Q(WAKE), %r14d
	mov	$Q(ERR), %r15d
	cmp	$Q_MAX_OPS, %r13d
	ja	answer
	mov	$Q(OPS), %ebx
next:
	test	%r13d, %r13d
	jz	done
	mov	(%rbx), %eax
	mov	4(%rbx), %edx
	mov	8(%rbx), %rdi
	mov	16(%rbx), %rsi
	mov	24(%rbx), %r9
	mov	%rdi, %rcx
	add	%rsi, %rcx
	jc	answer
	cmp	$STUB_BASE, %rcx /* ends below the stub */
	jbe	1f
	cmp	$STUB_END, %rdi /* or starts above it */
	jb	answer
1:	cmp	$STUB_OP_MAP, %eax
	jne	2f
	mov	$SYS_mmap, %eax
	mov	$0x11, %r10d /* MAP_SHARED | MAP_FIXED */
	mov	$STUB_FD_RAM, %r8d
	syscall
	cmp	$-4096, %rax
	ja	answer
	jmp	3f
2:	cmp	$STUB_OP_UNMAP, %eax
	jne	answer
	mov	$SYS_munmap, %eax
	syscall
	test	%eax, %eax
	jnz	answer
3:	add	$32, %rbx
	dec	%r13d
	jmp	next

done:
	mov	$Q(SEQ), %r15d
answer:	/* The stub is woken before the answer: whoever has the answer knows that no wake-up is
	 * still to come. */
	test	%r14d, %r14d
	jz	1f
	mov	$SYS_futex, %eax
	mov	$Q(GO), %edi
	mov	$1, %esi /* FUTEX_WAKE */
	mov	$1, %edx
	syscall
1:	mov	$SYS_pwrite64, %eax
	mov	$STUB_FD_R, %edi
	mov	%r15, %rsi
	mov	$4, %edx
	xor	%r10d, %r10d
	syscall
	mfence
	cmpl	$0, Q(VWAIT)
	je	wait
	mov	$SYS_futex, %eax
	mov	$STUB_R, %edi
	mov	$1, %esi /* FUTEX_WAKE */
	mov	$1, %edx
	syscall
	jmp	wait

die:
	mov	$SYS_exit_group, %eax
	mov	$1, %edi
	syscall
	hlt

	.section .rodata
	.align	8
all_signals:
	.quad	-1

	.section .note.GNU-stack, "", @progbits
