/* SPDX-License-Identifier: MIT */
/* Where keys may be found: in the block of the stack, and nowhere that it writes to. */
#include "rig.h"

#include <stdlib.h>

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
    take(&keys, &s->timestamp_key);
    take(&keys, &s->table_key);
    take(&keys, &s->port_key);
    take(&keys, &s->port_index_key);
    take(&keys, &s->path_key);
    take(&keys, &s->cookie_key);
    take(&keys, &s->syn_cookie_key);
    take(&keys, &s->limit_key);
    return keys;
}

/* Half a key, in the order of the machine or the other way round. */
static bool holds_a_key(const struct keys *keys, const void *bytes, size_t size)
{
    for (unsigned i = 0; i < keys->count; i++)
        for (size_t at = 0; at + 8 <= size; at++) {
            uint64_t word, turned = 0;
            memcpy(&word, (const uint8_t *)bytes + at, sizeof word);
            for (unsigned byte = 0; byte < 8; byte++)
                turned = turned << 8 | (word >> 8 * byte & 255);
            if (word == keys->words[i] || turned == keys->words[i])
                return true;
        }
    return false;
}

static void no_packet_and_no_trace_holds_a_key(void **state)
{
    (void)state;
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct duet_trace_event event;
    assert_non_null(rig);
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
        while (rig_output(rig, NULL, NULL))
            EXPECT("no packet", !holds_a_key(&keys, rig->packet.data, rig->packet.length));
        while (duet_next_trace(rig->stack, &event))
            EXPECT("no event", !holds_a_key(&keys, &event, sizeof event));
    }
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
        cmocka_unit_test(no_packet_and_no_trace_holds_a_key),
        cmocka_unit_test(secret_is_not_in_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
