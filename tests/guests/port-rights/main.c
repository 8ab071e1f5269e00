/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * port-rights - claim: the kernel needs IOPL 1 for in, out, cli and sti, and with the assist
 * architectural_iopl none; the I/O bitmap is two bytes at the port's place, which both must be
 * there, and all ports of an access must be open in it; each vCPU's refusal is #GP(0) at the
 * instruction; PCI's address register keeps a dword, clock and speaker give values, all other
 * ports read as ones.
 *
 * Blind spots: strings of I/O (port-io); ports of real devices.
 */
#include "guest.h"

#define CF8 0xcf8

static uint64_t in_size(unsigned int size, uint16_t port)
{
    uint64_t v = 0;

    trap_reset();
    if (size == 1)
        asm volatile(EX_TRY("inb %w1, %b0") : "+a"(v) : "d"(port));
    else if (size == 2)
        asm volatile(EX_TRY("inw %w1, %w0") : "+a"(v) : "d"(port));
    else
        asm volatile(EX_TRY("inl %w1, %k0") : "+a"(v) : "d"(port));
    return v;
}

static bool works(unsigned int size, uint16_t port)
{
    in_size(size, port);
    if (last_trap.vector != -1) {
        CHECK_EQ(last_trap.vector, 13, "vector of in from 0x%x", port);
        CHECK_EQ(last_trap.error, 0, "its error code");
    }
    return last_trap.vector == -1;
}

static bool flags_work(void)
{
    long cli;

    trap_reset();
    asm volatile(EX_TRY("cli"));
    cli = last_trap.vector;
    trap_reset();
    asm volatile(EX_TRY("sti"));
    CHECK_EQ(last_trap.vector, cli, "sti and cli differ");
    return cli == -1;
}

static void set_iopl(uint32_t iopl)
{
    struct physdev_set_iopl arg = {.iopl = iopl};

    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &arg), 0, "set_iopl %u", iopl);
}

static long set_bitmap(const uint8_t *bitmap, uint32_t ports)
{
    struct physdev_set_iobitmap arg = {.nr_ports = ports};

    set_xen_guest_handle(arg.bitmap, (uint8_t *)bitmap);
    return physdev_op(PHYSDEVOP_set_iobitmap, &arg);
}

static void check_levels(void)
{
    CHECK(!works(1, 0x2f8) && !flags_work(), "IOPL 0");
    set_iopl(1);
    CHECK(works(1, 0x2f8) && flags_work(), "IOPL 1");
    set_iopl(3);
    CHECK(works(1, 0x2f8) && flags_work(), "IOPL 3");
    set_iopl(0);
    CHECK(!works(1, 0x2f8) && !flags_work(), "IOPL 0 again");
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl),
             0, "architectural_iopl");
    CHECK(works(1, 0x2f8) && flags_work(), "IOPL 0 with architectural_iopl");
    hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl);
    CHECK(!works(1, 0x2f8), "IOPL 0 without it again");
}

static void check_bitmap(void)
{
    uint8_t *bitmap = page_alloc();

    memset(bitmap, 0xff, PAGE_SIZE);
    bitmap[0x300 / 8] = 0x0f;     /* 0x304-0x307 open */
    bitmap[0x300 / 8 + 1] = 0xfc; /* 0x308, 0x309 open */
    CHECK_EQ(set_bitmap(bitmap, 32768), 0, "set_iobitmap");
    CHECK(works(4, 0x304) && works(2, 0x308) && works(4, 0x306), "open ports");
    CHECK(!works(4, 0x303), "a dword whose first port is closed");
    CHECK(!works(4, 0x307), "a dword whose last port is closed");
    CHECK(!works(2, 0x309), "a word whose last port is closed");
    CHECK(!flags_work(), "cli by the bitmap");
    bitmap[PAGE_SIZE - 2] = 0x7f;
    bitmap[PAGE_SIZE - 1] = 0x3f;
    CHECK(works(2, 32766), "the last ports");
    CHECK(!works(4, 32766) && !works(1, 32768), "ports behind the bitmap");
    /* It ends with the memory, and then its page is gone altogether. */
    CHECK_EQ(map(0x60000000, va_to_mfn(bitmap), PTE_P | PTE_RW), 0, "map");
    set_bitmap((uint8_t *)0x60000000, 65536);
    CHECK(works(1, 32759), "the last two bytes before what is not mapped");
    CHECK(!works(1, 32767), "the last byte, with one that is not mapped behind it");
    CHECK(!works(1, 32768), "a byte that is not mapped");
    unmap(0x60000000);
    CHECK(!works(1, 0x304), "a bitmap that is not mapped");
    CHECK_EQ(set_bitmap(NULL, 0), 0, "no bitmap");
    CHECK(!works(1, 0x304), "without a bitmap");
    CHECK_EQ(set_bitmap(bitmap, 65537), -XEN_EINVAL, "65537 ports");
}

static void check_ports(void)
{
    static const uint16_t there[] = {0x42, 0x43, 0x61, 0x70, 0x71};

    set_iopl(1);
    asm volatile("outl %0, %w1" : : "a"(0x80001234), "d"(CF8));
    CHECK_EQ(in_size(4, CF8), 0x80001234, "PCI's address register");
    asm volatile("outb %b0, %w1" : : "a"(0x55), "d"(CF8));
    CHECK_EQ(in_size(4, CF8), 0x80001234, "after a byte to it");
    CHECK_EQ(in_size(4, 0xcfc), 0xffffffff, "PCI's data");
    CHECK_EQ(in_size(2, 0xcfc), 0xffff, "a word of it");
    CHECK_EQ(in_size(1, 0xcff), 0xff, "a byte of it");
    CHECK_EQ(in_size(1, 0x60), 0xff, "the keyboard's");
    CHECK_EQ(in_size(1, 0x3f8), 0xff, "a serial line's");
    CHECK_EQ(in_size(2, 0x1234), 0xffff, "a word of nothing");
    CHECK_EQ(in_size(4, 0xffff), 0xffffffff, "a dword over the end");
    for (unsigned int i = 0; i < ARRAY_SIZE(there); i++)
        CHECK(works(1, there[i]), "port 0x%x", there[i]);
    trap_reset();
    asm volatile(EX_TRY("outb %b0, %w1") : : "a"(0), "d"(0x64));
    CHECK_EQ(last_trap.vector, -1, "out to what is not there");
}

/* in of a byte or word leaves the rest of rax, of a dword clears it. */
static void check_halves(void)
{
    uint64_t v = 0x1122334455667788;

    asm volatile("inb %w1, %b0" : "+a"(v) : "d"(0x3f8));
    CHECK_EQ(v, 0x11223344556677ff, "rax after inb");
    asm volatile("inw %w1, %w0" : "+a"(v) : "d"(0x3f8));
    CHECK_EQ(v, 0x112233445566ffff, "rax after inw");
    asm volatile("inl %w1, %k0" : "+a"(v) : "d"(0x3f8));
    CHECK_EQ(v, 0xffffffff, "rax after inl");
}

void test_main(void)
{
    check_levels();
    check_bitmap();
    check_ports();
    check_halves();
}
