/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * args.c - see args.h: the machine itself. Drives and network cards are in args_devices.c.
 */
#define _GNU_SOURCE
#include "hvm/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hvm/args_devices.h"

#define DEVICE_MODEL "qemu-system-x86_64"
/* What programs of today ask for (x86-64-v2), without what an emulated CPU would be slow at. Of
 * AMD's make: kernels change page tables at each system call of an Intel CPU of that age
 * (Meltdown), and the translator forgets its TLB then, which is twenty times slower. */
#define EMULATED_CPU "qemu64,ssse3=on,sse4.1=on,sse4.2=on,popcnt=on"
#define VNC_DISPLAYS 1000 /* to look for a free one in */

static void add_machine(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m)
{
    const uint8_t *u = m->uuid;

    words_add(w, "%s", DEVICE_MODEL);
    words_add_option(w, "-name", "%s", m->name);
    words_add_option(w, "-uuid",
                     "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                     u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
                     u[13], u[14], u[15]);
    words_add(w, "-nodefaults");
    words_add(w, "-no-user-config");
    words_add_option(w, "-machine", "pc,accel=%s,acpi=%s,hpet=%s,usb=%s,dump-guest-core=off",
                     s->kvm ? "kvm" : "tcg", s->acpi ? "on" : "off", s->hpet ? "on" : "off",
                     s->usb ? "on" : "off");
    words_add_option(w, "-m", "%llu", (unsigned long long)m->memory_mib);
    words_add_option(w, "-smp", "%u,maxcpus=%u,sockets=%u,cores=1,threads=1", m->vcpus, m->maxvcpus,
                     m->maxvcpus);
    if (!s->acpi_s3)
        words_add_option(w, "-global", "PIIX4_PM.disable_s3=1");
    if (!s->acpi_s4)
        words_add_option(w, "-global", "PIIX4_PM.disable_s4=1");
    words_add(w, "-S");
    /* Each life has a device model of its own: it stops at the end of one, and is asked why. */
    words_add_option(w, "-action", "%s", "reboot=shutdown,shutdown=pause,panic=pause");
}

static void add_cpu(struct words *w, const struct hvm_spec *s)
{
    /* Without PAE there are neither 64-bit page tables nor their NX bit. */
    words_add_option(
        w, "-cpu", "%s%s%s%s%s%s", s->kvm ? "host" : EMULATED_CPU, s->pae ? "" : ",pae=off,lm=off",
        s->nx && s->pae ? "" : ",nx=off", s->apic ? "" : ",apic=off",
        s->nestedhvm ? "" : ",svm=off,vmx=off",
        s->viridian && s->kvm ? ",hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-time,hv-vpindex" : "");
    /* Triple faults are told by this log only. */
    if (!s->kvm)
        words_add_option(w, "-d", "cpu_reset");
    else if (s->timer_mode >= 2)
        words_add_option(w, "-global", "kvm-pit.lost_tick_policy=discard");
}

static void add_clock(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m)
{
    const char *slew = s->timer_mode == 0 ? ",driftfix=slew" : "";
    time_t t = (time_t)(m->now + s->rtc_timeoffset + (s->localtime ? m->local_offset : 0));
    struct tm tm;

    if (s->rtc_timeoffset == 0)
        words_add_option(w, "-rtc", "base=%s%s", s->localtime ? "localtime" : "utc", slew);
    else if (gmtime_r(&t, &tm))
        words_add_option(w, "-rtc", "base=%04d-%02d-%02dT%02d:%02d:%02d%s", tm.tm_year + 1900,
                         tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, slew);
}

/* The next power of two, as the cards want it. */
static unsigned int video_memory(unsigned int mib, unsigned int otherwise)
{
    unsigned int n = 1;

    while (n < (mib ? mib : otherwise))
        n *= 2;
    return n;
}

static void add_video(struct words *w, const struct hvm_spec *s)
{
    if (strcmp(s->vga, "cirrus") == 0) {
        unsigned int mib = video_memory(s->videoram, 4);

        words_add_option(w, "-device", "cirrus-vga,vgamem_mb=%u",
                         mib > 16  ? 16
                         : mib < 4 ? 4
                                   : mib);
    } else if (strcmp(s->vga, "stdvga") == 0) {
        words_add_option(w, "-device", "VGA,vgamem_mb=%u", video_memory(s->videoram, 16));
    } else if (strcmp(s->vga, "qxl") == 0) {
        words_add_option(w, "-device", "qxl-vga,vgamem_mb=%u", video_memory(s->videoram, 16));
    }
    words_add_option(w, "-display", "none");
    if (s->keymap[0])
        words_add_option(w, "-k", "%s", s->keymap);
    if (!s->has_vnc)
        return;
    if (s->vnc.unused)
        words_add_option(w, "-vnc", "%s:%u,to=%u%s", s->vnc.listen, s->vnc.display, VNC_DISPLAYS,
                         s->vnc.password[0] ? ",password=on" : "");
    else
        words_add_option(w, "-vnc", "%s:%u%s", s->vnc.listen, s->vnc.display,
                         s->vnc.password[0] ? ",password=on" : "");
}

static void add_usb(struct words *w, const struct hvm_spec *s)
{
    for (unsigned int i = 0; i < s->nr_usb; i++)
        words_add_option(w, "-device", "usb-%s",
                         strcmp(s->usb_device[i], "keyboard") == 0 ? "kbd" : s->usb_device[i]);
}

/* Is the word in a list with commas between? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; *at; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");

        if (length == n && strncmp(at, word, n) == 0)
            return true;
        at += length;
    }
    return false;
}

static void add_sound(struct words *w, const struct hvm_spec *s)
{
    static const struct {
        const char *card, *device;
    } cards[] = {{"sb16", "sb16"},     {"adlib", "adlib"}, {"cs4231a", "cs4231a"}, {"gus", "gus"},
                 {"es1370", "ES1370"}, {"ac97", "AC97"},   {"hda", "intel-hda"}};

    if (!s->soundhw[0])
        return;
    words_add_option(w, "-audiodev", "none,id=sound");
    for (size_t i = 0; i < ARRAY_SIZE(cards); i++) {
        if (!has_word(s->soundhw, "all") && !has_word(s->soundhw, cards[i].card))
            continue;
        if (strcmp(cards[i].card, "hda") == 0) {
            words_add_option(w, "-device", "intel-hda");
            words_add_option(w, "-device", "hda-duplex,audiodev=sound");
        } else {
            words_add_option(w, "-device", "%s,audiodev=sound", cards[i].device);
        }
    }
}

/* Would a port that listens hold up the machine's start until somebody has come? */
static bool waits_for_client(const char *text)
{
    return strstr(text, ",server") && !strstr(text, "nowait") && !strstr(text, "wait=off");
}

static void add_channels(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m)
{
    words_add_option(w, "-chardev", "socket,id=qmp,fd=%d", m->qmp_fd);
    words_add_option(w, "-mon", "chardev=qmp,mode=control");
    for (unsigned int i = 0; i < s->nr_serials; i++) {
        switch (s->serial[i]) {
        case HVM_SERIAL_CONSOLE:
            words_add_option(w, "-chardev", "socket,id=serial%u,fd=%d", i, m->serial_fd[i]);
            words_add_option(w, "-serial", "chardev:serial%u", i);
            break;
        case HVM_SERIAL_FILE:
            words_add_option(w, "-add-fd", "fd=%d,set=%d", m->serial_fd[i], m->serial_fd[i]);
            words_add_option(w, "-chardev", "file,id=serial%u,append=on,path=/dev/fdset/%d", i,
                             m->serial_fd[i]);
            words_add_option(w, "-serial", "chardev:serial%u", i);
            break;
        case HVM_SERIAL_TCP:
            words_add_option(w, "-serial", "%s%s", s->serial_text[i],
                             waits_for_client(s->serial_text[i]) ? ",nowait" : "");
            break;
        case HVM_SERIAL_NONE:
            words_add_option(w, "-serial", "none");
            break;
        }
    }
}

/* The files are in memory, so that they can be opened whoever owns the ones on disk. */
static void add_kernel(struct words *w, const struct hvm_machine *m)
{
    if (m->kernel_fd < 0)
        return;
    words_add_option(w, "-kernel", "/proc/self/fd/%d", m->kernel_fd);
    if (m->ramdisk_fd >= 0)
        words_add_option(w, "-initrd", "/proc/self/fd/%d", m->ramdisk_fd);
    if (m->cmdline && m->cmdline[0])
        words_add_option(w, "-append", "%s", m->cmdline);
}

int hvm_args_make(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m,
                  struct err *err)
{
    add_machine(w, s, m);
    add_cpu(w, s);
    add_clock(w, s, m);
    add_channels(w, s, m);
    add_kernel(w, m);
    add_video(w, s);
    add_usb(w, s);
    add_sound(w, s);
    hvm_args_add_drives(w, s, m);
    hvm_args_add_nics(w, s, m);
    words_add_option(w, "-device", "virtio-balloon-pci,id=balloon");
    return w->overflow ? err_set(err, E2BIG, "the device model's command line is too long") : 0;
}
