/* acceptor.c -- promises and votes: the memory of Paxos.
 *
 * Every answer waits for every record that it rests on, those of earlier requests included:
 * a repeat of a Prepare or an Accept writes nothing, and yet must not be answered before the
 * record of the first is durable. */
#include "paxos/acceptor.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "synod/error.h"

static struct acceptor_vote *ring_at(const struct acceptor *a, synod_slot slot)
{
    assert(a->window > 0 && (a->window & (a->window - 1)) == 0);
    assert(a->ring_offset >= sizeof *a);
    struct acceptor_vote *ring = (void *)((char *)(uintptr_t)a + a->ring_offset);
    return &ring[slot & (a->window - 1)];
}

void acceptor_init(struct acceptor *a, const struct synod_options *options, uint32_t ring_offset)
{
    assert(options->entries_max > 0);
    assert(((uintptr_t)a + ring_offset) % _Alignof(struct acceptor_vote) == 0);
    *a = (struct acceptor){
        .window = options->window,
        .ring_offset = ring_offset,
        .entries_max = options->entries_max,
        .bytes_max = options->message_bytes_max,
    };
    memset(ring_at(a, 0), 0, a->window * sizeof(struct acceptor_vote));
}

const struct acceptor_vote *acceptor_at(const struct acceptor *a, synod_slot slot)
{
    assert(slot > 0); /* Every empty place would answer to 0. */
    const struct acceptor_vote *vote = ring_at(a, slot);
    return vote->entry.slot == slot ? vote : NULL;
}

/* Abort unless the vote at `slot` is one that the protocol can reach: it was cast under a
 * ballot that was promised, explicitly or by accepting. O(1), so it runs in production. */
static void check_vote(const struct acceptor *a, const struct acceptor_vote *vote)
{
    if (vote->entry.slot == 0) {
        return;
    }
    assert(!synod_ballot_is_none(vote->ballot));
    assert(synod_ballot_compare(vote->ballot, a->promised) <= 0);
    assert(vote->entry.slot <= a->last);
    assert(vote->entry.kind == SYNOD_ENTRY_NOOP || vote->entry.kind == SYNOD_ENTRY_VALUE);
    assert(vote == ring_at(a, vote->entry.slot));
}

synod_lsn acceptor_promise(struct acceptor *a, struct synod_ballot ballot, struct outbox *out)
{
    const int order = synod_ballot_compare(ballot, a->promised);
    assert(!synod_ballot_is_none(ballot));
    assert(order >= 0);
    if (order > 0) {
        a->promised = ballot;
        a->promised_lsn = outbox_record(
            out, &(struct synod_record){.type = SYNOD_RECORD_PROMISE, .ballot = ballot});
    }
    assert(synod_ballot_compare(a->promised, ballot) == 0);
    assert(a->promised_lsn <= out->lsn); /* Whoever waits for it waits for what is written. */
    return MUTANT(74) && order == 0 ? 0 : a->promised_lsn;
}

/* Rule P1a (Paxos Made Simple, 2.2): only a promise to a greater ballot stands in the way.
 * Greater, not greater-or-equal: the proposer that we promised to is the very one whose Accept
 * must succeed. */
static int is_below_promise(const struct acceptor *a, struct synod_ballot ballot)
{
    assert(!synod_ballot_is_none(ballot) && ballot.round <= SYNOD_ROUND_MAX);
    if (MUTANT(6)) {
        return ballot.round < a->promised.round;
    }
    return synod_ballot_compare(ballot, a->promised) < 0;
}

static void refuse(const struct acceptor *a, const struct synod_message *m, struct outbox *out)
{
    assert(synod_ballot_compare(m->ballot, a->promised) < 0);
    MARK("acceptor: refuses a ballot below its promise");
    /* Name our promise, so that the sender can go straight past it. A refusal commits us to
     * nothing, so it need not wait for the disk. */
    struct synod_message *refused = outbox_message(out, SYNOD_MESSAGE_REFUSED, m->from);
    refused->ballot = m->ballot;
    refused->promised = a->promised;
    assert(!synod_ballot_is_none(refused->promised)); /* The filter lets no other through. */
}

/* Show the votes from m->slot on, as many as one message holds. What is known to be chosen
 * beyond the prefix is shown as chosen: an empty place here would invite a no-op there. */
static void show_votes(const struct acceptor *a, const struct learner *l,
                       const struct synod_message *m, struct synod_message *promise,
                       struct outbox *out)
{
    assert(m->slot > 0);
    assert(synod_ballot_compare(promise->ballot, a->promised) == 0);
    const synod_slot last = a->last > l->last ? a->last : l->last;
    synod_slot slot = m->slot > l->chosen ? m->slot : l->chosen + 1;
    struct synod_vote *votes = outbox_votes(out, a->entries_max);
    uint32_t count = 0;
    uint64_t bytes = 0;

    for (; slot <= last; slot++) {
        const struct acceptor_vote *vote = acceptor_at(a, slot);
        const struct synod_entry *chosen = learner_at(l, slot);
        if (vote == NULL && chosen == NULL) {
            continue;
        }
        const struct synod_entry *entry = chosen != NULL ? chosen : &vote->entry;
        if (count == a->entries_max || (count > 0 && bytes + entry->size > a->bytes_max)) {
            MARK("acceptor: votes do not fit into one promise");
            break;
        }
        assert(entry->slot == slot);
        bytes += entry->size;
        votes[count].entry = *entry;
        votes[count].is_chosen = chosen != NULL;
        if (vote != NULL) {
            check_vote(a, vote);
            votes[count].ballot = vote->ballot;
            if (vote->lsn > promise->after_lsn) {
                promise->after_lsn = vote->lsn;
            }
        }
        count++;
    }
    promise->votes = votes;
    promise->vote_count = count;
    promise->until = slot <= last ? slot : SYNOD_SLOT_ALL;
    assert(promise->until > m->slot); /* The next question is about less: it comes to an end. */
    assert(count == 0 || votes[count - 1].entry.slot < promise->until);
    assert(promise->after_lsn <= out->lsn);
    outbox_return_votes(out, a->entries_max - count);
}

/* Phase 1b: promise to accept nothing below m->ballot, and tell what was accepted.
 *
 * Paxos Made Simple, 2.2, for all slots from m->slot on at once (section 3). A second Prepare
 * of the same ballot is answered again, since the first answer may be lost; where the votes do
 * not fit into one answer, the candidate asks again from where it ended. That is sound, because
 * after the promise no vote below m->ballot can be added to those not yet shown. */
void acceptor_on_prepare(struct acceptor *a, const struct learner *l, const struct synod_message *m,
                         struct outbox *out)
{
    assert(m->type == SYNOD_MESSAGE_PREPARE);
    assert(!synod_ballot_is_none(m->ballot) && m->slot > 0);
    assert(m->ballot.member == m->from);

    if (is_below_promise(a, m->ballot)) {
        refuse(a, m, out);
        return;
    }
    const synod_lsn lsn = acceptor_promise(a, m->ballot, out);
    struct synod_message *promise = outbox_message(out, SYNOD_MESSAGE_PROMISE, m->from);
    promise->ballot = m->ballot;
    promise->slot = m->slot;
    promise->chosen = MUTANT(75) ? 0 : l->chosen;
    promise->after_lsn = MUTANT(1) ? 0 : lsn;
    show_votes(a, l, m, promise, out);
    assert(promise->until > promise->chosen);
    assert(promise->vote_count <= a->entries_max);
}

void acceptor_record_chosen(struct acceptor *a, const struct learner *l, struct outbox *out)
{
    assert(a->recorded <= l->chosen);
    if (a->recorded < l->chosen) {
        a->recorded = l->chosen;
        (void)outbox_record(
            out, &(struct synod_record){.type = SYNOD_RECORD_CHOSEN, .chosen = l->chosen});
    }
    assert(a->recorded == l->chosen);
    assert(a->last <= a->recorded + a->window);
}

/* Vote for one entry, within the window of the prefix as it is recorded. Returns the vote, or NULL
 * if it is none to answer for. */
static const struct acceptor_vote *cast_vote(struct acceptor *a, const struct synod_message *m,
                                             const struct synod_entry *entry, struct outbox *out)
{
    struct acceptor_vote *vote = ring_at(a, entry->slot);
    check_vote(a, vote);
    assert(synod_ballot_compare(m->ballot, a->promised) == 0);
    assert(entry->slot > a->recorded && entry->slot <= a->recorded + a->window);
    /* No vote beyond the prefix makes way for one of another slot. */
    assert(vote->entry.slot <= a->recorded || vote->entry.slot == entry->slot);
    const int is_new = vote->entry.slot != entry->slot;
    if (!is_new && synod_ballot_compare(vote->ballot, m->ballot) == 0) {
        /* A repeat. One ballot proposes one value per slot; were this another, both could be
         * chosen. Better to give no answer than two. */
        MARK("acceptor: answers a repeated accept");
        return synod_entry_equal(&vote->entry, entry) ? vote : NULL;
    }
    assert(is_new || synod_ballot_compare(vote->ballot, m->ballot) < 0);
    if (!is_new) {
        MARK("acceptor: votes again for a slot, under a higher ballot");
    }
    vote->ballot = m->ballot;
    vote->entry = *entry;
    const synod_lsn lsn = outbox_record(
        out,
        &(struct synod_record){.type = SYNOD_RECORD_VOTE, .ballot = m->ballot, .entry = *entry});
    vote->lsn = is_new || !MUTANT(31) ? lsn : vote->lsn;
    if (entry->slot > a->last) {
        a->last = entry->slot;
    }
    assert(lsn > a->promised_lsn);
    return vote;
}

/* Phase 2b: vote for the entries, unless a higher ballot was promised first.
 *
 * To accept at a ballot is to promise it: a vote may not be overwritten by a lower one.
 *
 * A slot that is known to be chosen is not voted on; the proposer is told what is chosen, of as
 * many slots as one message holds: it will ask again about the others. A slot beyond the window
 * cannot be remembered, and what cannot be remembered is not accepted. */
void acceptor_on_accept(struct acceptor *a, const struct learner *l, const struct synod_message *m,
                        struct outbox *out)
{
    assert(m->type == SYNOD_MESSAGE_ACCEPT);
    assert(!synod_ballot_is_none(m->ballot));
    assert(m->ballot.member == m->from);
    assert(m->entry_count > 0 && m->entry_count <= a->entries_max);

    if (is_below_promise(a, m->ballot)) {
        refuse(a, m, out);
        return;
    }
    synod_lsn lsn = MUTANT(5) ? a->promised_lsn : acceptor_promise(a, m->ballot, out);
    acceptor_record_chosen(a, l, out);

    struct synod_entry *accepted = outbox_entries(out, m->entry_count);
    struct synod_entry *known = outbox_entries(out, m->entry_count);
    uint32_t accepted_count = 0;
    uint32_t known_count = 0;
    uint64_t known_bytes = 0;
    uint32_t is_behind = 0;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct synod_entry *entry = &m->entries[i];
        assert(entry->slot > 0);
        if (entry->slot <= l->chosen) {
            is_behind = 1;
            MARK("acceptor: is asked to vote below what is chosen");
        } else if (learner_at(l, entry->slot) != NULL) {
            const struct synod_entry *chosen = learner_at(l, entry->slot);
            assert(chosen->slot == entry->slot);
            known_bytes += chosen->size;
            if (known_count == 0 || known_bytes <= a->bytes_max || MUTANT(140)) {
                known[known_count++] = *chosen;
            }
            MARK("acceptor: knows what is chosen in a slot that it is asked to vote on");
        } else if (entry->slot <= l->chosen + a->window) {
            const struct acceptor_vote *vote = cast_vote(a, m, entry, out);
            if (vote != NULL) {
                accepted[accepted_count++] = vote->entry;
                lsn = vote->lsn > lsn ? vote->lsn : lsn;
            }
        }
    }
    assert(accepted_count + known_count <= m->entry_count);
    assert(lsn <= out->lsn);
    if (accepted_count > 0) {
        struct synod_message *reply = outbox_message(out, SYNOD_MESSAGE_ACCEPTED, m->from);
        reply->ballot = m->ballot;
        reply->entries = accepted;
        reply->entry_count = accepted_count;
        reply->after_lsn = MUTANT(2) ? 0 : lsn;
    }
    if (known_count > 0 || is_behind) {
        struct synod_message *reply = outbox_message(
            out, known_count > 0 ? SYNOD_MESSAGE_LEARN : SYNOD_MESSAGE_CHOSEN, m->from);
        reply->entries = known;
        reply->entry_count = known_count;
        reply->chosen = l->chosen;
    }
    assert(synod_ballot_compare(a->promised, m->ballot) == 0);
}

int acceptor_restore(struct acceptor *a, const struct learner *l, const struct synod_record *record)
{
    assert(record->type == SYNOD_RECORD_PROMISE || record->type == SYNOD_RECORD_VOTE);
    assert(a->promised_lsn == 0 && a->recorded <= l->chosen);
    assert(!synod_ballot_is_none(record->ballot) && record->ballot.round <= SYNOD_ROUND_MAX);
    const int is_forgotten = MUTANT(3) && record->type == SYNOD_RECORD_PROMISE;
    if (!is_forgotten && synod_ballot_compare(record->ballot, a->promised) > 0) {
        a->promised = record->ballot;
    }
    const synod_slot slot = record->entry.slot;
    if (record->type == SYNOD_RECORD_PROMISE || slot <= l->chosen) {
        return 0;
    }
    if (slot > l->chosen + a->window) {
        return SYNOD_ERR_CORRUPT;
    }
    struct acceptor_vote *vote = ring_at(a, slot);
    const int order = synod_ballot_compare(record->ballot, vote->ballot);
    if (vote->entry.slot == slot &&
        (order < 0 || (order == 0 && !synod_entry_equal(&record->entry, &vote->entry)))) {
        return SYNOD_ERR_CORRUPT; /* Votes rise, and one ballot proposes one value per slot. */
    }
    vote->ballot = record->ballot;
    vote->entry = record->entry;
    vote->lsn = 0;
    if (slot > a->last) {
        a->last = slot;
    }
    check_vote(a, vote);
    return 0;
}

static void check_waits(const struct acceptor *a, const struct synod_message *m, synod_slot slot)
{
    const struct acceptor_vote *vote = acceptor_at(a, slot);
    assert(slot > 0);
    assert(vote == NULL || vote->lsn <= m->after_lsn);
}

void acceptor_check_said(const struct acceptor *a, const struct synod_message *m)
{
    const int is_vote = m->type == SYNOD_MESSAGE_ACCEPTED;
    assert(m->vote_count == 0 || m->type == SYNOD_MESSAGE_PROMISE);
    if (!is_vote && m->type != SYNOD_MESSAGE_PREPARE && m->type != SYNOD_MESSAGE_PROMISE) {
        return;
    }
    assert(synod_ballot_compare(m->ballot, a->promised) == 0);
    assert(m->after_lsn >= a->promised_lsn);
    for (uint32_t i = 0; i < m->vote_count; i++) {
        check_waits(a, m, m->votes[i].entry.slot);
    }
    for (uint32_t i = 0; is_vote && i < m->entry_count; i++) {
        check_waits(a, m, m->entries[i].slot);
    }
}

void acceptor_check(const struct acceptor *a, const struct learner *l)
{
    assert(a->window == l->window);
    assert(a->recorded <= l->chosen);
    assert(a->last <= l->chosen + a->window);
    assert(a->last == 0 || !synod_ballot_is_none(a->promised));
    assert(!synod_ballot_is_none(a->promised) || a->promised_lsn == 0);
    for (synod_slot slot = l->chosen + 1; slot <= l->chosen + a->window; slot++) {
        const struct acceptor_vote *vote = ring_at(a, slot);
        check_vote(a, vote);
        assert(vote->entry.slot == slot || vote->entry.slot <= l->chosen);
    }
}
