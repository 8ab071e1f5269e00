/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.S - the stub: how a guest program stops, how its memory map is changed, and how it goes
 * on.
 *
 * Every way in writes the program's registers to X.regs, says "stopped" in X.turn and waits
 * until Q.go changes; then the operations in Q are carried out, and X.regs loaded. Nothing is
 * carried in registers or on the stack across the wait, so that what a hostile program leaves
 * there has no effect.
 *
 * The trusted part. A program can jump to any instruction here with any registers, and yet only
 * what V orders may be mapped, and V must be able to know that the program does not run:
 *   - mmap, munmap, the proof, the wait, LDT entries and the way to the time stamp counter are
 *     allowed at one instruction each (the gates).
 *   - From the gates on, up to `trusted_end`, control flow depends on nothing that the program
 *     can write: only on Q and R. Wherever it was entered, it leads through the rest.
 *   - What was mapped is compared with the order in Q before anything else happens, and so are
 *     LDT entries and whether the counter can be read; if it was not ordered, the process ends. The policy keeps it from covering this code.
 *   - Any signal in there but the kick ends the process: a program may have set TF. A kick only
 *     leaves a note.
 * So when R says (by the host kernel's own hand) that the gate of the proof was passed while
 * Q.go had its present value, then no instruction of the program is executed before Q.go
 * changes and all operations that are in Q by then are done. An order may be repeated by a
 * program that jumps here, which changes nothing: V keeps Q free of what no longer holds.
 *
 * There is no rt_sigreturn: a forged frame could block the kick. Resuming is XRSTOR, loads, and
 * IRETQ or a jump; a kick in there rolls back to a new stop with the same X.regs. Where the FPU
 * state is: X.fpu_at names a valid image at every stop; X.live says that the registers hold the
 * same, which any signal ends.
 */
#include "engine/soft/stub/stub_layout.h"

/* Assembled twice: stub_layout.h. */
#if STUB_BASE == STUB_ASIDE
#define _start aside_start
#define fast_entry aside_fast_entry
#define handler_entry aside_handler_entry
#define kick_entry aside_kick_entry
#define restorer aside_restorer
#define stub_start aside_stub_start
#define trusted_start aside_trusted_start
#define START_SECTION .section .aside.start, "ax"
#define REST_SECTION .section .aside.rest, "ax"
#else
#define START_SECTION .section .text.start, "ax"
#define REST_SECTION .text
#endif

#define SYS_mmap 9
#define SYS_munmap 11
#define SYS_pwrite64 18
#define SYS_modify_ldt 154
#define SYS_prctl 157
#define SYS_futex 202
#define SYS_sched_setaffinity 203
#define SYS_exit_group 231
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PR_SET_TSC 26
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

/* Wake who sleeps on the word at edi. */
	.macro	call_wake
	mov	$SYS_futex, %eax
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	syscall
	.endm

/* rbx may be anything: does it point to an order of this kind that V gave? Changes rcx. */
	.macro	must_be_order kind
	mov	%rbx, %rcx
	sub	$Q(OPS), %rcx
	cmp	$(32 * Q_MAX_OPS), %rcx
	jae	die
	test	$31, %ecx
	jnz	die
	shr	$5, %ecx
	cmp	Q(NOPS), %ecx
	jae	die
	cmpl	$\kind, (%rbx)
	jne	die
	.endm

/* Wake V if it sleeps on X.turn. r12d = how long it may take to see the stop, ebx = now; or go to
 * `without` if the time cannot be read here. */
	.macro	look_first without
	mov	Q(NOTICE), %r12d
	cmpl	$0, Q(HWAIT)
	je	1f
	mov	$X(TURN), %edi
	call_wake
	mov	Q(WAKE), %r12d
1:	cmpl	$0, Q(BLIND)
	jne	\without
	rdtsc
	mov	%eax, %ebx
	.endm

/* rcx = number of the run. Go on looking (below) if V has not used up its time. */
	.macro	look_again
	pause
	rdtsc
	cmp	Q(SEEN), %rcx
	jne	3f
	cmp	Q(SPIN), %r12d
	je	3f
	mov	Q(SPIN), %r12d
	mov	%eax, %ebx
3:	sub	%ebx, %eax
	cmp	%r12d, %eax
	jb	2b
	.endm

	.globl	_start, handler_entry, kick_entry, fast_entry, stub_start, restorer, trusted_start

	START_SECTION
_start:
#if STUB_BASE == STUB_LOW /* the zygote */
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	zygote_main
#endif
	hlt
	.balign	64

/* A patched system call site jumps here through its trampoline, rcx = number of its slot. The FPU
 * stays live; its image is written too, because it is wanted at a guest context switch, and
 * asking a stopped stub for it would cost a hand-over. */
fast_entry:
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

/* ---- trusted from here ---- */

	.org	STUB_GATE_PROVE - STUB_BASE
trusted_start:
	syscall
	jmp	proven
	.org	STUB_GATE_WAIT - STUB_BASE
	syscall
	jmp	woken
	.org	STUB_GATE_MAP - STUB_BASE
	syscall
	jmp	mapped
	.org	STUB_GATE_UNMAP - STUB_BASE
	syscall
	jmp	unmapped
	.org	STUB_GATE_TSC - STUB_BASE
	syscall
	jmp	counter_set
	.org	STUB_GATE_LDT - STUB_BASE
	syscall
	jmp	ldt_set
	.org	STUB_GATE_DIE - STUB_BASE
	syscall
die:	mov	$SYS_exit_group, %eax
	mov	$1, %edi
	jmp	STUB_GATE_DIE - STUB_BASE + _start

proven:	cmp	$8, %rax
	jne	die
	mfence
	cmpl	$0, Q(RWAIT)
	je	4f
	mov	$STUB_R, %edi
	call_wake
4:	look_first sleep
2:	mov	STUB_R, %rcx
	cmp	Q(GO), %rcx
	jne	released
	look_again
sleep:	movl	$1, X(SLEEP)
	mfence
	mov	STUB_R, %rdx
	cmp	Q(GO), %rdx
	jne	released
	mov	$SYS_futex, %eax
	mov	$Q(GO), %edi
	mov	$FUTEX_WAIT, %esi
	xor	%r10d, %r10d
	jmp	STUB_GATE_WAIT - STUB_BASE + _start
woken:	mov	STUB_R, %rcx
	cmp	Q(GO), %rcx
	je	sleep
released:
	mov	Q(GO), %rcx
	mov	%rcx, X(ACK)
	movl	$0, X(SLEEP)
	mov	$Q(OPS), %ebx
next:	mov	Q(NOPS), %ecx
	shl	$5, %ecx
	add	$Q(OPS), %ecx
	cmp	%ecx, %ebx
	jae	done
	mov	8(%rbx), %rdi
	mov	16(%rbx), %rsi
	cmpl	$STUB_OP_MAP, (%rbx)
	jne	unmap
	mov	4(%rbx), %edx
	mov	24(%rbx), %r9
	mov	$SYS_mmap, %eax
	mov	$0x11, %r10d /* MAP_SHARED | MAP_FIXED */
	mov	$STUB_FD_RAM, %r8d
	jmp	STUB_GATE_MAP - STUB_BASE + _start
mapped:
	must_be_order STUB_OP_MAP
	mov	4(%rbx), %ecx
	cmp	%rcx, %rdx
	jne	die
	cmp	8(%rbx), %rdi
	jne	die
	cmp	16(%rbx), %rsi
	jne	die
	cmp	24(%rbx), %r9
	jne	die
	cmp	$-4096, %rax
	ja	failed
	add	$32, %rbx
	jmp	next
unmap:	cmpl	$STUB_OP_PLACE, (%rbx)
	je	place
	cmpl	$STUB_OP_TLS, (%rbx)
	je	tls
	cmpl	$STUB_OP_TSC, (%rbx)
	je	counter
	cmpl	$STUB_OP_LDT, (%rbx)
	je	ldt
	mov	$SYS_munmap, %eax
	jmp	STUB_GATE_UNMAP - STUB_BASE + _start
unmapped:
	test	%eax, %eax
	jnz	failed
	add	$32, %rbx
	jmp	next
place:	mov	$SYS_sched_setaffinity, %eax
	xor	%edi, %edi
	mov	$Q_CPUS_SIZE, %esi
	mov	$Q(CPUS), %edx
	syscall /* where the host refuses, we run where we did */
	add	$32, %rbx
	jmp	next
counter:
	mov	$SYS_prctl, %eax
	mov	$PR_SET_TSC, %edi
	mov	Q(TSC), %esi
	jmp	STUB_GATE_TSC - STUB_BASE + _start
counter_set:
	test	%eax, %eax
	jnz	die
	cmp	Q(TSC), %esi
	jne	die
	add	$32, %rbx
	jmp	next
ldt:	mov	$SYS_modify_ldt, %eax
	mov	$STUB_LDT_WRITE, %edi
	lea	8(%rbx), %rsi
	mov	$STUB_USER_DESC_SIZE, %edx
	jmp	STUB_GATE_LDT - STUB_BASE + _start
ldt_set:	/* Was that an order? Where the host refuses one, the entry stays as it is. */
	lea	-8(%rsi), %rbx
	must_be_order STUB_OP_LDT
	add	$32, %rbx
	jmp	next
tls:	mov	$STUB_IA32_SET_THREAD_AREA, %eax
	add	$8, %rbx
	int	$0x80
	add	$24, %rbx
	jmp	next
done:	mov	Q(STAY), %eax
	test	%eax, %eax
	jz	resume
	cmp	$STUB_STAY_RESET, %eax
	jne	1f
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	jmp	1f
failed:	movl	$STUB_WHY_FAILED, X(WHY)
1:	mov	Q(GO), %rax
	mov	%rax, X(GO)
	mov	$1, %eax
	xchg	%eax, X(TURN)
prove:	mov	$SYS_pwrite64, %eax
	mov	$STUB_FD_R, %edi
	mov	$Q(GO), %esi
	mov	$8, %edx
	xor	%r10d, %r10d
	jmp	STUB_GATE_PROVE - STUB_BASE + _start
trusted_end:

/* ---- to here ---- */

	REST_SECTION
/* Signals other than the kick. rdi = signal, rsi = siginfo, rdx = ucontext. */
handler_entry:
	mov	UC_RIP(%rdx), %rax
	sub	$trusted_start, %rax
	cmp	$(trusted_end - trusted_start), %rax
	jb	die
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

/* X.regs is complete: publish the stop. After a fault the program's memory is likely to be
 * changed, for which V wants the proof; and who is about to sleep proves it before V is woken.
 * After a system call spin without, until asked.
 *
 * V may release us, without operations, while we are on the way to the gate, which then proves
 * the next run instead, and we wait for the one after. X.go tells V, and it releases us again. */
stopped:
	mov	$STUB_SERVE_SP, %esp
	mov	Q(GO), %rax
	mov	%rax, X(GO)
	mov	$1, %eax
	xchg	%eax, X(TURN)
	cmpl	$0, Q(SPIN)
	je	prove
	look_first prove
	mov	X(WHY), %eax
	cmp	$SIGSYS, %eax
	je	2f
	cmp	$STUB_WHY_FAST, %eax
	jne	prove
2:	mov	X(GO), %rcx
	cmp	Q(GO), %rcx
	jne	released
	cmp	Q(ASK), %rcx
	je	prove
	look_again
	jmp	prove

resume:	cmpl	$0, X(KICK)
	jne	roll_back
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
resume_end:

/* SIGUSR1. In the program: stop. On the way back to it: stop again. Elsewhere the stub stops by
 * itself, or waits, or has been released and comes to `resume`. */
kick_entry:
	mov	UC_RIP(%rdx), %rax
	mov	%rax, %rcx
	sub	$STUB_BASE, %rcx
	cmp	$(STUB_END - STUB_BASE), %rcx
	jae	stop_from_frame
	sub	$resume, %rax
	cmp	$(resume_end - resume), %rax
	jb	roll_back
	movl	$1, X(KICK)
	jmp	return_from_frame

roll_back:
	movl	$0, X(LIVE)
	movl	$0, X(KICK)
	movl	$SIGUSR1, X(WHY)
	jmp	stopped

/* rdx = ucontext; nothing above it is touched, so that this may nest. */
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
	mov	$436, %eax /* close_range: all but RAM and R */
	mov	$STUB_FD_SOCK, %edi
	mov	$STUB_FD_SOCK, %esi
	xor	%edx, %edx
	syscall
	test	%eax, %eax
	jnz	stub_die
	mov	$436, %eax
	mov	$(STUB_FD_R + 1), %edi
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
