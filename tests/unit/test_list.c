/* SPDX-License-Identifier: MIT */
/* Lists: order, removal at every place, and a long random life against a plain array. */
#include "unit.h"

#include "base/list.h"
#include "base/prng.h"

enum { RECORDS = 24 };

struct record {
    uint64_t before;
    struct list_link link;
    uint8_t after[4];
};

struct fixture {
    struct record records[RECORDS];
    struct list list;
};

static void fixture_init(struct fixture *f)
{
    for (uint32_t i = 0; i < RECORDS; i++)
        list_link_init(&f->records[i].link);
    list_init(&f->list, &f->records[0].link, sizeof f->records[0]);
}

/* The list must hold exactly these, forwards and backwards. */
static void expect_order(const char *row, const struct fixture *f, const uint32_t *order,
                         uint32_t count)
{
    EXPECT_EQUAL(row, f->list.count, count);
    EXPECT_EQUAL(row, f->list.first, count > 0 ? order[0] : LIST_NONE);
    EXPECT_EQUAL(row, f->list.last, count > 0 ? order[count - 1] : LIST_NONE);
    for (uint32_t i = 0; i < count; i++) {
        const struct list_link *link = &f->records[order[i]].link;
        EXPECT_EQUAL(row, link->next, i + 1 < count ? order[i + 1] : LIST_NONE);
        EXPECT_EQUAL(row, link->prev, i > 0 ? order[i - 1] : LIST_NONE);
    }
}

static void new_list_is_empty(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    expect_order("new", &f, NULL, 0);
    EXPECT("not on it", !list_has(&f.list, 0));
    EXPECT_EQUAL("pop", list_pop(&f.list), LIST_NONE);
}

static void append_keeps_the_order_and_pop_takes_from_the_front(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    list_append(&f.list, 5);
    list_append(&f.list, 0);
    list_append(&f.list, 23);
    expect_order("three", &f, (const uint32_t[]){5, 0, 23}, 3);
    EXPECT_EQUAL("first", list_pop(&f.list), 5);
    EXPECT("off again", !list_has(&f.list, 5));
    EXPECT("still on", list_has(&f.list, 0));
    list_append(&f.list, 5);
    expect_order("at the end", &f, (const uint32_t[]){0, 23, 5}, 3);
}

static void removal_at_every_place(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t removed;
        uint32_t left[2];
    } rows[] = {
        {"front", 1, {2, 3}},
        {"middle", 2, {1, 3}},
        {"back", 3, {1, 2}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        fixture_init(&f);
        for (uint32_t index = 1; index <= 3; index++)
            list_append(&f.list, index);
        list_remove(&f.list, rows[i].removed);
        expect_order(rows[i].name, &f, rows[i].left, 2);
        EXPECT(rows[i].name, !list_has(&f.list, rows[i].removed));
    }
    struct fixture f;
    fixture_init(&f);
    list_append(&f.list, 7);
    list_remove(&f.list, 7);
    expect_order("the only one", &f, NULL, 0);
}

static void random_life_against_an_array(void **state)
{
    (void)state;
    struct fixture f;
    struct prng prng;
    uint32_t order[RECORDS], count = 0;

    prng_seed(&prng, 3);
    fixture_init(&f);
    for (unsigned step = 0; step < 50000; step++) {
        uint32_t index = (uint32_t)prng_below(&prng, RECORDS);
        uint32_t place = 0;
        while (place < count && order[place] != index)
            place++;
        EXPECT_EQUAL("has", list_has(&f.list, index), place < count);
        if (prng_chance(&prng, 0.1)) {
            EXPECT_EQUAL("pop", list_pop(&f.list), count > 0 ? order[0] : LIST_NONE);
            place = 0;
        } else if (place == count) {
            list_append(&f.list, index);
            order[count++] = index;
            place = RECORDS;
        } else {
            list_remove(&f.list, index);
        }
        if (place < count) {
            memmove(order + place, order + place + 1, (count - place - 1) * sizeof order[0]);
            count--;
        }
        expect_order("random", &f, order, count);
    }
}

static void append_twice(void)
{
    struct fixture f;
    fixture_init(&f);
    list_append(&f.list, 1);
    list_append(&f.list, 1);
}

static void remove_what_is_not_there(void)
{
    struct fixture f;
    fixture_init(&f);
    list_remove(&f.list, 1);
}

static void misuse_is_caught(void **state)
{
    (void)state;
    expect_check_failure("twice", append_twice, "duet: check failed: link->next == LIST_OFF (");
    expect_check_failure("absent", remove_what_is_not_there,
                         "duet: check failed: link->next != LIST_OFF (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_list_is_empty),
        cmocka_unit_test(append_keeps_the_order_and_pop_takes_from_the_front),
        cmocka_unit_test(removal_at_every_place),
        cmocka_unit_test(random_life_against_an_array),
        cmocka_unit_test(misuse_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
