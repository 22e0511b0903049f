/* SPDX-License-Identifier: MIT */
/* The faults: what they hit, when it arrives, that a seed decides everything, and that a link
 * without room costs no packet its number. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duet/link.h"

#define MS DUET_MILLISECOND

/* Two ends of a wire of 10 ms with a fault around the first; what was hit is noted. */
struct fixture {
    struct duet_link *a, *b;
    struct duet_fault_choice choice;
    uint32_t hits[512];
    size_t hit_count;
    enum duet_fault kind;
};

static void note_hit(void *context, enum duet_fault fault, duet_time now,
                     const struct duet_packet *packet)
{
    struct fixture *f = context;

    (void)now;
    assert_true(f->hit_count < sizeof(f->hits) / sizeof(f->hits[0]));
    f->hits[f->hit_count++] = packet->tag;
    f->kind = fault;
}

static void fixture_init(struct fixture *f, const uint32_t *numbers, size_t count)
{
    memset(f, 0, sizeof(*f));
    f->choice = (struct duet_fault_choice){
        .numbers = numbers, .count = count, .told = note_hit, .context = f};
    assert_int_equal(duet_wire_pair(10 * MS, &f->a, &f->b), 0);
}

static void fixture_close(struct fixture *f)
{
    f->a->close(f->a);
    f->b->close(f->b);
}

static void send_tag(struct duet_link *link, duet_time now, uint32_t tag)
{
    uint8_t data[16] = {0};
    struct duet_packet packet = {.data = data, .size = sizeof(data), .length = 16, .tag = tag};

    assert_true(link->send(link, now, &packet));
}

/* The tag of what has arrived by now, or 0. */
static uint32_t receive_tag(struct duet_link *link, duet_time now)
{
    uint8_t data[2048];
    struct duet_packet packet = {.data = data, .size = sizeof(data)};

    return link->receive(link, now, &packet) ? packet.tag : 0;
}

static void drop_loses_the_named_packets_only(void **state)
{
    const uint32_t numbers[] = {5, 2};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 2);
    assert_int_equal(duet_fault_drop(f.a, &f.choice, &f.a), 0);
    for (uint32_t i = 1; i <= 6; i++)
        send_tag(f.a, 0, 100 + i);
    assert_int_equal(receive_tag(f.b, 10 * MS), 101);
    assert_int_equal(receive_tag(f.b, 10 * MS), 103);
    assert_int_equal(receive_tag(f.b, 10 * MS), 104);
    assert_int_equal(receive_tag(f.b, 10 * MS), 106);
    assert_int_equal(receive_tag(f.b, 10 * MS), 0);
    assert_int_equal(f.hit_count, 2);
    assert_int_equal(f.hits[0], 102);
    assert_int_equal(f.hits[1], 105);
    assert_int_equal(f.kind, DUET_FAULT_DROP);
    fixture_close(&f);
}

static void what_comes_the_other_way_is_not_touched(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NULL, 0);
    f.choice.probability = 1;
    assert_int_equal(duet_fault_drop(f.a, &f.choice, &f.a), 0);
    send_tag(f.b, 3 * MS, 1);
    assert_int_equal(f.a->deadline(f.a), 13 * MS);
    assert_int_equal(receive_tag(f.a, 13 * MS), 1);
    send_tag(f.a, 13 * MS, 2);
    assert_int_equal(f.b->deadline(f.b), DUET_NEVER);
    fixture_close(&f);
}

static void choice_by_tag_counts_what_a_recorder_counts(void **state)
{
    const uint32_t numbers[] = {103};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    f.choice.by_tag = true;
    assert_int_equal(duet_fault_drop(f.a, &f.choice, &f.a), 0);
    for (uint32_t i = 1; i <= 103; i++) /* the packet with the number 103 has the tag 205 */
        send_tag(f.a, 0, i * 2 - 1);
    assert_int_equal(f.hit_count, 1);
    assert_int_equal(f.hits[0], 103);
    fixture_close(&f);
}

static void duplicate_arrives_at_the_same_time_with_the_same_tag(void **state)
{
    const uint32_t numbers[] = {2};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    assert_int_equal(duet_fault_duplicate(f.a, &f.choice, &f.a), 0);
    for (uint32_t i = 1; i <= 3; i++)
        send_tag(f.a, 0, i);
    assert_int_equal(receive_tag(f.b, 10 * MS), 1);
    assert_int_equal(receive_tag(f.b, 10 * MS), 2);
    assert_int_equal(receive_tag(f.b, 10 * MS), 2);
    assert_int_equal(receive_tag(f.b, 10 * MS), 3);
    assert_int_equal(receive_tag(f.b, 10 * MS), 0);
    assert_int_equal(f.kind, DUET_FAULT_DUPLICATE);
    fixture_close(&f);
}

static void delayed_packet_is_passed_by_others(void **state)
{
    const uint32_t numbers[] = {1};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    assert_int_equal(duet_fault_delay(f.a, &f.choice, 50 * MS, &f.a), 0);
    send_tag(f.a, 1 * MS, 1);
    send_tag(f.a, 2 * MS, 2);
    assert_int_equal(f.a->deadline(f.a), 51 * MS);
    assert_int_equal(receive_tag(f.b, 12 * MS), 2);
    assert_int_equal(receive_tag(f.a, 51 * MS - 1), 0);
    assert_int_equal(f.b->deadline(f.b), DUET_NEVER);
    assert_int_equal(receive_tag(f.a, 51 * MS), 0); /* lets it go */
    assert_int_equal(f.a->deadline(f.a), DUET_NEVER);
    assert_int_equal(f.b->deadline(f.b), 61 * MS);
    assert_int_equal(receive_tag(f.b, 61 * MS), 1);
    fixture_close(&f);
}

static void delay_is_exact_though_the_link_is_visited_late(void **state)
{
    const uint32_t numbers[] = {1};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    assert_int_equal(duet_fault_delay(f.a, &f.choice, 5 * MS, &f.a), 0);
    send_tag(f.a, 0, 1);
    send_tag(f.a, 40 * MS, 2); /* lets go what was due at 5 ms */
    assert_int_equal(f.b->deadline(f.b), 15 * MS);
    assert_int_equal(receive_tag(f.b, 15 * MS), 1);
    assert_int_equal(receive_tag(f.b, 50 * MS), 2);
    fixture_close(&f);
}

static void delay_without_end_does_not_overflow(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NULL, 0);
    f.choice.probability = 1;
    assert_int_equal(duet_fault_delay(f.a, &f.choice, DUET_NEVER, &f.a), 0);
    send_tag(f.a, 1 * MS, 1);
    assert_int_equal(f.a->deadline(f.a), DUET_NEVER);
    fixture_close(&f);
}

static void reordered_packets_follow_the_next_one(void **state)
{
    const uint32_t numbers[] = {1, 2};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 2);
    assert_int_equal(duet_fault_reorder(f.a, &f.choice, 100 * MS, &f.a), 0);
    send_tag(f.a, 0, 1);
    send_tag(f.a, 1 * MS, 2);
    assert_int_equal(f.b->deadline(f.b), DUET_NEVER);
    send_tag(f.a, 7 * MS, 3);
    send_tag(f.a, 7 * MS, 4);
    assert_int_equal(receive_tag(f.b, 17 * MS), 3);
    assert_int_equal(receive_tag(f.b, 17 * MS), 1);
    assert_int_equal(receive_tag(f.b, 17 * MS), 2);
    assert_int_equal(receive_tag(f.b, 17 * MS), 4);
    assert_int_equal(f.a->deadline(f.a), DUET_NEVER);
    assert_int_equal(f.hit_count, 2);
    fixture_close(&f);
}

static void reordered_packet_leaves_at_the_limit_when_nothing_follows(void **state)
{
    const uint32_t numbers[] = {1};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    assert_int_equal(duet_fault_reorder(f.a, &f.choice, 30 * MS, &f.a), 0);
    send_tag(f.a, 2 * MS, 1);
    assert_int_equal(f.a->deadline(f.a), 32 * MS);
    assert_int_equal(receive_tag(f.a, 32 * MS), 0);
    assert_int_equal(receive_tag(f.b, 42 * MS), 1);
    fixture_close(&f);
}

/* Sends one packet of 16 zero bytes and says which bit arrived set. */
static int corrupted_bit(uint64_t seed)
{
    struct fixture f;
    uint8_t data[16] = {0};
    struct duet_packet packet = {.data = data, .size = sizeof(data), .length = 16};
    int bit = -1;

    fixture_init(&f, NULL, 0);
    f.choice.probability = 1;
    f.choice.seed = seed;
    assert_int_equal(duet_fault_corrupt(f.a, &f.choice, &f.a), 0);
    assert_true(f.a->send(f.a, 0, &packet));
    assert_true(f.b->receive(f.b, 10 * MS, &packet));
    assert_int_equal(packet.length, 16);
    for (int i = 0; i < 128; i++) {
        if ((data[i / 8] >> (i % 8) & 1) == 0)
            continue;
        assert_int_equal(bit, -1); /* one only */
        bit = i;
    }
    fixture_close(&f);
    assert_true(bit >= 0);
    return bit;
}

static void corruption_flips_one_bit_which_the_seed_chooses(void **state)
{
    bool different = false;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(corrupted_bit(seed), corrupted_bit(seed));
        different = different || corrupted_bit(seed) != corrupted_bit(seed + 1);
    }
    assert_true(different);
}

static void corruption_leaves_the_senders_bytes_alone_and_takes_no_offload(void **state)
{
    struct fixture f;
    uint8_t data[16] = {0}, zero[16] = {0};
    struct duet_packet packet = {.data = data, .size = sizeof(data), .length = 16};

    (void)state;
    fixture_init(&f, NULL, 0);
    f.a->offload = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN | DUET_OFFLOAD_SEGMENT;
    f.choice.probability = 1;
    assert_int_equal(duet_fault_corrupt(f.a, &f.choice, &f.a), 0);
    assert_int_equal(f.a->offload, DUET_OFFLOAD_CHECKSUM_IN);
    assert_true(f.a->send(f.a, 0, &packet));
    assert_memory_equal(data, zero, 16);
    fixture_close(&f);
}

/* The tags, out of 1 .. 400, that are lost under a seed, in f->hits. */
static void lose_some(struct fixture *f, uint64_t seed, const uint32_t *numbers, size_t count)
{
    fixture_init(f, numbers, count);
    f->choice.probability = 0.25;
    f->choice.seed = seed;
    assert_int_equal(duet_fault_drop(f->a, &f->choice, &f->a), 0);
    for (uint32_t i = 1; i <= 400; i++)
        send_tag(f->a, 0, i);
    fixture_close(f);
}

static void same_seed_hits_the_same_packets(void **state)
{
    struct fixture first, again, other;

    (void)state;
    lose_some(&first, 7, NULL, 0);
    lose_some(&again, 7, NULL, 0);
    lose_some(&other, 8, NULL, 0);
    assert_in_range(first.hit_count, 60, 140); /* 100 expected, deviation 9 */
    assert_int_equal(first.hit_count, again.hit_count);
    assert_memory_equal(first.hits, again.hits, sizeof(first.hits));
    assert_memory_not_equal(first.hits, other.hits, sizeof(first.hits));
}

static void naming_a_packet_does_not_change_the_luck_of_others(void **state)
{
    struct fixture plain, named;
    uint32_t number = 0;
    size_t j = 0;

    (void)state;
    lose_some(&plain, 7, NULL, 0);
    for (uint32_t i = 1; number == 0; i++) { /* the first packet that is not lost */
        if (plain.hits[i - 1] != i)
            number = i;
    }
    lose_some(&named, 7, &number, 1);
    assert_int_equal(named.hit_count, plain.hit_count + 1);
    for (size_t i = 0; i < named.hit_count; i++) {
        if (named.hits[i] == number)
            continue;
        assert_int_equal(named.hits[i], plain.hits[j]);
        j++;
    }
}

/* A link with room for so many more packets; it keeps the tags of what it took. */
struct full_link {
    struct duet_link link;
    size_t room;
    uint32_t taken[64];
    size_t count;
};

static bool full_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct full_link *full = (struct full_link *)(void *)link;

    (void)now;
    if (full->room == 0) {
        link->error = ENOBUFS;
        return false;
    }
    full->room--;
    full->taken[full->count++] = packet->tag;
    return true;
}

static bool full_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    (void)link;
    (void)now;
    (void)packet;
    return false;
}

static duet_time full_deadline(const struct duet_link *link)
{
    (void)link;
    return DUET_NEVER;
}

static int full_descriptor(const struct duet_link *link)
{
    (void)link;
    return 42;
}

static void full_close(struct duet_link *link)
{
    (void)link;
}

static void full_init(struct full_link *full)
{
    memset(full, 0, sizeof(*full));
    full->room = SIZE_MAX;
    full->link = (struct duet_link){.send = full_send,
                                    .receive = full_receive,
                                    .deadline = full_deadline,
                                    .descriptor = full_descriptor,
                                    .close = full_close,
                                    .mtu = 1280};
}

static void packet_without_room_keeps_its_number(void **state)
{
    const uint32_t numbers[] = {2};
    const struct duet_fault_choice choice = {.numbers = numbers, .count = 1};
    uint8_t data[16] = {0};
    struct duet_packet packet = {.data = data, .size = 16, .length = 16, .tag = 1};
    struct full_link full;
    struct duet_link *link;

    (void)state;
    full_init(&full);
    assert_int_equal(duet_fault_drop(&full.link, &choice, &link), 0);
    assert_int_equal(link->mtu, 1280);
    assert_int_equal(link->descriptor(link), 42);
    full.room = 0;
    for (int i = 0; i < 3; i++)
        assert_false(link->send(link, 0, &packet));
    assert_int_equal(link->error, ENOBUFS);
    full.room = SIZE_MAX;
    for (uint32_t i = 1; i <= 3; i++)
        send_tag(link, 0, i);
    assert_int_equal(full.count, 2);
    assert_int_equal(full.taken[0], 1);
    assert_int_equal(full.taken[1], 3);
    link->close(link);
}

static void held_packets_wait_in_order_for_a_link_without_room(void **state)
{
    const struct duet_fault_choice choice = {.probability = 1};
    struct full_link full;
    struct duet_link *link;

    (void)state;
    full_init(&full);
    assert_int_equal(duet_fault_delay(&full.link, &choice, 5 * MS, &link), 0);
    send_tag(link, 0, 1);
    send_tag(link, 1, 2);
    send_tag(link, 20 * MS, 3);
    full.room = 0;
    assert_int_equal(full.count, 2); /* sending the third let the first two go */
    assert_int_equal(receive_tag(link, 25 * MS), 0);
    assert_int_equal(link->deadline(link), 26 * MS);
    send_tag(link, 25 * MS, 4);
    full.room = SIZE_MAX;
    assert_int_equal(receive_tag(link, 26 * MS), 0);
    assert_int_equal(receive_tag(link, 30 * MS), 0);
    assert_int_equal(full.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(full.taken[i], i + 1);
    link->close(link);
}

static void duplicate_without_room_for_the_copy_sends_it_later(void **state)
{
    const struct duet_fault_choice choice = {.probability = 1};
    struct full_link full;
    struct duet_link *link;

    (void)state;
    full_init(&full);
    assert_int_equal(duet_fault_duplicate(&full.link, &choice, &link), 0);
    full.room = 1;
    send_tag(link, 0, 1);
    assert_int_equal(full.count, 1);
    assert_int_equal(link->deadline(link), 1 * MS);
    full.room = 1;
    assert_int_equal(receive_tag(link, 1 * MS), 0);
    assert_int_equal(full.count, 2);
    assert_int_equal(full.taken[1], 1);
    link->close(link);
}

static void faults_stand_around_each_other(void **state)
{
    const uint32_t second[] = {2}, third[] = {3};
    struct fixture f;

    (void)state;
    fixture_init(&f, second, 1);
    assert_int_equal(duet_fault_duplicate(f.a, &f.choice, &f.a), 0);
    f.choice.numbers = third;
    assert_int_equal(duet_fault_delay(f.a, &f.choice, 1 * MS, &f.a), 0);
    for (uint32_t i = 1; i <= 4; i++)
        send_tag(f.a, 0, i);
    assert_int_equal(receive_tag(f.a, 1 * MS), 0);
    assert_int_equal(receive_tag(f.b, 11 * MS), 1);
    assert_int_equal(receive_tag(f.b, 11 * MS), 2);
    assert_int_equal(receive_tag(f.b, 11 * MS), 2);
    assert_int_equal(receive_tag(f.b, 11 * MS), 4);
    assert_int_equal(receive_tag(f.b, 11 * MS), 3);
    fixture_close(&f);
}

static void closing_frees_what_is_held(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NULL, 0);
    f.choice.probability = 1;
    assert_int_equal(duet_fault_delay(f.a, &f.choice, 1 * MS, &f.a), 0);
    for (uint32_t i = 1; i <= 10; i++)
        send_tag(f.a, 0, i);
    fixture_close(&f);
}

static void impossible_choices_are_refused(void **state)
{
    const double impossible[] = {-0.1, 1.1, (double)NAN};
    struct fixture f;
    struct duet_link *link = NULL;

    (void)state;
    fixture_init(&f, NULL, 0);
    for (size_t i = 0; i < 3; i++) {
        f.choice.probability = impossible[i];
        errno = 0;
        assert_int_equal(duet_fault_drop(f.a, &f.choice, &link), -1);
        assert_int_equal(errno, EINVAL);
    }
    f.choice.probability = 0;
    assert_int_equal(duet_fault_delay(f.a, &f.choice, -1, &link), -1);
    assert_int_equal(duet_fault_reorder(f.a, &f.choice, -1, &link), -1);
    assert_null(link);
    fixture_close(&f);
}

static void send_size(struct duet_link *link, uint32_t size, uint32_t tag)
{
    static uint8_t data[2000];
    struct duet_packet packet = {.data = data, .size = size, .length = size, .tag = tag};

    assert_true(link->send(link, 0, &packet));
}

static void path_swallows_what_is_larger_than_its_mtu(void **state)
{
    const uint32_t numbers[] = {1};
    struct fixture f;

    (void)state;
    fixture_init(&f, numbers, 1);
    errno = 0;
    assert_int_equal(duet_fault_mtu(f.a, &f.choice, 0, &f.a), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(duet_fault_mtu(f.a, &f.choice, 1300, &f.a), 0);
    send_size(f.a, 40, 1); /* named */
    send_size(f.a, 1299, 2);
    send_size(f.a, 1300, 3);
    send_size(f.a, 1301, 4);
    send_size(f.a, 2000, 5);
    send_size(f.a, 20, 6);
    send_size(f.b, 16, 7);
    assert_int_equal(receive_tag(f.b, 10 * MS), 2);
    assert_int_equal(receive_tag(f.b, 10 * MS), 3);
    assert_int_equal(receive_tag(f.b, 10 * MS), 6);
    assert_int_equal(receive_tag(f.b, 10 * MS), 0);
    assert_int_equal(receive_tag(f.a, 10 * MS), 7);
    assert_int_equal(f.hit_count, 3);
    assert_int_equal(f.hits[0], 1);
    assert_int_equal(f.hits[1], 4);
    assert_int_equal(f.hits[2], 5);
    assert_int_equal(f.kind, DUET_FAULT_MTU);
    fixture_close(&f);
}

/* A link that cuts packets itself would hide their size on the wire. */
static void path_with_an_mtu_cuts_no_packets(void **state)
{
    const struct duet_fault_choice choice = {0};
    struct full_link full;
    struct duet_link *link;

    (void)state;
    full_init(&full);
    full.link.offload = DUET_OFFLOAD_SEGMENT | DUET_OFFLOAD_CHECKSUM_OUT;
    assert_int_equal(duet_fault_mtu(&full.link, &choice, 1000, &link), 0);
    assert_int_equal(link->offload, DUET_OFFLOAD_CHECKSUM_OUT);
    assert_int_equal(link->mtu, 1280);
    link->close(link);
}

static void faults_have_names(void **state)
{
    (void)state;
    assert_string_equal(duet_fault_name(DUET_FAULT_DROP), "drop");
    assert_string_equal(duet_fault_name(DUET_FAULT_DUPLICATE), "duplicate");
    assert_string_equal(duet_fault_name(DUET_FAULT_DELAY), "delay");
    assert_string_equal(duet_fault_name(DUET_FAULT_REORDER), "reorder");
    assert_string_equal(duet_fault_name(DUET_FAULT_CORRUPT), "corrupt");
    assert_string_equal(duet_fault_name(DUET_FAULT_MARK), "mark");
    assert_string_equal(duet_fault_name(DUET_FAULT_MTU), "mtu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drop_loses_the_named_packets_only),
        cmocka_unit_test(what_comes_the_other_way_is_not_touched),
        cmocka_unit_test(choice_by_tag_counts_what_a_recorder_counts),
        cmocka_unit_test(duplicate_arrives_at_the_same_time_with_the_same_tag),
        cmocka_unit_test(delayed_packet_is_passed_by_others),
        cmocka_unit_test(delay_is_exact_though_the_link_is_visited_late),
        cmocka_unit_test(delay_without_end_does_not_overflow),
        cmocka_unit_test(reordered_packets_follow_the_next_one),
        cmocka_unit_test(reordered_packet_leaves_at_the_limit_when_nothing_follows),
        cmocka_unit_test(corruption_flips_one_bit_which_the_seed_chooses),
        cmocka_unit_test(corruption_leaves_the_senders_bytes_alone_and_takes_no_offload),
        cmocka_unit_test(same_seed_hits_the_same_packets),
        cmocka_unit_test(naming_a_packet_does_not_change_the_luck_of_others),
        cmocka_unit_test(packet_without_room_keeps_its_number),
        cmocka_unit_test(held_packets_wait_in_order_for_a_link_without_room),
        cmocka_unit_test(duplicate_without_room_for_the_copy_sends_it_later),
        cmocka_unit_test(faults_stand_around_each_other),
        cmocka_unit_test(closing_frees_what_is_held),
        cmocka_unit_test(impossible_choices_are_refused),
        cmocka_unit_test(path_swallows_what_is_larger_than_its_mtu),
        cmocka_unit_test(path_with_an_mtu_cuts_no_packets),
        cmocka_unit_test(faults_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
