/* SPDX-License-Identifier: MIT */
/* Numbers that nobody outside may guess: initial sequence numbers, timestamp offsets, ephemeral
 * ports. What they are made of is computed here once more, with a SipHash of its own; what they
 * look like from outside is measured. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define TICK (4 * DUET_MICROSECOND)

/* ---- SipHash-2-4 from the paper, and the keys from the secret ---- */

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t little_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

static uint64_t sip(uint64_t k0, uint64_t k1, const uint8_t *bytes, size_t size)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (size_t at = 0; at <= size; at += 8) {
        const bool is_last = size - at < 8;
        uint64_t m = little_endian(bytes + at, is_last ? size - at : 8);
        if (is_last)
            m |= (uint64_t)(size & 0xff) << 56;
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct key {
    uint64_t k0, k1;
};

enum label { LABEL_ISN = 1, LABEL_PORT = 4, LABEL_PORT_INDEX = 5 };

/* Each use has a key of its own: each half of it one half of the secret, hashed with the other half
 * and the label of the use. */
static struct key key_of(const uint8_t secret[32], enum label label)
{
    uint8_t upper[17], lower[17];
    memcpy(upper, secret + 16, 16);
    memcpy(lower, secret, 16);
    upper[16] = lower[16] = (uint8_t)label;
    return (struct key){
        sip(little_endian(secret, 8), little_endian(secret + 8, 8), upper, 17),
        sip(little_endian(secret + 16, 8), little_endian(secret + 24, 8), lower, 17),
    };
}

static uint64_t keyed(const struct key *key, const struct tcp_tuple *tuple)
{
    uint8_t bytes[36];
    memcpy(bytes, tuple->local.bytes, 16);
    memcpy(bytes + 16, tuple->remote.bytes, 16);
    memcpy(bytes + 32, &tuple->local_port, 2);
    memcpy(bytes + 34, &tuple->remote_port, 2);
    return sip(key->k0, key->k1, bytes, sizeof bytes);
}

/* ---- a stack ---- */

static struct rig *rig_new(uint16_t port_first, uint16_t port_last)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.connections_max = 64;
    config.transfers_max = 64;
    config.port_first = port_first;
    config.port_last = port_last;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static struct rig_segment syn_of(struct rig *rig, const struct tcp_tuple *tuple)
{
    struct rig_segment syn;
    struct duet_handle handle;
    const struct duet_connect_options options = {.local = {tuple->local, tuple->local_port},
                                                 .remote = {tuple->remote, tuple->remote_port}};
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_true(rig_output(rig, NULL, &syn));
    assert_int_equal(duet_abort(rig->stack, rig->now, handle), DUET_OK);
    struct duet_event event;
    while (duet_next_event(rig->stack, &event))
        continue;
    return syn;
}

static struct tcp_tuple some_tuple(uint32_t i)
{
    struct tcp_tuple tuple = i % 3 == 0 ? rig_tuple6(80, 1) : rig_tuple(80, 1);
    tuple.remote_port = (uint16_t)(1 + i % 60000);
    tuple.remote.bytes[14] = (uint8_t)(i / 60000 + 1);
    return tuple;
}

/* RFC 9293, 3.4.1: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a clock of 4
 * microseconds; seen on the wire, in the SYN and in the SYN,ACK. */
static void clock_plus_keyed_hash(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time now;
        uint32_t m;
    } rows[] = {
        {"at the origin", 0, 0},
        {"just before a tick", 3 * TICK - 1, 2},
        {"a tick", 4 * TICK, 4},
        {"a second", DUET_SECOND, 250000},
        {"before the wrap", (INT64_C(1) << 32) * TICK - 1, 0xffffffff},
        {"the wrap, after 4 hours and 46 minutes", ((INT64_C(1) << 32) + 2) * TICK, 2},
        {"55 years", INT64_C(1735689600) * DUET_SECOND, 0x6e831800},
    };
    const struct duet_listen_options options = {.local = {.port = 81}, .backlog = 1};
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_new(49152, 65535);
        const struct key key = key_of(rig->config.secret, LABEL_ISN);
        struct duet_handle listener;
        assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
        const struct tcp_tuple tuple = some_tuple(i);
        struct tcp_tuple passive = some_tuple(i);
        struct rig_segment answer;
        rig->now = rows[i].now;
        EXPECT_EQUAL(rows[i].name, syn_of(rig, &tuple).seq,
                     (uint32_t)(rows[i].m + keyed(&key, &tuple)));
        passive.local_port = 81;
        rig_input(rig, &passive, &(struct rig_segment){.flags = DUET_SYN, .window = 1});
        assert_true(rig_output(rig, NULL, &answer));
        /* At the same time, and no tick gives two: a step that only the key knows. */
        EXPECT_EQUAL(
            rows[i].name, answer.seq,
            (uint32_t)(rows[i].m + 0x8001 + (keyed(&key, &passive) >> 48) + keyed(&key, &passive)));
        rig_free(rig);
    }
}

/* An incarnation that comes and goes while the clock stands still leaves none of the numbers that it
 * used to the next one, up to 32 KB of them; and the counter does not run away from the clock. */
static void clock_that_stands_still(void **state)
{
    (void)state;
    struct rig *rig = rig_new(49152, 65535);
    const struct tcp_tuple tuple = some_tuple(0);
    uint32_t last = tcp_isn_take(rig->stack, &tuple).raw;
    for (uint32_t i = 1; i < 100000; i++) {
        const uint32_t isn = tcp_isn_take(rig->stack, &tuple).raw;
        const uint32_t step = isn - last;
        EXPECT("beyond what the last one used, as long as they are few",
               i < 1000 ? step > 0x8000 && step <= 0x18000 : step > 0 && step <= 0x18000);
        last = isn;
    }
    EXPECT("at most 18 minutes ahead",
           last - tcp_isn(rig->stack, &tuple).raw < (1u << 28) + 100000 + 0x18000);
    duet_expire(rig->stack, rig->now + 20 * 60 * DUET_SECOND);
    EXPECT_EQUAL("the clock has caught up", tcp_isn_take(rig->stack, &tuple).raw,
                 tcp_isn(rig->stack, &tuple).raw);
    rig_free(rig);
}

/* While the clock stands still a client goes, to whom nothing was said. The network repeats its SYN
 * and then its last ACK: nobody is there, and nothing opens. */
static void last_ack_of_the_incarnation_before(void **state)
{
    (void)state;
    struct rig *rig = rig_new(49152, 65535);
    const struct rig_segment offer = {.flags = DUET_SYN, .seq = 1000, .window = 60000};
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_accept(rig, &conn, &offer);
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    conn.seq++;
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    rig_drain(rig);
    conn.ack++;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    rig_take_events(rig);
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    EXPECT_EQUAL("it is over", counters.connections, 0);
    rig_input(rig, &conn.tuple, &offer);
    rig_drain(rig);
    rig_say(rig, &conn, 0, 0, NULL, 0);
    duet_counters(rig->stack, &counters);
    EXPECT_EQUAL("nothing has opened", counters.connections, 0);
    rig_free(rig);
}

/* Each part of the tuple and the secret changes it; the same makes the same. */
static void every_part_counts(void **state)
{
    (void)state;
    struct rig *rig = rig_new(49152, 65535);
    const struct tcp_tuple tuple = rig_tuple(80, 4000);
    const uint32_t isn = tcp_isn(rig->stack, &tuple).raw;
    EXPECT_EQUAL("same", tcp_isn(rig->stack, &tuple).raw, isn);
    for (unsigned bit = 0; bit < 8 * sizeof tuple; bit++) {
        struct tcp_tuple other = tuple;
        ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT("a bit of the tuple", tcp_isn(rig->stack, &other).raw != isn);
    }
    for (unsigned bit = 0; bit < 8 * DUET_SECRET_SIZE; bit++) {
        struct rig other;
        struct duet_config config = rig->config;
        config.secret[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rig_start(&other, &config);
        EXPECT("a bit of the secret", tcp_isn(other.stack, &tuple).raw != isn);
        rig_end(&other);
    }
    rig_free(rig);
}

/* RFC 7323, 7.1: an offset of its own for each pair of sockets, a clock of 1 ms. It is the
 * half of the hash that the ISN does not show. */
static void timestamps(void **state)
{
    (void)state;
    struct rig *rig = rig_new(49152, 65535);
    const struct key key = key_of(rig->config.secret, LABEL_ISN);
    static const duet_time times[] = {0, 999999, 1000000, 1500 * DUET_MILLISECOND,
                                      (INT64_C(1) << 32) * DUET_MILLISECOND + 5000000};
    static const uint32_t ticks[] = {0, 0, 1, 1500, 5};
    for (uint32_t i = 0; i < COUNT_OF(times); i++) {
        const struct tcp_tuple tuple = some_tuple(i);
        rig->now = times[i];
        const struct rig_segment syn = syn_of(rig, &tuple);
        EXPECT("option", syn.timestamps);
        EXPECT_EQUAL("TSval", syn.tsval, (uint32_t)(ticks[i] + (keyed(&key, &tuple) >> 32)));
    }
    rig_free(rig);
}

/* ---- what an observer sees ---- */

enum { OBSERVED = 65536, CELLS = 256 };

/* Chi-square over 256 cells has mean 255 and deviation 22.6: five deviations each way. */
static void expect_uniform(const char *row, const uint32_t counts[CELLS])
{
    const double expected = (double)OBSERVED / CELLS;
    double chi = 0;
    for (unsigned i = 0; i < CELLS; i++)
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    if (chi < 255 - 113 || chi > 255 + 113)
        print_error("chi-square of %s: %.1f\n", row, chi);
    EXPECT(row, chi > 255 - 113 && chi < 255 + 113);
}

/* For neighbours of independent uniform numbers r is about 1/sqrt(n): five of those. */
static void expect_uncorrelated(const char *row, const uint32_t *values, uint32_t lag)
{
    double mean = 0, variance = 0, covariance = 0;
    const uint32_t n = OBSERVED - lag;
    for (uint32_t i = 0; i < OBSERVED; i++)
        mean += (double)values[i] / OBSERVED;
    for (uint32_t i = 0; i < n; i++) {
        const double x = values[i] - mean, y = values[i + lag] - mean;
        variance += x * x;
        covariance += x * y;
    }
    const double r = covariance / variance;
    EXPECT(row, r * r < 25.0 / n);
}

/* Who opens connections of his own sees the numbers of his tuples; they tell nothing about those of
 * others, not even of the next port. */
static void independent_across_tuples(void **state)
{
    (void)state;
    static const char *const names[] = {"lowest byte", "second byte", "third byte", "highest byte"};
    struct rig *rig = rig_new(49152, 65535);
    uint32_t *isns = malloc(OBSERVED * sizeof *isns);
    uint32_t *steps = malloc(OBSERVED * sizeof *steps);
    assert_true(isns != NULL && steps != NULL);
    for (uint32_t i = 0; i < OBSERVED; i++) {
        struct tcp_tuple tuple = rig_tuple(80, (uint16_t)i);
        isns[i] = tcp_isn(rig->stack, &tuple).raw;
        steps[i] = isns[i] - (i > 0 ? isns[i - 1] : 0);
    }
    for (unsigned byte = 0; byte < 4; byte++) {
        uint32_t counts[CELLS] = {0}, step_counts[CELLS] = {0};
        for (uint32_t i = 0; i < OBSERVED; i++) {
            counts[isns[i] >> 8 * byte & 0xff]++;
            step_counts[steps[i] >> 8 * byte & 0xff]++;
        }
        expect_uniform(names[byte], counts);
        expect_uniform(names[byte], step_counts);
    }
    for (uint32_t lag = 1; lag <= 8; lag++)
        expect_uncorrelated("serial correlation", isns, lag);
    expect_uncorrelated("of every 256th", isns, 256);
    free(isns);
    free(steps);
    rig_free(rig);
}

/* ---- ports (RFC 6056) ---- */

static int open_to(struct rig *rig, struct duet_address remote, uint16_t remote_port,
                   struct duet_handle *handle, uint16_t *port)
{
    const struct duet_connect_options options = {.remote = {remote, remote_port}};
    struct duet_status status;
    const int error = duet_connect(rig->stack, rig->now, &options, handle);
    if (error != DUET_OK)
        return error;
    assert_int_equal(duet_status(rig->stack, *handle, &status), DUET_OK);
    *port = status.local.port;
    return DUET_OK;
}

static void drop(struct rig *rig, struct duet_handle handle)
{
    struct duet_event event;
    assert_int_equal(duet_abort(rig->stack, rig->now, handle), DUET_OK);
    while (duet_next_event(rig->stack, &event))
        continue;
}

/* Every port of the range once, none twice, then the address of that destination is used up, but
 * not that of another. */
static void range_is_used_to_the_last_port(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t first, last;
    } rows[] = {
        {"one port", 50000, 50000},       {"two ports", 1, 2},           {"ten ports", 1000, 1009},
        {"the last ports", 65530, 65535}, {"forty ports", 32760, 32799},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct rig *rig = rig_new(rows[i].first, rows[i].last);
        const uint32_t range = rows[i].last - rows[i].first + 1u;
        const struct duet_address peer = duet_ipv4(10, 0, 0, 2);
        struct duet_handle handles[64], other;
        uint16_t ports[64], port;
        for (uint32_t n = 0; n < range; n++) {
            EXPECT_EQUAL(name, open_to(rig, peer, 80, &handles[n], &ports[n]), DUET_OK);
            EXPECT(name, ports[n] >= rows[i].first && ports[n] <= rows[i].last);
            for (uint32_t before = 0; before < n; before++)
                EXPECT(name, ports[before] != ports[n]);
        }
        EXPECT_EQUAL(name, open_to(rig, peer, 80, &other, &port), DUET_E_ADDR);
        EXPECT_EQUAL(name, open_to(rig, peer, 81, &other, &port), DUET_OK);
        drop(rig, other);
        EXPECT_EQUAL(name, open_to(rig, duet_ipv4(10, 0, 0, 3), 80, &other, &port), DUET_OK);
        drop(rig, other);
        for (uint32_t n = 0; n < range; n++) {
            drop(rig, handles[n]);
            EXPECT_EQUAL(name, open_to(rig, peer, 80, &handles[n], &port), DUET_OK);
            EXPECT_EQUAL(name, port, ports[n]);
        }
        rig_free(rig);
    }
}

/* The same where the numbers inside run over: the one free port of ten is found wherever the
 * counter stands, and wherever the offset of the destination lies. */
static void free_port_is_found_where_counters_wrap(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1000, 1009);
    const struct key key = key_of(rig->config.secret, LABEL_PORT);
    struct duet_address peer = duet_ipv4(10, 0, 0, 2);
    struct duet_handle handles[10];
    struct tcp_tuple tuple = rig_tuple(0, 80);
    uint16_t ports[10], port;
    /* A destination whose offset lies less than 2^16 below 2^32. */
    for (uint32_t n = 0; (uint32_t)keyed(&key, &tuple) < 0xffff0000; n++) {
        tuple.remote_port = (uint16_t)(1 + n % 60000);
        tuple.remote.bytes[13] = (uint8_t)(n / 60000);
    }
    peer = tuple.remote;
    const uint16_t wrap = (uint16_t)(0 - (uint32_t)keyed(&key, &tuple));
    for (unsigned n = 0; n < 10; n++)
        assert_int_equal(open_to(rig, peer, tuple.remote_port, &handles[n], &ports[n]), DUET_OK);
    for (unsigned n = 0; n < 10; n++) {
        drop(rig, handles[n]);
        for (unsigned around = 0; around < 2; around++) {
            for (uint16_t before = 0; before < 12; before++) {
                const uint16_t stand = (uint16_t)((around == 0 ? 0 : wrap) - before);
                for (unsigned i = 0; i < PORT_TABLE; i++)
                    rig->stack->ports[i] = stand;
                EXPECT_EQUAL(around == 0 ? "counter" : "offset",
                             open_to(rig, peer, tuple.remote_port, &handles[n], &port), DUET_OK);
                EXPECT_EQUAL("the free one", port, ports[n]);
                drop(rig, handles[n]);
            }
        }
        assert_int_equal(open_to(rig, peer, tuple.remote_port, &handles[n], &port), DUET_OK);
    }
    rig_free(rig);
}

/* What an observer sees of the choice: nothing that repeats soon (RFC 6056, 3.2), and nothing that
 * tells from one destination what another will get. */
static void ports_are_spread(void **state)
{
    (void)state;
    struct rig *rig = rig_new(32768, 65535);
    uint32_t counts[CELLS] = {0};
    for (uint32_t i = 0; i < OBSERVED; i++) {
        struct tcp_tuple tuple = some_tuple(i);
        const uint16_t port = tcp_choose_port(rig->stack, &tuple);
        EXPECT_EQUAL("filled in", tuple.local_port, port);
        counts[(port - 32768) / 128]++;
    }
    expect_uniform("ports", counts);

    bool seen[65536] = {false};
    uint32_t steps[9] = {0};
    uint16_t before = 0;
    for (uint32_t i = 0; i < 32768 / 8; i++) {
        struct tcp_tuple tuple = rig_tuple(0, 80);
        const uint16_t port = tcp_choose_port(rig->stack, &tuple);
        const uint32_t step = i == 0 ? 0 : (port - before) & 32767u;
        EXPECT("not again before an eighth of all", port >= 32768 && !seen[port]);
        EXPECT("a small step", step <= 8);
        seen[port] = true;
        before = port;
        steps[step]++;
    }
    for (uint32_t step = 1; step <= 8; step++) /* of 4096, each expected 512 times */
        EXPECT("no step is likelier than another", steps[step] > 400 && steps[step] < 624);
    rig_free(rig);
}

/* Half-open records, connections and TIME-WAIT all keep their pair of sockets. */
static void pairs_in_use_are_not_chosen(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1000, 1002);
    const struct duet_listen_options options = {.local = {.port = 1000}, .backlog = 1};
    struct duet_handle listener, first, second;
    struct rig_conn conn = {.tuple = rig_tuple(1001, 80)};
    uint16_t port;
    assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
    const struct tcp_tuple half_open = rig_tuple(1000, 80);
    rig_input(rig, &half_open, &(struct rig_segment){.flags = DUET_SYN, .window = 1});
    assert_int_equal(rig_drain(rig), 1);
    rig_connect(rig, &conn, &(struct rig_segment){.window = 100});
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    conn.ack++;
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    assert_int_equal(rig_drain(rig), 1);
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    EXPECT_EQUAL("TIME-WAIT", counters.time_wait, 1);
    EXPECT_EQUAL("half-open", counters.half_open, 1);
    const struct duet_address peer = duet_ipv4(10, 0, 0, 2);
    EXPECT_EQUAL("one is left", open_to(rig, peer, 80, &first, &port), DUET_OK);
    EXPECT_EQUAL("this one", port, 1002);
    EXPECT_EQUAL("none is left", open_to(rig, peer, 80, &second, &port), DUET_E_ADDR);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_plus_keyed_hash),
        cmocka_unit_test(clock_that_stands_still),
        cmocka_unit_test(last_ack_of_the_incarnation_before),
        cmocka_unit_test(every_part_counts),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(independent_across_tuples),
        cmocka_unit_test(range_is_used_to_the_last_port),
        cmocka_unit_test(free_port_is_found_where_counters_wrap),
        cmocka_unit_test(ports_are_spread),
        cmocka_unit_test(pairs_in_use_are_not_chosen),
    };
    return cmocka_run_group_tests_name("isn", tests, NULL, NULL);
}
