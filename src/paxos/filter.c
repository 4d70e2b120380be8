/* filter.c -- what the core lets in: messages of members, entries of records.
 *
 * Here, what somebody else sent is judged, never asserted: a broken peer must not be able to
 * bring this replica down. Behind the filter, the same rules are asserted. */
#include "paxos/filter.h"

#include "base/assert.h"
#include "paxos/quorum.h"
#include "synod/core.h"

int filter_entry_is_valid(const struct synod_entry *entry)
{
    if (entry->slot == 0 || entry->slot > SYNOD_SLOT_MAX || entry->view == 0) {
        return 0;
    }
    if (entry->kind == SYNOD_ENTRY_NOOP) {
        return entry->size == 0 && entry->checksum == 0;
    }
    return entry->kind == SYNOD_ENTRY_VALUE;
}

int filter_ballot_is_valid(struct synod_ballot ballot, const struct synod_options *options)
{
    assert(options != NULL);
    assert(options->members.count > 0);
    return ballot.round >= 1 && ballot.round <= SYNOD_ROUND_MAX &&
           quorum_position(&options->members, ballot.member) >= 0;
}

/* None is all zero: else it would be greater than none, and be followed. */
static int ballot_is_valid_or_none(struct synod_ballot ballot, const struct synod_options *options)
{
    return ballot.round == 0 ? ballot.member == 0 && ballot.incarnation == 0
                             : filter_ballot_is_valid(ballot, options);
}

static int entries_are_valid(const struct synod_message *m, const struct synod_options *options)
{
    if (m->entry_count > options->entries_max) {
        return 0;
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (!filter_entry_is_valid(&m->entries[i]) ||
            (i > 0 && m->entries[i].slot <= m->entries[i - 1].slot)) {
            return 0;
        }
    }
    return 1;
}

static int votes_are_valid(const struct synod_message *m, const struct synod_options *options)
{
    if (m->vote_count > options->entries_max || m->slot == 0 || m->until <= m->slot ||
        (m->until > SYNOD_SLOT_MAX && m->until != SYNOD_SLOT_ALL)) {
        return 0;
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        const struct synod_vote *vote = &m->votes[i];
        if (!filter_entry_is_valid(&vote->entry) || vote->entry.slot < m->slot ||
            vote->entry.slot >= m->until ||
            (i > 0 && vote->entry.slot <= m->votes[i - 1].entry.slot)) {
            return 0;
        }
        if (!vote->is_chosen && !filter_ballot_is_valid(vote->ballot, options)) {
            return 0;
        }
    }
    return 1;
}

int synod_message_is_valid(const struct synod_message *m, const struct synod_options *options)
{
    const int has_ballot = filter_ballot_is_valid(m->ballot, options);
    const int is_proposers = has_ballot && m->ballot.member == m->from;
    /* A type that is about no ballot may name none, or one that could be: a candidate stands above
     * every round that it has seen, in whatever message. */
    if (quorum_position(&options->members, m->from) < 0 || m->to != options->self ||
        m->chosen > SYNOD_SLOT_MAX || m->slot > SYNOD_SLOT_MAX ||
        !ballot_is_valid_or_none(m->ballot, options) ||
        !ballot_is_valid_or_none(m->promised, options) ||
        !ballot_is_valid_or_none(m->status.leader, options)) {
        return 0;
    }
    switch (m->type) {
    case SYNOD_MESSAGE_PREPARE:
        return is_proposers && m->slot > 0;
    case SYNOD_MESSAGE_PROMISE:
        return has_ballot && m->ballot.member == options->self && votes_are_valid(m, options);
    case SYNOD_MESSAGE_ACCEPT:
        return is_proposers && m->entry_count > 0 && entries_are_valid(m, options);
    case SYNOD_MESSAGE_ACCEPTED:
        return has_ballot && m->ballot.member == options->self && entries_are_valid(m, options);
    case SYNOD_MESSAGE_REFUSED:
        return has_ballot && m->promised.round != 0;
    case SYNOD_MESSAGE_NOTICE:
    case SYNOD_MESSAGE_READ_INDEX:
        return is_proposers;
    case SYNOD_MESSAGE_LEARN:
        return entries_are_valid(m, options);
    case SYNOD_MESSAGE_FETCH:
        return m->slot > 0;
    case SYNOD_MESSAGE_ASK:
        return m->ballot.round == 0 || is_proposers;
    case SYNOD_MESSAGE_ANSWER:
    case SYNOD_MESSAGE_CHOSEN:
    case SYNOD_MESSAGE_READ:
        return 1;
    case SYNOD_MESSAGE_TYPE_END:
        break;
    }
    return 0;
}
