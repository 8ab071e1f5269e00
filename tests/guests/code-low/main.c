/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * code-low - claim: kernel code outside the top 2 GiB follows the page tables as code there
 * does: functions whose addresses agree in their low halves are told apart; code that changes,
 * pages that are remapped, taken away or made non-executable, another root with other code and
 * data at the same address; data beside it; far operands; user code that changes what the kernel
 * runs there.
 *
 * Blind spots: another vCPU's stores and flushes.
 */
#include "guest.h"

#define LOW 0x500000ul
#define DATA 0x900000ul
#define USER_STACK 0xa00000ul
#define TOP_ALIAS 0xffffffffc0000000ul

static uint8_t *page, *page2, *data;

/* mov $value, %eax; ret */
static void put_function(uint8_t *at, uint32_t value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}

static uint32_t call(uint64_t at)
{
    return ((uint32_t(*)(void))at)();
}

/* Where calls from elsewhere come in: mov $-> next, tail call. */
static uint32_t call_twice(uint64_t first, uint64_t second)
{
    uint32_t a = call(first), b = call(second);

    return a << 16 | b;
}

static void check_aliases(void)
{
    static const uint64_t places[] = {TOP_ALIAS,          0xc0000000,        0x1c0000000,
                                      0xffff9000c0000000, 0x7f00c0000000,    0x7ffec0000000,
                                      0xfffffffec0000000, 0xffff8881c0000000};
    unsigned long wrong = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
        uint8_t *code = page_alloc();

        put_function(code, i + 1);
        CHECK_EQ(map(places[i], va_to_mfn(code), PTE_P), 0, "map 0x%lx", places[i]);
    }
    for (unsigned int round = 0; round < 20; round++)
        for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
            for (unsigned int k = 0; k < ARRAY_SIZE(places); k++)
                wrong += call_twice(places[i], places[k]) != ((i + 1) << 16 | (k + 1));
    CHECK_EQ(wrong, 0, "calls that reached another address with the same low half");
    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
        unmap(places[i]);
}

static void check_changes(void)
{
    unsigned long wrong = 0;

    CHECK_EQ(map(LOW, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    for (uint32_t i = 0; i < 500; i++) {
        put_function((uint8_t *)LOW, i);
        wrong += call(LOW) != i;
        put_function(page + 64, i);
        wrong += call(LOW + 64) != i;
    }
    CHECK_EQ(wrong, 0, "calls that ran old code");
    for (uint32_t i = 0; i < 100; i++) {
        put_function(page, i);
        put_function(page2, i + 1000);
        map(LOW, va_to_mfn(page), PTE_P);
        wrong += call(LOW) != i;
        map(LOW, va_to_mfn(page2), PTE_P);
        wrong += call(LOW) != i + 1000;
    }
    CHECK_EQ(wrong, 0, "calls that ran the page mapped before");
}

static uint64_t resume;
static struct trap_frame seen;
static uint64_t seen_cr2;

static bool fault_hook(struct trap_frame *frame)
{
    if (frame->vector != 14)
        return false;
    seen = *frame;
    seen_cr2 = vcpu0()->arch.cr2;
    frame->rip = resume;
    frame->rsp += 8; /* the call's return address */
    return true;
}

static void check_fault_at(uint64_t at, uint64_t error, const char *what)
{
    trap_hook = fault_hook;
    seen.vector = 0;
    asm volatile("lea 1f(%%rip), %%rax\n"
                 "mov %%rax, %[resume]\n"
                 "call *%[at]\n"
                 "1:\n"
                 : [resume] "=m"(resume)
                 : [at] "r"(at)
                 : "rax", "memory");
    trap_hook = NULL;
    CHECK_EQ(seen.vector, 14, "%s: vector", what);
    CHECK_EQ(seen.error, error, "%s: error code", what);
    CHECK_EQ(seen.rip, at, "%s: rip", what);
    CHECK_EQ(seen_cr2, at, "%s: cr2", what);
}

static void check_rights(void)
{
    map(LOW, va_to_mfn(page), PTE_P);
    put_function(page, 1);
    CHECK_EQ(call(LOW), 1, "function");
    unmap(LOW);
    check_fault_at(LOW, 0x10, "code that was unmapped");
    map(LOW, va_to_mfn(page), PTE_P | PTE_NX);
    check_fault_at(LOW, 0x11, "code made non-executable");
    map(LOW, va_to_mfn(page), PTE_P);
    CHECK_EQ(call(LOW), 1, "function mapped again");
}

/* A reader and a writer of DATA that live at LOW + 128: far and near operands. */
static void put_accessors(void)
{
    static const uint8_t reader[] = {0x48, 0x8b, 0x07, 0xc3}; /* mov (%rdi), %rax; ret */
    static const uint8_t writer[] = {0x48, 0x89, 0x37, 0xc3}; /* mov %rsi, (%rdi); ret */

    memcpy(page + 128, reader, sizeof(reader));
    memcpy(page + 160, writer, sizeof(writer));
}

static uint64_t low_read(uint64_t at)
{
    return ((uint64_t(*)(uint64_t))(LOW + 128))(at);
}

static void low_write(uint64_t at, uint64_t value)
{
    ((void (*)(uint64_t, uint64_t))(LOW + 160))(at, value);
}

static void check_data(void)
{
    uint64_t value;

    put_accessors();
    map(LOW, va_to_mfn(page), PTE_P);
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_NX);
    for (uint64_t i = 1; i < 50; i++) {
        low_write(DATA + 8, i);
        CHECK_EQ(((uint64_t *)data)[1], i, "store from low code");
        map(DATA, va_to_mfn(page2), PTE_P | PTE_RW | PTE_NX);
        ((uint64_t *)page2)[1] = i + 7;
        CHECK_EQ(low_read(DATA + 8), i + 7, "load from low code after a remap");
        map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_NX);
        CHECK_EQ(low_read(DATA + 8), i, "load from low code after another");
    }
    map(DATA, va_to_mfn(data), PTE_P | PTE_NX);
    trap_reset();
    CHECK(!try_write((void *)(DATA + 16), 1), "store to a page that is read-only now");
    CHECK_EQ(last_trap.error, 3, "its error code");
    CHECK_EQ(last_trap.cr2, DATA + 16, "its cr2");
    unmap(DATA);
    trap_reset();
    CHECK(!try_read((void *)(DATA + 16), &value), "load from an unmapped page");
    CHECK_EQ(last_trap.error, 0, "its error code");
}

static void *table_of(uint64_t entry)
{
    uint64_t *table = page_alloc();

    table[0] = entry;
    update_va_mapping((uintptr_t)table, va_to_mfn(table) << PAGE_SHIFT | PTE_P, UVMF_INVLPG);
    return table;
}

static uint64_t entry_of(const void *table, uint64_t flags)
{
    return va_to_mfn(table) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_U | flags;
}

static void load_root(const void *root)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = va_to_mfn(root)};

    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "NEW_BASEPTR");
}

/* A root whose lower half is another: address 0x500000 is page2 there. */
static void check_roots(void)
{
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L4_TABLE};
    void *old = (void *)start_info->pt_base;
    uint64_t *l1 = page_alloc(), *root = page_alloc();
    uint64_t *l2 = page_alloc();
    void *l3;

    l1[LOW >> 12 & 511] = va_to_mfn(page2) << PAGE_SHIFT | PTE_P;
    l1[1] = 0;
    l2[LOW >> 21 & 511] = entry_of(l1, 0);
    remap(l1, PTE_P);
    remap(l2, PTE_P);
    l3 = table_of(entry_of(l2, 0));
    memcpy(root, old, PAGE_SIZE);
    root[0] = entry_of(l3, 0);
    remap(root, PTE_P);
    pin.arg1.mfn = va_to_mfn(root);
    CHECK_EQ(mmuext_op(&pin, 1, NULL), 0, "pin");
    put_function(page, 11);
    put_function(page2, 22);
    map(LOW, va_to_mfn(page), PTE_P);
    for (unsigned int i = 0; i < 10; i++) {
        CHECK_EQ(call(LOW), 11, "code under the first root");
        load_root(root);
        CHECK_EQ(call(LOW), 22, "code under the second root");
        load_root(old);
    }
}

asm(".section .user, \"ax\"\n"
    "user_store: movl %edi, 1(%rsi); syscall\n"
    ".text\n");
extern char user_store[];

static void check_user(void)
{
    unsigned long wrong = 0;
    uint8_t *user_code = page_alloc();
    void *stack = page_alloc();

    memcpy(user_code, (void *)((uintptr_t)user_store & ~(PAGE_SIZE - 1)), PAGE_SIZE);
    user_root_init();
    put_function(page, 0);
    map(LOW, va_to_mfn(page), PTE_P | PTE_RW | PTE_U);
    map(LOW + PAGE_SIZE, va_to_mfn(user_code), PTE_P | PTE_U);
    map(USER_STACK, va_to_mfn(stack), PTE_P | PTE_RW | PTE_U);
    for (uint32_t i = 1; i < 100; i++) {
        struct trap_frame f = {.rip = LOW + PAGE_SIZE + (uintptr_t)user_store % PAGE_SIZE,
                               .cs = FLAT_USER_CS,
                               .ss = FLAT_USER_SS,
                               .rsp = USER_STACK + 4000,
                               .rflags = 0x202,
                               .rdi = i,
                               .rsi = LOW};

        run_user(&f);
        wrong += f.vector != TRAP_SYSCALL || call(LOW) != i;
    }
    CHECK_EQ(wrong, 0, "calls that missed what user code wrote");
}

void test_main(void)
{
    page = page_alloc();
    page2 = page_alloc();
    data = page_alloc();
    check_changes();
    check_rights();
    check_data();
    check_roots();
    check_user();
    check_aliases();
}
