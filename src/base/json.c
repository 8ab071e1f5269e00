/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * json.c - see json.h.
 */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *json_get_string(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? json_string_value(v) : otherwise;
}

json_int_t json_get_int(const json_t *object, const char *key, json_int_t otherwise)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool json_get_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(object, key);

    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

int json_need_int(const json_t *object, const char *key, json_int_t min, json_int_t max,
                  json_int_t *ret, struct err *err)
{
    const json_t *v = json_object_get(object, key);
    json_int_t n;

    if (!json_is_integer(v))
        return err_set(err, EINVAL, "%s: an integer is needed", key);
    n = json_integer_value(v);
    if (n < min || n > max)
        return err_set(err, EINVAL, "%s: %lld is not within %lld..%lld", key, (long long)n,
                       (long long)min, (long long)max);
    *ret = n;
    return 0;
}

char *json_to_line(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    char *line = NULL;
    size_t n;

    if (text) {
        n = strlen(text);
        line = realloc(text, n + 2);
        if (!line)
            free(text);
        else
            memcpy(line + n, "\n", 2);
    }
    return line;
}

int json_parse_object(const char *text, size_t len, json_t **ret, struct err *err)
{
    json_error_t je;
    json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);

    if (!v)
        return err_set(err, EINVAL, "not JSON: %s (line %d)", je.text, je.line);
    if (!json_is_object(v)) {
        json_decref(v);
        return err_set(err, EINVAL, "a JSON object is needed");
    }
    *ret = v;
    return 0;
}
