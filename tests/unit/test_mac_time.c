/* SPDX-License-Identifier: MIT */
/* A wrong cookie costs the same wherever it is wrong: counted by valgrind, instruction by instruction, over
 * handshakes that differ in nothing but which byte, or bit, of their cookies is wrong. Who could time the
 * answer would learn nothing of the right one.
 *
 * The program runs itself under valgrind, with what is to be wrong in its environment.
 *
 * variants: release
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"

#define WRONG "DUET_TEST_WRONG"
enum { TRIES = 300, COOKIE = 8, HASH_BITS = 28 };

/* ---- the work that is counted ---- */

static void begin(struct rig *rig, uint32_t half_open)
{
    const struct duet_listen_options listen = {
        .local = {.port = 80}, .backlog = 64, .fast_open = 64};
    struct duet_config config;
    struct duet_handle listener;
    rig_config(&config);
    config.half_open_max = half_open;
    rig_start(rig, &config);
    assert_int_equal(duet_listen(rig->stack, 0, &listen, &listener), DUET_OK);
}

/* SYNs with a Fast Open cookie of which one byte is wrong. */
static void try_fast_open(struct rig *rig, unsigned byte)
{
    struct tcp_tuple tuple = rig_tuple(80, 1000);
    struct rig_segment syn = {.flags = DUET_SYN, .seq = 1, .window = 1000, .fast_open = true};
    struct rig_segment answer;
    begin(rig, 2 * TRIES);
    rig_input(rig, &tuple, &syn);
    assert_true(rig_output(rig, NULL, &answer) && answer.cookie_length == COOKIE);
    syn.cookie_length = COOKIE;
    memcpy(syn.cookie, answer.cookie, COOKIE);
    syn.cookie[byte] ^= 0x10;
    syn.text = (const uint8_t *)"request";
    syn.length = 7;
    for (unsigned i = 0; i < TRIES; i++) {
        tuple.remote_port = (uint16_t)(2000 + i);
        rig_input(rig, &tuple, &syn);
        rig_drain(rig);
    }
    assert_int_equal(rig->stack->conns.used, 0);
}

/* Acknowledgements of SYN cookies of which one bit is wrong. */
static void try_syn_cookie(struct rig *rig, unsigned bit)
{
    struct rig_segment syn = {.flags = DUET_SYN, .seq = 1, .window = 1000};
    struct rig_segment answer;
    begin(rig, 2);
    for (unsigned i = 0; i < TRIES; i++) {
        struct tcp_tuple tuple = rig_tuple(80, (uint16_t)(2000 + i));
        rig_input(rig, &tuple, &syn);
        assert_true(rig_output(rig, NULL, &answer));
        if (i < 2)
            continue; /* these have records */
        const struct rig_segment guess = {.flags = DUET_ACK,
                                          .seq = 2,
                                          .ack = (answer.seq ^ UINT32_C(1) << bit) + 1,
                                          .window = 1000};
        rig_input(rig, &tuple, &guess);
        rig_drain(rig);
    }
    assert_int_equal(rig->stack->conns.used, 0);
}

/* "f3": byte 3 of a Fast Open cookie; "s3": bit 3 of a SYN cookie. */
static int work(const char *wrong)
{
    static struct rig rig;
    const unsigned which = (unsigned)strtoul(wrong + 1, NULL, 10);
    (wrong[0] == 'f' ? try_fast_open : try_syn_cookie)(&rig, which);
    return EXIT_SUCCESS;
}

/* ---- counting ---- */

/* Instructions of this program with that to be wrong; 0: valgrind does not run. */
static unsigned long count(const char *program, char kind, unsigned which)
{
    char command[600], line[400];
    unsigned long instructions = 0;
    snprintf(command, sizeof command,
             "valgrind --version >/dev/null 2>&1 && " WRONG "=%c%u valgrind --tool=callgrind "
             "--callgrind-out-file=/dev/null '%s' 2>&1",
             kind, which, program);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe) != NULL) {
        const char *at = strstr(line, "Collected : ");
        if (at != NULL)
            instructions = strtoul(at + strlen("Collected : "), NULL, 10);
    }
    pclose(pipe);
    return instructions;
}

static char self[400];

static void compare(char kind, const unsigned *which, size_t rows)
{
    const unsigned long first = count(self, kind, which[0]);
    if (first == 0) {
        print_message("# valgrind is not here, or does not run this program\n");
        skip();
    }
    for (size_t i = 1; i < rows; i++) {
        const unsigned long other = count(self, kind, which[i]);
        const unsigned long apart = other > first ? other - first : first - other;
        print_message("# %c%u: %lu instructions, %c%u: %lu\n", kind, which[0], first, kind,
                      which[i], other);
        /* Sums of packets carry now and then; a comparison byte by byte would cost thousands. */
        EXPECT("less than an instruction a try", apart < TRIES);
    }
}

static void fast_open_cookie(void **state)
{
    (void)state;
    compare('f', (const unsigned[]){0, 3, COOKIE - 1}, 3);
}

static void syn_cookie(void **state)
{
    (void)state;
    compare('s', (const unsigned[]){0, 13, HASH_BITS - 1}, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_open_cookie),
        cmocka_unit_test(syn_cookie),
    };
    const char *wrong = getenv(WRONG);
    if (wrong != NULL)
        return work(wrong);
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    return cmocka_run_group_tests_name("mac_time", tests, NULL, NULL);
}
