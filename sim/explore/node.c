/* node.c -- one step of one member: the core's own, and what its machine does around it.
 *
 * As a replica does: records go to the disk in order; a message leaves when the records that it
 * names are durable; what a member says to itself comes back at once; and when the core wants a
 * tick now, it gets it. */
#include "sim/explore/node.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "paxos/core_internal.h"
#include "sim/escape.h"
#include "sim/explore/canon.h"
#include "sim/explore/node_internal.h"

enum {
    TURNS_MAX = 100 /* A core that wants more ticks at one moment spins. */
};

/* -- Parts ---------------------------------------------------------------------------------- */

void world_parts_init(struct world_parts *parts, const struct scope *scope)
{
    parts->scope = scope;
    pool_init(&parts->nodes);
    pool_init(&parts->cores);
    pool_init(&parts->lists);
    pool_init(&parts->records);
    pool_init(&parts->messages);
}

void world_parts_deinit(struct world_parts *parts)
{
    pool_deinit(&parts->nodes);
    pool_deinit(&parts->cores);
    pool_deinit(&parts->lists);
    pool_deinit(&parts->records);
    pool_deinit(&parts->messages);
}

uint64_t world_parts_bytes(const struct world_parts *parts)
{
    return atomic_load(&parts->nodes.bytes) + atomic_load(&parts->cores.bytes) +
           atomic_load(&parts->lists.bytes) + atomic_load(&parts->records.bytes) +
           atomic_load(&parts->messages.bytes);
}

void node_list_append(struct node_list *list, uint32_t number)
{
    assert(list->count < NODE_LIST_MAX);
    assert(number <= UINT16_MAX); /* Or the scope is too large for numbers of 16 bits. */
    list->items[list->count++] = (uint16_t)number;
}

static void remove_items(struct node_list *list, uint32_t at, uint32_t count)
{
    assert(at + count <= list->count);
    memmove(&list->items[at], &list->items[at + count],
            (list->count - at - count) * sizeof list->items[0]);
    list->count -= count;
}

static void load_list(const struct world_parts *parts, uint32_t number, struct node_list *list)
{
    const struct bytes bytes = pool_at(&parts->lists, number);
    list->count = (uint32_t)(bytes.size / sizeof list->items[0]);
    memcpy(list->items, bytes.data, bytes.size);
}

static uint32_t enter_list(struct world_parts *parts, const struct node_list *list)
{
    return pool_enter(&parts->lists, list->items, list->count * sizeof list->items[0]);
}

uint32_t node_record_number(struct world_parts *parts, const struct synod_record *record)
{
    struct synod_record canonical;
    memset(&canonical, 0, sizeof canonical);
    canonical.type = record->type;
    canonical.view = record->view;
    canonical.ballot = record->ballot;
    canonical.entry = record->entry;
    canonical.chosen = record->chosen;
    return pool_enter(&parts->records, &canonical, sizeof canonical);
}

/* -- Benches -------------------------------------------------------------------------------- */

struct node_bench *node_bench_new(struct world_parts *parts)
{
    struct node_bench *bench = calloc(1, sizeof *bench);
    const struct synod_options options = scope_options(parts->scope, 0);
    assert(bench != NULL);
    bench->parts = parts;
    bench->core_size = synod_core_size(&options);
    bench->core = calloc(1, bench->core_size);
    void *effects = calloc(1, synod_effects_size(&options));
    assert(bench->core != NULL && effects != NULL);
    bench->effects = synod_effects_init(effects, &options);
    return bench;
}

void node_bench_free(struct node_bench *bench)
{
    free(bench->core);
    free(bench->effects);
    free(bench);
}

void node_break(struct node_bench *bench, enum claim claim, const char *format, ...)
{
    struct violation *breach = &bench->breach;
    if ((bench->outcome->flags & NODE_BROKEN) == 0) {
        va_list arguments;
        bench->outcome->flags |= NODE_BROKEN;
        breach->claim = claim_name(claim);
        const int used =
            snprintf(breach->detail, sizeof breach->detail, "member %c ", 'a' + (int)bench->member);
        va_start(arguments, format);
        (void)vsnprintf(breach->detail + used, sizeof breach->detail - (size_t)used, format,
                        arguments);
        va_end(arguments);
    }
}

const struct violation *node_breach(const struct node_bench *bench)
{
    return &bench->breach;
}

static void take_apart(struct node_bench *bench, uint32_t number)
{
    const struct world_parts *parts = bench->parts;
    bench->node = *node_at(parts, number);
    memcpy(bench->core, pool_at(&parts->cores, bench->node.core).data, bench->core_size);
    load_list(parts, bench->node.disk, &bench->disk);
    load_list(parts, bench->node.pending, &bench->pending);
    load_list(parts, bench->node.held, &bench->held);
    load_list(parts, bench->node.proposals, &bench->proposals);
    load_list(parts, bench->node.forgotten, &bench->forgotten);
    bench->own.count = 0;
    bench->sent.count = 0;
}

static uint32_t put_together(struct node_bench *bench)
{
    struct world_parts *parts = bench->parts;
    canon_core(bench->core, scope_has_questions(parts->scope));
    bench->node.core = pool_enter(&parts->cores, bench->core, bench->core_size);
    bench->node.disk = enter_list(parts, &bench->disk);
    bench->node.pending = enter_list(parts, &bench->pending);
    bench->node.held = enter_list(parts, &bench->held);
    bench->node.proposals = enter_list(parts, &bench->proposals);
    bench->node.forgotten = enter_list(parts, &bench->forgotten);
    return pool_enter(&parts->nodes, &bench->node, sizeof bench->node);
}

uint32_t node_first(struct world_parts *parts, uint32_t member)
{
    const struct synod_options options = scope_options(parts->scope, member);
    struct node_bench *bench = node_bench_new(parts);
    (void)synod_core_init(bench->core, &options);
    const struct node node = {
        .core = pool_enter(&parts->cores, bench->core, bench->core_size),
        .disk = pool_enter(&parts->lists, NULL, 0),
        .pending = pool_enter(&parts->lists, NULL, 0),
        .held = pool_enter(&parts->lists, NULL, 0),
        .proposals = pool_enter(&parts->lists, NULL, 0),
        .forgotten = pool_enter(&parts->lists, NULL, 0),
    };
    node_bench_free(bench);
    return pool_enter(&parts->nodes, &node, sizeof node);
}

/* -- Messages ------------------------------------------------------------------------------- */

struct packet_room {
    struct packet packet;
    struct synod_vote content[NODE_ENTRIES_MAX]; /* Votes are the larger. */
};

/* Copy field by field into cleared memory, so that equal messages are equal bytes. */
static void *copy_content(struct packet_room *room, const struct synod_message *message)
{
    struct synod_entry *entries = (void *)room->content;
    assert(message->entry_count <= NODE_ENTRIES_MAX && message->vote_count <= NODE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        *entries++ = message->entries[i];
    }
    if (message->entry_count > 0) {
        return entries;
    }
    for (uint32_t i = 0; i < message->vote_count; i++) {
        room->content[i].ballot = message->votes[i].ballot;
        room->content[i].entry = message->votes[i].entry;
        room->content[i].is_chosen = message->votes[i].is_chosen;
    }
    return room->content + message->vote_count;
}

static uint32_t message_number(struct node_bench *bench, const struct synod_message *message,
                               int is_snapshot)
{
    struct packet_room room;
    memset(&room, 0, sizeof room);
    struct synod_message *to = &room.packet.message;
    to->type = message->type;
    to->from = message->from;
    to->to = message->to;
    to->view = message->view;
    to->ballot = message->ballot;
    to->promised = message->promised;
    to->slot = message->slot;
    to->until = message->until;
    to->chosen = message->chosen;
    to->id = message->id;
    to->status.leader = message->status.leader;
    to->status.last = message->status.last;
    to->status.flags = message->status.flags;
    to->vote_count = message->vote_count;
    to->entry_count = message->entry_count;
    room.packet.is_snapshot = (uint32_t)is_snapshot;
    if (is_snapshot) {
        memcpy(room.packet.values, bench->node.values, sizeof room.packet.values);
    }
    const char *end = copy_content(&room, message);
    return pool_enter(&bench->parts->messages, &room, (size_t)(end - (char *)&room));
}

/* A message leaves the machine, or comes back to it. */
static void release(struct node_bench *bench, uint32_t number)
{
    const struct packet *packet = node_packet(bench->parts, number);
    if (packet->message.to == packet->message.from) {
        node_list_append(&bench->own, number);
        return;
    }
    node_check_sent(bench, packet);
    uint32_t at = 0;
    while (at < bench->sent.count && bench->sent.items[at] < number) {
        at++;
    }
    if (at == bench->sent.count || bench->sent.items[at] != number) {
        node_list_append(&bench->sent, number);
        memmove(&bench->sent.items[at + 1], &bench->sent.items[at],
                (bench->sent.count - 1 - at) * sizeof bench->sent.items[0]);
        bench->sent.items[at] = (uint16_t)number;
    }
}

/* The network of the scope may lose all messages of a kind. */
static int is_carried(const struct node_bench *bench, const struct synod_message *message)
{
    const struct scope *scope = bench->parts->scope;
    const int is_question = message->type == SYNOD_MESSAGE_ASK;
    if (message->to == message->from) {
        return 1;
    }
    if ((scope->messages & SCOPE_DEAF) != 0 && message->type == SYNOD_MESSAGE_ACCEPT &&
        message->to == scope->members) {
        return 0;
    }
    const int asks = (scope->messages & SCOPE_ASKER) != 0 ? message->from == scope->members
                                                          : !synod_ballot_is_none(message->ballot);
    return (scope->messages & 1u << message->type) != 0 && (asks || !is_question);
}

/* -- Steps of the core ---------------------------------------------------------------------- */

static void note_records(struct node_bench *bench)
{
    for (uint32_t i = 0; i < bench->effects->record_count; i++) {
        const struct synod_record *record = &bench->effects->records[i];
        node_check_record(bench, record);
        node_list_append(&bench->pending, node_record_number(bench->parts, record));
    }
}

static void note_messages(struct node_bench *bench)
{
    for (uint32_t i = 0; i < bench->effects->message_count; i++) {
        const struct synod_message *message = &bench->effects->messages[i];
        if (message->type == SYNOD_MESSAGE_ACCEPT) {
            for (uint32_t k = 0; k < message->entry_count; k++) {
                node_check_proposal(bench, message->ballot, &message->entries[k]);
            }
        }
        if (!is_carried(bench, message)) {
            continue;
        }
        const uint32_t number = message_number(bench, message, 0);
        if (message->after_lsn > bench->core->durable) {
            node_list_append(&bench->held, number);
            node_list_append(&bench->held, (uint32_t)(message->after_lsn - bench->core->durable));
        } else {
            release(bench, number);
        }
    }
}

static void note_chosen(struct node_bench *bench)
{
    for (uint32_t i = 0; i < bench->effects->chosen_count; i++) {
        const struct synod_entry *entry = &bench->effects->chosen[i];
        assert(entry->slot == bench->node.applied + 1);
        assert(entry->slot <= sizeof bench->node.values);
        bench->node.values[bench->node.applied++] = (uint8_t)entry->checksum;
        bench->outcome->flags |= NODE_CONCERNS_ALL;
    }
}

/* Old entries come from what was applied; where the records are gone, the whole state does. */
static void serve(struct node_bench *bench, const struct synod_serve *wish)
{
    const struct node *node = &bench->node;
    struct synod_entry entries[SCOPE_SLOTS_MAX * 2];
    struct synod_message learn = {
        .type = SYNOD_MESSAGE_LEARN,
        .from = bench->options.self,
        .to = wish->to,
        .view = bench->options.view,
        .chosen = node->applied,
        .entries = entries,
    };
    for (synod_slot slot = wish->slot; wish->slot > node->snapshot && slot <= node->applied &&
                                       learn.entry_count < bench->options.entries_max;
         slot++) {
        const uint8_t value = node->values[slot - 1];
        entries[learn.entry_count++] =
            (struct synod_entry){.slot = slot,
                                 .view = bench->options.view,
                                 .kind = value == 0 ? SYNOD_ENTRY_NOOP : SYNOD_ENTRY_VALUE,
                                 .size = value == 0 ? 0 : 8,
                                 .checksum = value,
                                 .handle = value};
    }
    release(bench, message_number(bench, &learn, wish->slot <= node->snapshot));
}

static int feed_once(struct node_bench *bench, struct synod_event event)
{
    event.now_ms = bench->now_ms;
    const int error = synod_core_step(bench->core, &event, bench->effects);
    synod_core_check(bench->core);
    note_records(bench);
    note_messages(bench);
    note_chosen(bench);
    for (uint32_t i = 0; i < bench->effects->read_count; i++) {
        node_check_read(bench, &bench->effects->reads[i]);
    }
    for (uint32_t i = 0; i < bench->effects->serve_count; i++) {
        serve(bench, &bench->effects->serves[i]);
    }
    return error;
}

static void feed_message(struct node_bench *bench, uint32_t number)
{
    const struct packet *packet = node_packet(bench->parts, number);
    struct synod_message message = packet->message;
    message.votes = (const void *)(packet + 1);
    message.entries = (const void *)(packet + 1);
    assert(synod_message_is_valid(&message, &bench->options));
    const int error =
        feed_once(bench, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &message});
    if (error != 0) {
        node_break(bench, CLAIM_P2, "heard from member %c of another value than it knows",
                   'a' + (int)message.from - 1);
    }
}

/* All that follows from an event within the machine. */
static void settle(struct node_bench *bench)
{
    for (uint32_t turn = 0; turn < TURNS_MAX; turn++) {
        if (bench->own.count > 0) {
            const uint32_t number = bench->own.items[0];
            remove_items(&bench->own, 0, 1);
            feed_message(bench, number);
        } else if (bench->effects->wake_at_ms <= bench->now_ms) {
            (void)feed_once(bench, (struct synod_event){.type = SYNOD_EVENT_TICK});
        } else {
            return;
        }
    }
    node_break(bench, CLAIM_REST, "wants a tick again and again");
}

static int feed(struct node_bench *bench, struct synod_event event)
{
    const int error = feed_once(bench, event);
    settle(bench);
    return error;
}

/* -- Events --------------------------------------------------------------------------------- */

static void begin_life(struct node_bench *bench)
{
    struct node *node = &bench->node;
    (void)synod_core_init(bench->core, &bench->options);
    bench->pending.count = 0;
    bench->held.count = 0;
    node->applied = node->snapshot;
    node->reads = 0;
    node->read_floors = 0;
    node->lives++;
    if (node->snapshot > 0) {
        (void)feed_once(bench,
                        (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = node->snapshot});
    }
    for (uint32_t i = 0; i < bench->disk.count; i++) {
        const struct synod_record *record = node_record(bench->parts, bench->disk.items[i]);
        const int error =
            feed_once(bench, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = record});
        if (error != 0) {
            node_break(bench, CLAIM_RESTORE, "record %u is refused", i + 1);
            return;
        }
    }
    node_check_life(bench);
    (void)feed(bench, (struct synod_event){.type = SYNOD_EVENT_START,
                                           .id = (uint64_t)node->lives << 32 | 1});
}

/* One record is durable: what waited for it may leave, and the core hears of it. */
static void flush(struct node_bench *bench)
{
    struct node_list *held = &bench->held;
    uint32_t kept = 0;
    const struct synod_record *record = node_record(bench->parts, bench->pending.items[0]);
    node_list_append(&bench->disk, bench->pending.items[0]);
    remove_items(&bench->pending, 0, 1);
    if (record->type == SYNOD_RECORD_VOTE) {
        bench->outcome->flags |= NODE_CONCERNS_ALL;
    }
    const struct node_list waited = *held;
    held->count = 0;
    for (uint32_t i = 0; i < waited.count; i += 2) {
        if (waited.items[i + 1] == 1) {
            release(bench, waited.items[i]);
        } else {
            held->items[kept++] = waited.items[i];
            held->items[kept++] = (uint16_t)(waited.items[i + 1] - 1);
        }
    }
    held->count = kept;
    (void)feed(bench,
               (struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = bench->core->durable + 1});
}

/* The state so far replaces the records that it covers; a promise is kept. */
static void take_snapshot(struct node_bench *bench)
{
    const struct node_list disk = bench->disk;
    struct synod_ballot promised = {0};
    for (uint32_t i = 0; i < disk.count; i++) {
        const struct synod_record *record = node_record(bench->parts, disk.items[i]);
        if (record->type == SYNOD_RECORD_PROMISE) {
            promised = record->ballot;
        }
    }
    bench->node.snapshot = bench->node.applied;
    bench->disk.count = 0;
    for (uint32_t i = 0; i < disk.count; i++) {
        const struct synod_record *record = node_record(bench->parts, disk.items[i]);
        const int is_promise = record->type == SYNOD_RECORD_PROMISE;
        const int is_old = is_promise ? synod_ballot_compare(record->ballot, promised) < 0
                                      : record->entry.slot <= bench->node.snapshot &&
                                            record->chosen <= bench->node.snapshot;
        if (!is_old) {
            node_list_append(&bench->disk, disk.items[i]);
        } else if (record->type == SYNOD_RECORD_VOTE) {
            node_list_append(&bench->forgotten, disk.items[i]);
        }
    }
}

/* The state of another replaces ours, if it knows more. */
static void install(struct node_bench *bench, const struct packet *packet)
{
    if (packet->message.chosen > bench->node.applied) {
        bench->node.applied = (uint32_t)packet->message.chosen;
        memcpy(bench->node.values, packet->values, sizeof bench->node.values);
        take_snapshot(bench);
        (void)feed(bench, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT,
                                               .slot = packet->message.chosen});
        bench->outcome->flags |= NODE_CONCERNS_ALL;
    }
}

/* False if it cannot happen, or leads out of the scope. */
static int propose(struct node_bench *bench, uint32_t value)
{
    const struct synod_entry entry = {
        .kind = SYNOD_ENTRY_VALUE, .size = 8, .checksum = value, .handle = value};
    const int error =
        feed(bench, (struct synod_event){.type = SYNOD_EVENT_PROPOSE, .entry = &entry});
    return error == 0 && bench->proposals.count > 0 &&
           node_record(bench->parts, bench->proposals.items[bench->proposals.count - 1])
                   ->entry.slot <= bench->parts->scope->slots;
}

static int begin_read(struct node_bench *bench, uint32_t floor)
{
    if (bench->node.reads == 4) {
        return 0;
    }
    bench->node.read_floors |= floor << (8 * bench->node.reads);
    bench->node.reads++;
    return feed(bench, (struct synod_event){.type = SYNOD_EVENT_READ, .id = bench->node.reads}) ==
           0;
}

static int happen(struct node_bench *bench, struct node_event event)
{
    switch (event.type) {
    case NODE_BEGIN:
    case NODE_CRASH:
        begin_life(bench);
        return 1;
    case NODE_STAND:
        (void)feed(bench, (struct synod_event){.type = SYNOD_EVENT_STAND});
        return 1;
    case NODE_PROPOSE:
        return propose(bench, event.argument);
    case NODE_FLUSH:
        if (bench->pending.count == 0) {
            return 0;
        }
        flush(bench);
        return 1;
    case NODE_TIMEOUT:
        bench->now_ms += scope_timeout_ms(bench->parts->scope);
        (void)feed(bench, (struct synod_event){.type = SYNOD_EVENT_TICK});
        return 1;
    case NODE_READ:
        return begin_read(bench, event.argument);
    case NODE_SNAPSHOT:
        if (bench->node.applied == bench->node.snapshot || bench->pending.count > 0) {
            return 0;
        }
        take_snapshot(bench);
        return 1;
    case NODE_MESSAGE: {
        const struct packet *packet = node_packet(bench->parts, event.argument);
        if (packet->is_snapshot) {
            install(bench, packet);
        } else {
            feed_message(bench, event.argument);
            node_check_heard(bench, &packet->message);
            settle(bench);
        }
        return 1;
    }
    }
    assert_unreachable("an event has a type");
}

void node_step(struct node_bench *bench, uint32_t member, uint32_t node, struct node_event event,
               struct node_outcome *outcome)
{
    struct escape escape;
    *outcome = (struct node_outcome){0};
    bench->outcome = outcome;
    bench->member = member;
    bench->now_ms = CANON_NOW_MS;
    bench->options = scope_options(bench->parts->scope, member);
    escape_prepare(&escape);
    if (setjmp(escape.to) == 0) {
        take_apart(bench, node);
        const int has_happened = happen(bench, event);
        if (!has_happened && (outcome->flags & NODE_BROKEN) == 0) {
            outcome->flags = NODE_IMPOSSIBLE;
        } else if ((outcome->flags & NODE_BROKEN) == 0) {
            while (!bench->parts->scope->is_disk_slow && bench->pending.count > 0) {
                flush(bench);
            }
            struct synod_status status;
            synod_core_status(bench->core, &status);
            node_check_state(bench);
            if (status.round > scope_round_max(bench->parts->scope) &&
                (outcome->flags & NODE_BROKEN) == 0) {
                outcome->flags = NODE_IMPOSSIBLE;
            }
            outcome->node = put_together(bench);
            outcome->sent = enter_list(bench->parts, &bench->sent);
        }
    }
    escape_end();
    if (escape.text[0] != 0) {
        node_break(bench, CLAIM_ASSERTED, "breaks an %.200s", escape.text);
    }
}
