/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crashdump.c - see crashdump.h. The layout follows Xen's own dumps, so that a reader of
 * those finds his way. Everything is bounded and only read: the state may be nonsense.
 */
#include "domain/crashdump.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "builder/ksyms.h"

#define STACK_WORDS 32
#define TRACE_LINES 48
#define CALL_TRACE_BYTES 4096
#define CALL_TRACE_MAX 24

static struct ksyms *symbols;

void crashdump_set_symbols(struct ksyms *table)
{
    ksyms_free(symbols);
    symbols = table;
}

/* One line to the log and to the hypervisor log of the domain. */
static void PRINTF_FMT(2, 3) line(struct domain *d, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_msg(LOG_ERROR, "domain", "%s", text);
    if (d->console)
        console_dmesg_printf(d->console, "%s", text);
}

/* "name+0x12", or "". */
static const char *symbol(gva_t address, char *buf, size_t size)
{
    uint64_t offset = 0;
    const char *name = ksyms_lookup(symbols, address, &offset);

    buf[0] = '\0';
    if (name)
        snprintf(buf, size, "%s+%#lx", name, offset);
    return buf;
}

static void dump_registers(struct domain *d, unsigned int id, const struct vcpu *v)
{
    const uint64_t *r = v->gpr;
    char name[96];

    line(d, "----[ vcpu %u of domain %u '%s', %s mode ]----", id, d->domid, d->name,
         v->user_mode ? "user" : "kernel");
    line(d, "RIP:    %04x:[<%016lx>] %s", v->cs, v->rip, symbol(v->rip, name, sizeof(name)));
    line(d, "RFLAGS: %016lx", v->rflags);
    line(d, "rax: %016lx   rbx: %016lx   rcx: %016lx", r[RAX], r[RBX], r[RCX]);
    line(d, "rdx: %016lx   rsi: %016lx   rdi: %016lx", r[RDX], r[RSI], r[RDI]);
    line(d, "rbp: %016lx   rsp: %016lx   r8:  %016lx", r[RBP], r[RSP], r[R8]);
    line(d, "r9:  %016lx   r10: %016lx   r11: %016lx", r[R9], r[R10], r[R11]);
    line(d, "r12: %016lx   r13: %016lx   r14: %016lx", r[R12], r[R13], r[R14]);
    line(d, "r15: %016lx   cr2: %016lx   cr4: %016lx", r[R15], v->cr2, v->cr4);
    line(d, "cr3 frame: %lx   user cr3 frame: %lx", v->cr3_kernel, v->cr3_user);
    line(d, "fsb: %016lx   gsb: %016lx   gso: %016lx", v->fs_base, v->gs_base, v->gs_base_other);
    line(d, "ds: %04x   es: %04x   fs: %04x   gs: %04x   ss: %04x   cs: %04x", v->ds, v->es, v->fs,
         v->gs, v->ss, v->cs);
}

/* As much of the stack as can be read, up to n words. */
static unsigned int read_stack(struct domain *d, const struct vcpu *v, uint64_t *to, unsigned int n)
{
    mfn_t root = v->user_mode ? v->cr3_user : v->cr3_kernel;
    unsigned int i;

    if (!ram_frame(&d->ram, root))
        return 0;
    for (i = 0; i < n; i++)
        if (ram_copy_from_guest(&d->ram, root, &to[i], v->gpr[RSP] + i * 8, 8) < 0)
            break;
    return i;
}

static void dump_stack(struct domain *d, const struct vcpu *v)
{
    uint64_t stack[CALL_TRACE_BYTES / 8];
    unsigned int n = read_stack(d, v, stack, ARRAY_SIZE(stack));
    unsigned int shown = 0;
    char name[96];

    line(d, "Guest stack trace from rsp=%016lx:", v->gpr[RSP]);
    if (n == 0)
        line(d, "   (stack is not mapped)");
    for (unsigned int i = 0; i + 3 < n && i < STACK_WORDS; i += 4)
        line(d, "   %016lx %016lx %016lx %016lx", stack[i], stack[i + 1], stack[i + 2],
             stack[i + 3]);
    if (!symbols || v->user_mode)
        return;
    line(d, "Guest call trace (every kernel address on the stack):");
    for (unsigned int i = 0; i < n && shown < CALL_TRACE_MAX; i++) {
        if (stack[i] >> 47 == 0 || !symbol(stack[i], name, sizeof(name))[0])
            continue;
        line(d, "   [<%016lx>] %s", stack[i], name);
        shown++;
    }
}

static void dump_trace(struct domain *d, const struct run *run)
{
    const unsigned int size = ARRAY_SIZE(run->trace);
    char name[96];

    line(d, "Last trace entries (oldest first):");
    for (unsigned int i = 0; i < TRACE_LINES; i++) {
        unsigned int at = (run->trace_head - TRACE_LINES + i) % size;

        if (run->trace[at].what == 0 && run->trace[at].rip == 0)
            continue;
        line(d, "   %3lu rip %016lx %016lx %016lx %s", run->trace[at].what, run->trace[at].rip,
             run->trace[at].a, run->trace[at].b, symbol(run->trace[at].rip, name, sizeof(name)));
    }
}

void crashdump_log(struct domain *d, unsigned int id, const struct run *run)
{
    CLEANUP_FREE struct run *copy = malloc(sizeof(*copy));

    if (!copy)
        return;
    /* The guest may still write the page; dump one state of it. */
    memcpy(copy, run, sizeof(*copy));
    dump_registers(d, id, &copy->state);
    dump_stack(d, &copy->state);
    dump_trace(d, copy);
}
