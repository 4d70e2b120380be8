/* outbox.c -- where a step collects its effects.
 *
 * How much one step can write follows from the handlers:
 *   messages   each of ask, prepare, accept, resend and notice goes to every member at most
 *              once in a step, a handler answers with two at most, and one confirmation may
 *              release every read that waits;
 *   records    a message brings at most entries_max entries, each a record, and a leader that
 *              proposes what it found writes as many for itself, with a promise and a chosen
 *              index beside them;
 *   entries    one array for what is proposed, one for what is answered, one per member for
 *              what is sent again;
 *   chosen     a gap that closes releases at most the whole window. */
#include "paxos/outbox.h"

#include "base/assert.h"
#include "base/memory.h"

struct layout {
    size_t records, messages, chosen, reads, serves, entries, votes;
    size_t total;
    uint32_t record_count, message_count, entry_count, vote_count;
};

/* Every array starts at a multiple of 16: as aligned as malloc() makes things. */
static size_t place(size_t *total, size_t size)
{
    const size_t at = *total;
    assert(size > 0 && size <= SIZE_MAX - 15u - at);
    assert(at % 16u == 0);
    *total += (size + 15u) & ~(size_t)15u;
    return at;
}

static struct layout plan(const struct synod_options *options)
{
    const uint32_t members = options->members.count;
    struct layout layout = {
        .record_count = 2 * options->entries_max + 4,
        .message_count = 6 * members + options->reads_max + 4,
        .entry_count = (members + 3) * options->entries_max,
        .vote_count = 2 * options->entries_max,
    };
    /* None of the sums wrapped around. */
    assert(layout.record_count > options->entries_max);
    assert(layout.message_count > options->reads_max);
    assert(layout.entry_count / (members + 3) == options->entries_max);
    (void)place(&layout.total, sizeof(struct outbox));
    layout.records = place(&layout.total, layout.record_count * sizeof(struct synod_record));
    layout.messages = place(&layout.total, layout.message_count * sizeof(struct synod_message));
    layout.chosen = place(&layout.total, options->window * sizeof(struct synod_entry));
    layout.reads = place(&layout.total, (options->reads_max + 1) * sizeof(struct synod_read));
    layout.serves = place(&layout.total, sizeof(struct synod_serve));
    layout.entries = place(&layout.total, layout.entry_count * sizeof(struct synod_entry));
    layout.votes = place(&layout.total, layout.vote_count * sizeof(struct synod_vote));
    return layout;
}

size_t synod_effects_size(const struct synod_options *options)
{
    return plan(options).total;
}

struct synod_effects *synod_effects_init(void *memory, const struct synod_options *options)
{
    assert(synod_options_are_valid(options));
    const struct layout layout = plan(options);
    char *base = memory;
    struct outbox *out = memory;
    assert((uintptr_t)memory % _Alignof(struct outbox) == 0);
    assert(&out->effects == memory);

    memset(memory, 0, layout.total);
    out->records = (void *)(base + layout.records);
    out->messages = (void *)(base + layout.messages);
    out->chosen = (void *)(base + layout.chosen);
    out->reads = (void *)(base + layout.reads);
    out->serves = (void *)(base + layout.serves);
    out->entries = (void *)(base + layout.entries);
    out->votes = (void *)(base + layout.votes);
    out->record_capacity = layout.record_count;
    out->message_capacity = layout.message_count;
    out->chosen_capacity = options->window;
    out->read_capacity = options->reads_max + 1;
    out->serve_capacity = 1;
    out->entry_capacity = layout.entry_count;
    out->vote_capacity = layout.vote_count;
    out->effects.records = out->records;
    out->effects.messages = out->messages;
    out->effects.chosen = out->chosen;
    out->effects.reads = out->reads;
    out->effects.serves = out->serves;
    return &out->effects;
}

void outbox_reset(struct outbox *out, synod_lsn lsn)
{
    struct synod_effects *effects = &out->effects;
    /* The caller's pointers are those that the handlers write through. */
    assert(effects->records == out->records && effects->messages == out->messages);
    assert(effects->chosen == out->chosen);
    assert(effects->reads == out->reads && effects->serves == out->serves);
    effects->record_count = 0;
    effects->message_count = 0;
    effects->chosen_count = 0;
    effects->read_count = 0;
    effects->serve_count = 0;
    effects->leader_changed = 0;
    effects->proposed = 0;
    effects->wake_at_ms = 0;
    out->entry_count = 0;
    out->vote_count = 0;
    out->lsn = lsn;
}

synod_lsn outbox_record(struct outbox *out, const struct synod_record *record)
{
    const int is_vote = record->type == SYNOD_RECORD_VOTE;
    const int has_ballot = is_vote || record->type == SYNOD_RECORD_PROMISE;
    const int has_entry = is_vote || record->type == SYNOD_RECORD_LEARNED;
    assert(record->type >= SYNOD_RECORD_PROMISE && record->type <= SYNOD_RECORD_CHOSEN);
    assert(has_ballot == !synod_ballot_is_none(record->ballot));
    assert(has_entry == (record->entry.slot > 0));
    assert((record->type == SYNOD_RECORD_CHOSEN) == (record->chosen > 0));
    assert(out->effects.record_count < out->record_capacity);
    struct synod_record *slot = &out->records[out->effects.record_count++];
    *slot = *record;
    slot->lsn = ++out->lsn;
    return slot->lsn;
}

struct synod_message *outbox_message(struct outbox *out, enum synod_message_type type,
                                     synod_member_id to)
{
    assert(out->effects.message_count < out->message_capacity);
    assert(type >= SYNOD_MESSAGE_PREPARE && type < SYNOD_MESSAGE_TYPE_END);
    assert(to != 0);
    struct synod_message *message = &out->messages[out->effects.message_count++];
    memset(message, 0, sizeof *message);
    message->type = type;
    message->to = to;
    return message;
}

/* Of the values that go with it: ACCEPTED names entries, and carries none. */
static uint64_t value_bytes(const struct synod_message *message)
{
    uint64_t bytes = 0;
    assert(message->entry_count == 0 || message->entries != NULL);
    assert(message->vote_count == 0 || message->votes != NULL);
    if (message->type == SYNOD_MESSAGE_ACCEPTED) {
        return 0;
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        bytes += message->entries[i].size;
    }
    for (uint32_t i = 0; i < message->vote_count; i++) {
        bytes += message->votes[i].entry.size;
    }
    return bytes;
}

void outbox_check_message(const struct outbox *out, const struct synod_message *message,
                          uint64_t bytes_max)
{
    const struct synod_entry *entries = message->entries;
    const struct synod_vote *votes = message->votes;
    assert(message->after_lsn <= out->lsn);
    if (message->entry_count > 0) {
        assert(entries >= out->entries && entries < out->entries + out->entry_count);
        assert(message->entry_count <= out->entry_count - (uint32_t)(entries - out->entries));
        assert(entries->slot > 0);
    }
    if (message->vote_count > 0) {
        assert(message->type == SYNOD_MESSAGE_PROMISE);
        assert(votes >= out->votes && votes < out->votes + out->vote_count);
        assert(message->vote_count <= out->vote_count - (uint32_t)(votes - out->votes));
    }
    assert(message->entry_count + message->vote_count <= 1 || value_bytes(message) <= bytes_max);
}

struct synod_entry *outbox_entries(struct outbox *out, uint32_t count)
{
    assert(out->entry_count <= out->entry_capacity);
    assert(count > 0 && count <= out->entry_capacity - out->entry_count);
    struct synod_entry *entries = &out->entries[out->entry_count];
    out->entry_count += count;
    memset(entries, 0, count * sizeof *entries);
    return entries;
}

struct synod_vote *outbox_votes(struct outbox *out, uint32_t count)
{
    assert(out->vote_count <= out->vote_capacity);
    assert(count > 0 && count <= out->vote_capacity - out->vote_count);
    struct synod_vote *votes = &out->votes[out->vote_count];
    out->vote_count += count;
    memset(votes, 0, count * sizeof *votes);
    return votes;
}

void outbox_return_entries(struct outbox *out, uint32_t count)
{
    assert(count <= out->entry_count);
    out->entry_count -= count;
}

void outbox_return_votes(struct outbox *out, uint32_t count)
{
    assert(count <= out->vote_count);
    out->vote_count -= count;
}

void outbox_chosen(struct outbox *out, const struct synod_entry *entry)
{
    const uint32_t count = out->effects.chosen_count;
    assert(count < out->chosen_capacity);
    assert(entry->slot > 0);
    assert(count == 0 || out->chosen[count - 1].slot + 1 == entry->slot);
    out->chosen[out->effects.chosen_count++] = *entry;
}

void outbox_read(struct outbox *out, uint64_t id, synod_slot index)
{
    assert(out->effects.read_count < out->read_capacity);
    out->reads[out->effects.read_count++] = (struct synod_read){.id = id, .index = index};
}

void outbox_serve(struct outbox *out, synod_member_id to, synod_slot slot)
{
    assert(to != 0 && slot > 0);
    assert(out->effects.serve_count < out->serve_capacity);
    out->serves[out->effects.serve_count++] = (struct synod_serve){.to = to, .slot = slot};
}
