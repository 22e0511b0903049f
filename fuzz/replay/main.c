/* SPDX-License-Identifier: MIT */
/* replay PATH...: gives the bytes of each file, and of each file of each folder, to the fuzzer this is linked with.
 * Prints how many there were. A finding ends it as it would end the fuzzer. */
#define _GNU_SOURCE /* alphasort */
#include <dirent.h>
#include <errno.h>

#include "../fuzz.h"

enum { PATH_MAX_BYTES = 4096, INPUT_MAX = 1 << 20 };

static unsigned count;

static void replay_file(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const struct input input = {bytes, bytes + size};
    uint8_t *copy = fuzz_copy(&input);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    count++;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
    struct dirent **entries;
    const int entry_count = scandir(path, &entries, is_visible, alphasort);
    if (entry_count < 0 && errno == ENOTDIR) {
        replay_file(path);
        return;
    }
    if (entry_count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < entry_count; i++) {
        char inner[PATH_MAX_BYTES];
        (void)snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        replay(inner);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%u inputs\n", count);
    return 0;
}
