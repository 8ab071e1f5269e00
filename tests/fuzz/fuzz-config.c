/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-config.c - whatever a config file holds. The first byte of an input chooses how it is
 * read: 's' as an S-expression, 'o' its first line as a VAR=VALUE argument before the rest is a
 * file, anything else the rest is a file.
 *
 * Whatever it is: an error names the file; what is accepted can be printed as an S-expression,
 * and that is accepted and prints as the same. It is a domain's document, or there is a sentence.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The S-expression of a loaded config as text, to be freed; NULL when its values do not fit
 * together. */
static char *print(struct config *c)
{
    struct sxp *vm = NULL;
    struct err err = {0};
    json_t *doc = NULL;
    char *text = NULL;
    size_t n = 0;
    FILE *out;
    int rc = domain_config_check(c, &doc, &err);

    if (rc == 0)
        rc = domain_sxp_make(c, json_get_string(doc, "name", ""), json_get_string(doc, "uuid", ""),
                             false, &vm, &err);
    must(rc == 0 || err.msg[0], "an error has a sentence");
    if (rc == 0) {
        out = open_memstream(&text, &n);
        must(out != NULL, "memory");
        sxp_print(out, vm);
        fclose(out);
    }
    json_decref(doc);
    return text;
}

static void check_round_trip(const char *text)
{
    struct config *c = config_new();
    struct err err = {0};
    char *again;

    must(domain_sxp_load_text(c, "file", text, strlen(text), &err) == 0, "it can be read again");
    again = print(c);
    must(again != NULL, "and makes sense again");
    must(strcmp(text, again) == 0 || strstr(text, "(ip "), "and prints as the same");
    free(again);
    config_free(c);
}

static int load(struct config *c, const char *text, size_t size, struct err *err)
{
    const char *newline = memchr(text, '\n', size);
    char *argument;
    int rc;

    if (size > 0 && text[0] == 's')
        return domain_sxp_load_text(c, "file", text + 1, size - 1, err);
    if (size == 0 || text[0] != 'o' || !newline)
        return config_load_text(c, "file", text, size, err);
    argument = strndup(text + 1, (size_t)(newline - text) - 1);
    must(argument != NULL, "memory");
    rc = config_add_override(c, argument, err);
    free(argument);
    if (rc < 0)
        return -EAGAIN; /* its errors name no file */
    return config_load_text(c, "file", newline + 1, size - (size_t)(newline + 1 - text), err);
}

/* Devices and all the rest of a domain's document; the host has none of the files. */
static void check_document(struct config *c)
{
    struct err err = {0};
    json_t *doc = NULL;

    must(domain_config_check_devices(c, &err) == 0 || err.msg[0], "an error has a sentence");
    if (domain_config_make(c, true, &doc, &err) == 0)
        must(json_is_object(doc), "a document");
    else
        must(err.msg[0], "an error has a sentence");
    json_decref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = config_new();
    struct err err = {0};
    char *text;
    int rc = load(c, (const char *)data, size, &err);

    if (rc == 0) {
        text = print(c);
        if (text)
            check_round_trip(text);
        free(text);
        check_document(c);
    } else {
        must(err.msg[0] && !strchr(err.msg, '\n'), "an error is one sentence");
        must(rc == -EAGAIN || strncmp(err.msg, "file", 4) == 0, "an error names the file");
    }
    config_free(c);
    return 0;
}
