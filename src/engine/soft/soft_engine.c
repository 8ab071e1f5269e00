/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * soft_engine.c - the domain process's side of the software engine: makes the shared pages,
 * starts the zygote and one vCPU process per vCPU, and implements engine.h on their run
 * pages. Children are held by pidfd; nothing here believes what a run page says.
 */
#define _GNU_SOURCE
#include "engine/engine.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/identity.h"
#include "base/launcher.h"
#include "engine/soft/blob.h"
#include "engine/soft/layout.h"
#include "engine/soft/placement.h"
#include "engine/soft/stub/stub_layout.h"
#include "engine/soft/zygote.h"

#define WATCH_NS 200000000 /* how often a waiting thread looks whether V still lives */

extern const uint8_t vcpu_blob[], vcpu_blob_end[];

struct soft_vcpu {
    struct run *run;
    int run_fd;
    int pidfd;
    int peers_socket; /* where it waits for the descriptors of its peers, -1 = it does not */
    struct zygote zygote;
    uint32_t nr_written; /* run->nr_written, which V can write, too */
};

#define V_LOG_MAX (256 << 10) /* bytes that a vCPU process may add to the log */

struct engine {
    struct dom_shared *shared;
    uint16_t *frames; /* behind it: shared_frames[] of the vCPU processes */
    size_t shared_size;
    int shared_fd;
    unsigned int nr_vcpus;
    bool stopped;
    struct soft_vcpu vcpu[RUN_MAX_VCPUS];
};

static size_t page_round(size_t size)
{
    return (size + PAGE_SIZE - 1) & PAGE_MASK;
}

/* A file of `size` bytes, whole pages, mapped here. */
static int shared_pages(const char *name, size_t size, void **ret, int *ret_fd, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int e;

    if (fd < 0 || ftruncate(fd, (off_t)size) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        e = errno;
        if (fd >= 0)
            close(fd);
        return err_set(err, e, "cannot make shared memory (%s): %s", name, strerror(e));
    }
    *ret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*ret == MAP_FAILED) {
        e = errno;
        *ret = NULL;
        close(fd);
        return err_set(err, e, "cannot map shared memory (%s): %s", name, strerror(e));
    }
    *ret_fd = fd;
    return 0;
}

/* In the child: take the pidfds of all vCPUs, which exist by then. Returns their number. */
static int receive_peers(int sock, int fds[RUN_MAX_VCPUS])
{
    char byte, control[CMSG_SPACE(sizeof(int) * RUN_MAX_VCPUS)];
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    const struct cmsghdr *c;
    int n;

    if (sock < 0)
        return 0;
    if (recvmsg(sock, &m, 0) != 1 || !(c = CMSG_FIRSTHDR(&m)) || c->cmsg_type != SCM_RIGHTS)
        _exit(126);
    n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
    return n;
}

/* What V appends to the domain's log is the guest's to choose: it must not fill the disk. */
static void limit_log(int fd)
{
    struct rlimit limit;
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    limit.rlim_cur = limit.rlim_max = (rlim_t)st.st_size + V_LOG_MAX;
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
}

static sigjmp_buf probe_failed;

static void on_probe_fault(int sig)
{
    siglongjmp(probe_failed, sig);
}

/* Has the host kernel 32-bit system calls, set_thread_area among them? It may have been built
 * without, or something around us forbids them. */
static bool host_has_tls(void)
{
    struct sigaction sa = {.sa_handler = on_probe_fault}, old[2];
    uint32_t *desc = mmap(NULL, STUB_USER_DESC_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long r = -1;

    if (desc == MAP_FAILED)
        return false;
    desc[0] = STUB_TLS_FIRST;
    desc[3] = 0x28; /* absent and read-only: an empty one */
    sigaction(SIGSEGV, &sa, &old[0]);
    sigaction(SIGSYS, &sa, &old[1]);
    if (!sigsetjmp(probe_failed, 1))
        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(STUB_IA32_SET_THREAD_AREA), "b"(desc)
                         : "r8", "r9", "r10", "r11", "memory");
    sigaction(SIGSEGV, &old[0], NULL);
    sigaction(SIGSYS, &old[1], NULL);
    return (int)r == 0;
}

static bool host_has_ldt(void)
{
    uint32_t desc[4] = {0, 0, 0, 0x28}; /* an empty one */

    return syscall(SYS_modify_ldt, STUB_LDT_WRITE, desc, sizeof(desc)) == 0;
}

/* In the new process, which is given what layout.h lists before V_FD_PEERS, and the peers' socket
 * if there are any: exactly the descriptors of layout.h, no others, then the blob. Only
 * async-signal-safe calls: the parent may have threads. */
static void exec_vcpu(const int *fds, unsigned int nr_fds)
{
    static char name[] = "xenolith-vcpu";
    bool has_tls = host_has_tls(), has_ldt = has_tls && host_has_ldt();
    char *const none[] = {NULL};
    char *const args[] = {name, has_tls ? name : NULL, has_ldt ? name : NULL, NULL};
    int all[V_FD_PEERS - V_FD_RAM + RUN_MAX_VCPUS], n = V_FD_PEERS - V_FD_RAM, exe;

    /* cppcheck-suppress comparePointers ; two symbols of one object, tools/embed.sh */
    exe = blob_open(name, vcpu_blob, vcpu_blob_end);
    if (exe < 0 || nr_fds < (unsigned int)n)
        _exit(126);
    signal(SIGUSR1, SIG_IGN); /* a kick that comes before it is ready must not end it */
    memcpy(all, fds, (size_t)n * sizeof(int));
    limit_log(all[V_FD_LOG - V_FD_RAM]);
    n += receive_peers(nr_fds > (unsigned int)n ? fds[n] : -1, all + n);
    exe = fcntl(exe, F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i < n; i++)
        all[i] = fcntl(all[i], F_DUPFD, 80);
    for (int i = 0; i < n; i++)
        dup2(all[i], V_FD_RAM + i);
    syscall(SYS_close_range, V_FD_RAM + n, exe - 1, 0);
    syscall(SYS_close_range, exe + 1, ~0u, 0);
    syscall(SYS_close_range, 0, V_FD_RAM - 1, 0);
    /* Where the host lets us; the jail does not depend on it. */
    if (!identity_take(IDENTITY_SPACES))
        _exit(126);
    fexecve(exe, args, none);
    _exit(127);
}

static int start_vcpu(struct engine *e, unsigned int id, const struct engine_config *config,
                      struct err *err)
{
    struct soft_vcpu *s = &e->vcpu[id];
    int v_socket = -1, peers[2] = {-1, -1}, r;
    void *page = NULL;

    r = shared_pages("xenolith-run", page_round(sizeof(struct run)), &page, &s->run_fd, err);
    if (r)
        return r;
    s->run = page;
    s->run->turn = TURN_D;
    r = zygote_start(&s->zygote, config->ram, &v_socket, err);
    if (r)
        return r;
    if (e->nr_vcpus > 1 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, peers)) {
        r = errno;
        close(v_socket);
        return err_set(err, r, "cannot make a socket for vCPUs: %s", strerror(r));
    }
    s->peers_socket = peers[0];
    r = launcher_spawn(exec_vcpu,
                       (const int[]){config->ram->fd, config->ram->m2p_fd, e->shared_fd, s->run_fd,
                                     v_socket, config->log_fd, peers[1]},
                       peers[1] >= 0 ? 7 : 6, &s->pidfd, err);
    close(v_socket);
    if (peers[1] >= 0)
        close(peers[1]);
    return r ? err_wrap(err, "vCPU %u", id) : 0;
}

/* Let each vCPU process send signals to the others. */
static int introduce_vcpus(struct engine *e, struct err *err)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int) * RUN_MAX_VCPUS)] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(sizeof(int) * e->nr_vcpus)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    if (e->nr_vcpus == 1)
        return 0;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * e->nr_vcpus);
    for (unsigned int i = 0; i < e->nr_vcpus; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &e->vcpu[i].pidfd, sizeof(int));
    for (unsigned int i = 0; i < e->nr_vcpus; i++) {
        if (sendmsg(e->vcpu[i].peers_socket, &m, MSG_NOSIGNAL) != 1)
            return err_set(err, errno, "cannot introduce the vCPUs: %s", strerror(errno));
        close(e->vcpu[i].peers_socket);
        e->vcpu[i].peers_socket = -1;
    }
    return 0;
}

/* struct vcpu_time_info's scale: ns = ticks << shift (>> -shift) * mul >> 32, with mul in
 * [2^31, 2^32). */
static void set_tsc_scale(struct dom_shared *s, uint32_t khz)
{
    uint64_t hz = (uint64_t)khz * 1000;
    int8_t shift = 0;

    while (hz > 2000000000) {
        hz >>= 1;
        shift--;
    }
    while (hz <= 1000000000) {
        hz <<= 1;
        shift++;
    }
    /* Divide what the shift leaves of the exact frequency, not its rounded half. */
    s->tsc_shift = shift;
    s->tsc_mul = (uint32_t)(((unsigned __int128)1000000000 << 32 << (shift < 0 ? -shift : 0)) /
                            ((uint64_t)khz * 1000 << (shift > 0 ? shift : 0)));
    s->tsc_khz = khz;
}

/* Stubs have CPUID fault where that is possible (stub/spawn.c). Asked before the jail, which does
 * not allow it; here it stays as it is: on. */
static bool cpuid_faults;

int engine_prepare(const struct launcher_table *others, struct err *err)
{
    static launcher_fn *programs[2 + ENGINE_MAX_OTHERS] = {exec_vcpu, zygote_exec};
    static launcher_service *services[2 + ENGINE_MAX_OTHERS] = {placement_set_service,
                                                                placement_time_service};
    const struct launcher_table table = {
        .programs = programs,
        .nr_programs = 2 + others->nr_programs,
        .services = services,
        .nr_services = 2 + others->nr_services,
    };

    if (others->nr_programs > ENGINE_MAX_OTHERS || others->nr_services > ENGINE_MAX_OTHERS)
        return err_set(err, EINVAL, "too many programs for the launcher");
    if (others->nr_programs > 0)
        memcpy(&programs[2], others->programs, others->nr_programs * sizeof(launcher_fn *));
    if (others->nr_services > 0)
        memcpy(&services[2], others->services, others->nr_services * sizeof(launcher_service *));
    cpuid_faults = !syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    return launcher_start(&table, err);
}

int engine_create(struct engine **ret, const struct engine_config *config, struct err *err)
{
    uint64_t frames = config->ram->patch_first + RAM_PATCH_FRAMES;
    struct engine *e;
    void *page = NULL;
    int r;

    if (!config->nr_vcpus || config->nr_vcpus > RUN_MAX_VCPUS)
        return err_set(err, EINVAL, "vcpus must be 1..%d", RUN_MAX_VCPUS);
    e = calloc(1, sizeof(*e));
    if (!e)
        return err_set(err, ENOMEM, "out of memory");
    for (unsigned int i = 0; i < config->nr_vcpus; i++)
        e->vcpu[i].pidfd = e->vcpu[i].run_fd = e->vcpu[i].peers_socket = -1;
    e->shared_fd = -1;
    e->nr_vcpus = config->nr_vcpus;
    e->shared_size = SHARED_FRAMES_OFFSET + page_round(frames * sizeof(e->frames[0]));
    r = shared_pages("xenolith-shared", e->shared_size, &page, &e->shared_fd, err);
    e->shared = page;
    e->frames = (uint16_t *)((uint8_t *)page + SHARED_FRAMES_OFFSET);
    if (r) {
        engine_destroy(e);
        return r;
    }
    e->shared->nr_frames = config->ram->nr_frames;
    e->shared->nr_ram = config->ram->max_pages;
    e->shared->patch_first = config->ram->patch_first;
    e->shared->patch_count = RAM_PATCH_FRAMES;
    e->shared->nr_vcpus = config->nr_vcpus;
    e->shared->programs = config->programs;
    e->shared->cpuid_faults = cpuid_faults;
    e->shared->shared_info = config->ram->shared_info;
    e->shared->tsc_stamp = config->tsc_stamp;
    set_tsc_scale(e->shared, config->tsc_khz);
    for (unsigned int i = 0; i < config->nr_vcpus && !r; i++)
        r = start_vcpu(e, i, config, err);
    if (!r)
        r = introduce_vcpus(e, err);
    if (r) {
        engine_destroy(e);
        return r;
    }
    *ret = e;
    return 0;
}

void engine_stop(struct engine *e)
{
    __atomic_store_n(&e->stopped, true, __ATOMIC_SEQ_CST);
    for (unsigned int i = 0; i < e->nr_vcpus; i++) {
        struct soft_vcpu *s = &e->vcpu[i];

        if (s->pidfd >= 0)
            launcher_kill(s->pidfd, SIGKILL);
        zygote_kill(&s->zygote);
        if (s->run)
            syscall(SYS_futex, &s->run->turn, FUTEX_WAKE, 64, NULL, NULL, 0);
    }
}

void engine_destroy(struct engine *e)
{
    if (!e)
        return;
    engine_stop(e);
    for (unsigned int i = 0; i < e->nr_vcpus; i++) {
        struct soft_vcpu *s = &e->vcpu[i];

        if (s->pidfd >= 0)
            launcher_reap(s->pidfd);
        if (s->peers_socket >= 0)
            close(s->peers_socket);
        zygote_done(&s->zygote);
        if (s->run)
            munmap(s->run, page_round(sizeof(*s->run)));
        if (s->run_fd >= 0)
            close(s->run_fd);
    }
    if (e->shared)
        munmap(e->shared, e->shared_size);
    if (e->shared_fd >= 0)
        close(e->shared_fd);
    free(e);
}

struct dom_shared *engine_shared(struct engine *e)
{
    return e->shared;
}

struct run *engine_run_page(struct engine *e, unsigned int vcpu)
{
    return vcpu < e->nr_vcpus ? e->vcpu[vcpu].run : NULL;
}

static bool vcpu_alive(const struct soft_vcpu *s)
{
    struct pollfd p = {.fd = s->pidfd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

int engine_vcpu_run(struct engine *e, unsigned int vcpu, struct err *err)
{
    struct run *run = e->vcpu[vcpu].run;

    __atomic_store_n(&run->turn, TURN_V, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&run->v_waits, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &run->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    return engine_vcpu_wait(e, vcpu, err);
}

int engine_vcpu_wait(struct engine *e, unsigned int vcpu, struct err *err)
{
    struct soft_vcpu *s = &e->vcpu[vcpu];
    struct run *run = s->run;
    struct timespec watch = {.tv_nsec = WATCH_NS};
    uint32_t turn;

    __atomic_store_n(&run->d_waits, 1, __ATOMIC_SEQ_CST);
    while (!((turn = __atomic_load_n(&run->turn, __ATOMIC_SEQ_CST)) & TURN_D)) {
        if (__atomic_load_n(&e->stopped, __ATOMIC_SEQ_CST))
            return err_set(err, ECANCELED, "the engine was stopped");
        if (__atomic_load_n(&run->rang, __ATOMIC_SEQ_CST))
            return ENGINE_RANG;
        if (syscall(SYS_futex, &run->turn, FUTEX_WAIT, turn, &watch, NULL, 0) &&
            errno == ETIMEDOUT && !vcpu_alive(s))
            return err_set(err, ECANCELED, "the vCPU process ended unexpectedly");
    }
    if (__atomic_load_n(&e->stopped, __ATOMIC_SEQ_CST))
        return err_set(err, ECANCELED, "the engine was stopped");
    return 0;
}

void engine_vcpu_kick(struct engine *e, unsigned int vcpu)
{
    const struct soft_vcpu *s;
    struct vcpu_link *l;

    if (vcpu >= e->nr_vcpus)
        return;
    s = &e->vcpu[vcpu];
    l = &e->shared->vcpu[vcpu];
    __atomic_fetch_add(&l->kick, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&l->sleeps, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &l->kick, FUTEX_WAKE, 1, NULL, NULL, 0);
    /* While it is D's turn V looks at events before it runs guest code again anyway. */
    else if (!(__atomic_load_n(&s->run->turn, __ATOMIC_SEQ_CST) & TURN_D))
        syscall(SYS_pidfd_send_signal, s->pidfd, SIGUSR1, NULL, 0);
}

int engine_vcpu_place(struct engine *e, unsigned int vcpu, const cpu_set_t *cpus)
{
    struct run *run = e->vcpu[vcpu].run;
    uint8_t bits[RUN_CPUS / 8] = {0};
    int rc = placement_set(e->vcpu[vcpu].pidfd, e->vcpu[vcpu].zygote.pidfd, cpus);

    if (rc < 0)
        return rc;
    for (size_t cpu = 0; cpu < RUN_CPUS; cpu++)
        if (CPU_ISSET(cpu, cpus))
            bits[cpu / 8] |= (uint8_t)(1u << cpu % 8);
    memcpy(run->cpus, bits, sizeof(bits));
    __atomic_fetch_or(&run->request, RUN_REQ_CPUS, __ATOMIC_SEQ_CST);
    engine_vcpu_kick(e, vcpu);
    return 0;
}

uint64_t engine_vcpu_time(const struct engine *e, unsigned int vcpu, int *ret_cpu)
{
    const struct soft_vcpu *s = &e->vcpu[vcpu];

    return placement_time(s->pidfd, s->zygote.pidfd, ret_cpu);
}

bool engine_vcpu_sleeps(const struct engine *e, unsigned int vcpu)
{
    return vcpu < e->nr_vcpus && __atomic_load_n(&e->shared->vcpu[vcpu].sleeps, __ATOMIC_RELAXED);
}

void engine_pins_read(const struct engine *e, mfn_t first, uint8_t *levels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned int code = (e->frames[first + i] & FRAMES_LEVEL_MASK) >> FRAMES_LEVEL_SHIFT;

        levels[i] = code > FRAMES_LOOKED_AT ? 0 : (uint8_t)code;
    }
}

void engine_pins_write(struct engine *e, mfn_t first, const uint8_t *levels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        e->frames[first + i] =
            (uint16_t)((unsigned int)levels[i] << FRAMES_LEVEL_SHIFT) & FRAMES_LEVEL_MASK;
}

static void tell_written(struct engine *e, unsigned int vcpu, mfn_t mfn)
{
    struct soft_vcpu *s = &e->vcpu[vcpu];

    s->run->written[s->nr_written % RUN_WRITTEN] = mfn;
    __atomic_store_n(&s->run->nr_written, ++s->nr_written, __ATOMIC_RELEASE);
    __atomic_fetch_or(&s->run->request, RUN_REQ_WRITTEN, __ATOMIC_SEQ_CST);
    engine_vcpu_kick(e, vcpu);
}

void engine_frame_written(struct engine *e, mfn_t mfn)
{
    uint16_t watchers;

    /* A vCPU sets its bit before it reads the frame, and we read the bit after we wrote it. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    watchers = __atomic_load_n(&e->frames[mfn], __ATOMIC_RELAXED) & FRAMES_WATCHERS;
    for (unsigned int i = 0; watchers && i < e->nr_vcpus; i++)
        if (watchers >> i & 1)
            tell_written(e, i, mfn);
}
