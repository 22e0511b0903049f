/* SPDX-License-Identifier: MIT */
/* The configuration: every field just inside and just outside its range, the secret, and the block
 * of memory that follows from it all. */
#include "rig.h"

#include <stdlib.h>

#define DAY (86400 * DUET_SECOND)

enum kind { U8, U16, U32, TIME };

struct field {
    const char *name;
    size_t offset;
    enum kind kind;
    int64_t least, most;
};

#define FIELD(name, kind, least, most)                                                             \
    {                                                                                              \
#name, offsetof(struct duet_config, name), kind, least, most                               \
    }

/* Where the type of a field ends before its range, most is the last value of the type. */
static const struct field fields[] = {
    FIELD(interface_count, U32, 1, DUET_INTERFACES_MAX),
    FIELD(mtu, U32, 576, 65535),
    FIELD(packet_max, U32, 576, 65535), /* at least the MTU */
    FIELD(connections_max, U32, 1, 0xffffff),
    FIELD(half_open_max, U32, 1, 0xffffff),
    FIELD(time_wait_max, U32, 1, 0xffffff),
    FIELD(transfers_max, U32, 1, 0xffffff),
    FIELD(reassemblies_max, U32, 1, 0xffffff),
    FIELD(accurate_ecn_max, U32, 0, 0xffffff),
    FIELD(ranges_max, U32, 1, 0xffffff),
    FIELD(listeners_max, U32, 1, 0x10000),
    FIELD(replies_max, U32, 1, 0x10000),
    FIELD(replies_per_second, U32, 1, 0xffff),
    FIELD(paths_max, U32, 1, 1 << 20),
    FIELD(mtu_initial, U32, 0, 65535),
    FIELD(pages_max, U32, 1, 0xffffff),
    FIELD(send_buffer, U32, 1, 1 << 30),
    FIELD(receive_buffer, U32, 1, 1 << 30),
    FIELD(send_buffer_initial, U32, 1, 1 << 30),
    FIELD(receive_buffer_initial, U32, 1, 1 << 30),
    FIELD(trace_events, U32, 0, 1 << 24),
    FIELD(msl, TIME, DUET_MILLISECOND, 900 * DUET_SECOND),
    FIELD(rto_initial, TIME, DUET_MILLISECOND, 3 * DUET_SECOND),
    FIELD(rto_min, TIME, DUET_MILLISECOND, 120 * DUET_SECOND), /* at most rto_max */
    FIELD(rto_max, TIME, 200 * DUET_MILLISECOND, 500 * DUET_SECOND),
    FIELD(rttvar_min, TIME, 0, DAY),
    FIELD(delayed_ack, TIME, DUET_MILLISECOND, 500 * DUET_MILLISECOND - 1),
    FIELD(user_timeout, TIME, 0, 49 * DAY),
    FIELD(user_timeout_min, TIME, DUET_SECOND, 3600 * DUET_SECOND), /* at most user_timeout_max */
    FIELD(user_timeout_max, TIME, 100 * DUET_SECOND, 24 * DAY),
    FIELD(syn_timeout, TIME, DUET_MILLISECOND, DAY),
    FIELD(keepalive_idle, TIME, DUET_MILLISECOND, 49 * DAY),
    FIELD(keepalive_interval, TIME, DUET_MILLISECOND, DAY),
    FIELD(fin_wait_2_timeout, TIME, DUET_MILLISECOND, DAY),
    FIELD(fast_open_key_life, TIME, DUET_SECOND, 49 * DAY),
    FIELD(fast_open_pause, TIME, DUET_MILLISECOND, DAY),
    FIELD(ecn_pause, TIME, DUET_MILLISECOND, DAY),
    FIELD(challenge_interval, TIME, DUET_MILLISECOND, DAY),
    FIELD(invalid_ack_spacing, TIME, 0, DAY),
    FIELD(challenge_limit, U32, 1, 255),
    FIELD(keepalive_probes, U32, 2, 255),
    FIELD(r1_retransmissions, U32, 3, 255),
    FIELD(mss_min, U16, 88, 536),
    FIELD(port_first, U16, 1, 65535),
    FIELD(port_last, U16, 49152, 65535), /* at least port_first */
    FIELD(ttl, U8, 1, 255),
    FIELD(initial_window, U8, 1, 10),
    FIELD(controller, U32, 0, DUET_NEWRENO),
    FIELD(syn_ack_retries, U8, 1, 7),
    FIELD(ecn, U8, 0, 3),
};

static const int64_t last_of[] = {
    [U8] = UINT8_MAX, [U16] = UINT16_MAX, [U32] = UINT32_MAX, [TIME] = INT64_MAX};

/* Small, and IPv4 only, so that the range of the MTU is the widest. Eight addresses stand ready. */
static void base_config(struct duet_config *config)
{
    rig_config(config);
    for (uint8_t i = 0; i < DUET_INTERFACES_MAX; i++)
        config->interfaces[i] = (struct duet_interface){duet_ipv4(10, 0, i, 1), 24};
    config->mtu = 576;
}

static void set(struct duet_config *config, const struct field *field, int64_t value)
{
    uint8_t *at = (uint8_t *)config + field->offset;
    const uint8_t u8 = (uint8_t)value;
    const uint16_t u16 = (uint16_t)value;
    const uint32_t u32 = (uint32_t)value;
    switch (field->kind) {
    case U8:
        memcpy(at, &u8, sizeof u8);
        break;
    case U16:
        memcpy(at, &u16, sizeof u16);
        break;
    case U32:
        memcpy(at, &u32, sizeof u32);
        break;
    case TIME:
        memcpy(at, &value, sizeof value);
        break;
    }
}

static void expect(const char *row, const struct duet_config *config, bool valid)
{
    struct duet_stack *stack = NULL;
    EXPECT_EQUAL(row, duet_stack_footprint(config) != 0, valid);
    if (valid)
        return;
    static _Alignas(max_align_t) uint8_t memory[1 << 20];
    EXPECT_EQUAL(row, duet_stack_init(memory, sizeof memory, config, &stack), DUET_E_ARG);
    EXPECT(row, stack == NULL);
}

static void every_field_at_its_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct field *field = &fields[i];
        const int64_t last = last_of[field->kind];
        const struct {
            const char *name;
            int64_t value;
            bool valid;
        } rows[] = {
            {"least", field->least, true},      {"most", field->most, true},
            {"below", field->least - 1, false}, {"above", field->most + 1, false},
            {"zero", 0, field->least == 0},     {"last of its type", last, field->most == last},
        };
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            char row[64];
            struct duet_config config;
            base_config(&config);
            if (strcmp(field->name, "mtu") == 0)
                config.packet_max = 65535;
            snprintf(row, sizeof row, "%s, %s", field->name, rows[j].name);
            const bool has_value =
                field->kind == TIME || (rows[j].value >= 0 && rows[j].value <= last);
            if (!has_value)
                continue;
            set(&config, field, rows[j].value);
            expect(row, &config, rows[j].valid);
        }
    }
}

static void negative_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct duet_config config;
        base_config(&config);
        if (fields[i].kind != TIME)
            continue;
        set(&config, &fields[i], INT64_MIN);
        expect(fields[i].name, &config, false);
    }
}

static void fields_that_must_fit_together(void **state)
{
    (void)state;
    struct duet_config config;
    for (unsigned shift = 0; shift < 32; shift++) {
        base_config(&config);
        config.page_size = 1u << shift;
        expect("page size, power of two", &config, shift >= 9 && shift <= 16);
        config.page_size = (1u << shift) + 1;
        expect("page size, one more", &config, false);
        config.page_size = (1u << shift) * 3;
        expect("page size, three times", &config, false);
    }
    base_config(&config);
    config.mtu = 1400;
    config.packet_max = 1399;
    expect("largest packet below the MTU", &config, false);
    config.packet_max = 1400;
    expect("largest packet is the MTU", &config, true);
    base_config(&config);
    config.rto_min = 2 * DUET_SECOND;
    config.rto_max = 2 * DUET_SECOND - 1;
    expect("RTO, least above most", &config, false);
    config.rto_max++;
    expect("RTO, least is most", &config, true);
    base_config(&config);
    config.port_first = 5000;
    config.port_last = 4999;
    expect("ports, last before first", &config, false);
    config.port_last = 5000;
    expect("one port", &config, true);
}

/* RFC 1191, 6.3: a larger path MTU is not tried within 5 minutes (1191-4, 8201-4); 0 is for ever. */
static void path_mtu_timeout_is_never_or_at_least_five_minutes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time value;
        bool valid;
    } rows[] = {
        {"never", 0, true},
        {"negative", -1, false},
        {"a second", DUET_SECOND, false},
        {"just below five minutes", 300 * DUET_SECOND - 1, false},
        {"five minutes", 300 * DUET_SECOND, true},
        {"seven weeks", 49 * DAY, true},
        {"more", 49 * DAY + 1, false},
        {"DUET_NEVER", DUET_NEVER, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_config config;
        base_config(&config);
        config.pmtu_timeout = rows[i].value;
        expect(rows[i].name, &config, rows[i].valid);
    }
}

static void interfaces(void **state)
{
    (void)state;
    static const struct {
        const char *name, *address;
        uint8_t prefix_length;
        uint32_t mtu;
        bool loopback_allowed, valid;
    } rows[] = {
        {"IPv4", "192.0.2.1", 24, 576, false, true},
        {"IPv4, no prefix", "192.0.2.1", 0, 576, false, true},
        {"IPv4, host", "192.0.2.1", 32, 576, false, true},
        {"IPv4, prefix too long", "192.0.2.1", 33, 576, false, false},
        {"IPv6", "2001:db8::1", 64, 1280, false, true},
        {"IPv6, host", "2001:db8::1", 128, 1280, false, true},
        {"IPv6, prefix too long", "2001:db8::1", 129, 1280, false, false},
        {"IPv6, MTU below 1280", "2001:db8::1", 64, 1279, false, false},
        {"link local", "fe80::1", 64, 1500, false, true},
        {"unspecified", "0.0.0.0", 24, 1500, false, false},
        {"unspecified IPv6", "::", 64, 1500, false, false},
        {"broadcast", "255.255.255.255", 24, 1500, false, false},
        {"multicast", "224.0.0.1", 24, 1500, false, false},
        {"multicast IPv6", "ff02::1", 64, 1500, false, false},
        {"reserved", "240.0.0.1", 24, 1500, false, false},
        {"loopback", "127.0.0.1", 8, 1500, false, false},
        {"loopback, allowed", "127.0.0.1", 8, 1500, true, true},
        {"loopback IPv6", "::1", 128, 1500, false, false},
        {"loopback IPv6, allowed", "::1", 128, 1500, true, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_config config;
        base_config(&config);
        config.interface_count = 2; /* the second one is looked at, too */
        config.interfaces[1].prefix_length = rows[i].prefix_length;
        assert_int_equal(duet_address_parse(rows[i].address, &config.interfaces[1].address),
                         DUET_OK);
        config.mtu = rows[i].mtu;
        config.loopback_allowed = rows[i].loopback_allowed;
        expect(rows[i].name, &config, rows[i].valid);
        config.interface_count = 1;
        expect("the second one does not count", &config, true);
    }
}

/* Equal bytes are no entropy, whichever byte it is and wherever the run of 8 begins; nor is the same
 * half twice. */
static void secret(void **state)
{
    (void)state;
    struct duet_config config;
    for (unsigned byte = 0; byte < 256; byte++) {
        base_config(&config);
        memset(config.secret, (int)byte, DUET_SECRET_SIZE);
        expect("equal bytes", &config, false);
    }
    for (unsigned i = 0; i + 7 <= DUET_SECRET_SIZE; i++) {
        base_config(&config);
        memset(config.secret + i, config.secret[i], 7);
        expect("seven equal bytes", &config, true);
        if (i + 8 > DUET_SECRET_SIZE)
            continue;
        memset(config.secret + i, config.secret[i], 8);
        expect("eight equal bytes", &config, false);
    }
    base_config(&config);
    memcpy(config.secret + 16, config.secret, 16);
    expect("the same half twice", &config, false);
    config.secret[31] ^= 1;
    expect("almost the same half twice", &config, true);
}

static void default_needs_a_secret_and_an_address(void **state)
{
    (void)state;
    struct duet_config config;
    duet_config_default(&config);
    expect("neither", &config, false);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)i;
    expect("no address", &config, false);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    expect("both", &config, true);
    memset(config.secret, 0, DUET_SECRET_SIZE);
    expect("no secret", &config, false);
}

/* ---- the block ---- */

static void block_too_small_or_in_the_wrong_place(void **state)
{
    (void)state;
    struct duet_config config;
    struct duet_stack *stack = NULL;
    base_config(&config);
    const size_t size = duet_stack_footprint(&config);
    uint8_t *memory = malloc(size + 16);
    assert_non_null(memory);
    EXPECT_EQUAL("no memory", duet_stack_init(NULL, size, &config, &stack), DUET_E_RES);
    EXPECT_EQUAL("size 0", duet_stack_init(memory, 0, &config, &stack), DUET_E_RES);
    EXPECT_EQUAL("a byte less", duet_stack_init(memory, size - 1, &config, &stack), DUET_E_RES);
    for (unsigned off = 1; off < 16; off++)
        EXPECT_EQUAL("not aligned", duet_stack_init(memory + off, size, &config, &stack),
                     DUET_E_ARG);
    EXPECT("untouched", stack == NULL);
    EXPECT_EQUAL("exact", duet_stack_init(memory, size, &config, &stack), DUET_OK);
    EXPECT("inside", (uint8_t *)stack >= memory && (uint8_t *)stack < memory + size);
    free(memory);
}

struct part {
    const char *name;
    uint8_t *at;
    size_t size;
};

static struct part part_of_pool(const char *name, const struct pool *pool)
{
    return (struct part){name, pool->records, pool->record_size * pool->count};
}

/* Every part of the stack lies inside the block and beside the others: each is painted in a colour
 * of its own, up to the last byte in front of a page that nobody may touch. */
static void parts_fill_the_block(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t n, page_size, trace;
    } rows[] = {{"one of each", 1, 512, 0},
                {"odd numbers", 7, 1024, 3},
                {"more", 100, 2048, 1000},
                {"large pages", 3, 65536, 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_config config;
        base_config(&config);
        config.connections_max = config.half_open_max = config.time_wait_max = rows[i].n;
        config.transfers_max = config.reassemblies_max = config.listeners_max = rows[i].n;
        config.accurate_ecn_max = rows[i].n;
        config.replies_max = config.paths_max = config.ranges_max = config.pages_max = rows[i].n;
        config.page_size = rows[i].page_size;
        config.trace_events = rows[i].trace;
        const size_t size = duet_stack_footprint(&config);
        const struct guard guard = guard_make(size);
        struct duet_stack *s;
        uint8_t *block = guard.memory + guard.size - size;
        EXPECT_EQUAL(rows[i].name, duet_stack_init(block, size, &config, &s), DUET_OK);
        const struct duet_stack before = *s;
        const uint32_t n = rows[i].n;
        const struct part parts[] = {
            part_of_pool("connections", &s->conns),
            part_of_pool("transfers", &s->transfers),
            part_of_pool("reassemblies", &s->reassemblies),
            part_of_pool("accurate ECN", &s->accurate_ecn),
            part_of_pool("ranges", &s->ranges.nodes),
            part_of_pool("indexes", &s->buffers.indexes),
            part_of_pool("pages", &s->buffers.pages),
            {"table", (uint8_t *)s->demux.slots, s->demux.capacity * sizeof *s->demux.slots},
            {"listeners", (uint8_t *)s->listeners, n * sizeof *s->listeners},
            {"half-open", (uint8_t *)s->half_open.records, n * sizeof *s->half_open.records},
            {"spent cookies", (uint8_t *)s->spent_cookies,
             tcp_cookies_kept(&config) * sizeof *s->spent_cookies},
            {"TIME-WAIT", (uint8_t *)s->time_wait.records, n * sizeof *s->time_wait.records},
            {"paths", (uint8_t *)s->paths.records, (n + 7) / 8 * 8 * sizeof *s->paths.records},
            {"replies", (uint8_t *)s->replies.records, n * sizeof *s->replies.records},
            {"watch", (uint8_t *)s->watch, watch_size(&config)},
            {"trace", (uint8_t *)s->trace, rows[i].trace * sizeof *s->trace},
        };
        for (size_t p = 0; p < COUNT_OF(parts); p++)
            memset(parts[p].at, (int)p + 1, parts[p].size);
        EXPECT_BYTES("the stack itself", s, &before, sizeof before);
        size_t painted = sizeof before;
        for (size_t p = 0; p < COUNT_OF(parts); p++) {
            for (size_t at = 0; at < parts[p].size; at++)
                EXPECT_EQUAL(parts[p].name, parts[p].at[at], p + 1);
            painted += parts[p].size;
        }
        EXPECT(rows[i].name, size >= painted && size < painted + 16 * COUNT_OF(parts) + 64);
        guard_drop(&guard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_at_its_edges),
        cmocka_unit_test(negative_times),
        cmocka_unit_test(fields_that_must_fit_together),
        cmocka_unit_test(path_mtu_timeout_is_never_or_at_least_five_minutes),
        cmocka_unit_test(interfaces),
        cmocka_unit_test(secret),
        cmocka_unit_test(default_needs_a_secret_and_an_address),
        cmocka_unit_test(block_too_small_or_in_the_wrong_place),
        cmocka_unit_test(parts_fill_the_block),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
