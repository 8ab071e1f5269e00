/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * difftest.c - differential test of the translator: random instruction sequences run natively
 * and translated, and must leave the same registers, flags, memory, FPU state and fault.
 *
 *   difftest [SEED [COUNT]]
 *   difftest sweep
 *
 * Sequence i of a run is made from SEED + i alone, so "difftest SEED+i 1" repeats it. Speaks
 * TAP. What differs is printed with the instruction bytes, item by item (an item is one
 * instruction or a few that belong together), and the first item that makes a difference.
 *
 * Blind spots: privileged instructions, selectors, what depends on the time; flags after
 * add/sub rsp, imm and after marked string instructions, which the translator does not keep.
 */
#include "compare.h"
#include "engine/soft/vcpu/rt.h"
#include "fake.h"
#include "gen.h"
#include "sweep.h"

#define DEFAULT_COUNT 100000
#define CHUNKS 10
#define MAX_REPORTS 20
#define MAX_UNSUPPORTED 12

_Noreturn void difftest_main(const uint64_t *initial_stack);

static struct start start;
static struct result native_result, guest_result;
static struct gen gen;
static uint64_t nr_faults, nr_unsupported, nr_runs;
static unsigned int nr_reports;
static char unsupported[MAX_UNSUPPORTED][64];

static const char *const mode_names[] = {
    "plain", "marked", "stopped", "marked and stopped", "one by one", "as a program"};
#define ONE_BY_ONE 4
#define PROGRAM 5

static struct stress stress_of(uint64_t seed, unsigned int mode)
{
    uint64_t rng = seed ^ 0x5eed;
    uint64_t r = random_next(&rng);

    return (struct stress){.stepped = mode == ONE_BY_ONE,
                           .marked = mode < ONE_BY_ONE && (mode & 1),
                           .stops = mode & 2 ? 16 << (r & 3) : 0,
                           .fpu_away = r >> 8 & 1,
                           .flush_cache = (r >> 16 & 1023) == 0,
                           .flush_tlb = (r >> 32 & 63) == 0,
                           .seed = r};
}

static void run_translated(const struct stress *how, unsigned int mode)
{
    if (mode == PROGRAM)
        machine_run_program(&start, how, &guest_result);
    else
        machine_run_guest(&start, how, &guest_result);
}

/* Run the first `limit` items on both. True: they differ. */
static bool differs(uint64_t seed, unsigned int mode, unsigned int limit, bool print)
{
    struct stress how = stress_of(seed, mode);

    gen_sequence(&gen, &start, seed, limit);
    machine_run_native(&start, &native_result);
    run_translated(&how, mode);
    if (guest_result.stop == STOP_UNSUPPORTED)
        return false;
    return results_differ(&native_result, &guest_result, print);
}

static void print_items(unsigned int from)
{
    for (unsigned int i = from; i < gen.nr_items; i++) {
        unsigned int at = gen.items[i].at;
        unsigned int end = i + 1 < gen.nr_items ? gen.items[i + 1].at : gen.at;

        fake_print("#   %lx %s:", (unsigned long)(AT(W_CODE) + at), gen.items[i].what);
        for (; at < end; at++)
            fake_print(" %02x", start.code[at]);
        fake_print("\n");
    }
}

static void print_start(void)
{
    for (unsigned int i = 0; i < 16; i++)
        fake_print("%s%016lx%s", i % 4 ? " " : "#   ", (unsigned long)start.gpr[i],
                   i % 4 == 3 ? "\n" : "");
    fake_print("#   flags %lx gs %lx\n", (unsigned long)start.rflags, (unsigned long)start.gs_base);
}

static void report(uint64_t seed, unsigned int mode)
{
    unsigned int limit, items = gen.nr_items;

    fake_print("# difftest %lu 1: differs, %s\n", (unsigned long)seed, mode_names[mode]);
    results_differ(&native_result, &guest_result, true);
    for (limit = 1; limit <= items; limit++)
        if (differs(seed, mode, limit, false))
            break;
    if (limit <= items)
        fake_print("#   first by item %u:\n", limit);
    else
        fake_print("#   not when repeated: a matter of time\n");
    if (limit < items)
        differs(seed, mode, limit, true);
    fake_print("#   registers at the start (rax rcx rdx rbx rsp rbp rsi rdi r8..r15):\n");
    print_start();
    print_items(0);
}

/* Remember what comes after the address of "cannot execute the instruction at ...: ". */
static void note_unsupported(const char *message)
{
    size_t n;

    while (*message && *message != ':')
        message++;
    n = strlen(message) + 1;
    n = n < sizeof(unsupported[0]) ? n : sizeof(unsupported[0]);
    for (unsigned int i = 0; i < MAX_UNSUPPORTED; i++) {
        if (!unsupported[i][0]) {
            memcpy(unsupported[i], message, n - 1);
            return;
        }
        if (!memcmp(unsupported[i], message, n))
            return;
    }
}

static void print_unsupported(void)
{
    for (unsigned int i = 0; i < MAX_UNSUPPORTED && unsupported[i][0]; i++)
        fake_print("# not executed%s\n", unsupported[i]);
}

/* Natively once, then translated in each mode that this sequence is chosen for. */
static bool sequence(uint64_t seed)
{
    uint64_t rng = seed ^ 0x30de;
    unsigned int modes = random_next(&rng) & 15;
    bool bad = false;

    gen_sequence(&gen, &start, seed, MAX_ITEMS);
    machine_run_native(&start, &native_result);
    nr_faults += native_result.stop == STOP_FAULT;
    for (unsigned int mode = 0; mode < ARRAY_SIZE(mode_names); mode++) {
        struct stress how = stress_of(seed, mode);

        if ((mode && mode != PROGRAM && !(modes >> (mode - 1) & 1)) || (how.marked && gen.no_marks))
            continue;
        nr_runs++;
        run_translated(&how, mode);
        if (guest_result.stop == STOP_UNSUPPORTED) {
            nr_unsupported++;
            bad = true;
            note_unsupported(guest_result.message);
            continue;
        }
        if (!results_differ(&native_result, &guest_result, false))
            continue;
        if (nr_reports++ < MAX_REPORTS)
            report(seed, mode);
        return true;
    }
    return bad;
}

static uint64_t number(const char *s)
{
    uint64_t v = 0;

    while (*s >= '0' && *s <= '9')
        v = v * 10 + (uint64_t)(*s++ - '0');
    return v;
}

static uint64_t chunk(uint64_t seed, uint64_t count, unsigned int nr)
{
    uint64_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad += sequence(seed + i);
    fake_print("%s %u - sequences %lu to %lu\n", bad ? "not ok" : "ok", nr, (unsigned long)seed,
               (unsigned long)(seed + count - 1));
    return bad;
}

_Noreturn void difftest_main(const uint64_t *initial_stack)
{
    const char *const *argv = (const char *const *)(initial_stack + 1);
    uint64_t seed = initial_stack[0] > 1 ? number(argv[1]) : 1;
    uint64_t count = initial_stack[0] > 2 ? number(argv[2]) : DEFAULT_COUNT;
    bool all_opcodes = initial_stack[0] > 1 && argv[1][0] == 's';
    unsigned int chunks = count < CHUNKS ? 1 : CHUNKS;
    uint64_t bad = 0;

    machine_init();
    if (all_opcodes) {
        sweep();
        sys_exit(0);
    }
    fake_print("1..%u\n# seed %lu, %lu sequences\n", chunks, (unsigned long)seed,
               (unsigned long)count);
    for (unsigned int i = 0; i < chunks; i++) {
        uint64_t first = count * i / chunks, end = count * (i + 1) / chunks;

        bad += chunk(seed + first, end - first, i + 1);
    }
    fake_print("# %lu runs; %lu sequences ended in a fault, %lu runs met what the engine lacks; "
               "%lu kicks\n",
               (unsigned long)nr_runs, (unsigned long)nr_faults, (unsigned long)nr_unsupported,
               (unsigned long)machine_kicks);
    print_unsupported();
    sys_exit(bad ? 1 : 0);
}
