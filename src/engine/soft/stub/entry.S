/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.S - the stub: how a guest program stops and goes on.
 *
 * Every way in writes the program's registers to X.regs, says "stopped" in X.turn and waits
 * until Q.go changes; every way out loads X.regs. Nothing is carried in registers or on the
 * stack across the wait, so that what a hostile program leaves there has no effect, and a kick
 * that arrives anywhere between the release and the first guest instruction can be turned into
 * a new stop with the same X.regs ("roll back").
 *
 * There is no rt_sigreturn: a forged frame could block the kick. Resuming is XRSTOR, loads, and
 * IRETQ or a jump. Where the FPU state is: X.fpu_at names a valid image at every stop; X.live
 * says that the registers hold the same, which any signal ends.
 */
#include "engine/soft/stub/stub_layout.h"

#define SYS_futex 202
#define FUTEX_WAKE 1
#define SIGUSR1 10
#define SIGSYS 31

/* Offsets in the signal frame's struct ucontext. */
#define UC_R8 40
#define UC_RDI 104
#define UC_RSI 112
#define UC_RBP 120
#define UC_RBX 128
#define UC_RDX 136
#define UC_RAX 144
#define UC_RCX 152
#define UC_RSP 160
#define UC_RIP 168
#define UC_RFLAGS 176
#define UC_CS 184 /* u16 cs, gs, fs, ss */
#define UC_SS 190
#define UC_ERR 192
#define UC_TRAPNO 200
#define UC_FPU 224
#define SI_CODE 8
#define SI_ADDR 16
#define SI_ARCH 28

#define X(field) STUB_X + X_##field
#define Q(field) STUB_Q + Q_##field
#define GPR(n) STUB_X + X_GPR + 8 * (n)

	.text
	.globl	_start, handler_entry, kick_entry, fast_entry, stub_start, restorer

	.section .text.start, "ax"
_start:	/* the zygote */
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	zygote_main
	hlt
	.balign	64

/* A patched system call site jumps here through its trampoline, rcx = return address. The FPU
 * stays live; its image is written too, because it is wanted at a guest context switch, and
 * asking a stopped stub for it would cost a hand-over. */
fast_entry:
	movl	$STUB_ENTERING, X(PHASE)
	mov	%rax, GPR(0)
	mov	%rcx, GPR(1)
	mov	%rdx, GPR(2)
	mov	%rbx, GPR(3)
	mov	%rbp, GPR(5)
	mov	%rsi, GPR(6)
	mov	%rdi, GPR(7)
	mov	%r8, GPR(8)
	mov	%r9, GPR(9)
	mov	%r10, GPR(10)
	mov	%r11, GPR(11)
	mov	%r12, GPR(12)
	mov	%r13, GPR(13)
	mov	%r14, GPR(14)
	mov	%r15, GPR(15)
	mov	%rcx, X(RIP)
	mov	%rsp, X(RSP)
	mov	$STUB_SERVE_SP, %esp
	pushfq
	popq	X(RFLAGS)
	movq	$0x33, X(CS)
	movq	$0x2b, X(SS)
	call	save_segments
	movl	$STUB_WHY_FAST, X(WHY)
	mov	$STUB_XFEATURES, %eax
	xor	%edx, %edx
	xsave64	STUB_FPU
	movq	$STUB_FPU, X(FPU_AT)
	movl	$1, X(LIVE)
	jmp	stopped

	.text
/* Signals other than the kick. rdi = signal, rsi = siginfo, rdx = ucontext. */
handler_entry:
	movl	$STUB_ENTERING, X(PHASE)
stop_from_frame:
	mov	%edi, X(WHY)
	mov	UC_RAX(%rdx), %rax
	mov	%rax, GPR(0)
	mov	UC_RCX(%rdx), %rax
	mov	%rax, GPR(1)
	mov	UC_RDX(%rdx), %rax
	mov	%rax, GPR(2)
	mov	UC_RBX(%rdx), %rax
	mov	%rax, GPR(3)
	mov	UC_RBP(%rdx), %rax
	mov	%rax, GPR(5)
	mov	UC_RSI(%rdx), %rax
	mov	%rax, GPR(6)
	mov	UC_RDI(%rdx), %rax
	mov	%rax, GPR(7)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	mov	UC_R8 + 8 * \n(%rdx), %rax
	mov	%rax, GPR(8 + \n)
	.endr
	mov	UC_RIP(%rdx), %rax
	mov	%rax, X(RIP)
	mov	UC_RSP(%rdx), %rax
	mov	%rax, X(RSP)
	mov	UC_RFLAGS(%rdx), %rax
	mov	%rax, X(RFLAGS)
	movzwl	UC_CS(%rdx), %eax
	mov	%rax, X(CS)
	movzwl	UC_SS(%rdx), %eax
	mov	%rax, X(SS)
	mov	UC_TRAPNO(%rdx), %eax
	mov	%eax, X(TRAPNO)
	mov	UC_ERR(%rdx), %rax
	mov	%rax, X(ERR)
	mov	SI_ADDR(%rsi), %rax
	mov	%rax, X(ADDR)
	mov	SI_ARCH(%rsi), %eax
	mov	%eax, X(ARCH)
	mov	UC_FPU(%rdx), %rax
	mov	%rax, X(FPU_AT)
	movl	$0, X(LIVE)
	call	save_segments
	jmp	stopped

save_segments:
	rdfsbase %rax
	mov	%rax, X(FSBASE)
	rdgsbase %rax
	mov	%rax, X(GSBASE)
	mov	%ds, X(DS)
	mov	%es, X(ES)
	mov	%fs, X(FS)
	mov	%gs, X(GS)
	ret

/* X.regs is complete. Publish the stop and wait. From here on kicks either do nothing or start
 * again at `stopped`. */
stopped:
	mov	$STUB_SERVE_SP, %esp
	mov	Q(GO), %eax
	mov	%eax, X(GO)
	movl	$STUB_STOPPED, X(PHASE)
	mov	$1, %eax
	xchg	%eax, X(TURN)
	cmpl	$0, Q(HWAIT)
	je	park
	mov	$SYS_futex, %eax
	mov	$X(TURN), %edi
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	syscall
park:	/* Spin only after a system call: after a fault the mapper has to run first, perhaps on
	 * this CPU. */
	mov	X(WHY), %eax
	cmp	$SIGSYS, %eax
	je	1f
	cmp	$STUB_WHY_FAST, %eax
	jne	sleep
1:	rdtsc
	mov	%eax, %ebx
1:	mov	X(GO), %ecx
	cmp	Q(GO), %ecx
	jne	released
	pause
	rdtsc
	sub	%ebx, %eax
	cmp	Q(SPIN), %eax
	jb	1b
sleep:
	movl	$1, X(SLEEP)
	mfence
	mov	X(GO), %edx
	cmp	Q(GO), %edx
	jne	released
	mov	$SYS_futex, %eax
	mov	$Q(GO), %edi
	xor	%esi, %esi
	xor	%r10d, %r10d
	syscall
	mov	X(GO), %ecx
	cmp	Q(GO), %ecx
	je	sleep
released:
	movl	$0, X(SLEEP)
	movl	$STUB_RELEASED, X(PHASE)

	/* Resume. The stack pointer stays on the signal stack until the FPU is loaded: a kick
	 * then cannot overwrite the image at the top of it. */
	mov	X(MODE), %esi
	test	$STUB_MODE_SEGS, %esi
	jz	1f
	mov	X(DS), %ds
	mov	X(ES), %es
	mov	X(FS), %fs
	mov	X(GS), %gs
1:	mov	X(FSBASE), %rcx
	rdfsbase %rax
	cmp	%rax, %rcx
	je	2f
	wrfsbase %rcx
2:	mov	X(GSBASE), %rcx
	rdgsbase %rax
	cmp	%rax, %rcx
	je	3f
	wrgsbase %rcx
3:	cmpl	$0, X(LIVE)
	jne	4f
	mov	X(FPU_AT), %rcx
	mov	$STUB_XFEATURES, %eax
	xor	%edx, %edx
	xrstor64 (%rcx)
4:	test	$STUB_MODE_IRET, %esi
	jz	5f
	pushq	$2 /* IRETQ faults with NT set */
	popfq
5:	mov	GPR(0), %rax
	mov	GPR(1), %rcx
	mov	GPR(2), %rdx
	mov	GPR(3), %rbx
	mov	GPR(5), %rbp
	mov	GPR(7), %rdi
	mov	GPR(8), %r8
	mov	GPR(9), %r9
	mov	GPR(10), %r10
	mov	GPR(11), %r11
	mov	GPR(12), %r12
	mov	GPR(13), %r13
	mov	GPR(14), %r14
	mov	GPR(15), %r15
	jz	6f /* flags: still of `test` or, with MODE_IRET, ZF clear from popfq */
	mov	GPR(6), %rsi
	mov	$X(RIP), %esp
	iretq
6:	mov	GPR(6), %rsi
	mov	$X(RFLAGS), %esp
	popfq
	mov	X(RSP), %rsp
	jmp	*X(RIP)

/* SIGUSR1. The window up to kick_window_end is left alone by a second kick. */
kick_entry:
	mov	UC_RIP(%rdx), %rax
	mov	%rax, %rcx
	sub	$STUB_BASE, %rcx
	cmp	$(STUB_END - STUB_BASE), %rcx
	jae	1f
	cmpl	$0, Q(RESET)
	jne	reset
	mov	X(PHASE), %ecx
	cmp	$STUB_STOPPED, %ecx
	je	2f
	cmp	$STUB_RELEASED, %ecx
	jne	return_from_frame
	/* Released: on the way to the program, or at the first instruction of an entry. */
	cmp	$handler_entry, %rax
	je	return_from_frame
	cmp	$fast_entry, %rax
	je	return_from_frame
	cmp	$kick_entry, %rax
	jb	roll_back
	cmp	$kick_window_end, %rax
	jae	roll_back
	jmp	return_from_frame
2:	/* Stopped, or about to say so: if V has released us meanwhile this is a kick for the
	 * new run, else one that came late. */
	mov	Q(GO), %ecx
	cmp	X(GO), %ecx
	jne	roll_back
	jmp	return_from_frame
1:	movl	$STUB_ENTERING, X(PHASE)
kick_window_end:
	jmp	stop_from_frame

roll_back:
	movl	$0, X(LIVE)
	movl	$SIGUSR1, X(WHY)
	jmp	stopped

/* V takes the stub away from its program: wherever we were, stop. */
reset:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	movl	$STUB_ENTERING, X(PHASE)
	jmp	roll_back

/* A kick hit stub code that has stopped or will stop by itself: go on there. rdx = ucontext; nothing above it
 * is touched, so that this may nest. */
return_from_frame:
	mov	%rdx, %rdi
	pushq	$2
	popfq
	mov	UC_FPU(%rdi), %rcx
	test	%rcx, %rcx
	jz	1f
	mov	$STUB_XFEATURES, %eax
	xor	%edx, %edx
	xrstor64 (%rcx)
1:	and	$-16, %rsp
	movzwl	UC_SS(%rdi), %eax
	push	%rax
	push	UC_RSP(%rdi)
	push	UC_RFLAGS(%rdi)
	movzwl	UC_CS(%rdi), %eax
	push	%rax
	push	UC_RIP(%rdi)
	mov	UC_RAX(%rdi), %rax
	mov	UC_RCX(%rdi), %rcx
	mov	UC_RDX(%rdi), %rdx
	mov	UC_RBX(%rdi), %rbx
	mov	UC_RBP(%rdi), %rbp
	mov	UC_RSI(%rdi), %rsi
	mov	UC_R8 + 0(%rdi), %r8
	mov	UC_R8 + 8(%rdi), %r9
	mov	UC_R8 + 16(%rdi), %r10
	mov	UC_R8 + 24(%rdi), %r11
	mov	UC_R8 + 32(%rdi), %r12
	mov	UC_R8 + 40(%rdi), %r13
	mov	UC_R8 + 48(%rdi), %r14
	mov	UC_R8 + 56(%rdi), %r15
	mov	UC_RDI(%rdi), %rdi
	iretq

/* Last steps of a new stub: from here on everything but the hand-over is trapped. No stack. */
stub_start:
	mov	$11, %eax /* munmap */
	xor	%edi, %edi
	mov	$STUB_BASE, %esi
	syscall
	mov	$11, %eax
	mov	$STUB_END, %edi
	mov	$(STUB_USER_END - STUB_END), %rsi
	syscall
	test	%eax, %eax
	jnz	stub_die
	mov	$436, %eax /* close_range: all */
	xor	%edi, %edi
	mov	$-1, %esi
	xor	%edx, %edx
	syscall
	test	%eax, %eax
	jnz	stub_die
	mov	$317, %eax /* seccomp(SET_MODE_FILTER) */
	mov	$1, %edi
	xor	%esi, %esi
	mov	$STUB_POLICY, %edx
	syscall
	test	%eax, %eax
	jnz	stub_die
	movl	$STUB_WHY_START, X(WHY)
	movq	$STUB_FPU, X(FPU_AT)
	jmp	stopped
stub_die:
	mov	$231, %eax
	mov	$1, %edi
	syscall
	hlt
restorer: /* never used; the kernel wants an address */
	hlt

	.section .note.GNU-stack, "", @progbits
