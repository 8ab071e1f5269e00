/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xen-version - claim: the version calls give plausible values, strings end within their
 * arrays and the rest of the array is zero (no leak of hypervisor memory), feature bits are
 * those of a PV guest; texts of any size are told with their length, to who asks for it too.
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

/* The same texts, and the build id, as {length; bytes}. */
static void check_varbuf(unsigned int cmd, unsigned int fixed, const char *what)
{
    static struct {
        uint32_t len;
        uint8_t buf[1100];
    } v;
    static char text[1100];
    long size = xen_version(cmd, NULL), rc;

    CHECK(size >= 0 && size <= 1024, "%s: size %ld", what, size);
    if (size < 0)
        return;
    memset(&v, 0xee, sizeof(v));
    v.len = sizeof(v.buf);
    rc = xen_version(cmd, &v);
    CHECK_EQ(rc, size, "%s: what is told when it is asked for", what);
    CHECK_EQ(v.buf[size], 0xee, "%s: the byte behind it", what);
    if (fixed && !xen_version(fixed, text)) {
        CHECK_EQ(strlen(text), size, "%s: length", what);
        CHECK(!memcmp(text, v.buf, (size_t)size), "%s: another text", what);
    }
    v.len = 0;
    CHECK_EQ(xen_version(cmd, &v), -XEN_EINVAL, "%s: into nothing", what);
    if (size) {
        v.len = (uint32_t)size - 1;
        CHECK_EQ(xen_version(cmd, &v), -XEN_ENOBUFS, "%s: into too little", what);
    }
    CHECK_EQ(xen_version(cmd, (void *)NOWHERE), -XEN_EFAULT, "%s: at no address", what);
}

static void check_compile_info(void)
{
    struct xen_compile_info info[2];
    const char *const fields[] = {info[0].compiler, info[0].compile_by, info[0].compile_domain,
                                  info[0].compile_date};
    static const unsigned int sizes[] = {64, 16, 32, 32};

    memset(info, 0xee, sizeof(info));
    CHECK_EQ(sizeof(info[0]), 144, "size of compile_info");
    CHECK_EQ(xen_version(XENVER_compile_info, info), 0, "compile_info");
    CHECK_EQ((uint8_t)info[1].compiler[0], 0xee, "the byte behind it");
    for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
        size_t end = 0, dirty = 0;

        while (end < sizes[i] && fields[i][end])
            end++;
        CHECK(end < sizes[i], "field %u does not end", i);
        for (; end < sizes[i]; end++)
            dirty += fields[i][end] != 0;
        CHECK_EQ(dirty, 0, "field %u: bytes behind the end", i);
    }
}

/* Bits of newer headers than the installed ones are told by number. */
static void check_features(void)
{
    struct xen_feature_info f = {.submap_idx = 0};
    static const uint8_t there[] = {5, 6, 7, 13, 17, 18, 19, 20};
    uint32_t known = 0;

    hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_pae_extended_cr3);
    CHECK_EQ(xen_version(XENVER_get_features, &f), 0, "features");
    for (unsigned int i = 0; i < ARRAY_SIZE(there); i++) {
        CHECK(f.submap >> there[i] & 1, "feature %u is not there", there[i]);
        known |= 1u << there[i];
    }
    CHECK_EQ(f.submap & ~known, 0, "features that a PV guest has not got");
    hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3);
    xen_version(XENVER_get_features, &f);
    CHECK_EQ(f.submap, known | 1u << XENFEAT_pae_pgdir_above_4gb, "features with assist 3");
    for (unsigned int i = 1; i < 4; i++) {
        f.submap_idx = i;
        CHECK_EQ(xen_version(XENVER_get_features, &f), -XEN_EINVAL, "submap %u", i);
    }
    CHECK_EQ(xen_version(XENVER_get_features, (void *)NOWHERE), -XEN_EFAULT, "at no address");
}

void test_main(void)
{
    long version = xen_version(XENVER_version, NULL);
    struct xen_platform_parameters platform;
    xen_domain_handle_t handle;

    CHECK_EQ(version >> 16, 4, "major version");
    CHECK((version & 0xffff) >= 2, "minor version %ld", version & 0xffff);
    check_string(XENVER_extraversion, 16, "extraversion");
    check_string(XENVER_capabilities, 1024, "capabilities");
    check_string(XENVER_changeset, 64, "changeset");
    CHECK_EQ(xen_version(XENVER_pagesize, NULL), 4096, "page size");
    CHECK_EQ(xen_version(XENVER_pagesize, &version), -XEN_EINVAL, "page size with an argument");
    CHECK_EQ(xen_version(XENVER_platform_parameters, &platform), 0, "platform parameters");
    CHECK_EQ(platform.virt_start, 0xffff800000000000, "virt_start");
    CHECK_EQ(xen_version(XENVER_guest_handle, &handle), 0, "handle");
    check_string(XENVER_commandline, 1024, "commandline");
    check_compile_info();
    check_features();
    check_varbuf(XENVER_build_id, 0, "build id");
    check_varbuf(11, XENVER_extraversion, "extraversion");
    check_varbuf(12, XENVER_capabilities, "capabilities");
    check_varbuf(13, XENVER_changeset, "changeset");
    check_varbuf(14, XENVER_commandline, "commandline");
    CHECK_EQ(xen_version(15, NULL), -XEN_ENOSYS, "operation 15");
    CHECK_EQ(xen_version(99, NULL), -XEN_ENOSYS, "operation 99");
}
