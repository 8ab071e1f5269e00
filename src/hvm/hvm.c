/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm.c - see hvm.h: a machine's life from the command line to the last event. The device model
 * stops the machine when it is switched off or reset (-action), so that the reason can be told
 * and its screen and memory can still be looked at; the next life has a new device model.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "hvm/files.h"
#include "hvm/hvm_priv.h"

#define MIB (1024 * 1024)
#define PAGES_PER_MIB 256

#define MAX_CLOCK_OFFSET (200ll * 366 * 86400)

/* --- events ------------------------------------------------------------------------------- */

static void PRINTF_FMT(3, 4)
    end_life(struct hvm *h, enum shutdown_reason reason, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&h->d->lock);
    domain_shutdown(h->d, reason, "%s", text);
    pthread_mutex_unlock(&h->d->lock);
}

static void on_reset(struct hvm *h)
{
    if (model_saw_triple_fault(h->model))
        end_life(h, SHUTDOWN_CRASH, "triple fault: the guest could not handle an exception");
    else
        end_life(h, SHUTDOWN_REBOOT, "the guest reset its machine");
}

static void on_shutdown(struct hvm *h, const char *reason)
{
    if (strcmp(reason, "guest-shutdown") == 0)
        end_life(h, h->reboot_wanted ? SHUTDOWN_REBOOT : SHUTDOWN_POWEROFF,
                 "the guest switched its machine off");
    else if (strcmp(reason, "guest-reset") == 0)
        on_reset(h);
    else if (strcmp(reason, "host-qmp-system-reset") == 0)
        end_life(h, SHUTDOWN_REBOOT, "the machine was reset");
    else if (strcmp(reason, "guest-panic") == 0)
        end_life(h, SHUTDOWN_CRASH, "the guest's kernel panicked");
    else
        end_life(h, SHUTDOWN_CRASH, "the device model was ended from outside (%s)", reason);
}

/* The guest has set its clock, which is now so far from where this life's would be: the next life's
 * goes on from there. */
static void on_clock(struct hvm *h, json_int_t seconds)
{
    if (seconds >= -MAX_CLOCK_OFFSET && seconds <= MAX_CLOCK_OFFSET &&
        h->clock_offset + seconds >= -MAX_CLOCK_OFFSET &&
        h->clock_offset + seconds <= MAX_CLOCK_OFFSET)
        h->spec.rtc_timeoffset = h->clock_offset + seconds;
}

static void on_event(void *arg, const char *event, const json_t *data)
{
    struct hvm *h = arg;

    if (strcmp(event, "SHUTDOWN") == 0)
        on_shutdown(h, json_get_string(data, "reason", "unknown"));
    else if (strcmp(event, "GUEST_PANICKED") == 0)
        end_life(h, SHUTDOWN_CRASH, "the guest's kernel panicked");
    else if (strcmp(event, "DUMP_COMPLETED") == 0)
        hvm_dump_completed(h, data);
    else if (strcmp(event, "DEVICE_DELETED") == 0)
        hvm_vcpus_adjust(h); /* nothing else is unplugged */
    else if (strcmp(event, "RTC_CHANGE") == 0)
        on_clock(h, json_get_int(data, "offset", 0));
    else if (strcmp(event, "BLOCK_IO_ERROR") == 0)
        log_guest(LOG_WARN, "hvm", "disk %s: %s error: %s", json_get_string(data, "node-name", "?"),
                  json_get_string(data, "operation", "I/O"), json_get_string(data, "reason", "?"));
}

static void on_model_end(void *arg)
{
    struct hvm *h = arg;
    const char *why = model_last_words(h->model);

    if (h->qmp)
        (void)qmp_dispatch(h->qmp); /* what it said before counts first */
    hvm_dump_end(h);
    end_life(h, SHUTDOWN_CRASH, "the device model ended unexpectedly%s%s", why[0] ? ": " : "", why);
}

static void on_qmp(void *arg, uint32_t events)
{
    struct hvm *h = arg;

    /* Its process's end, which says more, is an event of its own. */
    if (qmp_dispatch(h->qmp) < 0) {
        loop_remove(h->qmp_watch);
        h->qmp_watch = NULL;
    }
}

/* --- requests ----------------------------------------------------------------------------- */

int hvm_command(struct hvm *h, const char *command, json_t *arguments, struct err *err)
{
    if (!h->qmp) {
        json_decref(arguments);
        return err_set(err, EAGAIN, "the machine is not there at the moment");
    }
    return qmp_execute(h->qmp, command, arguments, -1, QMP_PATIENCE_MS, NULL, err);
}

int hvm_press_power(struct hvm *h, bool reboot, struct err *err)
{
    int rc;

    if (!h->spec.acpi)
        return err_set(err, ENOTSUP,
                       "the machine has no ACPI (acpi = 0), so its power button does "
                       "nothing: shut the guest down from inside");
    rc = hvm_command(h, "system_powerdown", NULL, err);
    if (rc < 0)
        return rc;
    h->reboot_wanted = reboot;
    log_msg(LOG_INFO, "hvm", "pressed the power button%s", reboot ? ", for a reboot" : "");
    return 0;
}

int hvm_press_sysrq(struct hvm *h, char letter, struct err *err)
{
    const char key[2] = {letter, '\0'};

    if ((letter < 'a' || letter > 'z') && (letter < '0' || letter > '9'))
        return err_set(err, EINVAL, "'%c' is no system request key", letter);
    return hvm_command(h, "send-key",
                       json_pack("{s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "keys", "type", "qcode",
                                 "data", "alt", "type", "qcode", "data", "sysrq", "type", "qcode",
                                 "data", key),
                       err);
}

/* --- a life ------------------------------------------------------------------------------- */

/* A copy of a file in memory. Its descriptor, or -errno. */
static int copy_file(enum hvm_file file, const char *path, struct err *err)
{
    CLEANUP_CLOSE int from = hvm_files_open(file);
    CLEANUP_CLOSE int to = memfd_create("kernel", MFD_CLOEXEC);
    CLEANUP_FREE char *buf = malloc(MIB);
    ssize_t n = 1;

    if (from < 0 || to < 0 || !buf)
        return err_set(err, from < 0 ? -from : ENOMEM, "%s cannot be read: %s", path,
                       strerror(from < 0 ? -from : ENOMEM));
    while (n > 0) {
        n = read(from, buf, MIB);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0 || io_write_all(to, buf, (size_t)n) < 0)
            return err_set(err, EIO, "%s cannot be read", path);
    }
    return STEAL_FD(to);
}

static int describe_kernel(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds,
                           struct err *err)
{
    int fd;

    m->kernel_fd = m->ramdisk_fd = -1;
    m->cmdline = h->o->cmdline;
    if (!h->o->kernel[0])
        return 0;
    fd = copy_file(HVM_FILE_KERNEL, h->o->kernel, err);
    if (fd < 0)
        return fd;
    m->kernel_fd = hvm_fds_add(fds, fd);
    if (!h->o->ramdisk[0])
        return 0;
    fd = copy_file(HVM_FILE_RAMDISK, h->o->ramdisk, err);
    if (fd < 0)
        return fd;
    m->ramdisk_fd = hvm_fds_add(fds, fd);
    return 0;
}

static int describe_serials(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds,
                            struct err *err)
{
    int rc = 0;

    for (unsigned int i = 0; rc == 0 && i < h->spec.nr_serials; i++) {
        m->serial_fd[i] = -1;
        if (h->spec.serial[i] == HVM_SERIAL_CONSOLE) {
            rc = hvm_serial_open(h, fds, &m->serial_fd[i], err);
        } else if (h->spec.serial[i] == HVM_SERIAL_FILE) {
            int fd = hvm_files_open(HVM_FILE_SERIAL + i);

            if (fd < 0)
                return err_set(err, -fd, "serial: %s: %s", h->spec.serial_text[i], strerror(-fd));
            m->serial_fd[i] = hvm_fds_add(fds, fd);
        }
    }
    return rc;
}

/* The machine as it is to be, and the descriptors it takes; ours of the control connection. */
static int describe(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds, int *ret_qmp,
                    struct err *err)
{
    int pair[2], rc;
    struct tm tm;
    time_t now = time(NULL);

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    *ret_qmp = pair[0];
    m->qmp_fd = hvm_fds_add(fds, pair[1]);
    m->name = h->o->name;
    memcpy(m->uuid, h->o->uuid, sizeof(m->uuid));
    m->memory_mib = h->o->maxmem_pages / PAGES_PER_MIB;
    m->vcpus = (unsigned int)__builtin_popcount(h->o->vcpu_avail);
    m->maxvcpus = h->o->vcpus;
    m->now = now;
    m->local_offset = localtime_r(&now, &tm) ? tm.tm_gmtoff : 0;
    rc = describe_serials(h, m, fds, err);
    if (rc == 0)
        rc = describe_kernel(h, m, fds, err);
    if (rc == 0)
        rc = hvm_drives_describe(h, m, fds, err);
    return rc < 0 ? rc : hvm_nics_describe(h, m, fds, err);
}

static int start_model(struct hvm *h, int *ret_qmp, struct err *err)
{
    CLEANUP_FREE struct words *words = calloc(1, sizeof(*words));
    struct hvm_machine m = {0};
    struct hvm_fds fds = {.count = 0};
    int rc = words ? 0 : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = describe(h, &m, &fds, ret_qmp, err);
    if (rc == 0)
        rc = hvm_args_make(words, &h->spec, &m, err);
    if (rc == 0)
        rc = model_start(&h->model, h->loop, words, &fds, on_model_end, h, err);
    hvm_fds_close(&fds);
    return rc;
}

static int open_qmp(struct hvm *h, int fd, struct err *err)
{
    int rc = qmp_open(&h->qmp, fd, on_event, h, err);

    if (rc == -ECONNRESET) {
        const char *why = model_last_words(h->model);

        return err_set(err, EIO, "the device model does not start: %s",
                       why[0] ? why : "it gives no reason");
    }
    if (rc < 0)
        return rc;
    h->qmp_watch = loop_add(h->loop, qmp_fd(h->qmp), EPOLLIN, on_qmp, h);
    return h->qmp_watch ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* Where the screen can be seen. */
static int set_up_vnc(struct hvm *h, struct err *err)
{
    json_t *answer = NULL;
    int rc = 0;

    h->vnc_port = 0;
    if (!h->spec.has_vnc)
        return 0;
    if (h->spec.vnc.password[0])
        rc = hvm_command(
            h, "set_password",
            json_pack("{s:s, s:s}", "protocol", "vnc", "password", h->spec.vnc.password), err);
    if (rc == 0)
        rc = qmp_execute(h->qmp, "query-vnc", NULL, -1, QMP_PATIENCE_MS, &answer, err);
    if (rc < 0)
        return rc;
    h->vnc_port = (unsigned int)strtoul(json_get_string(answer, "service", "0"), NULL, 10);
    snprintf(h->vnc_address, sizeof(h->vnc_address), "%s",
             json_get_string(answer, "host", h->spec.vnc.listen));
    json_decref(answer);
    log_msg(LOG_INFO, "hvm", "VNC on %s port %u%s", h->vnc_address, h->vnc_port,
            h->spec.vnc.password[0] ? ", with a password" : "");
    return 0;
}

/* The guest is to use less than there is. One without a balloon driver takes all. */
static int set_up_balloon(struct hvm *h, struct err *err)
{
    h->balloon_mib = h->o->memory_pages / PAGES_PER_MIB;
    if (h->o->memory_pages == h->o->maxmem_pages)
        return 0;
    return hvm_command(h, "balloon", json_pack("{s:I}", "value", (json_int_t)h->balloon_mib * MIB),
                       err);
}

static int start(struct hvm *h, struct err *err)
{
    int fd = -1, rc = start_model(h, &fd, err);

    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = io_set_nonblock(fd, true);
    if (rc == 0)
        rc = open_qmp(h, fd, err);
    if (rc == 0)
        rc = set_up_vnc(h, err);
    if (rc == 0)
        rc = set_up_balloon(h, err);
    if (rc == 0)
        rc = hvm_store_open(h, err);
    return rc;
}

int hvm_start(struct hvm *h, struct err *err)
{
    struct domain *d = h->d;
    int rc;

    d->nr_vcpus = h->o->vcpus;
    d->vcpu_avail = h->o->vcpu_avail;
    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        d->vcpus[i].up = d->vcpu_avail >> i & 1;
    d->ram.nr_pages = h->o->memory_pages;
    d->ram.max_pages = d->ram.limit = h->o->maxmem_pages;
    d->reason = SHUTDOWN_NONE;
    d->reason_text[0] = '\0';
    h->reboot_wanted = false;
    h->clock_offset = h->spec.rtc_timeoffset;
    h->nr_cpus = (unsigned int)__builtin_popcount(d->vcpu_avail);
    rc = start(h, err);
    if (rc == 0) {
        hvm_vcpus_place(h);
        pthread_mutex_lock(&d->lock);
        d->state = DOMAIN_RUNNING;
        pthread_mutex_unlock(&d->lock);
        if (!d->paused)
            rc = hvm_command(h, "cont", NULL, err);
    }
    if (rc == 0)
        (void)qmp_dispatch(h->qmp);
    else
        hvm_end(h);
    return rc;
}

void hvm_end(struct hvm *h)
{
    hvm_dump_end(h);
    hvm_store_close(h);
    loop_remove(h->qmp_watch);
    h->qmp_watch = NULL;
    qmp_close(h->qmp);
    h->qmp = NULL;
    model_stop(h->model);
    h->model = NULL;
    hvm_serial_close(h);
}

int hvm_tick(struct hvm *h)
{
    /* Those that came while a command waited for its answer: nothing else would wake us for them.
     */
    if (h->qmp)
        (void)qmp_dispatch(h->qmp);
    return hvm_serial_tick(h);
}

/* --- the whole ---------------------------------------------------------------------------- */

int hvm_prepare(const struct domain_options *o, struct err *err)
{
    struct hvm_spec spec;
    int rc = hvm_spec_parse(&spec, o->hvm, err);

    if (rc == 0)
        rc = hvm_files_prepare(o, &spec, err);
    return rc < 0 ? rc : hvm_nics_prepare(o->vifs, err);
}

int hvm_create(struct hvm **ret, struct loop *loop, struct domain *d,
               const struct domain_options *o, struct err *err)
{
    struct hvm *h = calloc(1, sizeof(*h));
    int rc;

    if (!h)
        return err_set(err, ENOMEM, "out of memory");
    h->loop = loop;
    h->d = d;
    h->o = o;
    h->serial.fd = -1;
    h->screen.fd = h->screen.write_fd = -1;
    h->store.domain_fd = -1;
    rc = hvm_spec_parse(&h->spec, o->hvm, err);
    if (rc == 0)
        rc = hvm_drives_open(h, o->disks, err);
    if (rc == 0)
        rc = hvm_nics_open(h, o->vifs, err);
    if (rc == 0)
        rc = hvm_screen_open(&h->screen, err);
    if (rc < 0) {
        hvm_destroy(h);
        return rc;
    }
    log_msg(LOG_INFO, "hvm", "CPU: %s",
            h->spec.kvm ? "the host's (KVM)"
                        : "emulated: two to twenty times slower than the host's");
    *ret = h;
    return 0;
}

void hvm_destroy(struct hvm *h)
{
    if (!h)
        return;
    hvm_nics_close(h);
    hvm_drives_close(h);
    hvm_screen_close(&h->screen);
    free(h);
}
