/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-language.c - what of Python the config language has beyond assignments: loops,
 * functions, dictionaries, exceptions, regular expressions; and that no file, however
 * hostile, gets more than its share of time and memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/types.h"
#include "config/config.h"

/* Each leaves text in `extra`. */
static const struct {
    const char *text, *extra;
} good[] = {
    /* loops */
    {"extra = ''\nfor i in range(3):\n  extra += str(i)", "012"},
    {"extra = ''\nfor i in range(5, 1, -2): extra += str(i)", "53"},
    {"extra = ''\nfor c in 'abc':\n  if c == 'b': continue\n  extra += c", "ac"},
    {"extra = ''\nfor a, b in [('x', 1), ('y', 2)]:\n  extra += '%s%d' % (a, b)", "x1y2"},
    {"n = 0\nwhile n < 10:\n  n += 1\n  if n == 4: break\nextra = n", "4"},
    {"for i in [1]:\n  pass\nelse:\n  extra = 'else'", "else"},
    {"for i in [1]:\n  break\nelse:\n  extra = 'else'\nextra = 'x'", "x"},
    {"l = []\nfor i in range(3): l.append('d%d' % i)\nextra = ','.join(l)", "d0,d1,d2"},
    {"extra = ''\nfor i in 1, 2, 3: extra += str(i)", "123"},
    {"n = 5\nwhile n: n -= 1\nelse: extra = 'done'", "done"},
    /* functions */
    {"def f(x):\n  return x + '!'\nextra = f('a')", "a!"},
    {"def f(x, y='2'):\n  return x + y\nextra = f('1') + f(y='4', x='3')", "1234"},
    {"def f():\n  pass\nextra = str(f())", "None"},
    {"v = 'outer'\ndef f():\n  v = 'inner'\n  return v\nextra = f() + v", "innerouter"},
    {"def f(n):\n  if n < 2: return 1\n  return n * f(n - 1)\nextra = f(10)", "3628800"},
    {"def f(l):\n  for x in l:\n    if x > 2: return x\nextra = f([1, 2, 3, 4])", "3"},
    {"def f(): return 1, 2\na, b = f()\nextra = a + b", "3"},
    {"def f():\n  def g(): return 'g'\n  return g()\nextra = f()", "g"},
    /* assignment */
    {"extra = name = 'both'", "both"},
    {"a, b = 'x', 'y'\na, b = b, a\nextra = a + b", "yx"},
    {"l = [1, 2]\nm = l\nm[0] = 5\nextra = str(l)", "[5, 2]"},
    {"l = [1, 2, 3]\ndel l[1]\nextra = str(l)", "[1, 3]"},
    {"n = 3\nn *= 4\nn /= 5\nextra = n", "2"},
    {"x = 1\ndel x\nextra = 'gone'", "gone"},
    {"l = [1]\nl += [2]\nl.extend((3,))\nextra = str(l)", "[1, 2, 3]"},
    /* dictionaries */
    {"d = {'a': 1, 'b': 'two',}\nextra = '%s %s' % (d['b'], d['a'])", "two 1"},
    {"d = {}\nd['x'] = 1\nd['x'] = 2\nextra = str(d)", "{'x': 2}"},
    {"extra = '%(mac)s on %(br)s' % {'br': 'xenbr0', 'mac': '00:16'}", "00:16 on xenbr0"},
    {"d = {1: 'a'}\nextra = d.get(2, 'none') + d.get(1)", "nonea"},
    {"d = {'k': 'v'}\nextra = ''\nfor k in d: extra += k + d[k]", "kv"},
    {"d = {'k': 'v'}\nfor k, v in d.items(): extra = k + v", "kv"},
    {"d = {'k': 1}\nextra = 'y' if 'k' in d and not d.has_key('j') else 'n'", "y"},
    {"d = {'k': 1, 'l': 2}\ndel d['k']\nextra = len(d)", "1"},
    /* numbers */
    {"extra = 1 << 4 | 3 & ~2 ^ 8", "25"},
    {"extra = 2 ** 10", "1024"},
    {"extra = -2 ** 2", "-4"},
    {"extra = '%.2f' % (7 / 2.0)", "3.50"},
    {"extra = str(1.5) + str(2.0) + str(1 if 0 else 3)", "1.52.03"},
    {"extra = int(3.9)", "3"},
    {"extra = int('ff', 16) + int(float('2.5'))", "257"},
    {"extra = max(3, 9, 4) - min([5, 2])", "7"},
    {"extra = 'y' if 1 < 2 < 3 and not 1 < 3 < 2 else 'n'", "y"},
    {"extra = 'ab' * 2 + 2 * 'c'", "ababcc"},
    {"extra = str([0] * 3)", "[0, 0, 0]"},
    {"extra = chr(65) + str(ord('B')) + repr('x')", "A66'x'"},
    /* exceptions */
    {"try:\n  x = int('no')\nexcept ValueError:\n  extra = 'caught'", "caught"},
    {"try:\n  raise ValueError\nexcept KeyError:\n  pass\nexcept (TypeError, ValueError):\n"
     "  extra = 'value'",
     "value"},
    {"try:\n  raise ValueError, 'why'\nexcept ValueError, e:\n  extra = str(e)", "ValueError: why"},
    {"try: raise IOError('x')\nexcept Exception as e: extra = str(e)", "IOError: x"},
    {"try:\n  pass\nexcept:\n  extra = 'no'\nelse:\n  extra = 'else'", "else"},
    {"assert 1\nextra = 'ok'", "ok"},
    /* regular expressions */
    {"import re\nm = re.search('x(8.)_(\\d+)', 'linux x86_64')\nextra = m.group(2) + m.group(1)",
     "6486"},
    {"import re\nextra = str(re.match('b', 'ab')) + str(re.match('a', 'ab').group())", "Nonea"},
    {"import re\nextra = re.search('^(a|ab)(c|bcd)(d*)$', 'abcd').groups()[1]", "bcd"},
    {"import re\nextra = re.search('a{2,3}', 'caaaa').group()", "aaa"},
    {"import re\nextra = re.search('a+?', 'aaa').group()", "a"},
    {"import re\nextra = re.search('[^a-c\\-]+$', 'abc-xyz').group()", "xyz"},
    {"import re\nextra = re.search('(?:ab)*(a*)*', 'ababaa').group()", "ababaa"},
    {"import re\nextra = str(re.search('(a)|b', 'b').group(1))", "None"},
    {"import re\nextra = re.search('\\.(img|iso)$', 'x.iso').group(1)", "iso"},
    {"import re\nextra = re.search('', 'x').group() + '!'", "!"},
    /* modules */
    {"import string\nextra = string.replace(string.upper('ab'), 'A', 'c')", "cB"},
    {"import sys\nextra = sys.argv[0]", "xm"},
    {"import os\nextra = os.environ['LANGUAGE_TEST'] + os.environ.get('NO_SUCH', '-')", "set-"},
    {"from socket import gethostname\nextra = 'y' if gethostname() else 'n'", "y"},
    {"import random\nn = random.randint(3, 4)\nextra = 'y' if 3 <= n <= 4 else n", "y"},
    {"extra = '5'.zfill(3) + 'a.b'.split('.')[-1] + str('abc'.find('c'))", "005b2"},
    {"extra = 'a b c'.split(' ', 1)[1]", "b c"},
    {"print('ignored', 5)\nextra = 'p'", "p"},
    {"extra = xm_file + str(xm_help)", "f0"},
};

static void test_values(void **state)
{
    setenv("LANGUAGE_TEST", "set", 1);
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
    const char *text, *place, *message;
} bad[] = {
    {"class A: pass", "f:1: ", "'class' is Python that config files cannot use"},
    {"with x: pass", "f:1: ", "'with'"},
    {"a = lambda: 1", "f:1: ", "'lambda'"},
    {"a = [x for x in [1]]", "f:1: ", "use a loop"},
    {"def f():\n  global x", "f:2: ", "'global'"},
    {"return 5", "f:1: ", "'return' outside a function"},
    {"break", "f:1: ", "'break' outside a loop"},
    {"for i in [1]:\n  def f():\n    break", "f:3: ", "'break' outside a loop"},
    {"for i in 5: pass", "f:1: ", "'for' needs a list, not an integer"},
    {"for i of [1]: pass", "f:1: ", "'in' expected after 'for NAME', found 'of'"},
    {"for i in [1]:\npass", "f:2: ", "expected an indented block after 'for'"},
    {"def f():\nreturn 1", "f:2: ", "expected an indented block after 'def'"},
    {"while 1:\nx = 1", "f:2: ", "expected an indented block after 'while'"},
    {"def 5(): pass", "f:1: ", "the function's name is expected"},
    {"def f(5): pass", "f:1: ", "a parameter's name is expected"},
    {"def f(x): pass\nf()", "f:2: ", "f() needs an argument 'x'"},
    {"def f(x): pass\nf(1, 2)", "f:2: ", "f() takes 1 argument"},
    {"def f(x): pass\nf(y=2)", "f:2: ", "f() has no parameter 'y'"},
    {"def f(x, y=0): pass\nf(1, x=2)", "f:2: ", "f() is given an argument twice"},
    {"def f(x, y): pass\nf(x=1, 2)", "f:2: ", "an argument without name follows one with"},
    {"len(x='a')", "f:1: ", "len() has no argument 'x'"},
    {"a, b = 1, 2, 3", "f:1: ", "3 values for 2 names"},
    {"a, b = 5", "f:1: ", "an integer cannot be taken apart"},
    {"del x", "f:1: ", "nothing to delete"},
    {"a = {'b' 1}", "f:1: ", "':' expected after a key"},
    {"a = {}\nb = a['x']", "f:2: ", "the dictionary has no key 'x'"},
    {"a = (1,)\na[0] = 2", "f:2: ", "a tuple cannot be changed"},
    {"a = '%(x)s' % 5", "f:1: ", "%(x) needs a dictionary"},
    {"a = '%(x' % {}", "f:1: ", "is no format"},
    {"a = 1 << 99", "f:1: ", "too large"},
    {"a = 2 ** 64", "f:1: ", "too large"},
    {"a = 1.5 | 1", "f:1: ", "'|' needs integers"},
    {"a = range(1, 5, 0)", "f:1: ", "the step is 0"},
    {"a = int('12x')", "f:1: ", "'12x' is no number"},
    {"a = int('1', 99)", "f:1: ", "no base 99"},
    {"raise ValueError", "f:1: ", "the file itself raises this error: ValueError"},
    {"raise ValueError('why')", "f:1: ", "ValueError: why"},
    {"try:\n  raise KeyError\nexcept ValueError: pass", "f:2: ", "KeyError"},
    {"try:\n  pass\nx = 1", "f:3: ", "'except' expected after the block of 'try'"},
    {"except: pass", "f:1: ", "'except' without 'try'"},
    {"assert 1 == 2, 'no'", "f:1: ", "'assert' does not hold: no"},
    {"import sys\nsys.exit('bye')", "f:2: ", "the file ends itself: sys.exit(bye)"},
    {"import os\nos.popen('id')", "f:2: ", "nothing that a config says is run"},
    {"a = open('/etc/passwd').read()", "f:1: ", "a config cannot read other files"},
    {"print >>x, 5", "f:1: ", "'print >>' is not supported"},
    {"import re\nre.search('a**', 'a')", "f:2: ", "it repeats a repetition"},
    {"import re\nre.search('*', 'a')", "f:2: ", "nothing to repeat"},
    {"import re\nre.search('[a', 'a')", "f:2: ", "'[' is never closed"},
    {"import re\nre.search('a)', 'a')", "f:2: ", "')' closes nothing"},
    {"import re\nre.search('(?i)a', 'a')", "f:2: ", "only supported as '(?:'"},
    {"import re\nre.search('a\\\\', 'a')", "f:2: ", "ends with a backslash"},
    {"import re\nre.match('(a)', 'a').group(2)", "f:2: ", "there is no group 2"},
    {"import re\nre.search('(((a{200}){200}){200}){200}', 'a')", "f:2: ", "too long"},
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

/* As Xen's example files declare what they want from the command line. */
static const char with_vars[] = "def vmid_check(var, val):\n"
                                "    val = int(val)\n"
                                "    if val <= 0:\n"
                                "        raise ValueError\n"
                                "    return val\n"
                                "\n"
                                "xm_vars.var('vmid',\n"
                                "            use=\"Virtual machine id. Integer greater than 0.\",\n"
                                "            check=vmid_check)\n"
                                "xm_vars.check()\n"
                                "name = \"VM%d\" % vmid\n"
                                "disk = [ 'phy:sda%d,sda1,w' % (7+vmid), 'phy:sda6,sda6,r' ]\n";

static void test_xm_vars(void **state)
{
    struct config *c = config_new();
    struct err err = {0};

    assert_int_equal(config_add_override(c, "vmid=3", NULL), 0);
    assert_int_equal(config_load_text(c, "f", with_vars, sizeof(with_vars) - 1, NULL), 0);
    assert_string_equal(config_string(c, "name", ""), "VM3");
    assert_string_equal(config_list_item(c, "disk", 0), "phy:sda10,sda1,w");
    assert_int_equal(config_warning_count(c), 0);
    config_free(c);

    c = config_new();
    assert_int_not_equal(config_load_text(c, "f", with_vars, sizeof(with_vars) - 1, &err), 0);
    assert_string_equal(err.msg, "f:10: this file needs vmid=VALUE on the command line: "
                                 "Virtual machine id. Integer greater than 0.");
    config_free(c);

    c = config_new();
    assert_int_equal(config_add_override(c, "vmid=0", NULL), 0);
    assert_int_not_equal(config_load_text(c, "f", with_vars, sizeof(with_vars) - 1, &err), 0);
    assert_non_null(strstr(err.msg, "f:10: vmid=0 is refused by this file: Virtual"));
    config_free(c);
}

static void test_print(void **state)
{
    static const char text[] = "print 'a', 5\nprint\nprint('x')\n";
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_printed_count(c), 3);
    assert_string_equal(config_printed(c, 0), "a 5");
    assert_string_equal(config_printed(c, 1), "");
    assert_string_equal(config_printed(c, 2), "x");
    config_free(c);
}

/* Each would take for ever, or all memory, or all stack. */
static const char *const hostile[] = {
    "while 1: pass",
    "while 1:\n  try:\n    while 1: pass\n  except: pass",
    "for i in range(1000000000): pass",
    "l = [1]\nfor x in l: l.append(x)",
    "def f(): f()\nf()",
    "def f():\n  try:\n    f()\n  except: f()\nf()",
    "def f(n):\n  return f(n) + f(n)\nf(1)",
    "a = 'x'\nwhile 1: a = a + a",
    "a = 'x' * 1000000\nwhile 1: b = a + 'y'",
    "a = 'x' * 1000000\nwhile 1: b = 'y' in a",
    "a = 'x' * 1000000\nwhile 1: b = a == a",
    "a = 'x' * 1000000\nwhile 1: b = a.startswith(a)",
    "a = [0] * 100000\nwhile 1: b = 1 in a",
    "a = []\nwhile 1: a = [a, a]",
    "a = [1]\nfor i in range(60): a = [a, a]\nb = str(a)\nwhile 1: b = str(a)",
    "a = [1]\nb = [1]\nfor i in range(60):\n  a = [a, a]\n  b = [b, b]\nc = a == b",
    "a = []\na.append(a)\nb = []\nb.append(b)\nc = a == b",
    "d = {}\ni = 0\nwhile 1:\n  i += 1\n  d[i] = i",
    "a = 'x'\nwhile 1: a = '%s%s' % (a, a)",
    "a = '%999d' * 10000 % ((1,) * 10000)",
    "a = ('x' * 100000).replace('x', 'y' * 100000)",
    "a = ('y' * 100000).join(['x'] * 100000)",
    "import re\nwhile 1: re.search('(a*)*b', 'a' * 10000)",
    "import re\nre.search('(a{50}){19}', 'a' * 1000000)",
    "import os\nwhile 1: os.path.exists('/')",
    "import os\nwhile 1: x = os.environ",
    "a = 9 ** 9 ** 9 ** 9",
    "a = (-1) ** 9000000000000000000\nwhile 1: pass",
};

/* The sentences of the limits. */
static bool names_a_limit(const char *message)
{
    return strncmp(message, "f:", 2) == 0 &&
           (strstr(message, "does a loop never end?") || strstr(message, "too large") ||
            strstr(message, "is called from itself too often"));
}

static void test_hostile(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct config *c = config_new();
        struct err err = {0};
        clock_t start = clock();

        if (config_load_text(c, "f", hostile[i], strlen(hostile[i]), &err) == 0)
            fail_msg("case %zu <%s> was accepted", i, hostile[i]);
        if (!names_a_limit(err.msg))
            fail_msg("case %zu <%s>: <%s>", i, hostile[i], err.msg);
        /* CPU time; ten times what it may take on an idle machine without sanitizers. */
        if (clock() - start > 10 * CLOCKS_PER_SEC)
            fail_msg("case %zu <%s>: %ld s", i, hostile[i],
                     (long)((clock() - start) / CLOCKS_PER_SEC));
        config_free(c);
    }
}

/* Size instead of loops: many variables, many statements, long lines. */
static void test_hostile_size(void **state)
{
    static const char *const units[] = {"x%zu=1\n", "a;", "'a'", "[", "a=b=", "if 1:", "x%zu,"};
    const size_t size = 1000000;
    char *text = malloc(size + 100);

    assert_non_null(text);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        struct config *c = config_new();
        struct err err = {0};
        size_t n = (size_t)snprintf(text, size, "a = 1\n%s", i == 2 ? "a = " : "");
        char unit[40];

        for (size_t k = 0; n < size; k++) {
            int len = units[i][1] == '%' ? snprintf(unit, sizeof(unit), "x%zu%s", k, units[i] + 4)
                                         : snprintf(unit, sizeof(unit), "%s", units[i]);

            memcpy(text + n, unit, (size_t)len);
            n += (size_t)len;
        }
        if (config_load_text(c, "f", text, n, &err) == 0)
            fail_msg("case %zu was accepted", i);
        assert_int_equal(strncmp(err.msg, "f:", 2), 0);
        config_free(c);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_xm_vars), cmocka_unit_test(test_print),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_hostile_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
