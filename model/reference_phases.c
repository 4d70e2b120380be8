/* reference_phases.c -- both phases as the reference allows them: what may be said and heard. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "model/reference_internal.h"

/* -- Phase 1 ------------------------------------------------------------------------------ */

static struct attempt *add_attempt(const struct watch *w, const struct synod_message *m)
{
    struct reference *r = w->r;
    r->attempts = reference_grow(r->attempts, r->attempt_count, sizeof *r->attempts);
    struct attempt *attempt = &r->attempts[r->attempt_count++];
    memset(attempt, 0, sizeof *attempt);
    attempt->ballot = m->ballot;
    attempt->owner = w->self;
    attempt->life = w->member->life;
    attempt->first = m->slot;
    for (uint32_t i = 0; i < r->member_count; i++) {
        attempt->promises[i].covered = m->slot;
    }
    r->counts.ballots++;
    return attempt;
}

/* The record that a message must wait for if it speaks of this member's promise. */
static synod_lsn promise_lsn(const struct member *member, struct synod_ballot ballot)
{
    return reference_is_below(member->durable_promised, ballot) ? member->promised_lsn : 0;
}

/* This member stands with a ballot of its own, which no other life has used. */
static struct attempt *stand(const struct watch *w, const struct synod_message *m)
{
    const struct member *member = w->member;
    struct attempt *attempt = reference_attempt(w->r, m->ballot);
    if (!member->is_started || m->ballot.member != member->id ||
        m->ballot.incarnation != member->incarnation || m->ballot.round < 2 ||
        (attempt != NULL && (attempt->owner != w->self || attempt->life != member->life))) {
        (void)reference_refuse(w, "stands in round %" PRIu64 " with a ballot that is not its own",
                               m->ballot.round);
        return NULL;
    }
    if (!reference_is_same(member->promised, m->ballot)) {
        (void)reference_refuse(w, "stands in round %" PRIu64 " and has promised another",
                               m->ballot.round);
        return NULL;
    }
    if (attempt == NULL) {
        attempt = add_attempt(w, m);
    }
    return attempt;
}

static int said_prepare(const struct watch *w, const struct synod_message *m)
{
    struct attempt *attempt = stand(w, m);
    if (attempt == NULL) {
        return -1;
    }
    if (m->after_lsn < promise_lsn(w->member, m->ballot)) {
        return reference_refuse(w, "stands in round %" PRIu64 " before that is on its disk",
                                m->ballot.round);
    }
    attempt->after = m->after_lsn > attempt->after ? m->after_lsn : attempt->after;
    return 0;
}

static const struct synod_vote *find_vote(const struct synod_vote *votes, uint32_t count,
                                          synod_slot slot)
{
    if (count == 0 || votes[count - 1].entry.slot < slot) {
        return NULL; /* As most often: they are in order. */
    }
    for (uint32_t i = 0; i < count; i++) {
        if (votes[i].entry.slot == slot) {
            return &votes[i];
        }
    }
    return NULL;
}

/* What a promise shows of a slot: that it is chosen, or the highest vote that this member has cast
 * there, and nothing but that. */
static int check_shown(const struct watch *w, const struct synod_message *m, synod_slot slot)
{
    const struct synod_vote *shown = find_vote(m->votes, m->vote_count, slot);
    const struct synod_entry *chosen = reference_chosen(w->r, slot);
    const struct slot *at = reference_slot(w->r, slot);
    const struct proposal *highest = NULL;
    for (uint32_t i = 0; i < at->count; i++) {
        if ((at->proposals[i].written & 1u << w->self) != 0 &&
            (highest == NULL || reference_is_below(highest->ballot, at->proposals[i].ballot))) {
            highest = &at->proposals[i];
        }
    }
    if (shown != NULL && shown->is_chosen) {
        return chosen != NULL && reference_is_same_entry(chosen, &shown->entry)
                   ? 0
                   : reference_refuse(w, "shows slot %" PRIu64 " as chosen, which is not", slot);
    }
    if ((shown == NULL) != (highest == NULL)) {
        return reference_refuse(w, "%s in slot %" PRIu64,
                                shown == NULL ? "hides its vote" : "shows a vote it never cast",
                                slot);
    }
    if (shown == NULL) {
        return 0;
    }
    if (!reference_is_same(shown->ballot, highest->ballot) ||
        !reference_is_same_entry(&shown->entry, &highest->entry)) {
        return reference_refuse(w, "shows another vote in slot %" PRIu64 " than its highest", slot);
    }
    if ((highest->durable & 1u << w->self) == 0 && m->after_lsn < highest->lsn[w->self]) {
        return reference_refuse(w, "shows its vote in slot %" PRIu64 " before it is on the disk",
                                slot);
    }
    return 0;
}

static void keep_piece(struct promises *promises, const struct synod_message *m, uint32_t life)
{
    promises->pieces = reference_grow(promises->pieces, promises->count, sizeof *promises->pieces);
    struct piece *piece = &promises->pieces[promises->count++];
    *piece = (struct piece){.slot = m->slot,
                            .until = m->until,
                            .chosen = m->chosen,
                            .vote_count = m->vote_count,
                            .after = m->after_lsn,
                            .life = life};
    if (m->vote_count > 0) {
        piece->votes = malloc(m->vote_count * sizeof *piece->votes);
        assert(piece->votes != NULL);
        memcpy(piece->votes, m->votes, m->vote_count * sizeof *piece->votes);
    }
}

static int is_asked(const struct watch *w, const struct synod_message *m)
{
    const struct synod_message *prepare = w->event->message;
    return w->event->type == SYNOD_EVENT_MESSAGE && prepare->type == SYNOD_MESSAGE_PREPARE &&
           reference_is_same(prepare->ballot, m->ballot) && prepare->slot == m->slot &&
           prepare->from == m->to;
}

static int said_promise(const struct watch *w, const struct synod_message *m)
{
    struct attempt *attempt = reference_attempt(w->r, m->ballot);
    if (m->ballot.member == w->member->id) {
        attempt = stand(w, m);
    } else if (attempt == NULL || !is_asked(w, m)) {
        return reference_refuse(w, "promises round %" PRIu64 " unasked", m->ballot.round);
    }
    if (attempt == NULL) {
        return -1;
    }
    if (!reference_is_same(w->member->promised, m->ballot)) {
        return reference_refuse(
            w, "says that it promised round %" PRIu64 ", and has promised %" PRIu64,
            m->ballot.round, w->member->promised.round);
    }
    if (m->after_lsn < promise_lsn(w->member, m->ballot)) {
        return reference_refuse(w, "promises round %" PRIu64 " before that is on its disk",
                                m->ballot.round);
    }
    const synod_slot first = m->chosen < m->slot ? m->slot : m->chosen + 1;
    for (synod_slot slot = first; slot < m->until && slot <= w->r->slot_count; slot++) {
        if (check_shown(w, m, slot) != 0) {
            return -1;
        }
    }
    keep_piece(&attempt->promises[w->self], m, w->member->life);
    return 0;
}

/* -- Phase 2 ------------------------------------------------------------------------------ */

/* What a member's promises that were heard say of a slot: 0 if it is chosen, else 1 and the vote,
 * or NULL where there is none. A member that repeats its promise may have learned meanwhile that
 * the slot is chosen. What it said first still holds: it has not voted since below the ballot. */
static int is_open(const struct promises *promises, synod_slot slot, const struct synod_vote **vote)
{
    *vote = NULL;
    for (uint32_t k = 0; k < promises->count; k++) {
        const struct piece *piece = &promises->pieces[k];
        if (!piece->is_heard || slot < piece->slot || slot >= piece->until ||
            piece->chosen >= slot) {
            continue;
        }
        const struct synod_vote *shown = find_vote(piece->votes, piece->vote_count, slot);
        if (shown == NULL || !shown->is_chosen) {
            *vote = shown;
            return 1;
        }
    }
    return 0;
}

/* Do the promises that were heard from these members, each of which shows the slot, allow the
 * entry? */
static int is_allowed_by(const struct attempt *attempt, uint32_t set,
                         const struct synod_entry *entry)
{
    const struct synod_vote *highest = NULL;
    for (uint32_t left = set; left != 0; left &= left - 1) {
        const struct synod_vote *vote;
        (void)is_open(&attempt->promises[__builtin_ctz(left)], entry->slot, &vote);
        if (vote != NULL &&
            (highest == NULL || reference_is_below(highest->ballot, vote->ballot))) {
            highest = vote;
        }
    }
    return highest == NULL || reference_is_same_entry(&highest->entry, entry);
}

/* P2c: some phase 1 quorum has promised, was heard, and allows the entry; it, or it and others of
 * which a piece of the promise has come that shows the slot. */
static int is_allowed(const struct reference *r, const struct attempt *attempt,
                      const struct synod_entry *entry)
{
    const struct synod_vote *vote;
    uint32_t whole = 0;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < r->member_count; i++) {
        const struct promises *promises = &attempt->promises[i];
        whole |= promises->covered == SYNOD_SLOT_ALL ? 1u << i : 0;
        shown |= is_open(promises, entry->slot, &vote) ? 1u << i : 0;
    }
    for (uint32_t set = shown; set != 0; set = (set - 1) & shown) { /* All subsets, large first. */
        if (reference_size(set & whole) >= r->phase1 && is_allowed_by(attempt, set, entry)) {
            return 1;
        }
    }
    return 0;
}

int reference_propose(const struct watch *w, struct synod_ballot ballot,
                      const struct synod_entry *entry)
{
    struct reference *r = w->r;
    const struct attempt *attempt = reference_attempt(r, ballot);
    const struct proposal *before = reference_proposal(r, ballot, entry->slot);
    const uint64_t round = ballot.round;
    if (attempt == NULL || attempt->owner != w->self || attempt->life != w->member->life) {
        return reference_refuse(w, "proposes in round %" PRIu64 " of another", round);
    }
    if (before != NULL) {
        return reference_is_same_entry(&before->entry, entry)
                   ? 0
                   : reference_refuse(w, "proposes two entries in slot %" PRIu64 ", round %" PRIu64,
                                      entry->slot, round);
    }
    if (entry->slot < attempt->first || entry->slot <= attempt->noticed) {
        return reference_refuse(w, "proposes in slot %" PRIu64 ", which it knows to be chosen",
                                entry->slot);
    }
    if (!is_allowed(r, attempt, entry)) {
        return reference_refuse(w,
                                "P2c: no quorum that it heard allows its proposal in slot %" PRIu64
                                ", round %" PRIu64,
                                entry->slot, round);
    }
    struct slot *at = reference_slot(r, entry->slot);
    for (uint32_t i = 0; i < at->count; i++) {
        const struct proposal *other = &at->proposals[i];
        if (reference_size(other->durable) >= r->phase2 &&
            reference_is_below(other->ballot, ballot) &&
            !reference_is_same_entry(&other->entry, entry)) {
            return reference_refuse(w, "P2b: proposes in slot %" PRIu64 " against what is chosen",
                                    entry->slot);
        }
    }
    at->proposals = reference_grow(at->proposals, at->count, sizeof *at->proposals);
    at->proposals[at->count++] = (struct proposal){.ballot = ballot, .entry = *entry};
    r->counts.proposals++;
    return 0;
}

static int said_accepted(const struct watch *w, const struct synod_message *m)
{
    if (!reference_is_same(w->member->promised, m->ballot)) {
        return reference_refuse(
            w, "says that it accepted in round %" PRIu64 ", and has not promised that",
            m->ballot.round);
    }
    synod_lsn needed = promise_lsn(w->member, m->ballot);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct synod_entry *entry = &m->entries[i];
        const struct proposal *proposal = reference_proposal(w->r, m->ballot, entry->slot);
        if (proposal == NULL || !reference_is_same_entry(&proposal->entry, entry) ||
            (proposal->written & 1u << w->self) == 0) {
            return reference_refuse(w, "says that it accepted slot %" PRIu64 ", and has not",
                                    entry->slot);
        }
        if ((proposal->durable & 1u << w->self) == 0 && proposal->lsn[w->self] > needed) {
            needed = proposal->lsn[w->self];
        }
    }
    return m->after_lsn >= needed ? 0
                                  : reference_refuse(w,
                                                     "says that it accepted in round %" PRIu64
                                                     " before that is on its disk",
                                                     m->ballot.round);
}

/* -- Learning ----------------------------------------------------------------------------- */

static int said_notice(const struct watch *w, const struct synod_message *m)
{
    struct attempt *attempt = reference_attempt(w->r, m->ballot);
    if (attempt == NULL || attempt->owner != w->self || attempt->life != w->member->life) {
        return reference_refuse(w, "speaks as the leader of round %" PRIu64, m->ballot.round);
    }
    for (synod_slot slot = attempt->noticed + 1; slot <= m->chosen; slot++) {
        const struct proposal *proposal = reference_proposal(w->r, m->ballot, slot);
        const struct synod_entry *chosen = reference_chosen(w->r, slot);
        if (proposal != NULL && !reference_is_same_entry(chosen, &proposal->entry)) {
            return reference_refuse(
                w, "gives notice of slot %" PRIu64 ", where it proposed something else", slot);
        }
    }
    attempt->noticed = m->chosen > attempt->noticed ? m->chosen : attempt->noticed;
    return 0;
}

static int are_chosen(const struct watch *w, const struct synod_message *m)
{
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct synod_entry *chosen = reference_chosen(w->r, m->entries[i].slot);
        if (chosen == NULL || !reference_is_same_entry(chosen, &m->entries[i])) {
            return reference_refuse(w, "slot %" PRIu64 " is told as chosen, which is not so",
                                    m->entries[i].slot);
        }
    }
    return 0;
}

int reference_on_said(const struct watch *w, const struct synod_message *m)
{
    if (m->chosen > w->member->applied) {
        return reference_refuse(
            w, "says that all is chosen up to slot %" PRIu64 ", and knows it up to %" PRIu64,
            m->chosen, w->member->applied);
    }
    switch (m->type) {
    case SYNOD_MESSAGE_PREPARE:
        return said_prepare(w, m);
    case SYNOD_MESSAGE_PROMISE:
        return said_promise(w, m);
    case SYNOD_MESSAGE_ACCEPTED:
        return said_accepted(w, m);
    case SYNOD_MESSAGE_ACCEPT:
    case SYNOD_MESSAGE_NOTICE:
    case SYNOD_MESSAGE_READ_INDEX:
        return said_notice(w, m);
    case SYNOD_MESSAGE_ASK:
        return m->ballot.round == 0 ? 0 : said_notice(w, m);
    case SYNOD_MESSAGE_LEARN:
        return are_chosen(w, m);
    case SYNOD_MESSAGE_REFUSED:
        return reference_is_same(m->promised, w->member->promised) &&
                       reference_is_below(m->ballot, m->promised)
                   ? 0
                   : reference_refuse(w, "refuses what it has not promised against");
    case SYNOD_MESSAGE_ANSWER:
        return reference_is_same(m->promised, w->member->promised)
                   ? 0
                   : reference_refuse(w, "answers with another promise than its own");
    case SYNOD_MESSAGE_CHOSEN:
    case SYNOD_MESSAGE_FETCH:
    case SYNOD_MESSAGE_READ:
        return 0;
    case SYNOD_MESSAGE_TYPE_END:
        break;
    }
    return reference_refuse(w, "says something of no type");
}

/* -- Hearing ------------------------------------------------------------------------------ */

static int is_same_piece(const struct piece *piece, const struct synod_message *m)
{
    if (piece->slot != m->slot || piece->until != m->until || piece->chosen != m->chosen ||
        piece->vote_count != m->vote_count) {
        return 0;
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        const struct synod_vote *said = &piece->votes[i];
        const struct synod_vote *heard = &m->votes[i];
        if (!reference_is_same_entry(&said->entry, &heard->entry) ||
            said->is_chosen != heard->is_chosen ||
            (!said->is_chosen && !reference_is_same(said->ballot, heard->ballot))) {
            return 0;
        }
    }
    return 1;
}

/* Could it leave by now? What had not left when a life ended, never did. */
static int is_released(const struct member *speaker, uint32_t life, synod_lsn after)
{
    return (speaker->life == life ? speaker->durable : speaker->ended[life]) >= after;
}

static int heard_promise(const struct watch *w, const struct synod_message *m, uint32_t from)
{
    struct attempt *attempt = reference_attempt(w->r, m->ballot);
    int is_said = 0;
    if (attempt == NULL || attempt->owner != w->self) {
        return reference_refuse(w, "hears a promise of a ballot that is not its own");
    }
    struct promises *promises = &attempt->promises[from];
    for (uint32_t i = 0; i < promises->count; i++) {
        struct piece *piece = &promises->pieces[i];
        if (is_same_piece(piece, m) &&
            is_released(&w->r->members[from], piece->life, piece->after)) {
            piece->is_heard = 1;
            is_said = 1;
        }
    }
    for (uint32_t i = 0; i < promises->count; i++) { /* In the order in which they were said. */
        const struct piece *piece = &promises->pieces[i];
        if (piece->is_heard && piece->slot <= promises->covered &&
            piece->until > promises->covered) {
            promises->covered = piece->until;
        }
    }
    return is_said ? 0 : reference_refuse(w, "hears a promise that was never said, or too soon");
}

static int heard_entries(const struct watch *w, const struct synod_message *m, uint32_t from)
{
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct proposal *proposal = reference_proposal(w->r, m->ballot, m->entries[i].slot);
        if (proposal == NULL || !reference_is_same_entry(&proposal->entry, &m->entries[i])) {
            return reference_refuse(w, "hears of a proposal that nobody made");
        }
        if (m->type == SYNOD_MESSAGE_ACCEPTED && (proposal->durable & 1u << from) == 0) {
            return reference_refuse(w, "hears of a vote in slot %" PRIu64 " that is on no disk",
                                    m->entries[i].slot);
        }
    }
    return 0;
}

static int position_of(const struct reference *r, synod_member_id id)
{
    for (uint32_t i = 0; i < r->member_count; i++) {
        if (r->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

int reference_on_heard(const struct watch *w, const struct synod_message *m)
{
    const int from = position_of(w->r, m->from);
    const struct attempt *attempt = NULL;
    if (from < 0 || !w->member->is_started) {
        return reference_refuse(w, "hears somebody who never spoke, or before its start");
    }
    if (m->chosen > w->r->chosen_prefix) {
        return reference_refuse(w, "hears that all is chosen up to slot %" PRIu64, m->chosen);
    }
    switch (m->type) {
    case SYNOD_MESSAGE_PREPARE:
        attempt = reference_attempt(w->r, m->ballot);
        return attempt != NULL &&
                       is_released(&w->r->members[attempt->owner], attempt->life, attempt->after)
                   ? 0
                   : reference_refuse(w, "is asked to promise a ballot of nobody, or too soon");
    case SYNOD_MESSAGE_PROMISE:
        return heard_promise(w, m, (uint32_t)from);
    case SYNOD_MESSAGE_ACCEPT:
    case SYNOD_MESSAGE_ACCEPTED:
        return heard_entries(w, m, (uint32_t)from);
    case SYNOD_MESSAGE_LEARN:
        return are_chosen(w, m);
    default: /* Of the others, what was said was checked when it was said. */
        return 0;
    }
}
