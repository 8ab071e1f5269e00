/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virt.c - see virt.h. A kernel may offer /dev/kvm without a CPU behind it (nested hosts do), and
 * something else may lie over the device where it is hidden, so both are looked at.
 */
#define _GNU_SOURCE
#include "base/virt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define CPUINFO_MAX (16 * 1024 * 1024)

/* Is `word` one of the words of a line? */
static bool line_has(const char *line, const char *end, const char *word)
{
    size_t n = strlen(word);

    while (line < end) {
        size_t len;

        line += strspn(line, " \t");
        len = strcspn(line, " \t\n");
        if (len == n && memcmp(line, word, n) == 0)
            return true;
        if (len == 0)
            break;
        line += len;
    }
    return false;
}

bool virt_flags_have_hvm(const char *cpuinfo)
{
    for (const char *line = cpuinfo; line; line = strchr(line, '\n')) {
        const char *end, *colon;

        line += line[0] == '\n';
        end = strchrnul(line, '\n');
        colon = memchr(line, ':', (size_t)(end - line));
        if (!colon || strncmp(line, "flags", 5) != 0)
            continue;
        return line_has(colon + 1, end, "vmx") || line_has(colon + 1, end, "svm");
    }
    return false;
}

bool virt_has_kvm(void)
{
    CLEANUP_CLOSE int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    size_t len;

    return fd >= 0 && ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_API_VERSION &&
           io_read_file("/proc/cpuinfo", CPUINFO_MAX, &text, &len, NULL) == 0 &&
           virt_flags_have_hvm(text);
}

int virt_choose(const char *policy, enum virt_cpu *ret, struct err *err)
{
    bool always = strcmp(policy, "always") == 0, never = strcmp(policy, "never") == 0;

    if (!always && !never && strcmp(policy, "auto") != 0)
        return err_set(err, EINVAL, "hvm_emulation = '%s' is none of auto, never, always", policy);
    *ret = !always && virt_has_kvm() ? VIRT_KVM : VIRT_EMULATED;
    if (never && *ret == VIRT_EMULATED)
        return err_set(
            err, ENOTSUP,
            "this host has no hardware virtualization (VT-x or AMD-V with /dev/kvm) that "
            "can be used, and hvm_emulation = 'never' forbids an emulated CPU");
    return 0;
}

const char *virt_cpu_name(enum virt_cpu cpu)
{
    return cpu == VIRT_KVM ? "kvm" : "tcg";
}
