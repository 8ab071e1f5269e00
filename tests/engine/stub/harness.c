/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.c - see harness.h. Plays the rest of the vCPU process: env.h, shared page, vTLB.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/peers.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/vcpu/vtlb.h"
#include "engine/soft/zygote.h"

#define NR_FRAMES 4096
#define NR_PATCH 1024

struct vcpu vcpu;
struct dom_shared *const shared = (struct dom_shared *)V_SHARED;
struct fault fault;
uint32_t frames_protected;

static uint8_t frame_flags[NR_FRAMES + NR_PATCH];
static uint16_t common_flags[NR_FRAMES + NR_PATCH];
static struct ram ram;
static struct zygote zygote;
static mfn_t next_frame = 1024; /* page tables come from here */
static int tests, failures;

extern const uint8_t stub_blob[];

/* ---- env.h and friends ---- */

void *env_frame(mfn_t mfn)
{
    return mfn < NR_FRAMES ? ram_linear(mfn) : NULL;
}

mfn_t env_nr_frames(void)
{
    return NR_FRAMES;
}

void env_frame_written(mfn_t mfn)
{
    if (frame_flags[mfn] & FRAME_PATCHED)
        user_frame_written(mfn);
    frame_flags[mfn] = 0;
    common_flags[mfn] = 0;
}

void peers_flush(uint64_t mask)
{
}

bool vtlb_watch_frame(mfn_t mfn, unsigned int flag)
{
    frames_protected++;
    frame_flags[mfn] |= (uint8_t)flag;
    common_flags[mfn] = 1;
    return false;
}

int env_read(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    for (size_t i = 0; i < size; i++) {
        struct walk w;
        uint32_t error;

        if (walk(v->cr3_user, va + i, ACCESS_READ, &w, &error))
            return -1;
        ((uint8_t *)buf)[i] = ((uint8_t *)ram_linear(PTE_FRAME(w.pte)))[(va + i) & ~PAGE_MASK];
    }
    return 0;
}

/* There is no LDT. */
int env_read_kernel(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return -1;
}

/* Linux's 32-bit code segment, and no other. */
int pv_descriptor_read(struct vcpu *v, uint16_t sel, uint64_t desc[1])
{
    *desc = 0x00cffb000000ffff;
    return sel == 0x23 ? 0 : -1;
}

/* Programs may use the gate of 0x80 and no other. */
void pv_software_int(struct vcpu *v, uint8_t n, unsigned int len, struct fault *f)
{
    if (n == 0x80)
        v->rip += len;
    *f = n == 0x80 ? (struct fault){.vector = n}
                   : (struct fault){.vector = VEC_GP, .has_error = true, .error = n * 8u + 2};
}

/* The GDT has one data segment for 32-bit thread-local storage. */
bool segment_is_64bit_code(struct vcpu *v)
{
    return true;
}

unsigned int segment_stack_fault(struct vcpu *v, uint16_t sel)
{
    return VEC_GP;
}

unsigned int segment_data_fault(struct vcpu *v, uint16_t sel, uint64_t *desc)
{
    *desc = (TLS_BASE & 0xffffff) << 16 | (TLS_BASE & 0xff000000) << 32;
    return sel == TLS_SELECTOR ? 0 : VEC_GP;
}

void env_domain_crash(struct vcpu *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("Bail out! domain crash: ");
    vprintf(fmt, ap);
    printf("\n");
    exit(1);
}

void env_log(const char *fmt, ...)
{
}

/* ---- guest memory ---- */

static mfn_t frame_alloc(void)
{
    mfn_t mfn = next_frame++;

    if (mfn >= NR_FRAMES) {
        printf("Bail out! out of frames\n");
        exit(1);
    }
    memset(ram_linear(mfn), 0, PAGE_SIZE);
    return mfn;
}

uint64_t *page_entry(mfn_t root, gva_t va)
{
    mfn_t table = root;

    for (int shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        uint64_t *e = (uint64_t *)ram_linear(table) + (va >> shift & 511);

        if (!(*e & PTE_P))
            *e = frame_alloc() << PAGE_SHIFT | 7;
        table = PTE_FRAME(*e);
    }
    return (uint64_t *)ram_linear(table) + (va >> PAGE_SHIFT & 511);
}

void page_map(mfn_t root, gva_t va, mfn_t frame, uint64_t flags)
{
    *page_entry(root, va) = frame << PAGE_SHIFT | flags;
}

void page_unmap(mfn_t root, gva_t va)
{
    *page_entry(root, va) = 0;
}

void *data(gva_t va)
{
    return (uint8_t *)ram_linear(FRAME_DATA_0) + (va - GUEST_DATA);
}

mfn_t space_make(void)
{
    mfn_t root = frame_alloc();
    size_t size = (size_t)(guest_end - guest_start);

    for (size_t at = 0; at < size; at += PAGE_SIZE)
        page_map(root, GUEST_CODE + at, FRAME_CODE_0 + at / PAGE_SIZE, MAP_RX);
    for (unsigned int i = 0; i < GUEST_DATA_PAGES; i++)
        page_map(root, GUEST_DATA + i * PAGE_SIZE, FRAME_DATA_0 + i, MAP_RW);
    if (STUB_BASE == STUB_ASIDE)
        page_map(root, STUB_LOW, FRAME_DATA_0, MAP_RW);
    return root;
}

static void on_alarm(int sig)
{
    user_kick();
}

void kick_after(unsigned int us)
{
    struct itimerval it = {{0, 0}, {0, us ? us : 1}};

    setitimer(ITIMER_REAL, &it, NULL);
}

void kick_every(unsigned int us)
{
    struct itimerval it = {{0, us}, {0, us}};

    setitimer(ITIMER_REAL, &it, NULL);
}

static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

static void memory_init(void)
{
    size_t size = (NR_FRAMES + NR_PATCH) * PAGE_SIZE;

    ram.fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ram.fd < 0 || ftruncate(ram.fd, (off_t)size))
        die("guest memory");
    if (mmap((void *)V_RAM, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, ram.fd,
             0) == MAP_FAILED ||
        mmap((void *)V_SHARED, sizeof(struct dom_shared), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
        die("fixed mappings");
    shared->nr_frames = NR_FRAMES;
    shared->patch_first = NR_FRAMES;
    shared->patch_count = NR_PATCH;
    shared->nr_vcpus = 1;
    shared->tsc_khz = 2500000;
    vcpu_frame_flags = frame_flags;
    shared_frames = common_flags;
    memcpy(ram_linear(FRAME_CODE_0), guest_start, (size_t)(guest_end - guest_start));
}

void harness_init(void)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct err err;
    int sock;

    setvbuf(stdout, NULL, _IOLBF, 0);
    memory_init();
    if (zygote_start(&zygote, &ram, &sock, &err)) {
        printf("Bail out! %s\n", err.msg);
        exit(1);
    }
    /* Out of the way of the numbers that V expects. */
    zygote.pidfd = fcntl(zygote.pidfd, F_DUPFD_CLOEXEC, 2 * V_FD_ZYGOTE);
    if (zygote.pidfd < 0 || dup2(sock, V_FD_ZYGOTE) < 0)
        die("descriptors");
    if (sock != V_FD_ZYGOTE)
        close(sock);
    sigaction(SIGALRM, &sa, NULL);
    errno = -user_init();
    if (errno)
        die("user_init");
    vcpu.user_mode = true;
    vcpu.cs = 0x33;
    vcpu.ss = 0x2b;
    vcpu.cr3_user = space_make();
}

void harness_done(void)
{
    zygote_done(&zygote);
}

/* ---- running ---- */

enum user_stop resume_once(void)
{
    return user_run(&vcpu, &fault);
}

enum user_stop resume(void)
{
    enum user_stop r;

    do {
        r = resume_once();
    } while (r == USER_EVENT);
    return r;
}

enum user_stop go(gva_t rip)
{
    vcpu.rip = rip;
    vcpu.gpr[RSP] = GUEST_STACK;
    vcpu.rflags = 0x202;
    return resume();
}

/* ---- TAP ---- */

bool ok(bool cond, const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", cond ? "ok" : "not ok", ++tests);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    failures += !cond;
    return cond;
}

int finish(void)
{
    harness_done();
    printf("1..%d\n", tests);
    return failures != 0;
}

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Global symbols of stubs that are aside have a prefix. */
static const char *strip_kind(const char *symbol)
{
    static const char aside[] = "aside_";

    return strncmp(symbol, aside, strlen(aside)) ? symbol : symbol + strlen(aside);
}

uint64_t stub_symbol(const char *name)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)stub_blob;
    const Elf64_Shdr *sh = (const Elf64_Shdr *)(stub_blob + eh->e_shoff);

    for (int i = 0; i < eh->e_shnum; i++) {
        const Elf64_Sym *sym = (const Elf64_Sym *)(stub_blob + sh[i].sh_offset);
        const char *str = (const char *)stub_blob + sh[sh[i].sh_link].sh_offset;

        if (sh[i].sh_type != SHT_SYMTAB)
            continue;
        for (size_t n = 0; n < sh[i].sh_size / sizeof(*sym); n++)
            if (sym[n].st_value >= STUB_BASE && sym[n].st_value < STUB_END &&
                !strcmp(strip_kind(str + sym[n].st_name), name))
                return sym[n].st_value;
    }
    printf("Bail out! stub has no symbol %s\n", name);
    exit(1);
}
