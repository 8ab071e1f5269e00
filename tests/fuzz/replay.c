/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * replay.c - runs a fuzz target on files: those of the directories that are its arguments.
 * Where there is no libFuzzer, this is its main program; and in every test run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False if it cannot be read. A name is printed before the file is run: it is the last line if
 * that ends badly. */
static int run_file(const char *dir, const char *name)
{
    static uint8_t buf[MAX_FILE];
    char path[1024];
    uint8_t *copy;
    FILE *stream;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    stream = fopen(path, "rb");
    if (!stream) {
        perror(path);
        return 0;
    }
    size = fread(buf, 1, sizeof(buf), stream);
    fclose(stream);
    printf("%s\n", path);
    fflush(stdout);
    copy = malloc(size ? size : 1); /* of the exact size, so that a sanitizer sees its end */
    if (!copy)
        return 0;
    memcpy(copy, buf, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 1;
}

int main(int argc, char **argv)
{
    unsigned int files = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *e;

        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        while ((e = readdir(dir)) != NULL) {
            if (e->d_name[0] == '.')
                continue;
            if (!run_file(argv[i], e->d_name))
                return 1;
            files++;
        }
        closedir(dir);
    }
    printf("%u files\n", files);
    return files == 0; /* a corpus that is not found is no success */
}
