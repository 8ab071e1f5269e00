/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-migration.c - what somebody says to the relocation server, and what stands before the guest
 * in the file of a saved one (the guest itself is fuzz-image's). An input that begins with 'r' is
 * the rest of it, as it comes through the socket; any other one is, behind its first byte, the text
 * of the file's head, with a length and a checksum that are right.
 *
 * Whatever it is: it is refused with a sentence, or it names a domain.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "fuzz_input.h"
#include "toolstack/relocation.h"
#include "toolstack/saved.h"

#define FILE_MAX (1u << 20)
#define TIMEOUT_MS 1000 /* never: the peer has ended */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As xm migrate-receive does, into the file. */
static int hear(int fd, const uint8_t *data, size_t size, struct err *err)
{
    unsigned long long length = 0;
    char line[RELOCATION_LINE];
    struct relocation r = {.out = -1, .peer = "peer"};
    int pair[2], rc;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a connection");
    (void)!send(pair[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL); /* as much as fits */
    close(pair[1]);
    r.in = pair[0];
    rc = relocation_hear(&r, line, TIMEOUT_MS, err);
    must(rc < 0 || strlen(line) < RELOCATION_LINE, "a line has an end");
    if (rc == 0)
        rc = relocation_hear(&r, line, TIMEOUT_MS, err);
    if (rc == 0 && sscanf(line, "(image (size %llu))", &length) == 1 && length <= FILE_MAX)
        rc = relocation_take_file(&r, fd, length, err);
    close(pair[0]);
    return rc;
}

static void write_file(int fd, const uint8_t *text, size_t size)
{
    struct {
        char magic[24];
        uint32_t version, length, crc, zero;
    } head = {"Xenolith saved domain\n", 1, (uint32_t)size,
              (uint32_t)crc32(0, (const Bytef *)text, (uInt)size), 0};

    must(write(fd, &head, sizeof(head)) == sizeof(head), "a head");
    must(write(fd, text, size) == (ssize_t)size, "its text");
}

/* The document that it goes on with. */
static void check_head(const json_t *head)
{
    const char *sxp = json_get_string(head, "sxp", NULL);
    struct config *c = config_new();
    struct err err = {0};
    json_t *doc = NULL;
    int rc;

    must(sxp && json_get_string(head, "name", NULL), "it names a domain");
    rc = domain_sxp_load_text(c, "migration", sxp, strlen(sxp), &err);
    if (rc == 0)
        rc = domain_config_make(c, true, &doc, &err);
    must(rc == 0 ? json_is_object(doc) : err.msg[0], "a document, or a sentence");
    json_decref(doc);
    config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC), rc = 0;
    struct err err = {0};
    json_t *head = NULL;

    must(fd >= 0, "a file");
    if (size > 0 && data[0] == 'r')
        rc = hear(fd, data + 1, size - 1, &err);
    else if (size > 0)
        write_file(fd, data + 1, size - 1);
    if (rc == 0) {
        lseek(fd, 0, SEEK_SET);
        rc = saved_read(fd, "migration", &head, &err);
    }
    if (rc == 0) {
        check_head(head);
        json_decref(head);
    }
    must(rc == 0 || err.msg[0], "an error has a sentence");
    close(fd);
    return 0;
}
