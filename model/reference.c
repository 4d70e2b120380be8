/* reference.c -- lives, disks and what is chosen: the part of the reference that only records. */
#include "model/reference.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "model/reference_internal.h"

/* -- Words -------------------------------------------------------------------------------- */

int reference_is_below(struct synod_ballot left, struct synod_ballot right)
{
    if (left.round != right.round) {
        return left.round < right.round;
    }
    if (left.member != right.member) {
        return left.member < right.member;
    }
    return left.incarnation < right.incarnation;
}

int reference_is_same(struct synod_ballot left, struct synod_ballot right)
{
    return left.round == right.round && left.member == right.member &&
           left.incarnation == right.incarnation;
}

int reference_is_same_entry(const struct synod_entry *left, const struct synod_entry *right)
{
    return left->slot == right->slot && left->kind == right->kind && left->view == right->view &&
           left->size == right->size && left->checksum == right->checksum;
}

uint32_t reference_size(uint32_t set)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
        size += set >> i & 1u;
    }
    return size;
}

int reference_refuse(const struct watch *w, const char *format, ...)
{
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(w->r->why, sizeof w->r->why, "step %" PRIu64 ", member %u: %s", w->r->counts.steps,
             w->self, text);
    return -1;
}

void *reference_grow(void *array, uint64_t count, size_t size)
{
    if ((count & (count - 1)) != 0) {
        return array;
    }
    void *grown = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    assert(grown != NULL);
    return grown;
}

/* -- Sets --------------------------------------------------------------------------------- */

struct slot *reference_slot(struct reference *r, synod_slot slot)
{
    assert(slot > 0);
    while (r->slot_count < slot) {
        r->slots = reference_grow(r->slots, r->slot_count, sizeof *r->slots);
        struct slot *at = &r->slots[r->slot_count++];
        memset(at, 0, sizeof *at);
        for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
            at->last_record[i] = NO_RECORD;
        }
    }
    return &r->slots[slot - 1];
}

struct attempt *reference_attempt(struct reference *r, struct synod_ballot ballot)
{
    for (uint32_t i = r->attempt_count; i > 0; i--) { /* The latest are asked for most. */
        if (reference_is_same(r->attempts[i - 1].ballot, ballot)) {
            return &r->attempts[i - 1];
        }
    }
    return NULL;
}

struct proposal *reference_proposal(struct reference *r, struct synod_ballot ballot,
                                    synod_slot slot)
{
    struct slot *at = reference_slot(r, slot);
    for (uint32_t i = 0; i < at->count; i++) {
        if (reference_is_same(at->proposals[i].ballot, ballot)) {
            return &at->proposals[i];
        }
    }
    return NULL;
}

const struct synod_entry *reference_chosen(struct reference *r, synod_slot slot)
{
    const struct slot *at = reference_slot(r, slot);
    return at->chosen == 0 ? NULL : &at->proposals[at->chosen - 1].entry;
}

/* -- Choosing ----------------------------------------------------------------------------- */

/* A vote is on a disk. If its proposal is chosen by that: P2, and P2b for what was proposed under
 * higher ballots before anybody could know. */
static int vote_is_durable(const struct watch *w, synod_slot slot, struct proposal *proposal)
{
    struct slot *at = reference_slot(w->r, slot);
    if ((proposal->durable & 1u << w->self) != 0) {
        return 0;
    }
    proposal->durable |= 1u << w->self;
    w->r->counts.votes++;
    if (reference_size(proposal->durable) < w->r->phase2) {
        return 0;
    }
    const struct synod_entry *before = reference_chosen(w->r, slot);
    if (before != NULL && !reference_is_same_entry(before, &proposal->entry)) {
        return reference_refuse(w, "P2: a second entry is chosen in slot %" PRIu64, slot);
    }
    for (uint32_t i = 0; i < at->count; i++) {
        const struct proposal *other = &at->proposals[i];
        if (reference_is_below(proposal->ballot, other->ballot) &&
            !reference_is_same_entry(&other->entry, &proposal->entry)) {
            return reference_refuse(w, "P2b: slot %" PRIu64 " is chosen, below another proposal",
                                    slot);
        }
    }
    if (at->chosen == 0) {
        at->chosen = (uint16_t)(proposal - at->proposals + 1);
        w->r->counts.chosen++;
    }
    while (w->r->chosen_prefix < w->r->slot_count && w->r->slots[w->r->chosen_prefix].chosen != 0) {
        w->r->chosen_prefix++;
    }
    return 0;
}

/* -- The disk ----------------------------------------------------------------------------- */

static void await(struct member *member, synod_lsn lsn, struct synod_ballot ballot, synod_slot slot)
{
    member->pending =
        reference_grow(member->pending, member->pending_count, sizeof *member->pending);
    member->pending[member->pending_count++] =
        (struct pending){.lsn = lsn, .ballot = ballot, .slot = slot};
}

static void raise_promise(struct member *member, const struct synod_record *record)
{
    if (reference_is_below(member->promised, record->ballot)) {
        member->promised = record->ballot;
        member->promised_lsn = record->lsn;
    }
}

static int write_vote(const struct watch *w, const struct synod_record *record)
{
    const struct synod_entry *entry = &record->entry;
    struct member *member = w->member;
    if (reference_is_below(record->ballot, member->promised)) {
        return reference_refuse(w,
                                "P1a: votes in slot %" PRIu64 " under round %" PRIu64
                                ", and has promised round %" PRIu64,
                                entry->slot, record->ballot.round, member->promised.round);
    }
    if (record->ballot.member == member->id &&
        reference_propose(w, record->ballot, entry) != 0) { /* Nobody else need be told of it. */
        return -1;
    }
    struct proposal *proposal = reference_proposal(w->r, record->ballot, entry->slot);
    if (proposal == NULL || !reference_is_same_entry(&proposal->entry, entry)) {
        return reference_refuse(w, "votes in slot %" PRIu64 " for what nobody proposed",
                                entry->slot);
    }
    raise_promise(member, record);
    proposal->written |= 1u << w->self;
    proposal->lsn[w->self] = record->lsn;
    struct slot *at = reference_slot(w->r, entry->slot);
    at->last_record[w->self] = (uint16_t)(proposal - at->proposals);
    await(member, record->lsn, record->ballot, entry->slot);
    return 0;
}

/* From now on, the last record about each slot up to there is taken for what was chosen. */
static int write_prefix(const struct watch *w, synod_slot chosen)
{
    if (chosen > w->r->chosen_prefix) {
        return reference_refuse(w, "records that all is chosen up to slot %" PRIu64, chosen);
    }
    for (synod_slot slot = w->member->recorded + 1; slot <= chosen; slot++) {
        const struct slot *at = reference_slot(w->r, slot);
        const uint16_t last = at->last_record[w->self];
        if (last != LEARNED &&
            (last == NO_RECORD ||
             !reference_is_same_entry(&at->proposals[last].entry, reference_chosen(w->r, slot)))) {
            return reference_refuse(
                w, "records slot %" PRIu64 " as chosen, after a record of something else", slot);
        }
    }
    w->member->recorded = chosen > w->member->recorded ? chosen : w->member->recorded;
    return 0;
}

static int write_learned(const struct watch *w, const struct synod_entry *entry)
{
    const struct synod_entry *chosen = reference_chosen(w->r, entry->slot);
    if (chosen == NULL || !reference_is_same_entry(chosen, entry)) {
        return reference_refuse(w, "records slot %" PRIu64 " as learned, which is not chosen so",
                                entry->slot);
    }
    reference_slot(w->r, entry->slot)->last_record[w->self] = LEARNED;
    return 0;
}

static int write_record(const struct watch *w, const struct synod_record *record)
{
    struct member *member = w->member;
    if (record->lsn != member->lsn + 1) {
        return reference_refuse(w, "record %" PRIu64 " does not follow %" PRIu64, record->lsn,
                                member->lsn);
    }
    member->lsn = record->lsn;
    switch (record->type) {
    case SYNOD_RECORD_PROMISE:
        if (!reference_is_below(member->promised, record->ballot)) {
            return reference_refuse(w, "promises round %" PRIu64 " after round %" PRIu64,
                                    record->ballot.round, member->promised.round);
        }
        raise_promise(member, record);
        await(member, record->lsn, record->ballot, 0);
        return 0;
    case SYNOD_RECORD_VOTE:
        return write_vote(w, record);
    case SYNOD_RECORD_LEARNED:
        return write_learned(w, &record->entry);
    case SYNOD_RECORD_CHOSEN:
        return write_prefix(w, record->chosen);
    }
    return reference_refuse(w, "writes a record of no type");
}

static int record_is_durable(const struct watch *w, struct synod_ballot ballot, synod_slot slot)
{
    if (reference_is_below(w->member->durable_promised, ballot)) {
        w->member->durable_promised = ballot;
    }
    struct proposal *proposal = slot == 0 ? NULL : reference_proposal(w->r, ballot, slot);
    return proposal == NULL ? 0 : vote_is_durable(w, slot, proposal);
}

static int on_durable(const struct watch *w)
{
    struct member *member = w->member;
    uint32_t done = 0;
    int outcome = 0;
    if (w->event->lsn > member->lsn) {
        return reference_refuse(w, "the disk has what was never written");
    }
    while (outcome == 0 && done < member->pending_count &&
           member->pending[done].lsn <= w->event->lsn) {
        outcome = record_is_durable(w, member->pending[done].ballot, member->pending[done].slot);
        done++;
    }
    member->pending_count -= done;
    if (done > 0 && member->pending_count > 0) {
        memmove(member->pending, member->pending + done,
                member->pending_count * sizeof *member->pending);
    }
    member->durable = w->event->lsn > member->durable ? w->event->lsn : member->durable;
    return outcome;
}

/* -- Lives -------------------------------------------------------------------------------- */

void reference_begin(struct reference *r, uint32_t member)
{
    struct member *m = &r->members[member];
    assert(member < r->member_count);
    for (uint64_t i = m->snapshot; i < r->slot_count; i++) {
        for (uint32_t k = 0; k < r->slots[i].count; k++) {
            struct proposal *proposal = &r->slots[i].proposals[k];
            proposal->restored &= ~(1u << member);
            proposal->lsn[member] = 0;
        }
        r->slots[i].last_record[member] = NO_RECORD;
    }
    m->ended = reference_grow(m->ended, m->life, sizeof *m->ended);
    m->ended[m->life++] = m->durable;
    m->is_started = 0;
    m->promised = (struct synod_ballot){0};
    m->promised_lsn = 0;
    m->lsn = 0;
    m->durable = 0;
    m->applied = 0;
    m->recorded = 0;
    m->pending_count = 0;
    m->read_count = 0;
}

/* A record was on the disk after all, known to be so before the crash or not; it must be one that
 * was written. Whether it will be there next time nobody knows yet. */
static int on_restore(const struct watch *w)
{
    const struct synod_record *record = w->event->record;
    struct member *member = w->member;
    const int has_ballot =
        record->type == SYNOD_RECORD_PROMISE || record->type == SYNOD_RECORD_VOTE;
    if (has_ballot && reference_is_below(member->promised, record->ballot)) {
        member->promised = record->ballot;
    }
    if (record->type == SYNOD_RECORD_PROMISE) {
        return 0;
    }
    if (record->type == SYNOD_RECORD_CHOSEN) {
        return record->chosen <= w->r->chosen_prefix
                   ? 0
                   : reference_refuse(w, "restores a prefix that is not chosen");
    }
    if (record->entry.slot <= member->applied) {
        return 0;
    }
    if (record->type == SYNOD_RECORD_LEARNED) {
        return write_learned(w, &record->entry);
    }
    struct proposal *proposal = reference_proposal(w->r, record->ballot, record->entry.slot);
    if (proposal == NULL || !reference_is_same_entry(&proposal->entry, &record->entry) ||
        (proposal->written & 1u << w->self) == 0) {
        return reference_refuse(w, "restores a vote in slot %" PRIu64 " that it never cast",
                                record->entry.slot);
    }
    struct slot *at = reference_slot(w->r, record->entry.slot);
    proposal->restored |= 1u << w->self;
    at->last_record[w->self] = (uint16_t)(proposal - at->proposals);
    return 0;
}

/* Votes that this life has restored count from its start on, for then they are durable. Of all that
 * were durable, the highest is back. What was written, and is not back, was lost: it was never told
 * to anybody, or somebody would now refuse. */
static int restart_slot(const struct watch *w, synod_slot slot)
{
    const uint32_t self = 1u << w->self;
    struct slot *at = reference_slot(w->r, slot);
    const struct proposal *highest = NULL;
    for (uint32_t i = 0; i < at->count; i++) {
        struct proposal *proposal = &at->proposals[i];
        if ((proposal->restored & self) != 0 && vote_is_durable(w, slot, proposal) != 0) {
            return -1;
        }
        proposal->written &= proposal->durable | ~self;
        if ((proposal->durable & self) != 0 &&
            (highest == NULL || reference_is_below(highest->ballot, proposal->ballot))) {
            highest = proposal;
        }
    }
    return highest == NULL || (highest->restored & self) != 0
               ? 0
               : reference_refuse(w, "forgets its vote in slot %" PRIu64, slot);
}

/* Nothing that was durable is forgotten, beyond what is applied already. A life that ended while it
 * restored has told nobody anything: what it saw on its disk may be gone. */
static int on_start(const struct watch *w)
{
    struct member *member = w->member;
    if (reference_is_below(member->promised, member->durable_promised)) {
        return reference_refuse(w, "forgets that it promised round %" PRIu64,
                                member->durable_promised.round);
    }
    member->durable_promised = member->promised;
    for (uint64_t i = member->applied; i < w->r->slot_count; i++) {
        if (restart_slot(w, i + 1) != 0) {
            return -1;
        }
    }
    member->is_started = 1;
    member->incarnation = w->event->id;
    member->recorded = member->applied;
    return 0;
}

static int on_snapshot(const struct watch *w)
{
    if (w->event->slot > w->r->chosen_prefix) {
        return reference_refuse(w, "holds a state beyond what is chosen");
    }
    if (w->event->slot > w->member->applied) {
        w->member->applied = w->event->slot;
        w->member->snapshot = w->event->slot;
    }
    if (w->event->slot > w->member->recorded) {
        w->member->recorded = w->event->slot;
    }
    return 0;
}

/* -- Applying ------------------------------------------------------------------------------ */

static int hand_out(const struct watch *w, const struct synod_entry *entry)
{
    const struct synod_entry *chosen = reference_chosen(w->r, entry->slot);
    if (entry->slot != w->member->applied + 1) {
        return reference_refuse(w, "hands out slot %" PRIu64 " after slot %" PRIu64, entry->slot,
                                w->member->applied);
    }
    if (chosen == NULL || !reference_is_same_entry(chosen, entry)) {
        return reference_refuse(w, "learns slot %" PRIu64 ", which is not chosen so", entry->slot);
    }
    w->member->applied = entry->slot;
    if (entry->slot > w->r->applied_max) {
        w->r->applied_max = entry->slot;
    }
    return 0;
}

/* -- Steps -------------------------------------------------------------------------------- */

static int speak_as(const struct watch *w, synod_member_id id)
{
    if (w->member->id != 0 && w->member->id != id) {
        return reference_refuse(w, "speaks, or is spoken to, as somebody else");
    }
    w->member->id = id;
    return 0;
}

static int watch_event(const struct watch *w)
{
    switch (w->event->type) {
    case SYNOD_EVENT_RESTORE:
        return on_restore(w);
    case SYNOD_EVENT_START:
        return on_start(w);
    case SYNOD_EVENT_DURABLE:
        return on_durable(w);
    case SYNOD_EVENT_SNAPSHOT:
        return on_snapshot(w);
    case SYNOD_EVENT_MESSAGE:
        return speak_as(w, w->event->message->to) == 0 ? reference_on_heard(w, w->event->message)
                                                       : -1;
    case SYNOD_EVENT_READ:
        reference_begin_read(w);
        return 0;
    case SYNOD_EVENT_TICK:
    case SYNOD_EVENT_PROPOSE:
    case SYNOD_EVENT_CONNECTED:
    case SYNOD_EVENT_DISCONNECTED:
    case SYNOD_EVENT_STOP:
    case SYNOD_EVENT_STAND:
        return 0;
    }
    return reference_refuse(w, "an event of no type");
}

/* What is proposed comes first, for the proposer votes for it in the same step; then what is
 * remembered and what is learned; at last what is said, which rests on all of that. */
static int watch_effects(const struct watch *w)
{
    const struct synod_effects *effects = w->effects;
    int outcome = 0;
    for (uint32_t i = 0; i < effects->message_count && outcome == 0; i++) {
        const struct synod_message *m = &effects->messages[i];
        outcome = speak_as(w, m->from);
        for (uint32_t k = 0; m->type == SYNOD_MESSAGE_ACCEPT && k < m->entry_count; k++) {
            outcome = outcome != 0 ? outcome : reference_propose(w, m->ballot, &m->entries[k]);
        }
    }
    for (uint32_t i = 0; i < effects->record_count && outcome == 0; i++) {
        outcome = write_record(w, &effects->records[i]);
    }
    for (uint32_t i = 0; i < effects->chosen_count && outcome == 0; i++) {
        outcome = hand_out(w, &effects->chosen[i]);
    }
    for (uint32_t i = 0; i < effects->message_count && outcome == 0; i++) {
        outcome = reference_on_said(w, &effects->messages[i]);
    }
    for (uint32_t i = 0; i < effects->read_count && outcome == 0; i++) {
        outcome = reference_end_read(w, &effects->reads[i]);
    }
    return outcome;
}

int reference_step(struct reference *r, uint32_t member, const struct synod_event *event,
                   const struct synod_effects *effects)
{
    assert(member < r->member_count);
    if (r->why[0] != 0) {
        return -1;
    }
    const struct watch watch = {r, member, &r->members[member], event, effects};
    r->counts.steps++;
    return watch_event(&watch) == 0 ? watch_effects(&watch) : -1;
}

/* -- The whole ---------------------------------------------------------------------------- */

struct reference *reference_new(uint32_t members, uint32_t phase1, uint32_t phase2)
{
    assert(members >= 1 && members <= SYNOD_MEMBERS_MAX);
    assert(phase1 + phase2 > members);
    struct reference *r = calloc(1, sizeof *r);
    assert(r != NULL);
    r->member_count = members;
    r->phase1 = phase1;
    r->phase2 = phase2;
    return r;
}

static void free_attempt(struct attempt *attempt)
{
    for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
        for (uint32_t k = 0; k < attempt->promises[i].count; k++) {
            free(attempt->promises[i].pieces[k].votes);
        }
        free(attempt->promises[i].pieces);
    }
}

void reference_free(struct reference *r)
{
    if (r == NULL) {
        return;
    }
    for (uint64_t i = 0; i < r->slot_count; i++) {
        free(r->slots[i].proposals);
    }
    for (uint32_t i = 0; i < r->attempt_count; i++) {
        free_attempt(&r->attempts[i]);
    }
    for (uint32_t i = 0; i < r->member_count; i++) {
        free(r->members[i].pending);
        free(r->members[i].reads);
        free(r->members[i].ended);
    }
    free(r->slots);
    free(r->attempts);
    free(r);
}

const char *reference_why(const struct reference *r)
{
    return r->why[0] == 0 ? NULL : r->why;
}

struct reference_counts reference_counts(const struct reference *r)
{
    return r->counts;
}
