/* SPDX-License-Identifier: MIT */
/* The path cache by itself: who is remembered and who gives way, what each kind of news does to the
 * bounds of the search, and when what was learnt grows old. */
#include "rig.h"

#include "base/bytes.h"

#define MINUTE (60 * DUET_SECOND)

static struct duet_address host(uint32_t number)
{
    return duet_ipv4(192, 0, (uint8_t)(number >> 8), (uint8_t)number);
}

static struct duet_address host6(uint8_t number)
{
    struct duet_address address = rig_tuple6(1, 1).remote;
    address.bytes[15] = number;
    return address;
}

static void start(struct rig *rig, uint32_t mtu, uint32_t paths_max)
{
    struct duet_config config;
    rig_config(&config);
    config.mtu = mtu;
    config.paths_max = paths_max;
    rig_start(rig, &config);
}

/* 4821-10, 8201-5: what is learnt about one host says nothing about its neighbour. */
static void neighbours_of_one_prefix_are_apart(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 64);
    struct duet_address a = host(1);
    for (uint32_t i = 1; i < 16; i++) {
        struct duet_address b = host(i);
        assert_int_equal(path_mtu(rig.stack, &b), 1500);
    }
    path_lower(rig.stack, &a, 1400);
    assert_int_equal(path_mtu(rig.stack, &a), 1400);
    for (uint32_t i = 2; i < 256; i++) {
        struct duet_address b = host(i);
        EXPECT_EQUAL("neighbour", path_mtu(rig.stack, &b), 1500);
    }
    struct duet_address six = host6(9), other = host6(8);
    path_lower(rig.stack, &six, 1300);
    assert_int_equal(path_mtu(rig.stack, &six), 1300);
    assert_int_equal(path_mtu(rig.stack, &other), 1500);
    assert_int_equal(rig.stack->paths.used, 2);
    rig_end(&rig);
}

/* B16: many destinations need no more memory, and one that is in use stays. */
static void the_one_used_longest_ago_gives_way(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 1); /* one set */
    assert_int_equal(path_records(&rig.config), PATH_WAYS);
    struct duet_address kept = host(0);
    path_lower(rig.stack, &kept, 1400);
    for (uint32_t i = 1; i < 1000; i++) {
        stack_now(rig.stack, rig.stack->now + 1);
        struct duet_address other = host(i);
        path_lower(rig.stack, &other, 1300);
        assert_int_equal(path_mtu(rig.stack, &other), 1300);
        assert_int_equal(path_mtu(rig.stack, &kept), 1400);
        assert_true(rig.stack->paths.used <= PATH_WAYS);
    }
    for (uint32_t i = 1; i < 1000; i++) {
        struct duet_address other = host(i);
        EXPECT_EQUAL("the latest are known", path_mtu(rig.stack, &other), i <= 992 ? 1500 : 1300);
    }
    rig_end(&rig);
}

/* 1191-3, 5927-6, 8201-1, 8201-2, E3: each claim beside the floor and the present estimate. */
static void claims_around_each_bound(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t claim, ipv4, ipv6;
    } rows[] = {
        {"nothing", 0, 552, 1280},
        {"one", 1, 552, 1280},
        {"below the least of IPv4", 67, 552, 1280},
        {"the least of IPv4", 68, 552, 1280},
        {"below the floor", 551, 552, 1280},
        {"the floor", 552, 552, 1280},
        {"above the floor", 553, 553, 1280},
        {"below the least of IPv6", 1279, 1279, 1280},
        {"the least of IPv6", 1280, 1280, 1280},
        {"above it", 1281, 1281, 1281},
        {"one less than the link's", 1499, 1499, 1499},
        {"the link's", 1500, 1500, 1500},
        {"more than the link's", 1501, 1500, 1500},
        {"the most", 65535, 1500, 1500},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        start(&rig, 1500, 16);
        struct duet_address four = host(1), six = host6(1);
        path_lower(rig.stack, &four, rows[i].claim);
        path_lower(rig.stack, &six, rows[i].claim);
        EXPECT_EQUAL(rows[i].name, path_mtu(rig.stack, &four), rows[i].ipv4);
        EXPECT_EQUAL(rows[i].name, path_mtu(rig.stack, &six), rows[i].ipv6);
        path_lower(rig.stack, &four, 1450); /* a larger claim never raises */
        EXPECT_EQUAL(rows[i].name, path_mtu(rig.stack, &four), min_u32(rows[i].ipv4, 1450));
        rig_end(&rig);
    }
}

/* A link of fewer bytes than the floor is its own floor. */
static void a_small_link_is_its_own_floor(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.interface_count = 1;
    config.any_local_address = true;
    config.mtu = 576;
    rig_start(&rig, &config);
    struct duet_address six = host6(1);
    assert_int_equal(path_mtu(rig.stack, &six), 576);
    assert_false(path_black_hole(rig.stack, &six, 576));
    path_lower(rig.stack, &six, 1280);
    assert_int_equal(path_mtu(rig.stack, &six), 576);
    rig_end(&rig);
}

/* 8201-7, 1191-4: without probes a lowered estimate is forgotten after ten minutes, or never. */
static void estimate_grows_old_without_probes(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.plpmtud = false;
    rig_start(&rig, &config);
    struct duet_address a = host(1);
    path_lower(rig.stack, &a, 1400);
    uint32_t epoch = rig.stack->paths.epoch;
    stack_now(rig.stack, 10 * MINUTE - 1);
    assert_int_equal(path_mtu(rig.stack, &a), 1400);
    path_lower(rig.stack, &a, 1400); /* heard again: ten minutes from now */
    stack_now(rig.stack, 20 * MINUTE - 2);
    assert_int_equal(path_mtu(rig.stack, &a), 1400);
    assert_int_equal(rig.stack->paths.epoch, epoch);
    stack_now(rig.stack, rig.stack->now + 1);
    assert_int_equal(path_mtu(rig.stack, &a), 1500);
    assert_int_not_equal(rig.stack->paths.epoch, epoch);
    rig_end(&rig);

    config.pmtu_timeout = 0;
    rig_start(&rig, &config);
    path_lower(rig.stack, &a, 1400);
    stack_now(rig.stack, 1000 * 1440 * MINUTE);
    assert_int_equal(path_mtu(rig.stack, &a), 1400);
    rig_end(&rig);
}

/* 8201-4: with probes the estimate stays, and only after the time may a larger one be probed. */
static void search_rests_after_packet_too_big(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 16);
    struct duet_address a = host(1);
    path_lower(rig.stack, &a, 1400);
    stack_now(rig.stack, 10 * MINUTE - 1);
    assert_int_equal(path_next_probe(rig.stack, path_find(rig.stack, &a), 1500), 0);
    stack_now(rig.stack, rig.stack->now + 1);
    const struct path *path = path_find(rig.stack, &a);
    assert_int_equal(path->mtu, 1400);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1500);
    assert_int_equal(path_next_probe(rig.stack, path, 1480), 1480); /* the peer takes no more */
    assert_int_equal(path_next_probe(rig.stack, path, 1400), 0);
    rig_end(&rig);
}

/* Plays the path: sizes up to true_mtu pass. Returns the probes that were needed. */
static unsigned search(struct rig *rig, struct path *path, uint16_t true_mtu)
{
    unsigned probes = 0;
    uint16_t size;
    while ((size = path_next_probe(rig->stack, path, 65535)) != 0) {
        assert_true(size > path->search_low && size <= path->search_high); /* 4821-1 */
        assert_true(++probes < 60);
        if (size <= true_mtu)
            path_raise(rig->stack, path, size);
        else
            path_probe_failed(rig->stack, path, size);
    }
    return probes;
}

/* 4821-2, 4821-6, 8899-5: the search ends less than 8 bytes below the truth, whatever that is, and
 * rests for ten minutes. */
static void search_finds_every_mtu(void **state)
{
    (void)state;
    static const uint16_t links[] = {1500, 9000, 65535};
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        const unsigned step = links[i] > 9000 ? 97 : 1;
        for (unsigned true_mtu = 1280; true_mtu <= links[i]; true_mtu += step) {
            struct rig rig;
            start(&rig, links[i], 16);
            struct duet_address a = i % 2 == 0 ? host(1) : host6(1);
            struct path *path = path_obtain(rig.stack, &a);
            assert_true(path_black_hole(rig.stack, &a, links[i]));
            assert_int_equal(path->mtu, path_base(rig.stack, &a));
            const unsigned probes = search(&rig, path, (uint16_t)true_mtu);
            assert_in_range(path->mtu, true_mtu - 7, true_mtu);
            assert_in_range(probes, 1, 3 * 16);
            if (path->mtu < links[i]) {
                stack_now(rig.stack, 10 * MINUTE - 1);
                assert_int_equal(search(&rig, path_find(rig.stack, &a), links[i]), 0);
                stack_now(rig.stack, rig.stack->now + 1);
                assert_int_equal(search(&rig, path_find(rig.stack, &a), links[i]), 1);
                assert_int_equal(path->mtu, links[i]); /* the path carries all of it again */
            }
            rig_end(&rig);
        }
    }
}

/* A probe that bad luck swallows sends the search below its size; at the end of the search that size
 * is tried again, and what lies above it after that. */
static void size_lost_by_chance_is_tried_again(void **state)
{
    (void)state;
    const uint16_t true_mtu = 8500;
    for (unsigned lucky = 0; lucky < 8; lucky++) {
        struct rig rig;
        start(&rig, 9000, 16);
        struct duet_address a = host(1);
        struct path *path = path_obtain(rig.stack, &a);
        path->search_low = path->mtu = 1064;
        for (unsigned passed = 0; passed < lucky;) {
            uint16_t size = path_next_probe(rig.stack, path, 9000);
            if (size <= true_mtu)
                path_raise(rig.stack, path, size);
            else
                path_probe_failed(rig.stack, path, size);
            passed += size <= true_mtu;
        }
        uint16_t size = path_next_probe(rig.stack, path, 9000);
        path_probe_failed(rig.stack, path, size);
        const unsigned probes = search(&rig, path, true_mtu);
        assert_in_range(path->mtu, true_mtu - 7, true_mtu);
        assert_in_range(probes, 1, 2 * 16);
        rig_end(&rig);
    }
}

/* A router that answers a probe names the size: the next probe is exactly that. */
static void router_shortens_the_search(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 16);
    struct duet_address a = host(1);
    assert_true(path_black_hole(rig.stack, &a, 1500));
    struct path *path = path_find(rig.stack, &a);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1500);
    path_lower(rig.stack, &a, 1432);
    assert_int_equal(path->mtu, 1064); /* 8899-1: not raised by it */
    path_probe_failed(rig.stack, path, 1500);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1432);
    path_raise(rig.stack, path, 1432);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 0);
    rig_end(&rig);
}

/* 4821-8: to what was known to pass, to the base, by half, and not below the floor. */
static void black_hole_goes_down_step_by_step(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 9000, 16);
    struct duet_address a = host(1), six = host6(1);
    struct path *path = path_obtain(rig.stack, &a);
    path->search_low = 4000;
    const uint16_t steps[] = {4000, 1064, 552};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        assert_true(path_black_hole(rig.stack, &a, path->mtu));
        assert_int_equal(path->mtu, steps[i]);
    }
    assert_false(path_black_hole(rig.stack, &a, path->mtu));
    assert_int_equal(path->mtu, 552);
    assert_int_equal(path_next_probe(rig.stack, path, 9000), 9000); /* if it was an outage */

    /* The peer takes 1500: what vanished was not of the size of the link. */
    assert_true(path_black_hole(rig.stack, &six, 1500));
    path = path_find(rig.stack, &six);
    assert_int_equal(path->mtu, 1280);
    assert_false(path_black_hole(rig.stack, &six, 1280));
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1500);
    path_probe_failed(rig.stack, path, 1500);
    assert_int_equal(path->search_high, 1499);
    rig_end(&rig);
}

/* That a larger packet was lost before says that sizes matter on this path: no outage, so the size that
 * vanished is not tried again before others. */
static void black_hole_below_a_size_that_has_failed(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 16);
    struct duet_address a = host(1);
    struct path *path = path_obtain(rig.stack, &a);
    path->search_low = 1064;
    path->mtu = 1400;
    path_probe_failed(rig.stack, path, 1500);
    assert_true(path_black_hole(rig.stack, &a, 1400));
    assert_int_equal(path->mtu, 1064);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1282); /* between 1064 and 1499 */
    /* A connection whose peer takes less does not care for what was lost above that. */
    assert_int_equal(path_next_probe(rig.stack, path, 1200), 1132);
    rig_end(&rig);
}

/* Two connections search the same path; what one of them says late changes nothing. */
static void failure_that_comes_late(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 16);
    struct duet_address a = host(1);
    struct path *path = path_obtain(rig.stack, &a);
    path->search_low = path->mtu = 1064;
    path_raise(rig.stack, path, 1400);
    path_probe_failed(rig.stack, path, 1400);
    path_probe_failed(rig.stack, path, 1300);
    assert_int_equal(path->failures, 0);
    assert_int_equal(path->mtu, 1400);
    path_lower(rig.stack, &a, 1450);
    path_probe_failed(rig.stack, path, 1500);
    assert_int_equal(path->failures, 0);
    assert_int_equal(path_next_probe(rig.stack, path, 1500), 1450);
    rig_end(&rig);
}

/* What is never forgotten has ten minutes of headway all the same (4821-4). */
static void headway_of_a_search_that_never_rests(void **state)
{
    (void)state;
    static const duet_time timeouts[] = {0, 20 * MINUTE};
    static const unsigned probes[] = {11, 21}; /* a minute apart, before one has to wait */
    for (unsigned i = 0; i < COUNT_OF(timeouts); i++) {
        struct rig rig;
        struct duet_config config;
        rig_config(&config);
        config.pmtu_timeout = timeouts[i];
        rig_start(&rig, &config);
        struct duet_address a = host(1);
        struct path *path = path_obtain(rig.stack, &a);
        path->search_low = path->mtu = 1064;
        unsigned count = 0;
        while (path_next_probe(rig.stack, path, 1500) != 0 && count < 100) {
            path_space_probes(rig.stack, path, MINUTE);
            count++;
        }
        EXPECT_EQUAL("probes at once", count, probes[i]);
        rig_end(&rig);
    }
}

/* 4821-9: a cautious start is a matter of configuration, and never outside floor and link. */
static void initial_size_is_configured(void **state)
{
    (void)state;
    static const struct {
        uint32_t initial;
        uint16_t ipv4, ipv6;
    } rows[] = {
        {0, 9000, 9000},    {1, 552, 1280},     {552, 552, 1280},    {1024, 1024, 1280},
        {1280, 1280, 1280}, {8999, 8999, 8999}, {65535, 9000, 9000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        struct duet_config config;
        rig_config(&config);
        config.mtu = 9000;
        config.mtu_initial = rows[i].initial;
        rig_start(&rig, &config);
        struct duet_address four = host(1), six = host6(1);
        assert_int_equal(path_mtu(rig.stack, &four), rows[i].ipv4);
        assert_int_equal(path_mtu(rig.stack, &six), rows[i].ipv6);
        assert_int_equal(path_obtain(rig.stack, &four)->mtu, rows[i].ipv4);
        assert_int_equal(path_obtain(rig.stack, &six)->mtu, rows[i].ipv6);
        rig_end(&rig);
    }
}

static void cookie_is_kept_beside_the_mtu(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, 1500, 16);
    struct duet_address a = host(1), b = host(2);
    struct path_cookie cookie = {.bytes = {1, 2, 3, 4, 5, 6, 7, 8}, .length = 8, .mss = 1440};
    struct path_cookie read;
    assert_false(path_cookie_get(rig.stack, &a, &read));
    assert_false(path_cookie_is_barred(rig.stack, &a));
    path_cookie_put(rig.stack, &a, &cookie);
    assert_true(path_cookie_get(rig.stack, &a, &read));
    assert_memory_equal(read.bytes, cookie.bytes, cookie.length);
    assert_int_equal(read.length, cookie.length);
    assert_int_equal(read.mss, cookie.mss);
    assert_false(path_cookie_get(rig.stack, &b, &read));
    path_lower(rig.stack, &a, 1400);
    assert_true(path_cookie_get(rig.stack, &a, &read));
    assert_int_equal(path_mtu(rig.stack, &a), 1400);

    path_cookie_bar(rig.stack, &b, MINUTE);
    assert_true(path_cookie_is_barred(rig.stack, &b));
    assert_false(path_cookie_is_barred(rig.stack, &a));
    stack_now(rig.stack, MINUTE);
    assert_false(path_cookie_is_barred(rig.stack, &b));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_of_one_prefix_are_apart),
        cmocka_unit_test(the_one_used_longest_ago_gives_way),
        cmocka_unit_test(claims_around_each_bound),
        cmocka_unit_test(a_small_link_is_its_own_floor),
        cmocka_unit_test(estimate_grows_old_without_probes),
        cmocka_unit_test(search_rests_after_packet_too_big),
        cmocka_unit_test(search_finds_every_mtu),
        cmocka_unit_test(size_lost_by_chance_is_tried_again),
        cmocka_unit_test(router_shortens_the_search),
        cmocka_unit_test(black_hole_goes_down_step_by_step),
        cmocka_unit_test(black_hole_below_a_size_that_has_failed),
        cmocka_unit_test(failure_that_comes_late),
        cmocka_unit_test(headway_of_a_search_that_never_rests),
        cmocka_unit_test(initial_size_is_configured),
        cmocka_unit_test(cookie_is_kept_beside_the_mtu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
