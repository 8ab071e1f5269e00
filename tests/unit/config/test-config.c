/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-config.c - the config language: what every construct evaluates to, and the sentence
 * that every mistake gets. Texts are one table each, so that a new case is one line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/types.h"
#include "config/config.h"

/* `extra = EXPRESSION` (a string option) or memory = EXPRESSION (an integer one). */
static const struct {
    const char *text, *extra;
} good[] = {
    {"extra = 'a'", "a"},
    {"extra = \"a\"", "a"},
    {"extra = '''a\nb'''", "a\nb"},
    {"extra = \"\"\"a'b\"c\"\"\"", "a'b\"c"},
    {"extra = 'a' \"b\" 'c'", "abc"},
    {"extra = ('a'\n  'b')", "ab"},
    {"extra = 'a' + \\\n 'b'", "ab"},
    {"extra = 'a\\\nb'", "ab"},
    {"extra = 'a\\tb\\n\\\\\\'\\\"\\x41\\101\\q'", "a\tb\n\\'\"AA\\q"},
    {"extra = r'a\\n'", "a\\n"},
    {"extra = u'a'", "a"},
    {"extra = '' # comment", ""},
    {"# only\n\n   # comments\nextra='x'#y", "x"},
    {"extra = 'a#b'", "a#b"},
    {"extra = 'x=%d' % 5", "x=5"},
    {"extra = '%s-%02x-%%' % ('n', 10)", "n-0a-%"},
    {"extra = '%5s|%-3d|' % ('ab', 7)", "   ab|7  |"},
    {"extra = 4", "4"},
    {"extra = 'a' * 3", "aaa"},
    {"a = 'q'\nextra = a + 'r'", "qr"},
    {"extra = 'a'\nextra += ' b'", "a b"},
    {"extra += 'new'", "new"},
    {"extra = 'abcdef'[1]", "b"},
    {"extra = 'abcdef'[-1]", "f"},
    {"extra = 'abcdef'[1:3]", "bc"},
    {"extra = 'abcdef'[-2:]", "ef"},
    {"extra = ['a', 'b',][1]", "b"},
    {"extra = ('a', 'b')[0]", "a"},
    {"extra = 'yes' if 1 < 2 else 'no'", "yes"},
    {"extra = 'yes' if 'x' in ['a', 'b'] else 'no'", "no"},
    {"extra = 'yes' if 'x' not in 'abc' else 'no'", "yes"},
    {"extra = None or 'b'", "b"},
    {"extra = '' and 'b'", ""},
    {"if 1 == 1: extra = 'one'\nelse: extra = 'two'", "one"},
    {"if not True:\n  extra = 'one'\nelif 2 >= 2:\n  extra = 'two'\nelse:\n  extra = 'three'",
     "two"},
    {"if False:\n\textra = '1'\nelse:\n\tif True:\n\t\textra = '2'\n\n\t# note\n\tname='n'", "2"},
    {"import os, re\nif re.search('64', os.uname()[4]):\n    extra = '64'\nelse:\n  extra = 'no'",
     "64"},
    {"import os.path\nextra = os.path.join('/a', 'b')", "/a/b"},
    {"from os.path import basename\nextra = basename('/a/b')", "b"},
    {"import os\nextra = os.path.dirname('/a/b')", "/a"},
    {"import os\nextra = 'x' if os.path.exists('/nowhere') else 'y'", "y"},
    {"extra = ' '.join(['a', 'b'])", "a b"},
    {"extra = 'a,b'.split(',')[1]", "b"},
    {"extra = '  a  b '.split()[1]", "b"},
    {"extra = 'a-b-c'.replace('-', '+')", "a+b+c"},
    {"extra = ' aB '.strip().upper() + 'Q'.lower()", "ABq"},
    {"extra = 'y' if 'abc'.startswith('ab') and 'abc'.endswith('bc') else 'n'", "y"},
    {"extra = str(3) + hex(255)", "30xff"},
    {"extra = str([1, 'a', None, True])", "[1, 'a', None, True]"},
    {"name='a'; extra='b'; memory=3", "b"},
    {"pass\nextra = 'x'", "x"},
    {"extra = 'a'\r\nname = 'b'\r\n", "a"},
    {"\xef\xbb\xbf"
     "extra = 'bom'",
     "bom"},
    {"extra = 'last line without newline'", "last line without newline"},
    {"print 'hello'\nextra = 'p'", "p"},
    {"extra = '\xc3\xa4'", "\xc3\xa4"},
};

static void test_values(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct config *c = config_new();
        struct err err = {0};

        if (config_load_text(c, "f", good[i].text, strlen(good[i].text), &err) < 0)
            fail_msg("case %zu <%s>: %s", i, good[i].text, err.msg);
        if (strcmp(config_string(c, "extra", "(unset)"), good[i].extra) != 0)
            fail_msg("case %zu <%s>: got <%s>", i, good[i].text,
                     config_string(c, "extra", "(unset)"));
        config_free(c);
    }
}

static const struct {
    const char *text;
    int64_t memory;
} integers[] = {
    {"memory = 512", 512},
    {"memory = \"512\"", 512},
    {"memory = 0x10", 16},
    {"memory = 010", 8},
    {"memory = 512L", 512},
    {"memory = 1024*2", 2048},
    {"memory = 7 / 2", 3},
    {"memory = -7 // 2", -4},
    {"memory = -7 % 3", 2},
    {"memory = 2 + 3 * 4", 14},
    {"memory = (2 + 3)*4", 20},
    {"memory = len('abc')", 3},
    {"memory = int('12')", 12},
    {"memory = True", 1},
    {"memory = 10 - 2 - 3", 5},
    {"memory = None", -99},
    {"memory = +5", 5},
    {"memory = len([1, 2,])", 2},
    {"memory = 5\nmemory -= 2", 3},
    {"memory = 1 if 'b' > 'a' else 2", 1},
    {"memory = 1 if [1, 2] == [1, 2] and (1,) != [1] else 2", 1},
};

static void test_integers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(integers); i++) {
        struct config *c = config_new();
        struct err err = {0};

        if (config_load_text(c, "f", integers[i].text, strlen(integers[i].text), &err) < 0)
            fail_msg("<%s>: %s", integers[i].text, err.msg);
        if (config_int(c, "memory", -99) != integers[i].memory)
            fail_msg("<%s>: got %lld", integers[i].text, (long long)config_int(c, "memory", -99));
        config_free(c);
    }
}

/* Each message must begin with the place and contain the rest. */
static const struct {
    const char *text, *place, *message;
} bad[] = {
    {"a = 1\nextra = 'abc", "f:2: ", "this string is not closed"},
    {"extra = '''abc\n\n", "f:1: ", "''' is missing"},
    {"\ndisk = [ 'a',\n 'b'\n\n", "f:2: ", "'[' is never closed"},
    {"disk = [ 'a' )", "f:1: ", "')' does not fit the '[' of line 1"},
    {"extra = 'a')", "f:1: ", "')' closes nothing"},
    {"extra = abc", "f:1: ", "'abc' is not defined; text needs quotes: 'abc'"},
    {"name = my guest", "f:1: ", "(text needs quotes)"},
    {"memory = 512M", "f:1: ", "512M is neither a number nor a name"},
    {"memory = 1.5", "f:1: ", "memory: an integer is needed, not a number with a fraction"},
    {"memory = 1.5.2", "f:1: ", "1.5.2 is neither a number nor a name"},
    {"extra = 'a' 5", "f:1: ", "the end of the line is expected, found '5'"},
    {"extra = 'a' +", "f:1: ", "a value is expected, found the end of the line"},
    {"extra = ", "f:1: ", "a value is expected"},
    {"= 5", "f:1: ", "a value is expected, found '='"},
    {"'a' = 5", "f:1: ", "only a name or NAME[INDEX] can stand before '='"},
    {"if 1:\nextra = 'a'", "f:2: ", "expected an indented block after 'if'"},
    {"if 1:\n  extra = 'a'\n name = 'b'", "f:3: ", "indentation matches no line above"},
    {"  extra = 'a'", "f:1: ", "indented for no reason"},
    {"extra = 'a'\n  name = 'b'", "f:2: ", "indented for no reason"},
    {"if 1 extra = 'a'", "f:1: ", "':' expected after 'if'"},
    {"if memory = 1:\n  pass", "f:1: ", "comparing is '=='"},
    {"else:\n  pass", "f:1: ", "'else' without 'if'"},
    {"import subprocess", "f:1: ", "module 'subprocess' is not available"},
    {"from os import *", "f:1: ", "'from os import *' is not supported"},
    {"import os as o", "f:1: ", "'import ... as ...' is not supported"},
    {"import os\nos.system('reboot')", "f:2: ", "os.system is not available"},
    {"import os\na = os.path.join(1)", "f:2: ", "argument 1 must be a string"},
    {"a = len()", "f:1: ", "len() needs more arguments"},
    {"a = len('a', 'b')", "f:1: ", "len() takes 1 argument"},
    {"a = len(5)", "f:1: ", "an integer has no length"},
    {"a = 'x'()", "f:1: ", "a string cannot be called"},
    {"a = (1).b", "f:1: ", "an integer has no '.b'"},
    {"a = 'x' + 1", "f:1: ", "str(NUMBER)"},
    {"a = [1] + 'x'", "f:1: ", "cannot be added"},
    {"a = 'x' - 'y'", "f:1: ", "'-' does not work on a string and a string"},
    {"a = 1 / 0", "f:1: ", "division by zero"},
    {"a = 5 % 0", "f:1: ", "division by zero"},
    {"a = 9223372036854775807 + 1", "f:1: ", "too large"},
    {"a = 99999999999999999999", "f:1: ", "neither a number"},
    {"a = 'abc'[7]", "f:1: ", "index 7 is outside: there are 3 elements"},
    {"a = 'abc'['x']", "f:1: ", "an index is an integer"},
    {"a = 5[0]", "f:1: ", "an integer has no elements"},
    {"a = 'a%d' % 'b'", "f:1: ", "%d needs an integer, not a string"},
    {"a = '%s %s' % 'b'", "f:1: ", "more %-directives than values"},
    {"a = '%s' % ('b', 'c')", "f:1: ", "more values than %-directives"},
    {"a = '%n' % 1", "f:1: ", "'%n' is no format"},
    {"a = '%99999999d' % 1", "f:1: ", "is no format"},
    {"a = 'x' * 99999999999", "f:1: ", "too large"},
    {"a = 1 < 'b'", "f:1: ", "have no order"},
    {"a = 1 in 5", "f:1: ", "'in' needs a list or string"},
    {"a = -'x'", "f:1: ", "'-' needs an integer"},
    {"import re\na = re.search('(', 'x')", "f:2: ", "regular expression '('"},
    {"a = b += 5", "f:1: ", "'+=' cannot follow '='"},
    {"extra = 'a\\xzz'", "f:1: ", "two hexadecimal digits"},
    {"extra = 'a' \\ 'b'", "f:1: ", "backslash"},
    {"extra = 'a' ? 'b'", "f:1: ", "'?' has no meaning here"},
    {"extra: 'a'", "f:1: ", "':' has no meaning here"},
    {"\n\nmemory = 'lots'", "f:3: ", "memory = 'lots': an integer is needed"},
    {"memory = [1]", "f:1: ", "memory: an integer is needed, not a list"},
    {"vnc = 'maybe'", "f:1: ", "vnc = 'maybe': 0 or 1 is needed"},
    {"disk = 5", "f:1: ", "disk: a list of strings is needed"},
    {"disk = ['a', 5]", "f:1: ", "disk: element 2 must be a string"},
    {"kernel = ['a']", "f:1: ", "kernel: a string is needed, not a list"},
    {"a = '\x01' \x02", "f:1: ", "unexpected byte 0x02"},
};

static void test_errors(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct config *c = config_new();
        struct err err = {0};

        if (config_load_text(c, "f", bad[i].text, strlen(bad[i].text), &err) == 0)
            fail_msg("case %zu <%s> was accepted", i, bad[i].text);
        if (strncmp(err.msg, bad[i].place, strlen(bad[i].place)) != 0 ||
            !strstr(err.msg, bad[i].message) || strchr(err.msg, '\n'))
            fail_msg("case %zu <%s>: <%s>", i, bad[i].text, err.msg);
        config_free(c);
    }
}

static void test_nul_byte(void **state)
{
    static const char text[] = "extra = 'a\0b'\n";
    struct config *c = config_new();
    struct err err = {0};

    assert_int_not_equal(config_load_text(c, "f", text, sizeof(text) - 1, &err), 0);
    assert_non_null(strstr(err.msg, "f:1: "));
    config_free(c);
}

/* Depth and size that would exhaust stack or memory without limits. */
static void test_limits(void **state)
{
    static const char *const units[] = {"(", "[", "-", "not ", "1 + ", "x[", "1 if "};
    char text[70000];

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        struct config *c = config_new();
        struct err err = {0};
        size_t n = (size_t)snprintf(text, sizeof(text), "a = ");

        while (n + 20 < sizeof(text))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", units[i]);
        assert_int_not_equal(config_load_text(c, "f", text, n, &err), 0);
        assert_int_equal(strncmp(err.msg, "f:1: ", 5), 0);
        config_free(c);
    }
}

static void test_doubling_is_stopped(void **state)
{
    struct config *c = config_new();
    struct err err = {0};
    char text[4000];
    size_t n = (size_t)snprintf(text, sizeof(text), "a = 'xxxxxxxxxxxxxxxx'\n");

    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "a = a + a\n");
    assert_int_not_equal(config_load_text(c, "f", text, n, &err), 0);
    assert_non_null(strstr(err.msg, "this value becomes too large"));
    config_free(c);
}

static void test_lists(void **state)
{
    static const char text[] = "disk = [ 'a,b', \"c\",\n  # comment\n  'd' ]\nvif = 'one'\npci=()";
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_list_count(c, "disk"), 3);
    assert_string_equal(config_list_item(c, "disk", 0), "a,b");
    assert_string_equal(config_list_item(c, "disk", 2), "d");
    assert_null(config_list_item(c, "disk", 3));
    assert_int_equal(config_list_count(c, "vif"), 1);
    assert_int_equal(config_list_count(c, "pci"), 0);
    config_free(c);
}

static void test_warnings(void **state)
{
    static const char text[] = "memroy = 5\nhelper = 'x'\nextra = helper\nxyzzy = 1\nKernel = ''\n";
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_warning_count(c), 3);
    assert_string_equal(config_warning(c, 0),
                        "f:1: unknown option 'memroy' is ignored; did you mean 'memory'?");
    assert_string_equal(config_warning(c, 1), "f:4: unknown option 'xyzzy' is ignored");
    assert_string_equal(config_warning(c, 2),
                        "f:5: unknown option 'Kernel' is ignored; did you mean 'kernel'?");
    config_free(c);
}

static void test_overrides(void **state)
{
    static const char text[] = "memory = 128\ndisk = ['file']\nextra = 'n=%s' % vmid\n";
    struct config *c = config_new();
    struct err err = {0};

    assert_int_equal(config_add_override(c, "memory=256", NULL), 0);
    assert_int_equal(config_add_override(c, "disk=a,b,w", NULL), 0);
    assert_int_equal(config_add_override(c, "disk=c,d,r", NULL), 0);
    assert_int_equal(config_add_override(c, "vif=['x', 'y']", NULL), 0);
    assert_int_equal(config_add_override(c, "vmid=7", NULL), 0);
    assert_int_equal(config_add_override(c, "kernel=/a=b", NULL), 0);
    assert_int_not_equal(config_add_override(c, "vcpus=two", &err), 0);
    assert_string_equal(err.msg, "vcpus = 'two': an integer is needed");
    assert_int_not_equal(config_add_override(c, "=5", &err), 0);
    assert_int_not_equal(config_add_override(c, "a b=5", &err), 0);
    assert_int_not_equal(config_add_override(c, "nothing", &err), 0);
    assert_int_not_equal(config_add_override(c, "vif=[1", &err), 0);
    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_int(c, "memory", 0), 256);
    assert_int_equal(config_list_count(c, "disk"), 2);
    assert_string_equal(config_list_item(c, "disk", 1), "c,d,r");
    assert_int_equal(config_list_count(c, "vif"), 2);
    assert_string_equal(config_string(c, "extra", ""), "n=7");
    assert_string_equal(config_string(c, "kernel", ""), "/a=b");
    assert_string_equal(config_place(c, "memory"), "command line");
    assert_string_equal(config_place(c, "extra"), "f:3");
    assert_int_equal(config_warning_count(c), 0);
    config_free(c);
}

/* xl: pieces of config as arguments. */
static void test_overrides_of_xl(void **state)
{
    static const char text[] = "memory = 128\nextra = 'x'\npci = ['file']\n";
    struct config *c = config_new();
    struct err err = {0};

    assert_int_equal(config_add_override(c, "memory=\"256\"; pci=['01:02.0', '01:02.1']", NULL), 0);
    assert_int_equal(config_add_override(c, "extra='a b'", NULL), 0);
    assert_int_equal(config_add_override(c, "root='a' and \"b", NULL), 0);
    assert_int_not_equal(config_add_override(c, "vcpus='two'", &err), 0);
    assert_string_equal(err.msg, "vcpus = 'two': an integer is needed");
    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_int(c, "memory", 0), 256);
    assert_int_equal(config_list_count(c, "pci"), 2);
    assert_string_equal(config_string(c, "extra", ""), "a b");
    assert_string_equal(config_string(c, "root", ""), "'a' and \"b"); /* no piece of config */
    config_free(c);
}

/* Files of other kinds. */
static void test_kinds(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"<?xml version='1.0'?>", "f: this is XML of the Xen-API, which is not supported"},
        {"(vm (name x))", "f: this is an S-expression; read it with: xm create -F f"},
        {"(domain\n (name x))", "f: this is an S-expression; read it with: xm create -F f"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config *c = config_new();
        struct err err = {0};

        assert_int_not_equal(config_load_text(c, "f", cases[i].text, strlen(cases[i].text), &err),
                             0);
        assert_string_equal(err.msg, cases[i].message);
        config_free(c);
    }
}

/* A file as xl's manual writes them. */
static void test_xl_file(void **state)
{
    static const char text[] = "name = \"g\" ; memory = 512\nmaxmem=0x400\n"
                               "disk = [\n  'format=raw, vdev=xvda, access=rw, target=/x',\n]\n"
                               "vif = [ 'mac=00:16:3e:00:00:01' ]\nvif += [ 'bridge=b' ]\n"
                               "bootloader_args = [ '--entry=1', '-q' ]\n# end";
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_int(c, "memory", 0), 512);
    assert_int_equal(config_int(c, "maxmem", 0), 1024);
    assert_int_equal(config_list_count(c, "disk"), 1);
    assert_int_equal(config_list_count(c, "vif"), 2);
    assert_int_equal(config_value(c, "bootloader_args")->items->count, 2);
    assert_int_equal(config_warning_count(c), 0);
    config_free(c);
}

static void test_unused_override_is_named(void **state)
{
    struct config *c = config_new();

    assert_int_equal(config_add_override(c, "memmory=256", NULL), 0);
    assert_int_equal(config_load_text(c, "f", "", 0, NULL), 0);
    assert_int_equal(config_warning_count(c), 1);
    assert_string_equal(config_warning(c, 0), "command line: unknown option 'memmory' is ignored; "
                                              "did you mean 'memory'?");
    config_free(c);
}

static void test_missing_file(void **state)
{
    struct config *c = config_new();
    struct err err = {0};

    assert_int_not_equal(config_load(c, "/nowhere/at/all", &err), 0);
    assert_string_equal(err.msg,
                        "Unable to open config file: /nowhere/at/all: No such file or directory");
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_integers),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_doubling_is_stopped),
        cmocka_unit_test(test_lists),        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_overrides),    cmocka_unit_test(test_unused_override_is_named),
        cmocka_unit_test(test_missing_file), cmocka_unit_test(test_overrides_of_xl),
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_xl_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
