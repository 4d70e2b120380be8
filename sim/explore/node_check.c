/* node_check.c -- what one member can be held to, whatever the others do. */
#include <inttypes.h>

#include "base/assert.h"
#include "sim/explore/node_internal.h"

/* The highest ballot that the disk stands for: nothing below it will be accepted, in this life or
 * the next. */
static struct synod_ballot durable_promise(const struct node_bench *bench)
{
    struct synod_ballot highest = {0};
    for (uint32_t i = 0; i < bench->disk.count; i++) {
        const struct synod_record *record = node_record(bench->parts, bench->disk.items[i]);
        if (synod_ballot_compare(record->ballot, highest) > 0) {
            highest = record->ballot;
        }
    }
    return highest;
}

static int is_voted(const struct node_bench *bench, const struct node_list *list,
                    struct synod_ballot ballot, const struct synod_entry *entry)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct synod_record *record = node_record(bench->parts, list->items[i]);
        if (record->type == SYNOD_RECORD_VOTE && record->entry.slot == entry->slot &&
            synod_ballot_compare(record->ballot, ballot) == 0 &&
            synod_entry_equal(&record->entry, entry)) {
            return 1;
        }
    }
    return 0;
}

void node_check_record(struct node_bench *bench, const struct synod_record *record)
{
    const int has_ballot =
        record->type == SYNOD_RECORD_PROMISE || record->type == SYNOD_RECORD_VOTE;
    if (has_ballot && synod_ballot_compare(record->ballot, bench->node.told) < 0) {
        node_break(bench, CLAIM_P1A,
                   "records ballot %" PRIu64 ".%" PRIu64 ", and has promised %" PRIu64 ".%" PRIu64,
                   record->ballot.round, record->ballot.member, bench->node.told.round,
                   bench->node.told.member);
    }
}

/* A ballot belongs to one proposer in one life. */
static void check_owner(struct node_bench *bench, struct synod_ballot ballot, const char *does)
{
    if (ballot.member != bench->options.self || ballot.incarnation >> 32 != bench->node.lives) {
        node_break(bench, CLAIM_LEADER,
                   "%s under ballot %" PRIu64 ".%" PRIu64 ", which is another's, or another life's",
                   does, ballot.round, ballot.member);
    }
}

/* A promise, and a vote, are on the disk before anybody hears of them; a ballot is, before it is
 * used, so that no later life can use it again. */
void node_check_sent(struct node_bench *bench, const struct packet *packet)
{
    const struct synod_message *message = &packet->message;
    const struct synod_entry *entries = (const void *)(packet + 1);
    const struct synod_vote *votes = (const void *)(packet + 1);
    if (message->type != SYNOD_MESSAGE_PREPARE && message->type != SYNOD_MESSAGE_PROMISE &&
        message->type != SYNOD_MESSAGE_ACCEPTED) {
        return;
    }
    if (synod_ballot_compare(durable_promise(bench), message->ballot) < 0) {
        node_break(bench, CLAIM_DURABLE,
                   "speaks of ballot %" PRIu64 ".%" PRIu64 ", which its disk does not hold",
                   message->ballot.round, message->ballot.member);
    }
    for (uint32_t i = 0; i < message->vote_count; i++) {
        if (!votes[i].is_chosen &&
            !is_voted(bench, &bench->disk, votes[i].ballot, &votes[i].entry)) {
            node_break(bench, CLAIM_DURABLE,
                       "shows a vote in slot %" PRIu64 " that its disk does not hold",
                       votes[i].entry.slot);
        }
    }
    for (uint32_t i = 0; message->type == SYNOD_MESSAGE_ACCEPTED && i < message->entry_count; i++) {
        if (!is_voted(bench, &bench->disk, message->ballot, &entries[i]) &&
            !is_voted(bench, &bench->forgotten, message->ballot, &entries[i])) {
            node_break(bench, CLAIM_DURABLE,
                       "says that it accepted slot %" PRIu64 ", and its disk does not hold that",
                       entries[i].slot);
        }
    }
    if (message->type == SYNOD_MESSAGE_PREPARE) {
        check_owner(bench, message->ballot, "stands");
    }
    if (synod_ballot_compare(message->ballot, bench->node.told) > 0) {
        bench->node.told = message->ballot;
    }
}

void node_check_proposal(struct node_bench *bench, struct synod_ballot ballot,
                         const struct synod_entry *entry)
{
    check_owner(bench, ballot, "proposes");
    for (uint32_t i = 0; i < bench->proposals.count; i++) {
        const struct synod_record *known = node_record(bench->parts, bench->proposals.items[i]);
        if (known->entry.slot != entry->slot || synod_ballot_compare(known->ballot, ballot) != 0) {
            continue;
        }
        if (!synod_entry_equal(&known->entry, entry)) {
            node_break(bench, CLAIM_VALUE,
                       "proposes another value in slot %" PRIu64 " under ballot %" PRIu64
                       ".%" PRIu64,
                       entry->slot, ballot.round, ballot.member);
        }
        return;
    }
    const struct synod_record proposal = {
        .type = SYNOD_RECORD_VOTE, .ballot = ballot, .entry = *entry};
    node_list_append(&bench->proposals, node_record_number(bench->parts, &proposal));
    bench->outcome->flags |= NODE_CONCERNS_ALL;
}

/* What is refused for a higher ballot will not be chosen any more, so to go on is to keep clients
 * waiting. */
void node_check_heard(struct node_bench *bench, const struct synod_message *message)
{
    struct synod_status status;
    synod_core_status(bench->core, &status);
    if (message->type == SYNOD_MESSAGE_REFUSED && status.role == SYNOD_ROLE_LEADER &&
        synod_ballot_compare(status.leader, message->ballot) == 0 &&
        synod_ballot_compare(message->promised, message->ballot) > 0) {
        node_break(bench, CLAIM_REFUSED,
                   "leads under ballot %" PRIu64 ".%" PRIu64 ", and knows of %" PRIu64 ".%" PRIu64,
                   message->ballot.round, message->ballot.member, message->promised.round,
                   message->promised.member);
    }
}

void node_check_life(struct node_bench *bench)
{
    struct synod_status status;
    synod_core_status(bench->core, &status);
    if (synod_ballot_compare(status.promised, bench->node.told) < 0) {
        node_break(bench, CLAIM_PROMISED,
                   "has promised %" PRIu64 ".%" PRIu64 " and knows of %" PRIu64 ".%" PRIu64 " now",
                   bench->node.told.round, bench->node.told.member, status.promised.round,
                   status.promised.member);
    }
}

static void check_votes(struct node_bench *bench, const struct node_list *list,
                        struct synod_ballot promised)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct synod_record *record = node_record(bench->parts, list->items[i]);
        if (record->type == SYNOD_RECORD_VOTE &&
            synod_ballot_compare(record->ballot, promised) > 0) {
            node_break(
                bench, CLAIM_VOTE,
                "voted under ballot %" PRIu64 ".%" PRIu64 ", and has promised %" PRIu64 ".%" PRIu64,
                record->ballot.round, record->ballot.member, promised.round, promised.member);
        }
    }
}

void node_check_state(struct node_bench *bench)
{
    struct synod_status status;
    synod_core_status(bench->core, &status);
    node_check_life(bench);
    check_votes(bench, &bench->disk, status.promised);
    check_votes(bench, &bench->pending, status.promised);
    if (bench->node.applied > status.chosen) {
        node_break(bench, CLAIM_APPLIED,
                   "has applied slot %" PRIu32 ", and knows to be chosen up to %" PRIu64,
                   bench->node.applied, status.chosen);
    }
}

void node_check_read(struct node_bench *bench, const struct synod_read *read)
{
    if (read->id < 1 || read->id > bench->node.reads) {
        return; /* One of an earlier life: whoever asks now has none of that name. */
    }
    const uint32_t floor = bench->node.read_floors >> (8 * (read->id - 1)) & 0xff;
    if (read->index < floor) {
        node_break(bench, CLAIM_READ,
                   "reads from slot %" PRIu64 " on; slot %" PRIu32
                   " was applied when the read began",
                   read->index, floor);
    }
}
