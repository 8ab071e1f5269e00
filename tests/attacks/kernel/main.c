/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - a hostile guest kernel. Its vCPU process is the guest's own: it reads and writes there,
 * runs native code and makes host system calls. The command line names what it does; it says
 * "attack NAME" first and, if it is still there afterwards, what came of it. What must not
 * happen to others is test_attacks.py's business.
 */
#include "guest.h"

#include "native.h"

#define PADS 512

/* Targets that were never jumped to. */
asm(".text\n .balign 16\n"
    "pads: .rept 512\n ret\n .balign 16\n .endr\n");
extern uint8_t pads[];

/* ---- the way into native code ---- */

static void copy_out(uint64_t to, const void *from, size_t size)
{
    volatile uint8_t *p = (volatile uint8_t *)to;

    for (size_t i = 0; i < size; i++)
        p[i] = ((const uint8_t *)from)[i];
}

static uint64_t native(struct native_params *p)
{
    static unsigned int pad;
    uint64_t stub = GUEST_VIEW(V_CACHE_AT), at = GUEST_VIEW(NATIVE_AT);
    uint64_t params = at + (uintptr_t)((uint8_t *)&native_params - native_start);
    uint8_t jump[5] = {0xe9};
    uint32_t rel = (uint32_t)(NATIVE_AT + (uint64_t)(native_entry - native_start) - V_CACHE_AT - 5);

    for (unsigned int i = 0; i < MISS_STUB_SIZE; i++)
        p->miss_stub[i] = ((volatile uint8_t *)stub)[i];
    copy_out(at, native_start, (size_t)(native_end - native_start));
    copy_out(params, p, sizeof(*p));
    memcpy(jump + 1, &rel, 4);
    copy_out(stub, jump, sizeof(jump));
    ((void (*)(void))(pads + 16 * (pad++ % PADS)))();
    return ((volatile struct native_params *)params)->ret;
}

static long host_call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct native_params p = {.job = NATIVE_SYSCALL, .arg = {nr, a, b, c, d}};

    return (long)native(&p);
}

/* ---- what it does ---- */

/* Guest loads and stores that lead into the engine. */
static void read_engine(void)
{
    static const uint64_t places[] = {V_TEXT_AT,  V_RUN_AT, V_SHARED_AT, V_CACHE_AT, V_M2P_WRITE_AT,
                                      0x12345000, 0};
    uint64_t value;

    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
        trap_reset();
        print("read 0x%lx: %s\n", places[i],
              try_read((void *)GUEST_VIEW(places[i]), &value) ? "readable" : "fault");
    }
}

static void write_over(uint64_t from, uint64_t size, uint64_t value)
{
    for (uint64_t at = from; at < from + size; at += 8) {
        trap_reset();
        try_write((void *)GUEST_VIEW(at), value ? value * (at | 1) : 0);
    }
}

static bool return_hook(struct trap_frame *frame)
{
    if (frame->vector != 14 && frame->vector != 13)
        return false;
    print("vector %lu at 0x%lx\n", frame->vector, frame->rip);
    frame->rip = *(uint64_t *)frame->rsp;
    frame->rsp += 8;
    return true;
}

static void jump_engine(void)
{
    static const uint64_t places[] = {V_TEXT_AT, V_RUN_AT, V_CACHE_AT, V_CACHE_AT + 64, V_META_AT};

    trap_hook = return_hook;
    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
        ((void (*)(void))GUEST_VIEW(places[i]))();
    trap_hook = NULL;
}

static void repeat(uint64_t count, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct native_params p = {.job = NATIVE_REPEAT, .arg = {nr, a, b, c, d}};

    p.arg[7] = count;
    print("last result: %ld\n", (long)native(&p));
}

static void kick_storm(void)
{
    for (uint64_t fd = 0; fd < 64; fd++)
        host_call(424, fd, 10, 0, 0);
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;

    while (*text >= '0' && *text <= '9')
        n = n * 10 + (uint64_t)(*text++ - '0');
    return n;
}

static bool is(const char *name, const char *want)
{
    size_t n = strlen(want);

    return !memcmp(name, want, n) && (!name[n] || name[n] == ' ' || name[n] == '=');
}

static void attack(const char *name)
{
    struct native_params spin = {.job = NATIVE_SPIN};
    struct native_params exits = {.job = NATIVE_EXITS, .arg = {20000}};
    struct native_params unknown = {.job = NATIVE_EXITS, .arg = {1, 77}};

    if (is(name, "read"))
        read_engine();
    else if (is(name, "write-text"))
        write_over(V_TEXT_AT, 0x20000, 1);
    else if (is(name, "write-data"))
        write_over(V_TEXT_AT, 0x400000, 0x9e3779b97f4a7c15);
    else if (is(name, "write-run"))
        write_over(V_RUN_AT, 0x1000, 0x9e3779b97f4a7c15);
    else if (is(name, "write-shared"))
        write_over(V_SHARED_AT, 0x4000, 0x9e3779b97f4a7c15);
    else if (is(name, "write-m2p"))
        write_over(V_M2P_WRITE_AT, 0x10000, 0x9e3779b97f4a7c15);
    else if (is(name, "write-cache"))
        write_over(V_CACHE_AT, 0x200000, 0xcccccccccccccccc);
    else if (is(name, "jump"))
        jump_engine();
    else if (is(name, "call"))
        print("result: %ld\n", host_call(number(name + 5), 0, 0, 0, 0));
    else if (is(name, "spin"))
        native(&spin);
    else if (is(name, "sleep"))
        repeat(~0ul, 202, NATIVE_AT, 0, NATIVE_REPEAT, 0);
    else if (is(name, "exits"))
        native(&exits);
    else if (is(name, "exit-unknown"))
        native(&unknown);
    else if (is(name, "stubs"))
        repeat(500, 44, 7, NATIVE_AT, 1, 0);
    else if (is(name, "log"))
        repeat(20000, 1, 8, NATIVE_AT, 4096, 0);
    else if (is(name, "kicks"))
        kick_storm();
    else if (is(name, "munmap"))
        host_call(11, 0, 0x7ffffffff000, 0, 0);
    else
        error("no such attack");
}

void test_main(void)
{
    const char *name = (const char *)start_info->cmd_line;

    /* "attack=NAME" is the first word, or behind the root= of others. */
    while (*name && memcmp(name, "attack=", 7))
        name++;
    name += 7;
    print("attack %s\n", name);
    console_drain();
    attack(name);
    print("afterwards: version %ld\n", (long)hypercall2(__HYPERVISOR_xen_version, 0, 0));
}
