/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm_priv.h - what the files behind hvm.h share.
 */
#pragma once

#include "backend/block/disk.h"
#include "backend/net/vif_open.h"
#include "hvm/args.h"
#include "hvm/hvm.h"
#include "hvm/model.h"
#include "hvm/qmp.h"

struct xs_client;

struct hvm_drive {
    struct disk_config config;
    struct disk disk; /* of an empty drive: nothing open */
    bool empty;
    enum hvm_bus bus;
    unsigned int unit;
    int set; /* fdset of a medium that was put in during this life, 0 = none */
};

struct hvm_nic {
    struct vif_config config;
    char model[16], tap[VIF_NAME_MAX];
    int tap_fd; /* -1: passt, started anew for each life */
};

/* The console's serial port: a socket to the device model. */
struct hvm_serial_port {
    int fd;
    struct loop_watch *watch;
    bool waiting; /* for a client of the console that is behind */
};

/* A file in memory that the device model writes pictures to. */
struct hvm_screen {
    int fd;       /* to be read */
    int write_fd; /* of the same file; the device model's, which can only be written to */
};

/* A core that the device model is writing; done NULL: none. */
struct hvm_dump {
    hvm_dump_fn *done;
    void *arg;
};

/* This life in xenstored. */
struct hvm_store {
    struct xs_client *client;
    struct loop_watch *watch;
    int domain_fd; /* the domain is there as long as this is open */
};

struct hvm {
    struct loop *loop;
    struct domain *d;
    const struct domain_options *o;
    struct hvm_spec spec;
    struct hvm_drive drives[HVM_MAX_DRIVES];
    unsigned int nr_drives;
    struct hvm_nic nics[HVM_MAX_NICS];
    unsigned int nr_nics;
    struct hvm_screen screen;

    /* A life. */
    struct model *model;
    struct qmp *qmp;
    struct loop_watch *qmp_watch;
    struct hvm_serial_port serial;
    struct hvm_store store;
    struct hvm_dump dump;
    unsigned int vnc_port; /* 0 = none */
    char vnc_address[64];
    uint64_t balloon_mib; /* what the guest was asked to have */
    unsigned int nr_cpus; /* that this machine has had so far */
    bool reboot_wanted;   /* the power button was pressed for a reboot */
    int64_t clock_offset; /* of this life's clock at its start, seconds: rtc_timeoffset then */
    int *passed_fd;       /* came with a request: *passed of hvm_request() */
    int answer_fd;        /* goes with the answer to a request; -1 = none */
    int next_set;         /* the next free fdset */
};

/* drives.c: open what the document has; the drives and their descriptors for a life. */
int hvm_drives_open(struct hvm *h, const json_t *disks, struct err *err) MUST_CHECK;
void hvm_drives_close(struct hvm *h);
int hvm_drives_describe(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds,
                        struct err *err) MUST_CHECK;
json_t *hvm_drives_list(const struct hvm *h);
/* Change the medium of a CD drive; `object` NULL: take it out. `image`: the new one's descriptor,
 * taken in any case. */
int hvm_drives_change(struct hvm *h, const char *name, const json_t *object, int image,
                      struct err *err) MUST_CHECK;

/* nics.c: likewise; and what the launcher has to know of them before it is made. */
int hvm_nics_prepare(const json_t *vifs, struct err *err) MUST_CHECK;
int hvm_nics_open(struct hvm *h, const json_t *vifs, struct err *err) MUST_CHECK;
void hvm_nics_close(struct hvm *h);
int hvm_nics_describe(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds,
                      struct err *err) MUST_CHECK;
json_t *hvm_nics_list(const struct hvm *h);

/* serial.c: the port that is the console; the device model's end is added to fds. */
int hvm_serial_open(struct hvm *h, struct hvm_fds *fds, int *ret_number,
                    struct err *err) MUST_CHECK;
void hvm_serial_close(struct hvm *h);
int hvm_serial_tick(struct hvm *h);

/* store.c: show this life to xenstored, and listen to what is asked of the guest there. */
int hvm_store_open(struct hvm *h, struct err *err) MUST_CHECK;
void hvm_store_close(struct hvm *h);

/* screen.c: a file for pictures of the screen, opened before the jail; the screen as width x height
 * words 0x00RRGGBB. A new descriptor or -errno. */
int hvm_screen_open(struct hvm_screen *s, struct err *err) MUST_CHECK;
void hvm_screen_close(struct hvm_screen *s);
int hvm_screen_take(struct hvm *h, uint32_t *width, uint32_t *height, struct err *err) MUST_CHECK;

/* vcpus.c: an array for vcpu-list, NULL on failure; as many as d->vcpu_avail says, of which the
 * guest may have to let one go before the next; where the options say that they may run. */
json_t *hvm_vcpus_list(struct hvm *h, struct err *err);
void hvm_vcpus_adjust(struct hvm *h);
void hvm_vcpus_place(struct hvm *h);

/* dump.c: the event that ends it. */
void hvm_dump_completed(struct hvm *h, const json_t *data);

/* hvm.c: a command of the device model. */
int hvm_command(struct hvm *h, const char *command, json_t *arguments, struct err *err) MUST_CHECK;
/* Press the power button; the guest's end then counts as a reboot if `reboot`. */
int hvm_press_power(struct hvm *h, bool reboot, struct err *err) MUST_CHECK;
/* Press Alt, SysRq and a letter. */
int hvm_press_sysrq(struct hvm *h, char letter, struct err *err) MUST_CHECK;
