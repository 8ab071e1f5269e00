/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xen-version - claim: the version calls give plausible values, strings end within their
 * arrays and the rest of the array is zero (no leak of hypervisor memory), feature bits are
 * those of a PV guest.
 *
 * Blind spots: what the strings say.
 */
#include "guest.h"

static void check_string(unsigned int cmd, size_t size, const char *what)
{
    static char buffer[2048];
    size_t length, dirty = 0;

    memset(buffer, 0xee, sizeof(buffer));
    if (xen_version(cmd, buffer)) {
        failure("%s: refused", what);
        return;
    }
    for (length = 0; length < size && buffer[length]; length++)
        ;
    CHECK(length < size, "%s does not end", what);
    for (size_t i = length; i < size; i++)
        dirty += buffer[i] != 0;
    CHECK_EQ(dirty, 0, "%s: bytes behind the end that are not zero", what);
    CHECK_EQ((uint8_t)buffer[size], 0xee, "%s: written beyond its size", what);
    print("%s: %s\n", what, buffer);
}

void test_main(void)
{
    long version = xen_version(XENVER_version, NULL);
    struct xen_platform_parameters platform;
    struct xen_feature_info features = {.submap_idx = 0};
    xen_domain_handle_t handle;

    CHECK_EQ(version >> 16, 4, "major version");
    CHECK((version & 0xffff) >= 2, "minor version %ld", version & 0xffff);
    check_string(XENVER_extraversion, 16, "extraversion");
    check_string(XENVER_capabilities, 1024, "capabilities");
    check_string(XENVER_changeset, 64, "changeset");
    CHECK_EQ(xen_version(XENVER_pagesize, NULL), 4096, "page size");
    CHECK_EQ(xen_version(XENVER_platform_parameters, &platform), 0, "platform parameters");
    CHECK_EQ(platform.virt_start, 0xffff800000000000, "virt_start");
    CHECK_EQ(xen_version(XENVER_guest_handle, &handle), 0, "handle");
    CHECK_EQ(xen_version(XENVER_get_features, &features), 0, "features");
    CHECK_EQ(features.submap &
                 (1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
                  1u << XENFEAT_supervisor_mode_kernel | 1u << XENFEAT_dom0),
             0, "features that a PV guest must not see: 0x%x", features.submap);
    features.submap_idx = 5;
    CHECK(xen_version(XENVER_get_features, &features) == -XEN_EINVAL || !features.submap,
          "feature map 5");
    CHECK_EQ(xen_version(99, NULL), -XEN_ENOSYS, "operation 99");
}
