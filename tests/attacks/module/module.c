/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * module.c - a hostile module of an honest Linux kernel: what ../kernel does, by somebody whom
 * the kernel has let in. `insmod attack.ko attack=NAME` does it and says what came of it. What must
 * not happen to others is test_attacks.py's business.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "native.h"

MODULE_LICENSE("GPL");

static char *attack = "read";
module_param(attack, charp, 0);

/* Targets that were never jumped to: each leads through the miss stub once. */
asm(".text\n .balign 16\n"
    "attack_pads: .rept 512\n jmp __x86_return_thunk\n .balign 16\n .endr\n");
extern u8 attack_pads[];

static u64 native(struct native_params *p)
{
    u64 at = GUEST_VIEW(NATIVE_AT), stub = GUEST_VIEW(V_CACHE_AT);
    struct native_params *params = (void *)(at + (u64)((u8 *)&native_params - native_start));
    u32 rel = (u32)(NATIVE_AT + (u64)(native_entry - native_start) - V_CACHE_AT - 5);
    unsigned long flags;
    u64 jump;

    local_irq_save(flags);
    memcpy(p->miss_stub, (void *)stub, MISS_STUB_SIZE);
    memcpy((void *)at, native_start, (size_t)(native_end - native_start));
    memcpy(params, p, sizeof(*p));
    memcpy(&jump, (void *)stub, sizeof(jump));
    jump = (jump & ~0xfffffffffful) | (u64)rel << 8 | 0xe9;
    WRITE_ONCE(*(u64 *)stub, jump);
    for (unsigned int i = 0; i < 512; i++)
        ((void (*)(void))(attack_pads + 16 * i))();
    local_irq_restore(flags);
    return READ_ONCE(params->ret);
}

static bool put(u64 at, u64 value)
{
    __put_kernel_nofault((void *)at, &value, u64, fault);
    return true;
fault:
    return false;
}

static bool get(u64 at)
{
    u64 value;

    return !copy_from_kernel_nofault(&value, (void *)at, sizeof(value));
}

/* Loads or stores that lead into the engine; how many went through. */
static void touch(const char *what, u64 from, u64 size, bool store)
{
    unsigned int good = 0, all = 0;

    for (u64 at = GUEST_VIEW(from); at < GUEST_VIEW(from + size); at += 8, all++)
        good += store ? put(at, 0xcccccccccccccccc) : get(at);
    pr_info("attack: %s: %u of %u\n", what, good, all);
}

static void run_native(u64 job, u64 nr)
{
    struct native_params p = {.job = job, .arg = {nr, 0, 0, 0, 0, 0, 0, 1}};
    u64 ret = native(&p);

    pr_info("attack: result %lld\n", (long long)ret);
}

static int __init attack_init(void)
{
    unsigned long nr;

    pr_info("attack %s\n", attack);
    if (!strcmp(attack, "read")) {
        touch("code", V_TEXT_AT, 0x1000, false);
        touch("run page", V_RUN_AT, 0x1000, false);
        touch("cache", V_CACHE_AT, 0x1000, false);
        touch("nothing", 0x12345000, 0x1000, false);
    } else if (!strcmp(attack, "write-text")) {
        touch("code", V_TEXT_AT, 0x20000, true);
    } else if (!strcmp(attack, "write-run")) {
        touch("run page", V_RUN_AT, 0x1000, true);
    } else if (!strcmp(attack, "write-cache")) {
        touch("cache", V_CACHE_AT, 0x200000, true);
    } else if (!strcmp(attack, "jump")) {
        ((void (*)(void))GUEST_VIEW(V_TEXT_AT))();
    } else if (!strcmp(attack, "spin")) {
        run_native(NATIVE_SPIN, 0);
    } else if (!strncmp(attack, "call-", 5) && !kstrtoul(attack + 5, 10, &nr)) {
        run_native(NATIVE_SYSCALL, nr);
    } else {
        pr_err("attack: no such attack\n");
    }
    pr_info("attack: afterwards\n");
    return 0;
}
module_init(attack_init);
