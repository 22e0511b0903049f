/* SPDX-License-Identifier: MIT */
/* The network of the explored world: packets under way, and what they mean. Knows the layout of an
 * IPv4 packet with a TCP segment and nothing of any stack. */
#include <string.h>

#include "hash.h"
#include "model.h"

enum {
    IP_HEADER = 20,
    TCP_HEADER_MIN = 20,
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
    ECN_1 = 1, /* of the ECN field of IP */
    ECN_0 = 2,
    ECN_CE = 3,
};

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* ---- what a packet means ---- */

/* Timestamps count from the moment of sending, but for the 0 of a RST and of a SYN (RFC 7323). */
static uint64_t age_of(const struct machine *m, uint32_t timestamp)
{
    uint32_t ms = (uint32_t)(m->model.now / DUET_MILLISECOND);

    return timestamp == 0 ? 0 : UINT64_C(1) << 32 | (uint32_t)(timestamp - ms);
}

/* A number of this end counts from the ISN of the connection that it belongs to, the latest that it
 * is near to. Far from all, only the direction from the latest counts. */
static uint64_t add_number(uint64_t sum, const struct machine *m, unsigned end, uint32_t number,
                           uint32_t *base)
{
    uint32_t connection = m->model.users[end].own;
    uint32_t distance = number - m->model.base[end];

    *base = m->model.base[end];
    for (; connection > 0; connection--) {
        uint32_t iss = m->model.iss[end][connection];
        if (number - iss + MODEL_FAR >= 2u * MODEL_FAR)
            continue;
        *base = iss;
        return hash_add(sum, (uint64_t)connection << 32 | (number - iss));
    }
    return hash_add(sum, distance < UINT32_C(1) << 31 ? MODEL_FAR : 0u - MODEL_FAR);
}

/* Blocks of SACK count from the base of who sent the text. */
static uint64_t add_option(uint64_t sum, const struct machine *m, const uint8_t *option,
                           const struct model_packet *p)
{
    unsigned to = 1u - p->from;
    uint32_t unused;

    sum = hash_add(sum, get16(option));
    if (option[0] == OPTION_TIMESTAMPS) {
        sum = hash_add(sum, age_of(m, get32(option + 2)));
        return hash_add(sum, age_of(m, get32(option + 6)));
    }
    for (unsigned i = 2; i < option[1]; i += option[0] == OPTION_SACK ? 4 : 1)
        sum = option[0] == OPTION_SACK ? add_number(sum, m, to, get32(option + i), &unused)
                                       : hash_add(sum, option[i]);
    return sum;
}

static uint64_t add_options(uint64_t sum, const struct machine *m, const struct model_packet *p,
                            const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != OPTION_END) {
        if (*at == OPTION_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at)
            break;
        sum = add_option(sum, m, at, p);
        at += at[1];
    }
    return sum;
}

/* Looks at a packet that has just been sent: a SYN begins the count of its sender anew. */
void packet_understand(struct machine *m, struct model_packet *p)
{
    const uint8_t *tcp = p->bytes + IP_HEADER;
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t flags = get16(tcp + 12) & 0x1ff;
    bool has_ack = (flags & DUET_ACK) != 0;
    unsigned to = 1u - p->from;
    struct model_user *user = &m->model.users[p->from];
    uint64_t sum = p->from;

    if ((flags & DUET_SYN) != 0 && m->model.base[p->from] != get32(tcp + 4)) {
        m->model.base[p->from] = get32(tcp + 4);
        m->touched = 3; /* the numbers of both ends count from there */
        m->model.base_at[p->from] = m->model.now;
        /* duet_connect has counted it already, a listener has not. */
        if (user->own == 0 || m->model.iss[p->from][user->own] != 0)
            user->own += user->own + 1 < MODEL_OPENS;
        m->model.iss[p->from][user->own] = get32(tcp + 4);
    }
    memcpy(p->base, m->model.base, sizeof p->base);
    /* SEQ 0 of a RST that answers a segment without ACK stands for no number (3.5.2). */
    p->counts[p->from] = (flags & DUET_RST) == 0 || get32(tcp + 4) != 0;
    p->counts[to] = has_ack;
    sum = hash_add(sum, (uint64_t)(p->bytes[1] & ECN_CE) << 16 | flags);
    if (p->counts[p->from])
        sum = add_number(sum, m, p->from, get32(tcp + 4), &p->base[p->from]);
    if (has_ack)
        sum = add_number(sum, m, to, get32(tcp + 8), &p->base[to]);
    sum = hash_add(sum, (uint64_t)get32(tcp) << 32 | get16(tcp + 14) << 16 | get16(tcp + 18));
    sum = hash_add(sum, p->length - IP_HEADER - header);
    for (uint32_t i = IP_HEADER + header; i < p->length; i++)
        sum = hash_add(sum, p->bytes[i]);
    sum = add_options(sum, m, p, tcp + TCP_HEADER_MIN, tcp + header);
    p->meaning = hash_settle(sum);
    p->is_reset = (flags & DUET_RST) != 0;
    p->text = (uint8_t)(p->length > IP_HEADER + header ? IP_HEADER + header : 0);
}

/* How far the ISN has moved on since; beyond every window it does not matter how far. */
static uint32_t moved(uint32_t distance)
{
    return distance < MODEL_FAR ? distance : MODEL_FAR;
}

/* Its age matters to its timestamps, and as long as it can still live too long: when no timer may
 * run out any more while it is under way, it cannot. */
uint64_t packet_meaning(const struct machine *m, const struct model_packet *p)
{
    const struct model *model = &m->model;
    bool has_age = m->bounds->timestamps || model->late > 0;
    uint64_t sum = hash_add(p->meaning, has_age ? (uint64_t)(model->now - p->sent) : 0);

    for (unsigned end = 0; end < ENDS; end++)
        sum = hash_add(sum, p->counts[end] ? moved(model->base[end] - p->base[end]) : 0);
    return hash_settle(sum);
}

/* ---- under way ---- */

uint32_t machine_in_flight(const struct model *model, unsigned from)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < model->count; i++)
        count += model->packets[i].from == from;
    return count;
}

static void take_out(struct model *model, uint32_t at)
{
    model->count--;
    memmove(&model->packets[at], &model->packets[at + 1],
            (model->count - at) * sizeof model->packets[0]);
}

static bool find(const struct model *model, unsigned from, unsigned number, uint32_t *at)
{
    for (uint32_t i = 0; i < model->count; i++) {
        *at = i;
        if (model->packets[i].from == from && model->packets[i].number == number)
            return true;
    }
    return false;
}

bool packets_begin_connection(const struct machine *m, struct action action)
{
    uint32_t at;

    if (action.kind == ACTION_CONNECT)
        return true;
    if (action.kind != ACTION_DELIVER && action.kind != ACTION_DUPLICATE &&
        action.kind != ACTION_MARK)
        return false;
    return find(&m->model, 1u - action.end, action.number, &at) &&
           (m->model.packets[at].bytes[IP_HEADER + 13] & DUET_SYN) != 0;
}

static bool send_one(struct machine *m, unsigned end)
{
    struct model *model = &m->model;
    struct model_packet *p = &model->packets[model->count];
    uint8_t room[1500];
    struct duet_packet packet = {.data = room, .size = sizeof room};

    if (!duet_output(m->stacks[end], model->now, &packet))
        return false;
    if (packet.length > MODEL_PACKET_BYTES) {
        machine_fail(m, "a packet of %u bytes, more than was ever written", packet.length);
        return false;
    }
    *p = (struct model_packet){
        .sent = model->now,
        .from = (uint8_t)end,
        .length = (uint8_t)packet.length,
        .number = ++model->sent[end],
    };
    memcpy(p->bytes, room, packet.length);
    packet_understand(m, p);
    if (p->is_reset && m->answers_reset)
        machine_fail(m, "I-36: a RST was answered by a RST");
    if (m->record != NULL)
        p->tag = duet_recorder_sent(m->record, end, machine_shown(m), &packet);
    machine_trace(m, end);
    model->count++;
    return true;
}

/* As the network has room: the stack is not asked for what the link could not take. */
bool machine_send_all(struct machine *m, unsigned end)
{
    uint32_t room = m->bounds->in_flight, sent = m->model.sent[end];
    bool has_more = true;

    while (has_more && machine_in_flight(&m->model, end) < room)
        has_more = send_one(m, end);
    m->model.users[end].blocked = has_more;
    return m->model.sent[end] != sent;
}

/* Bytes at an even distance change places: the sum of the whole remains what it was. */
static void swap_text(struct model_packet *p)
{
    uint8_t first = p->bytes[p->text];

    if (p->text == 0 || p->length < p->text + 3)
        return;
    p->bytes[p->text] = p->bytes[p->text + 2];
    p->bytes[p->text + 2] = first;
}

bool packet_can_be_marked(const struct model_packet *p)
{
    unsigned ecn = p->bytes[1] & 3u;

    return ecn == ECN_1 || ecn == ECN_0;
}

/* The header's checksum by RFC 1624, equation 3. */
static void mark(struct model_packet *p)
{
    uint32_t sum = get16(p->bytes + 10) ^ 0xffff;

    sum += get16(p->bytes) ^ 0xffff;
    p->bytes[1] |= ECN_CE;
    sum += get16(p->bytes);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ((sum & 0xffff) + (sum >> 16)) ^ 0xffff;
    p->bytes[10] = (uint8_t)(sum >> 8);
    p->bytes[11] = (uint8_t)sum;
}

bool machine_deliver(struct machine *m, unsigned end, unsigned number, enum action_kind how)
{
    bool keep = how == ACTION_DUPLICATE;
    struct model *model = &m->model;
    struct model_packet p;
    struct duet_packet packet = {.data = p.bytes};
    uint32_t at;

    if (!find(model, 1 - end, number, &at) || (keep && model->duplicates == 0))
        return false;
    p = model->packets[at];
    if (keep)
        model->duplicates--;
    else
        take_out(model, at);
    if (how == ACTION_MARK) {
        if (model->marks == 0 || !packet_can_be_marked(&p))
            return false;
        model->marks--;
        mark(&p);
    }
    if (m->sabotage == DUET_EXPLORE_SWAP && end == 1)
        swap_text(&p);
    packet.size = packet.length = p.length;
    packet.tag = p.tag;
    if (m->record != NULL) {
        if (keep)
            duet_recorder_fault(m->record, machine_shown(m), DUET_FAULT_DUPLICATE, p.tag);
        if (how == ACTION_MARK)
            duet_recorder_fault(m->record, machine_shown(m), DUET_FAULT_MARK, p.tag);
        duet_recorder_arrived(m->record, end, machine_shown(m), &packet);
    }
    cells_note(m, end, &p);
    m->answers_reset = p.is_reset;
    duet_input(m->stacks[end], model->now, &packet);
    machine_trace(m, end);
    return true;
}

bool machine_drop(struct machine *m, unsigned from, unsigned number)
{
    struct model *model = &m->model;
    uint32_t at;

    if (model->losses == 0 || !find(model, from, number, &at))
        return false;
    model->losses--;
    if (m->record != NULL)
        duet_recorder_fault(m->record, machine_shown(m), DUET_FAULT_DROP, model->packets[at].tag);
    take_out(model, at);
    return true;
}

/* No packet outlives its MSL: what TIME-WAIT rests on. */
void machine_expire_packets(struct machine *m)
{
    struct model *model = &m->model;

    for (uint32_t i = model->count; i-- > 0;) {
        if (model->now - model->packets[i].sent <= m->config[0].msl)
            continue;
        if (m->record != NULL)
            duet_recorder_fault(m->record, machine_shown(m), DUET_FAULT_DROP,
                                model->packets[i].tag);
        take_out(model, i);
    }
}
