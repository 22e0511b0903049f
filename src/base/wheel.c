/* SPDX-License-Identifier: MIT */
/* Read a tick as a number of nine digits to the base 64. A timer sits on the level of the highest
 * digit in which its tick differs from the wheel's, in the slot that this digit names:
 *
 *     wheel.tick   0 0 0 0 0 0 0 5 17
 *     timer        0 0 0 0 0 0 0 9 03     level 1, slot 9
 *
 * So all timers of a level share the digits above it with the wheel, each slot is still ahead of
 * the wheel's own digit, and every timer of a level is due before any timer of the level above: the
 * first occupied slot of the lowest occupied level comes next, always. When the wheel reaches the
 * first tick of a slot, its timers now agree with the wheel in that digit too and go to lower
 * levels.
 *
 * The slot of the wheel's own tick on level 0 is free for another use: it holds what is due at
 * once.
 */
#include "base/wheel.h"

#include "base/check.h"

enum { TICK_SHIFT = 10, DIGIT_BITS = 6, DIGIT_MASK = WHEEL_SLOTS - 1 };

/* node.prev of the first node of a slot: this bit and the number of the slot among all. */
#define PREV_IS_SLOT (UINT32_C(1) << 31)

struct place {
    unsigned level, slot;
};

static struct wheel_node *node_at(const struct wheel *wheel, uint32_t index)
{
    void *node = wheel->nodes + (size_t)index * wheel->stride;
    return node;
}

/* Rounded up: a timer is never early. */
static int64_t tick_of_deadline(int64_t deadline)
{
    if (deadline <= 0)
        return 0;
    return (deadline >> TICK_SHIFT) + ((deadline & ((1 << TICK_SHIFT) - 1)) != 0);
}

static struct place place_of_tick(const struct wheel *wheel, int64_t tick)
{
    if (tick <= wheel->tick) /* due at once */
        return (struct place){.level = 0, .slot = (unsigned)(wheel->tick & DIGIT_MASK)};

    const uint64_t differing = (uint64_t)(tick ^ wheel->tick);
    const unsigned level = (63U - (unsigned)__builtin_clzll(differing)) / DIGIT_BITS;
    CHECK(level < WHEEL_LEVELS);
    return (struct place){
        .level = level,
        .slot = (unsigned)(tick >> (level * DIGIT_BITS)) & DIGIT_MASK,
    };
}

/* The slot that comes up next. False: no timer is armed. */
static bool next_place(const struct wheel *wheel, struct place *place)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] != 0) {
            place->level = level;
            place->slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            return true;
        }
    }
    return false;
}

/* The first tick of a slot: the wheel's digits above, the slot's digit, zeros below. */
static int64_t tick_of_place(const struct wheel *wheel, struct place place)
{
    const unsigned shift = place.level * DIGIT_BITS;
    const int64_t above = wheel->tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
    return above | (int64_t)place.slot << shift;
}

/* Where the chain of a slot begins that a record is in. */
static uint32_t *first_of(struct wheel *wheel, unsigned level, unsigned slot, uint32_t index)
{
    return &wheel->slots[level][slot][index % WHEEL_CHAINS];
}

static void put(struct wheel *wheel, uint32_t index)
{
    struct wheel_node *node = node_at(wheel, index);
    const struct place place = place_of_tick(wheel, tick_of_deadline(node->deadline));
    uint32_t *first = first_of(wheel, place.level, place.slot, index);

    node->next = *first;
    node->prev = PREV_IS_SLOT | (place.level * WHEEL_SLOTS + place.slot);
    if (node->next != WHEEL_NONE)
        node_at(wheel, node->next)->prev = index;
    *first = index;
    wheel->occupied[place.level] |= UINT64_C(1) << place.slot;
}

static bool is_empty(const uint32_t slot[WHEEL_CHAINS])
{
    uint32_t none = WHEEL_NONE;
    for (unsigned i = 0; i < WHEEL_CHAINS; i++)
        none &= slot[i];
    return none == WHEEL_NONE;
}

static void take(struct wheel *wheel, uint32_t index)
{
    struct wheel_node *node = node_at(wheel, index);

    if (node->next != WHEEL_NONE)
        node_at(wheel, node->next)->prev = node->prev;
    if ((node->prev & PREV_IS_SLOT) != 0) {
        const unsigned level = (node->prev & ~PREV_IS_SLOT) / WHEEL_SLOTS;
        const unsigned slot = node->prev & DIGIT_MASK;
        CHECK(level < WHEEL_LEVELS);
        CHECK(*first_of(wheel, level, slot, index) == index);
        *first_of(wheel, level, slot, index) = node->next;
        if (node->next == WHEEL_NONE && is_empty(wheel->slots[level][slot]))
            wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    } else {
        node_at(wheel, node->prev)->next = node->next;
    }
    node->next = WHEEL_OFF;
}

static void forget_noted(struct wheel *wheel)
{
    wheel->noted.index = WHEEL_NONE;
    wheel->noted.deadline = INT64_MAX;
}

void wheel_init(struct wheel *wheel, void *node_of_record_0, size_t stride)
{
    *wheel = (struct wheel){
        .nodes = node_of_record_0, .stride = stride, .noted = {WHEEL_NONE, INT64_MAX}};
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            for (unsigned i = 0; i < WHEEL_CHAINS; i++)
                wheel->slots[level][slot][i] = WHEEL_NONE;
}

void wheel_node_init(struct wheel_node *node)
{
    *node = (struct wheel_node){.next = WHEEL_OFF};
}

static bool is_in_slot(const struct wheel *wheel, uint32_t index)
{
    return node_at(wheel, index)->next != WHEEL_OFF;
}

bool wheel_is_armed(const struct wheel *wheel, uint32_t index)
{
    return wheel->noted.index == index || is_in_slot(wheel, index);
}

int64_t wheel_armed_for(const struct wheel *wheel, uint32_t index)
{
    const int64_t held = is_in_slot(wheel, index) ? node_at(wheel, index)->deadline : INT64_MAX;
    const int64_t noted = wheel->noted.index == index ? wheel->noted.deadline : INT64_MAX;

    return held < noted ? held : noted;
}

uint32_t wheel_armed(const struct wheel *wheel)
{
    const uint32_t noted = wheel->noted.index;
    return wheel->count + (noted != WHEEL_NONE && !is_in_slot(wheel, noted));
}

void wheel_arm(struct wheel *wheel, uint32_t index, int64_t deadline)
{
    CHECK(index < PREV_IS_SLOT);
    wheel_disarm(wheel, index);
    node_at(wheel, index)->deadline = deadline;
    put(wheel, index);
    wheel->count++;
}

void wheel_disarm(struct wheel *wheel, uint32_t index)
{
    if (wheel->noted.index == index)
        forget_noted(wheel);
    if (!is_in_slot(wheel, index))
        return;
    CHECK(wheel->count > 0);
    take(wheel, index);
    wheel->count--;
}

void wheel_carry_out(struct wheel *wheel)
{
    const uint32_t index = wheel->noted.index;
    if (index == WHEEL_NONE)
        return;
    const int64_t deadline = wheel->noted.deadline;
    forget_noted(wheel);
    if (!is_in_slot(wheel, index) || deadline < node_at(wheel, index)->deadline)
        wheel_arm(wheel, index, deadline);
}

/* wheel_set() of one that is not the noted one, or to never. */
void wheel_set_another(struct wheel *wheel, uint32_t index, int64_t deadline)
{
    if (deadline == INT64_MAX) {
        wheel_disarm(wheel, index);
        return;
    }
    if (is_in_slot(wheel, index) && node_at(wheel, index)->deadline <= deadline)
        return;
    wheel_carry_out(wheel);
    wheel->noted.index = index;
    wheel->noted.deadline = deadline;
}

/* The timer runs out within 64 ticks: of a record that ends with its node all lines will be wanted. */
static void expect(const struct wheel *wheel, uint32_t index)
{
    const uint8_t *end = (const uint8_t *)(node_at(wheel, index) + 1);

    for (size_t i = sizeof(struct wheel_node) + 1; i < wheel->stride; i += 64)
        __builtin_prefetch(end - i, 1);
    __builtin_prefetch(end - wheel->stride, 1);
}

/* The wheel has reached the first tick of a slot: each of its timers finds a lower level. */
static void move_down(struct wheel *wheel, struct place place)
{
    const uint32_t *slot = wheel->slots[place.level][place.slot];
    while (!is_empty(slot)) {
        for (unsigned i = 0; i < WHEEL_CHAINS; i++) {
            const uint32_t index = slot[i];
            if (index == WHEEL_NONE)
                continue;
            take(wheel, index);
            put(wheel, index);
            if (place.level == 1)
                expect(wheel, index);
        }
    }
}

/* Of a slot that is not empty. */
static uint32_t first_in(const uint32_t slot[WHEEL_CHAINS])
{
    unsigned i = 0;
    while (i + 1 < WHEEL_CHAINS && slot[i] == WHEEL_NONE)
        i++;
    return slot[i];
}

uint32_t wheel_expire(struct wheel *wheel, int64_t now)
{
    /* Time that went back counts as the latest time seen. */
    const int64_t now_tick = now >> TICK_SHIFT;
    const int64_t end = now_tick > wheel->tick ? now_tick : wheel->tick;
    struct place place;

    wheel_carry_out(wheel);
    while (next_place(wheel, &place)) {
        const int64_t tick = tick_of_place(wheel, place);
        CHECK(tick >= wheel->tick);
        if (tick > end)
            break;
        wheel->tick = tick;
        if (place.level == 0) {
            const uint32_t index = first_in(wheel->slots[0][place.slot]);
            wheel_disarm(wheel, index);
            return index;
        }
        move_down(wheel, place);
    }
    wheel->tick = end; /* no slot begins in (tick, end], so every timer keeps its place */
    return WHEEL_NONE;
}

int64_t wheel_deadline(const struct wheel *wheel)
{
    const int64_t rest = (1 << TICK_SHIFT) - 1;
    struct place place;
    int64_t deadline = wheel->noted.deadline;
    deadline = deadline > INT64_MAX - rest ? INT64_MAX : (deadline + rest) & ~rest;
    if (wheel->count == 0 || !next_place(wheel, &place))
        return deadline;
    const int64_t tick = tick_of_place(wheel, place);
    if (tick > INT64_MAX >> TICK_SHIFT)
        return deadline;
    return tick << TICK_SHIFT < deadline ? tick << TICK_SHIFT : deadline;
}

/* A chain of an occupied slot: whatever is in it belongs there, and each node names the one before
 * it. */
static bool chain_is_sound(const struct wheel *wheel, unsigned level, unsigned slot, unsigned chain,
                           uint32_t *count)
{
    uint32_t prev = PREV_IS_SLOT | (level * WHEEL_SLOTS + slot);
    uint32_t index = wheel->slots[level][slot][chain];
    for (; index != WHEEL_NONE; index = node_at(wheel, index)->next) {
        const struct wheel_node *node = node_at(wheel, index);
        const struct place place = place_of_tick(wheel, tick_of_deadline(node->deadline));
        if (node->prev != prev || place.level != level || place.slot != slot ||
            index % WHEEL_CHAINS != chain)
            return false;
        if (++*count > wheel->count)
            return false; /* a ring, or a node of no count */
        prev = index;
    }
    return true;
}

static bool slot_is_sound(const struct wheel *wheel, unsigned level, unsigned slot, uint32_t *count)
{
    bool is_sound = !is_empty(wheel->slots[level][slot]);
    for (unsigned i = 0; i < WHEEL_CHAINS; i++)
        is_sound = is_sound && chain_is_sound(wheel, level, slot, i, count);
    return is_sound;
}

/* Empty slots are not looked at, of which there are hundreds: a timer in one of them is missing from the
 * count, and what else stands in one is found as soon as a timer comes before it. */
bool wheel_is_sound(const struct wheel *wheel)
{
    uint32_t count = 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (uint64_t left = wheel->occupied[level]; left != 0; left &= left - 1)
            if (!slot_is_sound(wheel, level, (unsigned)__builtin_ctzll(left), &count))
                return false;
    return count == wheel->count;
}
