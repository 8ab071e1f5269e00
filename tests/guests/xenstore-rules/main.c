/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore-rules - claim: the tree of a domain is there, with what the guest may write; every
 * request answers, and fails, in the words of the protocol: paths, parents, removal,
 * permissions, watches with their first event and their relative paths, transactions with
 * conflicts.
 *
 * Blind spots: what other domains see; quotas (xenstore-quota); broken rings (xenstore-ring).
 */
#include "xenstore.h"

static char home[64];

static bool reply_is(const char *bytes, uint32_t size)
{
    return xs_reply_size == size && !memcmp(xs_reply, bytes, size);
}

#define REPLY_IS(text) reply_is(text, sizeof(text))

/* --- the tree --------------------------------------------------------------------------- */

static void check_tree(void)
{
    static const char *const there[] = {
        "vm",
        "name",
        "domid",
        "cpu/0/availability",
        "memory/static-max",
        "memory/target",
        "memory/videoram",
        "console/ring-ref",
        "console/port",
        "console/type",
        "console/limit",
        "console/output",
        "console/tty",
        "store/port",
        "store/ring-ref",
        "device",
        "control",
    };
    static const char *const writable[] = {
        "control/shutdown",
        "control/feature-poweroff",
        "control/feature-reboot",
        "control/feature-suspend",
        "control/feature-s3",
        "control/feature-s4",
        "control/sysrq",
        "data",
        "drivers",
        "feature",
        "attr",
        "error",
        "device/suspend/event-channel",
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(there); i++)
        CHECK(xs_read("", there[i]), "%s is missing", there[i]);
    for (unsigned int i = 0; i < ARRAY_SIZE(writable); i++)
        CHECK(xs_write("", writable[i], ""), "%s cannot be written", writable[i]);
    CHECK(!xs_write("", "name", "x"), "name can be written");
    CHECK(!xs_write("", "memory/target", "1"), "memory/target can be written");
    CHECK(!xs_write("", "new", "x"), "a new node in the domain's directory can be made");
    CHECK_EQ(xs_read_number("", "console/ring-ref"), start_info->console.domU.mfn, "console frame");
    CHECK_EQ(xs_read_number("", "console/port"), start_info->console.domU.evtchn, "console port");
    CHECK_EQ(xs_read_number("", "store/ring-ref"), start_info->store_mfn, "store frame");
    CHECK_EQ(xs_read_number("", "store/port"), start_info->store_evtchn, "store port");
    CHECK_EQ(xs_read_number("", "memory/target"), start_info->nr_pages * 4, "memory/target, KiB");
    CHECK(xs_read("", "cpu/0/availability") && reply_is("online", 6), "vCPU 0 is %s", xs_reply);
    CHECK(xs_read("", "console/type") && reply_is("xenconsoled", 11), "type %s", xs_reply);
    CHECK_EQ(xs_read_number("control", "platform-feature-multiprocessor-suspend"), 1, "feature");
    CHECK_EQ(xs_read_number("control", "platform-feature-xs_reset_watches"), 1, "feature");
    CHECK(xs_read("", "vm") && !memcmp(xs_reply, "/vm/", 4), "vm is %s", xs_reply);
}

static void find_home(void)
{
    char domid[8] = "";

    CHECK(xs_read("", "domid") && xs_reply_size < sizeof(domid), "domid");
    memcpy(domid, xs_reply, xs_reply_size);
    CHECK_EQ(xs_request(XS_GET_DOMAIN_PATH, 0, domid, (uint32_t)strlen(domid) + 1),
             XS_GET_DOMAIN_PATH, "get_domain_path");
    memcpy(home, xs_reply, xs_reply_size < sizeof(home) ? xs_reply_size : sizeof(home) - 1);
    CHECK_EQ(xs_request(XS_IS_DOMAIN_INTRODUCED, 0, domid, (uint32_t)strlen(domid) + 1),
             XS_IS_DOMAIN_INTRODUCED, "is_domain_introduced");
    CHECK(REPLY_IS("T"), "of us: %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_IS_DOMAIN_INTRODUCED, "31999"), XS_IS_DOMAIN_INTRODUCED, "of another");
    CHECK(REPLY_IS("F"), "of another: %s", xs_reply);
}

/* --- nodes ------------------------------------------------------------------------------ */

static void check_nodes(void)
{
    CHECK_EQ(xs_request(XS_WRITE, 0, "data/a/b/c\0v\0w", 14), XS_WRITE, "write with new parents");
    CHECK(REPLY_IS("OK"), "its answer is %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_READ, "data/a/b/c"), XS_READ, "read");
    CHECK(reply_is("v\0w", 3), "a value with a NUL in it, %u bytes", xs_reply_size);
    CHECK(xs_read(home, "data/a/b/c"), "the same node by its absolute path");
    CHECK_EQ(XS_ASK(XS_READ, "data/a/b"), XS_READ, "read of a parent");
    CHECK_EQ(xs_reply_size, 0, "its value");
    CHECK_EQ(XS_ASK(XS_DIRECTORY, "data/a/b/c"), XS_DIRECTORY, "directory of a leaf");
    CHECK_EQ(xs_reply_size, 0, "its answer");
    CHECK(xs_write("", "data/a/d", ""), "an empty value");
    CHECK_EQ(XS_ASK(XS_DIRECTORY, "data/a"), XS_DIRECTORY, "directory");
    CHECK(REPLY_IS("b\0d") || REPLY_IS("d\0b"), "two names are %u bytes", xs_reply_size);
    CHECK_EQ(XS_ASK(XS_DIRECTORY_PART, "data/a\0000"), XS_DIRECTORY_PART, "directory_part");
    CHECK(xs_reply_size > 6 && xs_reply[xs_reply_size - 1] == '\0' &&
              xs_reply[xs_reply_size - 2] == '\0',
          "its end, of %u bytes", xs_reply_size);
    CHECK_EQ(XS_ASK(XS_MKDIR, "data/a/b"), XS_MKDIR, "mkdir of what is there");
    CHECK_EQ(XS_ASK(XS_RM, "data/a/none"), XS_RM, "rm of a missing node with a parent");
    CHECK(XS_REFUSED("ENOENT", XS_RM, "data/none/none"), "rm without a parent");
    CHECK(XS_REFUSED("EINVAL", XS_RM, "/"), "rm of the root");
    CHECK_EQ(XS_ASK(XS_RM, "data/a"), XS_RM, "rm of a tree");
    CHECK(XS_REFUSED("ENOENT", XS_READ, "data/a/b/c"), "what was in it");
    CHECK(XS_REFUSED("ENOENT", XS_DIRECTORY, "data/a"), "directory of it");
    CHECK(XS_REFUSED("ENOENT", XS_GET_PERMS, "data/a"), "permissions of it");
}

static void check_paths(void)
{
    static char path[3080];

    CHECK(XS_REFUSED("EINVAL", XS_READ, "data//a"), "an empty name");
    CHECK(XS_REFUSED("EINVAL", XS_READ, "data/"), "a slash at the end");
    CHECK(XS_REFUSED("EINVAL", XS_READ, "data/a.b"), "a dot");
    CHECK(XS_REFUSED("EINVAL", XS_WRITE, "data/a b\0v"), "a blank");
    CHECK(XS_REFUSED("EINVAL", XS_READ, ""), "no path");
    CHECK(xs_write("", "data/Az-09_@", "x"), "every kind of character");
    memset(path, 'x', sizeof(path));
    memcpy(path, "data/", 5);
    path[2048] = '\0';
    CHECK(xs_refused("ENOENT", XS_READ, 0, path, 2049), "a relative path of 2048");
    path[2048] = 'x';
    path[2049] = '\0';
    CHECK(xs_refused("EINVAL", XS_READ, 0, path, 2050), "a relative path of 2049");
    memset(path, 'x', sizeof(path));
    memcpy(path, home, strlen(home));
    memcpy(path + strlen(home), "/data/", 6);
    path[3072] = '\0';
    CHECK(xs_refused("ENOENT", XS_READ, 0, path, 3073), "an absolute path of 3072");
    path[3072] = 'x';
    path[3073] = '\0';
    CHECK(xs_refused("EINVAL", XS_READ, 0, path, 3074), "an absolute path of 3073");
}

static void check_privileged(void)
{
    CHECK(XS_REFUSED("EACCES", XS_CONTROL, "help"), "control");
    CHECK(XS_REFUSED("EACCES", XS_INTRODUCE, "7\0001\0001"), "introduce");
    CHECK(XS_REFUSED("EACCES", XS_RELEASE, "7"), "release");
    CHECK(XS_REFUSED("EACCES", XS_RESUME, "7"), "resume");
    CHECK(XS_REFUSED("EACCES", XS_SET_TARGET, "7\0008"), "set_target");
    CHECK(XS_REFUSED("EACCES", XS_WATCH, "@releaseDomain\0t"), "watching for other domains");
    CHECK(XS_REFUSED("ENOSYS", 998, "x"), "a request that does not exist");
    CHECK(XS_REFUSED("EACCES", XS_WRITE, "/local/domain/0/x\0v"), "writing domain 0's");
    CHECK(XS_REFUSED("EACCES", XS_DIRECTORY, "/local/domain/0/backend"), "listing domain 0's");
}

static void check_permissions(void)
{
    char own[64] = "n", *end = own + 1;
    const char *domid = home + strlen("/local/domain/");

    memcpy(end, domid, strlen(domid) + 1);
    CHECK_EQ(XS_ASK(XS_MKDIR, "data/perms"), XS_MKDIR, "mkdir");
    CHECK_EQ(XS_ASK(XS_GET_PERMS, "data/perms"), XS_GET_PERMS, "get_perms");
    CHECK(reply_is(own, (uint32_t)strlen(own) + 1), "a node of ours has %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_GET_PERMS, "name"), XS_GET_PERMS, "get_perms of the host's");
    CHECK(!memcmp(xs_reply, "n0", 3), "it is %s", xs_reply);
    CHECK(XS_REFUSED("EACCES", XS_SET_PERMS, "name\0n0"), "set_perms of the host's node");
    CHECK(XS_REFUSED("EINVAL", XS_SET_PERMS, "data/perms\0x1"), "a mode that is none");
    CHECK(XS_REFUSED("EINVAL", XS_SET_PERMS, "data/perms\0n"), "no domain");
    CHECK(XS_REFUSED("EINVAL", XS_SET_PERMS, "data/perms"), "no permissions");
    memcpy(own, "data/perms\0b", 12);
    memcpy(own + 12, domid, strlen(domid) + 1);
    memcpy(own + 13 + strlen(domid), "r0", 3);
    CHECK_EQ(xs_request(XS_SET_PERMS, 0, own, (uint32_t)(16 + strlen(domid))), XS_SET_PERMS,
             "set_perms");
    CHECK_EQ(XS_ASK(XS_GET_PERMS, "data/perms"), XS_GET_PERMS, "get_perms");
    CHECK(xs_reply[0] == 'b' && !memcmp(xs_reply + xs_reply_size - 3, "r0", 3), "now %s", xs_reply);
}

/* --- watches ---------------------------------------------------------------------------- */

static void check_watches(void)
{
    char path[128];

    xs_nr_events = 0;
    CHECK_EQ(XS_ASK(XS_WATCH, "data/w\0tok"), XS_WATCH, "watch of a missing node");
    CHECK(REPLY_IS("OK"), "its answer is %s", xs_reply);
    CHECK(xs_wait_event("data/w", "tok"), "its first event");
    CHECK(XS_REFUSED("EEXIST", XS_WATCH, "data/w\0tok"), "the same watch again");
    xs_nr_events = 0;
    CHECK_EQ(XS_ASK(XS_WATCH, "data/w\0other"), XS_WATCH, "another token");
    CHECK(xs_wait_event("data/w", "other"), "its first event");
    xs_nr_events = 0;
    xs_write("", "data/w/x/y", "1");
    CHECK(xs_wait_event("data/w/x/y", "tok"), "a node below it, relative");
    CHECK(xs_wait_event("data/w/x/y", "other"), "the same with the other token");
    CHECK_EQ(XS_ASK(XS_UNWATCH, "data/w\0other"), XS_UNWATCH, "unwatch");
    CHECK(XS_REFUSED("ENOENT", XS_UNWATCH, "data/w\0other"), "unwatch again");

    memcpy(path, home, strlen(home));
    memcpy(path + strlen(home), "/data/w/x\0abs", 14);
    CHECK_EQ(xs_request(XS_WATCH, 0, path, (uint32_t)strlen(home) + 14), XS_WATCH, "absolute");
    CHECK(xs_wait_event(path, "abs"), "its first event, absolute");
    xs_nr_events = 0;
    CHECK_EQ(XS_ASK(XS_RM, "data/w"), XS_RM, "removal of an ancestor");
    CHECK(xs_wait_event(path, "abs"), "the watch's own path");
    CHECK(xs_wait_event("data/w", "tok"), "the removed node's path");
    CHECK_EQ(XS_ASK(XS_RESET_WATCHES, ""), XS_RESET_WATCHES, "reset_watches");
    xs_nr_events = 0;
    xs_write("", "data/w", "2");
    xs_poll_events(20000000);
    CHECK_EQ(xs_nr_events, 0, "events after reset_watches");
    CHECK_EQ(XS_ASK(XS_WATCH, "data/w\0tok"), XS_WATCH, "the same watch again after it");
    CHECK_EQ(XS_ASK(XS_WATCH, "data\0depth\0001"), XS_WATCH, "watch with a depth");
    xs_poll_events(20000000);
    xs_nr_events = 0;
    xs_write("", "data/w/z", "3");
    CHECK(xs_wait_event("data/w/z", "tok"), "the watch without a depth");
    CHECK_EQ(xs_nr_events, 1, "events of a node two levels below");
}

/* --- transactions ----------------------------------------------------------------------- */

static void check_transactions(void)
{
    uint32_t tx = xs_start(), second;

    CHECK(tx, "no transaction");
    xs_poll_events(1000000);
    xs_nr_events = 0;
    CHECK_EQ(xs_request(XS_WRITE, tx, "data/w/t\0one", 12), XS_WRITE, "write in it");
    CHECK_EQ(xs_request(XS_READ, tx, "data/w/t", 9), XS_READ, "read in it");
    CHECK(XS_REFUSED("ENOENT", XS_READ, "data/w/t"), "read outside");
    xs_poll_events(5000000);
    CHECK_EQ(xs_nr_events, 0, "events before its end");
    CHECK(xs_end(tx, true), "its end");
    CHECK(xs_wait_event("data/w/t", "tok"), "the event after its end");
    CHECK(xs_refused("ENOENT", XS_READ, tx, "data/w/t", 9), "read in what has ended");
    CHECK(xs_refused("ENOENT", XS_TRANSACTION_END, tx, "T", 2), "its end again");

    tx = xs_start();
    xs_request(XS_READ, tx, "data/w/t", 9);
    xs_request(XS_WRITE, tx, "data/w/u\0mine", 13);
    xs_write("", "data/w/t", "changed");
    CHECK(xs_refused("EAGAIN", XS_TRANSACTION_END, tx, "T", 2), "a read node was changed");
    CHECK(XS_REFUSED("ENOENT", XS_READ, "data/w/u"), "what it had written");
    tx = xs_start();
    second = xs_start();
    CHECK(tx && second && tx != second, "two at once: %u and %u", tx, second);
    xs_request(XS_WRITE, tx, "data/w/p\0001", 10);
    xs_request(XS_WRITE, second, "data/w/q/r\0001", 12);
    CHECK(xs_end(tx, false), "giving one up");
    CHECK(XS_REFUSED("ENOENT", XS_READ, "data/w/p"), "what it had written");
    CHECK(xs_end(second, true), "the other's end");
    CHECK(xs_read("", "data/w/q/r"), "what that had written");
    tx = xs_start();
    CHECK(xs_refused("EINVAL", XS_TRANSACTION_END, tx, "X", 2), "an end that is neither");
    xs_end(tx, false);
}

void test_main(void)
{
    check_tree();
    find_home();
    check_nodes();
    check_paths();
    check_privileged();
    check_permissions();
    check_watches();
    check_transactions();
}
