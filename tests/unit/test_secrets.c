/* SPDX-License-Identifier: MIT */
/* Where keys may be found: in the block of the stack, and nowhere that it writes to. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "duet/observe.h"

enum { KEYS = 10 };

struct keys {
    uint64_t words[2 * KEYS];
    unsigned count;
};

static void take(struct keys *keys, const struct siphash_key *key)
{
    keys->words[keys->count++] = key->k0;
    keys->words[keys->count++] = key->k1;
}

static struct keys keys_of(const struct duet_stack *s)
{
    struct keys keys = {.count = 0};
    take(&keys, &s->isn_key);
    take(&keys, &s->table_key);
    take(&keys, &s->port_key);
    take(&keys, &s->port_index_key);
    take(&keys, &s->path_key);
    take(&keys, &s->cookie_key);
    take(&keys, &s->syn_cookie_key);
    take(&keys, &s->limit_key);
    return keys;
}

static uint64_t turned(uint64_t word)
{
    uint64_t other = 0;
    for (unsigned byte = 0; byte < 8; byte++)
        other = other << 8 | (word >> 8 * byte & 255);
    return other;
}

/* Half a key, in the order of the machine or the other way round, as bytes or written in hexadecimal. */
static bool holds_a_key(const struct keys *keys, const void *bytes, size_t size)
{
    for (unsigned i = 0; i < 2 * keys->count; i++) {
        const uint64_t word = i % 2 == 0 ? keys->words[i / 2] : turned(keys->words[i / 2]);
        char text[17];
        snprintf(text, sizeof text, "%016llx", (unsigned long long)word);
        if (memmem(bytes, size, &word, sizeof word) != NULL ||
            memmem(bytes, size, text, sizeof text - 1) != NULL)
            return true;
    }
    return false;
}

/* ---- recordings ---- */

static int ladder_text(const struct duet_recorder *recorder, FILE *to)
{
    const struct duet_ladder_options options = {.columns = 100, .absolute = true};
    return duet_ladder_text(recorder, &options, to);
}

static int ladder_html(const struct duet_recorder *recorder, FILE *to)
{
    const struct duet_ladder_options options = {.absolute = true};
    return duet_ladder_html(recorder, &options, to);
}

static void no_recording_holds_a_key(const struct keys *keys, const struct duet_recorder *recorder)
{
    static const struct {
        const char *name;
        int (*write)(const struct duet_recorder *recorder, FILE *to);
    } forms[] = {
        {"pcapng", duet_recorder_pcapng},
        {"json", duet_trace_json},
        {"text", ladder_text},
        {"html", ladder_html},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char *bytes = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&bytes, &size);
        assert_non_null(to);
        EXPECT_EQUAL(forms[i].name, forms[i].write(recorder, to), 0);
        fclose(to);
        EXPECT(forms[i].name, size > 1000 && !holds_a_key(keys, bytes, size));
        free(bytes);
    }
}

static void no_snapshot_holds_a_key(const struct keys *keys, struct duet_stack *stack)
{
    uint8_t *snapshot = malloc(duet_snapshot_size(stack));
    assert_non_null(snapshot);
    const size_t size = duet_snapshot(stack, snapshot);
    EXPECT("a snapshot", size > 100 && !holds_a_key(keys, snapshot, size));
    free(snapshot);
}

static void nothing_that_is_written_holds_a_key(void **state)
{
    (void)state;
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct duet_trace_event event;
    struct duet_recorder *recorder;
    assert_non_null(rig);
    assert_int_equal(duet_recorder_new(&recorder), 0);
    rig_config(&config);
    config.half_open_max = 2; /* so that cookies are sent */
    config.trace_events = 10000;
    rig_start(rig, &config);
    const struct keys keys = keys_of(rig->stack);
    EXPECT("found where they are", holds_a_key(&keys, rig->stack, sizeof *rig->stack));
    const struct duet_listen_options options = {
        .local = {.port = 80}, .backlog = 8, .fast_open = 4};
    struct duet_handle listener;
    assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
    for (uint16_t i = 0; i < 50; i++) {
        struct tcp_tuple tuple = rig_tuple(i % 2 == 0 ? 80 : 81, (uint16_t)(1000 + i));
        const struct rig_segment syn = {.flags = DUET_SYN,
                                        .seq = i,
                                        .window = 1000,
                                        .mss = 1460,
                                        .timestamps = true,
                                        .fast_open = i % 3 == 0};
        rig_input(rig, &tuple, &syn);
        while (rig_output(rig, NULL, NULL)) {
            EXPECT("no packet", !holds_a_key(&keys, rig->packet.data, rig->packet.length));
            duet_recorder_sent(recorder, 1, rig->now, &rig->packet);
        }
        while (duet_next_trace(rig->stack, &event)) {
            EXPECT("no event", !holds_a_key(&keys, &event, sizeof event));
            duet_recorder_trace(recorder, 1, &event);
        }
    }
    no_recording_holds_a_key(&keys, recorder);
    no_snapshot_holds_a_key(&keys, rig->stack);
    duet_recorder_free(recorder);
    rig_end(rig);
    free(rig);
}

static void secret_is_not_in_the_block(void **state)
{
    (void)state;
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct keys secret = {.count = DUET_SECRET_SIZE / 8};
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    memcpy(secret.words, config.secret, DUET_SECRET_SIZE);
    EXPECT("not there", !holds_a_key(&secret, rig->block, rig->size));
    rig_end(rig);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_is_written_holds_a_key),
        cmocka_unit_test(secret_is_not_in_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
