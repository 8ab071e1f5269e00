/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * refused.c - the commands of Xen's xm and xl that are not here, each with the reason. They are
 * no part of the short help; who calls one is told.
 */
#include "xm/verbs.h"

#include <stdio.h>
#include <string.h>

#define NO_PASSTHROUGH "devices of the host are not passed through to guests"
#define NO_HOTPLUG                                                                                 \
    "vfb= in a config gives a guest its display, keyboard and pointer; there is no sound"
#define NO_TPM "there are no virtual TPMs"
#define NO_SECURITY "there are no security labels; every domain is in its own jail"
#define NO_POOLS "all CPUs are one pool, Pool-0; cpus= in a config pins a guest"
#define NO_TMEM "there is no transcendent memory"
#define NO_XEN_API "the Xen-API is not served"

const struct refused_verb refused_verbs[] = {
    {"remus", "a domain runs on one host; 'xm migrate' lets it go on on another"},
    {"debug-keys", "there is no hypervisor with keys; 'xm dmesg' and 'xm log' tell what happened"},
    {"sched-sedf", "there is one scheduler, the host's; 'xm sched-credit' sets shares"},
    {"sched-credit2", "there is one scheduler, the host's; 'xm sched-credit' sets shares"},
    {"sched-rtds", "there is one scheduler, the host's; 'xm sched-credit' sets shares"},
    {"pci-attach", NO_PASSTHROUGH},
    {"pci-detach", NO_PASSTHROUGH},
    {"pci-list", NO_PASSTHROUGH},
    {"pci-list-assignable-devices", NO_PASSTHROUGH},
    {"pci-assignable-add", NO_PASSTHROUGH},
    {"pci-assignable-remove", NO_PASSTHROUGH},
    {"pci-assignable-list", NO_PASSTHROUGH},
    {"scsi-attach", NO_PASSTHROUGH},
    {"scsi-detach", NO_PASSTHROUGH},
    {"scsi-list", NO_PASSTHROUGH},
    {"usb-add", NO_PASSTHROUGH},
    {"usb-del", NO_PASSTHROUGH},
    {"usb-list", NO_PASSTHROUGH},
    {"usb-attach", NO_PASSTHROUGH},
    {"usb-detach", NO_PASSTHROUGH},
    {"usb-hc-create", NO_PASSTHROUGH},
    {"usb-hc-destroy", NO_PASSTHROUGH},
    {"usbctrl-attach", NO_PASSTHROUGH},
    {"usbctrl-detach", NO_PASSTHROUGH},
    {"usbdev-attach", NO_PASSTHROUGH},
    {"usbdev-detach", NO_PASSTHROUGH},
    {"channel-list", "there are no channels beside the console"},
    {"vkb-attach", NO_HOTPLUG},
    {"vkb-detach", NO_HOTPLUG},
    {"vkb-list", NO_HOTPLUG},
    {"vsnd-attach", NO_HOTPLUG},
    {"vsnd-detach", NO_HOTPLUG},
    {"vsnd-list", NO_HOTPLUG},
    {"vdispl-attach", NO_HOTPLUG},
    {"vdispl-detach", NO_HOTPLUG},
    {"vdispl-list", NO_HOTPLUG},
    {"vtpm-list", NO_TPM},
    {"vtpm-attach", NO_TPM},
    {"vtpm-detach", NO_TPM},
    {"config-update",
     "a restart uses what the domain was started with; 'xm new' replaces the config "
     "of a managed one"},
    {"xenstore-quota-get", "what a guest may have in xenstore is fixed"},
    {"xenstore-quota-set", "what a guest may have in xenstore is fixed"},
    {"cpupool-create", NO_POOLS},
    {"cpupool-new", NO_POOLS},
    {"cpupool-start", NO_POOLS},
    {"cpupool-list", NO_POOLS},
    {"cpupool-destroy", NO_POOLS},
    {"cpupool-delete", NO_POOLS},
    {"cpupool-cpu-add", NO_POOLS},
    {"cpupool-cpu-remove", NO_POOLS},
    {"cpupool-migrate", NO_POOLS},
    {"cpupool-rename", NO_POOLS},
    {"cpupool-numa-split", NO_POOLS},
    {"tmem-list", NO_TMEM},
    {"tmem-thaw", NO_TMEM},
    {"tmem-freeze", NO_TMEM},
    {"tmem-destroy", NO_TMEM},
    {"tmem-set", NO_TMEM},
    {"tmem-freeable", NO_TMEM},
    {"tmem-shared-auth", NO_TMEM},
    {"vnet-list", "there is no vnet; bridges connect guests"},
    {"vnet-create", "there is no vnet; bridges connect guests"},
    {"vnet-delete", "there is no vnet; bridges connect guests"},
    {"addlabel", NO_SECURITY},
    {"rmlabel", NO_SECURITY},
    {"getlabel", NO_SECURITY},
    {"labels", NO_SECURITY},
    {"resources", NO_SECURITY},
    {"dumppolicy", NO_SECURITY},
    {"setpolicy", NO_SECURITY},
    {"getpolicy", NO_SECURITY},
    {"resetpolicy", NO_SECURITY},
    {"dry-run", NO_SECURITY},
    {"getenforce", NO_SECURITY},
    {"setenforce", NO_SECURITY},
    {"loadpolicy", NO_SECURITY},
    {"serve", NO_XEN_API},
    {"claims", "memory is not claimed beforehand"},
    {"sharing", "memory of guests is not shared"},
    {"qemu-monitor-command", "the monitor of the device model is not offered"},
    {"devd", "there are no driver domains"},
    {NULL, NULL},
};

const struct refused_verb *refused_find(const char *name)
{
    for (const struct refused_verb *r = refused_verbs; r->name; r++)
        if (strcmp(r->name, name) == 0)
            return r;
    return NULL;
}

int refused_run(const struct refused_verb *r)
{
    fprintf(stderr, "Error: '%s %s' is not supported: %s\n", verb_program(), r->name, r->reason);
    return XM_FAILED;
}
