/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * coredump.c - see coredump.h. Everything in the file is the guest's word, also which pfn belongs
 * to a frame (the guest can write the m2p): nothing here depends on it.
 */
#define _GNU_SOURCE
#include "domain/coredump.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/pv/abi.h"
#include "domain/version.h"

#include <xen/xen.h>
#include <xen/elfnote.h>
#include <xen/version.h>

#define MAGIC_PV 0xf00febedull
#define FORMAT_VERSION 1
#define CHUNK (1u << 20) /* bytes that are read at a time */
#define CR0_TS 8u

struct p2m_entry {
    uint64_t pfn, gmfn;
};

struct coredump {
    const struct ram *ram;
    unsigned int nr_vcpus;
    struct vcpu_guest_context *contexts;
    uint8_t shared_info[PAGE_SIZE];
    uint64_t nr_pages;
    struct p2m_entry *p2m; /* by pfn */
};

/* --- what there is ------------------------------------------------------------------------ */

static struct cpu_user_regs user_regs(const struct vcpu *v)
{
    const uint64_t *r = v->gpr;

    return (struct cpu_user_regs){
        .r15 = r[R15],
        .r14 = r[R14],
        .r13 = r[R13],
        .r12 = r[R12],
        .rbp = r[RBP],
        .rbx = r[RBX],
        .r11 = r[R11],
        .r10 = r[R10],
        .r9 = r[R9],
        .r8 = r[R8],
        .rax = r[RAX],
        .rcx = r[RCX],
        .rdx = r[RDX],
        .rsi = r[RSI],
        .rdi = r[RDI],
        .rip = v->rip,
        .cs = v->cs,
        .rflags = v->rflags,
        .rsp = r[RSP],
        .ss = v->ss,
        .es = v->es,
        .ds = v->ds,
        .fs = v->fs,
        .gs = v->gs,
    };
}

static void fill_tables(struct vcpu_guest_context *c, const struct pv_vcpu *pv)
{
    for (unsigned int i = 0; i < PV_VECTORS; i++)
        c->trap_ctxt[i] = (struct trap_info){.vector = (uint8_t)i,
                                             .flags = pv->traps[i].flags,
                                             .cs = pv->traps[i].cs,
                                             .address = pv->traps[i].address};
    for (unsigned int i = 0; i < PV_MAX_GDT_FRAMES; i++)
        c->gdt_frames[i] = pv->gdt_frames[i];
    c->gdt_ents = pv->gdt_entries;
    c->ldt_base = pv->ldt_base;
    c->ldt_ents = pv->ldt_entries;
    c->event_callback_eip = pv->cb_event.address;
    c->failsafe_callback_eip = pv->cb_failsafe.address;
    c->syscall_callback_eip = pv->cb_syscall.address;
    c->vm_assist = pv->vm_assist;
}

static void fill_context(struct vcpu_guest_context *c, const struct vcpu *v, bool up)
{
    c->flags = (v->user_mode ? 0 : VGCF_in_kernel) | (up ? VGCF_online : 0) |
               (v->pv.cb_failsafe.mask_events ? VGCF_failsafe_disables_events : 0) |
               (v->pv.cb_syscall.mask_events ? VGCF_syscall_disables_events : 0);
    c->user_regs = user_regs(v);
    fill_tables(c, &v->pv);
    c->kernel_ss = v->pv.kernel_ss;
    c->kernel_sp = v->pv.kernel_sp;
    c->ctrlreg[0] = v->cr0_ts ? CR0_TS : 0;
    c->ctrlreg[1] = v->cr3_user == INVALID_MFN ? 0 : v->cr3_user << PAGE_SHIFT;
    c->ctrlreg[2] = v->cr2;
    c->ctrlreg[3] = v->cr3_kernel << PAGE_SHIFT;
    c->ctrlreg[4] = v->cr4;
    memcpy(c->debugreg, v->dr, sizeof(c->debugreg));
    c->fs_base = v->fs_base;
    c->gs_base_kernel = v->user_mode ? v->gs_base_other : v->gs_base;
    c->gs_base_user = v->user_mode ? v->gs_base : v->gs_base_other;
}

static int by_pfn(const void *a, const void *b)
{
    const struct p2m_entry *x = a, *y = b;

    return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

/* The guest may write to the m2p meanwhile. */
static void list_pages(struct coredump *c, const struct ram *ram)
{
    for (mfn_t mfn = 0; mfn < ram->max_pages; mfn++)
        if (ram_is_allocated(ram, mfn))
            c->p2m[c->nr_pages++] = (struct p2m_entry){
                .pfn = __atomic_load_n(&ram->m2p[mfn], __ATOMIC_RELAXED), .gmfn = mfn};
    qsort(c->p2m, c->nr_pages, sizeof(c->p2m[0]), by_pfn);
}

int coredump_take(struct coredump **ret, const struct domain *d, struct err *err)
{
    struct coredump *c = calloc(1, sizeof(*c));

    if (c) {
        c->contexts = calloc(d->nr_vcpus, sizeof(c->contexts[0]));
        c->p2m = calloc(d->ram.nr_allocated + 1, sizeof(c->p2m[0]));
    }
    if (!c || !c->contexts || !c->p2m) {
        coredump_free(c);
        return err_set(err, ENOMEM, "out of memory");
    }
    c->ram = &d->ram;
    c->nr_vcpus = d->nr_vcpus;
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        struct vcpu state = engine_run_page(d->engine, i)->state;

        fill_context(&c->contexts[i], &state, d->vcpus[i].up);
    }
    memcpy(c->shared_info, ram_frame(&d->ram, d->ram.shared_info), PAGE_SIZE);
    list_pages(c, &d->ram);
    *ret = c;
    return 0;
}

void coredump_free(struct coredump *c)
{
    if (!c)
        return;
    free(c->contexts);
    free(c->p2m);
    free(c);
}

/* --- the file ----------------------------------------------------------------------------- */

enum section { S_NULL, S_STRTAB, S_NOTE, S_PRSTATUS, S_SHARED_INFO, S_P2M, S_PAGES, NR_SECTIONS };

static const struct {
    const char *name;
    uint32_t type;
    uint64_t align, entry_size;
} sections[NR_SECTIONS] = {
    [S_NULL] = {"", SHT_NULL, 0, 0},
    [S_STRTAB] = {".shstrtab", SHT_STRTAB, 1, 0},
    [S_NOTE] = {".note.Xen", SHT_NOTE, 4, 0},
    [S_PRSTATUS] = {".xen_prstatus", SHT_PROGBITS, 8, sizeof(struct vcpu_guest_context)},
    [S_SHARED_INFO] = {".xen_shared_info", SHT_PROGBITS, 8, PAGE_SIZE},
    [S_P2M] = {".xen_p2m", SHT_PROGBITS, 8, sizeof(struct p2m_entry)},
    [S_PAGES] = {".xen_pages", SHT_PROGBITS, PAGE_SIZE, PAGE_SIZE},
};

struct note_head {
    Elf64_Nhdr elf;
    char name[4];
};

struct notes {
    struct note_head none;
    struct note_head header_head;
    struct {
        uint64_t magic, nr_vcpus, nr_pages, page_size;
    } header;
    struct note_head version_head;
    struct {
        uint64_t major, minor;
        char extra[16];
        struct xen_compile_info compile;
        char capabilities[1024];
        char changeset[64];
        uint64_t virt_start, page_size;
    } version;
    struct note_head format_head;
    uint64_t format;
};

static struct note_head note_head(uint32_t type, size_t size)
{
    return (struct note_head){.elf = {.n_namesz = 4, .n_descsz = (Elf64_Word)size, .n_type = type},
                              .name = "Xen"};
}

static void fill_notes(struct notes *n, const struct coredump *c)
{
    *n = (struct notes){
        .none = note_head(XEN_ELFNOTE_DUMPCORE_NONE, 0),
        .header_head = note_head(XEN_ELFNOTE_DUMPCORE_HEADER, sizeof(n->header)),
        .header = {MAGIC_PV, c->nr_vcpus, c->nr_pages, PAGE_SIZE},
        .version_head = note_head(XEN_ELFNOTE_DUMPCORE_XEN_VERSION, sizeof(n->version)),
        .version = {.major = VERSION_MAJOR,
                    .minor = VERSION_MINOR,
                    .extra = VERSION_EXTRA,
                    .compile = {.compiler = VERSION_COMPILER, .compile_by = VERSION_COMPILE_BY},
                    .capabilities = VERSION_CAPABILITIES,
                    .changeset = VERSION_CHANGESET,
                    .virt_start = HYPERVISOR_VIRT_START,
                    .page_size = PAGE_SIZE},
        .format_head = note_head(XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, sizeof(n->format)),
        .format = FORMAT_VERSION,
    };
}

struct file {
    int fd;
    const bool *stop;
};

static int put_at(struct file *f, uint64_t at, const void *data, uint64_t size)
{
    const uint8_t *p = data;

    while (size > 0) {
        ssize_t n = pwrite(f->fd, p, size < CHUNK ? size : CHUNK, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        if (__atomic_load_n(f->stop, __ATOMIC_RELAXED))
            return -ECANCELED;
        p += n;
        at += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

/* Names, header and section headers, and where each section is. Returns the end of the names. */
static uint64_t fill_headers(const struct coredump *c, Elf64_Ehdr *e, Elf64_Shdr sh[NR_SECTIONS],
                             char names[256])
{
    const uint64_t sizes[NR_SECTIONS] = {
        [S_NOTE] = sizeof(struct notes),       [S_PRSTATUS] = c->nr_vcpus * sizeof(c->contexts[0]),
        [S_SHARED_INFO] = PAGE_SIZE,           [S_P2M] = c->nr_pages * sizeof(c->p2m[0]),
        [S_PAGES] = c->nr_pages << PAGE_SHIFT,
    };
    uint64_t at = sizeof(*e) + NR_SECTIONS * sizeof(sh[0]);
    uint32_t names_len = 0;

    *e = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                  EV_CURRENT, ELFOSABI_SYSV},
                      .e_type = ET_CORE,
                      .e_machine = EM_X86_64,
                      .e_version = EV_CURRENT,
                      .e_shoff = sizeof(*e),
                      .e_ehsize = sizeof(*e),
                      .e_shentsize = sizeof(sh[0]),
                      .e_shnum = NR_SECTIONS,
                      .e_shstrndx = S_STRTAB};
    for (unsigned int i = 0; i < NR_SECTIONS; i++) {
        sh[i] = (Elf64_Shdr){.sh_name = names_len,
                             .sh_type = sections[i].type,
                             .sh_size = sizes[i],
                             .sh_addralign = sections[i].align,
                             .sh_entsize = sections[i].entry_size};
        names_len +=
            (uint32_t)snprintf(names + names_len, 256 - names_len, "%s", sections[i].name) + 1;
    }
    sh[S_STRTAB].sh_size = names_len;
    for (unsigned int i = 1; i < NR_SECTIONS; i++) {
        at = (at + sh[i].sh_addralign - 1) & ~(sh[i].sh_addralign - 1);
        sh[i].sh_offset = at;
        at += sh[i].sh_size;
    }
    return at;
}

static bool is_empty(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

/* A run of frames that follow each other, read through the file: a hole in it stays one. */
static int put_run(struct file *f, const struct coredump *c, uint64_t at, mfn_t mfn, uint64_t pages,
                   uint8_t *buf)
{
    const size_t size = pages << PAGE_SHIFT;
    uint64_t first = 0;
    int rc = 0;

    if (pread(c->ram->fd, buf, size, (off_t)(mfn << PAGE_SHIFT)) != (ssize_t)size)
        return -EIO;
    for (uint64_t i = 0; i <= pages && rc == 0; i++) {
        if (i < pages && !is_empty(buf + (i << PAGE_SHIFT)))
            continue;
        if (i > first)
            rc = put_at(f, at + (first << PAGE_SHIFT), buf + (first << PAGE_SHIFT),
                        (i - first) << PAGE_SHIFT);
        first = i + 1;
    }
    return rc;
}

static int put_pages(struct file *f, const struct coredump *c, uint64_t at)
{
    uint8_t *buf = malloc(CHUNK);
    int rc = buf ? 0 : -ENOMEM;

    for (uint64_t i = 0, n; i < c->nr_pages && rc == 0; i += n) {
        for (n = 1; i + n < c->nr_pages && n < CHUNK >> PAGE_SHIFT; n++)
            if (c->p2m[i + n].gmfn != c->p2m[i].gmfn + n)
                break;
        rc = put_run(f, c, at + (i << PAGE_SHIFT), c->p2m[i].gmfn, n, buf);
    }
    free(buf);
    return rc;
}

static int put_all(struct file *f, const struct coredump *c)
{
    Elf64_Ehdr e;
    Elf64_Shdr sh[NR_SECTIONS];
    char names[256];
    struct notes notes;
    uint64_t end = fill_headers(c, &e, sh, names);
    int rc;

    fill_notes(&notes, c);
    if (ftruncate(f->fd, 0) < 0 || ftruncate(f->fd, (off_t)end) < 0)
        return -errno;
    rc = put_at(f, 0, &e, sizeof(e));
    if (rc == 0)
        rc = put_at(f, e.e_shoff, sh, sizeof(sh));
    if (rc == 0)
        rc = put_at(f, sh[S_STRTAB].sh_offset, names, sh[S_STRTAB].sh_size);
    if (rc == 0)
        rc = put_at(f, sh[S_NOTE].sh_offset, &notes, sizeof(notes));
    if (rc == 0)
        rc = put_at(f, sh[S_PRSTATUS].sh_offset, c->contexts, sh[S_PRSTATUS].sh_size);
    if (rc == 0)
        rc = put_at(f, sh[S_SHARED_INFO].sh_offset, c->shared_info, PAGE_SIZE);
    if (rc == 0)
        rc = put_at(f, sh[S_P2M].sh_offset, c->p2m, sh[S_P2M].sh_size);
    return rc < 0 ? rc : put_pages(f, c, sh[S_PAGES].sh_offset);
}

int coredump_write(const struct coredump *c, int fd, const bool *stop, struct err *err)
{
    struct file f = {.fd = fd, .stop = stop};
    int rc = put_all(&f, c);

    return rc < 0 ? err_set(err, -rc, "cannot write the core: %s", strerror(-rc)) : 0;
}
