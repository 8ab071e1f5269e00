/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * port-io - claim: with IOPL 0 in, out, cli and sti give #GP in kernel mode; after set_iopl(1)
 * they work: unknown ports read as all ones, writes vanish, cli and sti do not touch the
 * upcall mask. An I/O bitmap opens single ports. Strings of I/O work across pages and fault
 * precisely. User mode needs IOPL 3 or the bitmap.
 *
 * Blind spots: ports that a guest owns by passthrough.
 */
#include "guest.h"

static long try_in(uint16_t port, uint32_t *value)
{
    uint32_t v = 0;

    trap_reset();
    asm volatile(EX_TRY("inb %w[port], %b[v]") : [v] "+a"(v) : [port] "d"(port));
    *value = v;
    return last_trap.vector;
}

static void set_iopl(uint32_t iopl)
{
    struct physdev_set_iopl arg = {.iopl = iopl};

    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &arg), 0, "set_iopl %u", iopl);
}

static void check_refused(void)
{
    struct physdev_set_iopl arg = {.iopl = 4};
    uint32_t v;

    CHECK_EQ(try_in(0x2f8, &v), 13, "in at IOPL 0");
    trap_reset();
    asm volatile(EX_TRY("outb %b0, %w1") : : "a"(0), "d"(0x2f8));
    CHECK_EQ(last_trap.vector, 13, "out at IOPL 0");
    trap_reset();
    asm volatile(EX_TRY("cli"));
    CHECK_EQ(last_trap.vector, 13, "cli at IOPL 0");
    trap_reset();
    asm volatile(EX_TRY("sti"));
    CHECK_EQ(last_trap.vector, 13, "sti at IOPL 0");
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &arg), -XEN_EINVAL, "set_iopl 4");
}

static void check_allowed(void)
{
    uint32_t v;

    CHECK_EQ(try_in(0x2f8, &v), -1, "in at IOPL 1");
    CHECK_EQ(v, 0xff, "value of an unknown port");
    v = 0;
    trap_reset();
    asm volatile(EX_TRY("inl %w1, %0") : "+a"(v) : "d"(0x1234));
    CHECK_EQ(v, 0xffffffff, "32 bits of an unknown port");
    trap_reset();
    asm volatile(EX_TRY("outb %%al, $0x80") : : "a"(0));
    CHECK_EQ(last_trap.vector, -1, "out to 0x80");
    trap_reset();
    asm volatile(EX_TRY("inb $0x71, %%al") : "=a"(v));
    CHECK_EQ(last_trap.vector, -1, "in from 0x71");
    vcpu0()->evtchn_upcall_mask = 0;
    trap_reset();
    asm volatile(EX_TRY("cli"));
    CHECK_EQ(last_trap.vector, -1, "cli at IOPL 1");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask after cli");
    vcpu0()->evtchn_upcall_mask = 1;
    asm volatile("sti");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 1, "upcall mask after sti");
    events_on();
}

static void check_strings(void)
{
    uint8_t *page = page_alloc();
    uint8_t *end = (uint8_t *)0x60000000 + PAGE_SIZE;
    uint64_t rdi = (uintptr_t)end - 4, rcx = 10;

    map((uintptr_t)end - PAGE_SIZE, va_to_mfn(page), PTE_P | PTE_RW);
    trap_reset();
    asm volatile(EX_TRY("rep insb") : "+D"(rdi), "+c"(rcx) : "d"(0x2f8) : "memory");
    CHECK_EQ(last_trap.vector, 14, "rep insb off the end of a page");
    CHECK_EQ(rcx, 6, "rcx at its fault");
    CHECK_EQ(rdi, (uintptr_t)end, "rdi at its fault");
    CHECK_EQ(page[PAGE_SIZE - 1], 0xff, "what it read");
}

static void check_bitmap(void)
{
    uint8_t *bitmap = page_alloc();
    struct physdev_set_iobitmap arg = {.nr_ports = 0x400};
    uint32_t v;

    memset(bitmap, 0xff, 0x400 / 8);
    bitmap[0x2f8 / 8] = (uint8_t) ~(1u << 0x2f8 % 8);
    set_xen_guest_handle(arg.bitmap, bitmap);
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iobitmap, &arg), 0, "set_iobitmap");
    CHECK_EQ(try_in(0x2f8, &v), -1, "a port that the bitmap opens");
    CHECK_EQ(try_in(0x2f9, &v), 13, "its neighbour");
    CHECK_EQ(try_in(0x500, &v), 13, "a port beyond the bitmap");
    arg.nr_ports = 65537;
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iobitmap, &arg), -XEN_EINVAL, "65537 ports");
}

#define CODE 0x400000ul
#define STACK 0x500000ul

asm(".section .user, \"ax\"\n"
    "user_ports: inb %dx, %al\n"
    "user_1: outb %al, $0x80\n"
    "cli\n"
    "sti\n"
    "syscall\n"
    "user_2:\n"
    ".text\n");
extern char user_ports[], user_1[], user_2[];

static void run_ports(struct trap_frame *f)
{
    f->rip = CODE + (uintptr_t)user_ports % PAGE_SIZE;
    f->rdx = 0x2f8;
    f->rax = 0;
    f->rflags = 0x202;
    run_user(f);
}

/* The bitmap of check_bitmap() is in place. */
static void check_user(void)
{
    struct trap_frame f = {.cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .rsp = STACK};
    struct physdev_set_iobitmap none = {.nr_ports = 0};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_ports & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    run_ports(&f);
    CHECK_EQ(f.vector, 13, "user mode, with the bitmap: vector");
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_1 % PAGE_SIZE, "at the port that is not in it");
    CHECK_EQ(f.rax, 0xff, "what the one in it gave");
    set_iopl(3);
    run_ports(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "user mode at IOPL 3");
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_2 % PAGE_SIZE, "the end of the code");
    set_iopl(1);
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iobitmap, &none), 0, "no bitmap");
    run_ports(&f);
    CHECK_EQ(f.vector, 13, "user mode at IOPL 1: vector");
    CHECK_EQ(f.error, 0, "its error code");
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_ports % PAGE_SIZE, "its rip");
}

void test_main(void)
{
    check_refused();
    set_iopl(1);
    check_allowed();
    check_strings();
    set_iopl(0);
    check_bitmap();
    check_user();
}
