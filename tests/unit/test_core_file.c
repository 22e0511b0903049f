/* SPDX-License-Identifier: MIT */
/* A process that holds a stack crashes: its core file has no key of the stack, nor its secret. A second
 * one, whose block is ordinary memory, shows that the search would find them.
 *
 * Where no core file can be made (a limit of 0, a pattern that leads to a program), what the kernel says
 * of the block must do: that it is not dumped.
 *
 * variants: release
 */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duet/block.h"

enum { KEYS = 8, SECRET_WORDS = DUET_SECRET_SIZE / 8, WORDS = 2 * KEYS + SECRET_WORDS };

/* In memory that no core file holds, too, and shared with the process that crashes. */
struct wanted {
    uint64_t words[WORDS];
    unsigned count;
};

static struct wanted *wanted_new(void)
{
    struct wanted *wanted =
        mmap(NULL, sizeof *wanted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(wanted != MAP_FAILED);
    assert_int_equal(madvise(wanted, sizeof *wanted, MADV_DONTDUMP), 0);
    return wanted;
}

static void want_keys(struct wanted *wanted, const struct duet_stack *s)
{
    const struct siphash_key *const keys[KEYS] = {&s->isn_key,        &s->table_key, &s->port_key,
                                                  &s->port_index_key, &s->path_key,  &s->cookie_key,
                                                  &s->syn_cookie_key, &s->limit_key};
    for (unsigned i = 0; i < KEYS; i++) {
        wanted->words[wanted->count++] = keys[i]->k0;
        wanted->words[wanted->count++] = keys[i]->k1;
    }
}

/* ---- the process that crashes ---- */

static void configure(struct duet_config *config)
{
    rig_config(config);
    config->half_open_max = 2; /* so that cookies are sent */
}

/* Every kind of key has been used: for numbers, cookies, ports, paths, limits. */
static void use(struct duet_stack *stack)
{
    static struct rig rig;
    const struct duet_listen_options listen = {.local = {.port = 80}, .backlog = 8, .fast_open = 4};
    const struct duet_connect_options connect = {.remote = {duet_ipv4(10, 0, 0, 2), 9}};
    struct duet_handle handle;
    rig.stack = stack;
    (void)duet_listen(stack, 0, &listen, &handle);
    for (uint16_t i = 0; i < 200; i++) {
        struct tcp_tuple tuple = rig_tuple(i % 4 == 0 ? 81 : 80, (uint16_t)(1000 + i));
        struct rig_segment segment = {.flags = DUET_SYN,
                                      .seq = i,
                                      .window = 1000,
                                      .timestamps = true,
                                      .fast_open = i % 3 == 0};
        rig_input(&rig, &tuple, &segment);
        segment = (struct rig_segment){.flags = DUET_ACK, .seq = i + 1u, .ack = i, .window = 1};
        rig_input(&rig, &tuple, &segment); /* a guess */
        if (i % 50 == 0)
            (void)duet_connect(stack, 0, &connect, &handle);
        while (rig_output(&rig, NULL, NULL))
            continue;
    }
}

/* With a block of its own, or one of ordinary memory and a secret that stays where it is. */
static void crash(const char *folder, bool ordinary, struct wanted *wanted)
{
    static struct duet_config config;
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    struct duet_block block;
    struct duet_stack *stack;
    if (chdir(folder) != 0)
        _exit(EXIT_FAILURE);
    (void)setrlimit(RLIMIT_CORE, &all);
    (void)prctl(PR_SET_DUMPABLE, 1);
    configure(&config);
    if (ordinary) {
        memcpy(wanted->words, config.secret, DUET_SECRET_SIZE);
        wanted->count = SECRET_WORDS;
        size_t size = duet_stack_footprint(&config);
        if (duet_stack_init(malloc(size), size, &config, &stack) != DUET_OK)
            _exit(EXIT_FAILURE);
    } else if (duet_block_start(&block, &config, &stack) != 0) {
        _exit(EXIT_FAILURE);
    }
    want_keys(wanted, stack);
    use(stack);
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* ---- its core file ---- */

/* Any word of them in the file: how many of the words. */
static unsigned found_in(const char *path, const struct wanted *wanted)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const size_t size = (size_t)ftell(file);
    uint8_t *bytes = malloc(size);
    rewind(file);
    assert_true(bytes != NULL && fread(bytes, 1, size, file) == size);
    fclose(file);
    unsigned found = 0;
    for (unsigned i = 0; i < wanted->count; i++)
        found += memmem(bytes, size, &wanted->words[i], sizeof wanted->words[i]) != NULL;
    free(bytes);
    return found;
}

static bool find_core(const char *folder, char *path, size_t size)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool found = false;
    assert_non_null(entries);
    while (!found && (entry = readdir(entries)) != NULL)
        if (strncmp(entry->d_name, "core", 4) == 0)
            found = snprintf(path, size, "%s/%s", folder, entry->d_name) > 0;
    closedir(entries);
    return found;
}

/* Words of the keys that the core file of a process holds; false: there is no core file. */
static bool search(bool ordinary, unsigned *found)
{
    char folder[400], path[sizeof folder + 300];
    const char *scratch = getenv("TMPDIR");
    struct wanted *wanted = wanted_new();
    int status = 0;
    snprintf(folder, sizeof folder, "%s/duet-core-XXXXXX", scratch == NULL ? P_tmpdir : scratch);
    assert_non_null(mkdtemp(folder));
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        crash(folder, ordinary, wanted);
    assert_int_equal(waitpid(child, &status, 0), child);
    EXPECT("crashed", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    const bool has_core = find_core(folder, path, sizeof path);
    if (has_core) {
        EXPECT("something to look for", wanted->count >= 2 * KEYS);
        *found = found_in(path, wanted);
        unlink(path);
    }
    rmdir(folder);
    munmap(wanted, sizeof *wanted);
    return has_core;
}

static void core_file_has_no_key(void **state)
{
    (void)state;
    unsigned found = 0;
    if (!search(true, &found)) {
        print_message("# no core file can be made here\n");
        skip();
    }
    EXPECT_EQUAL("in ordinary memory all of them are", found, WORDS);
    EXPECT("a core file", search(false, &found));
    EXPECT_EQUAL("words of keys in it", found, 0);
}

/* ---- what the kernel says of the block ---- */

/* VmFlags of the mapping that begins there. */
static bool mapping_has_flag(const void *memory, const char *flag)
{
    char line[4096], begin[40];
    bool inside = false, has = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    snprintf(begin, sizeof begin, "%lx-", (unsigned long)(uintptr_t)memory);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (strstr(line, "-") != NULL && strstr(line, " rw") != NULL)
            inside = strncmp(line, begin, strlen(begin)) == 0;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return has;
}

static void block_is_not_dumped_nor_inherited(void **state)
{
    (void)state;
    struct duet_config config;
    struct duet_block block;
    struct duet_stack *stack;
    int status = 0;
    configure(&config);
    assert_int_equal(duet_block_start(&block, &config, &stack), 0);
    EXPECT("not dumped (dd)", mapping_has_flag(block.memory, " dd"));
    static const uint8_t nothing[DUET_SECRET_SIZE];
    EXPECT_BYTES("the secret is gone", config.secret, nothing, sizeof nothing);
    const uint64_t key = stack->isn_key.k0;
    EXPECT("a key", key != 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(stack->isn_key.k0 == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    assert_int_equal(waitpid(child, &status, 0), child);
    EXPECT("a child finds nothing", WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    EXPECT_EQUAL("the parent has it still", stack->isn_key.k0, key);
    duet_block_end(&block);
    EXPECT("given back", block.memory == NULL);
    duet_block_end(&block);
}

static void block_of_a_bad_configuration(void **state)
{
    (void)state;
    struct duet_config config;
    struct duet_block block = {(void *)&config, 1};
    struct duet_stack *stack;
    configure(&config);
    config.mtu = 3;
    EXPECT_EQUAL("refused", duet_block_start(&block, &config, &stack), -1);
    EXPECT_EQUAL("why", errno, EINVAL);
    EXPECT("empty", block.memory == NULL && block.size == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_file_has_no_key),
        cmocka_unit_test(block_is_not_dumped_nor_inherited),
        cmocka_unit_test(block_of_a_bad_configuration),
    };
    return cmocka_run_group_tests_name("core_file", tests, NULL, NULL);
}
