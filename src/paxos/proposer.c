/* proposer.c -- from candidate to leader: both phases, for all slots at once.
 *
 * Phase 1 runs once, at election, for every slot from the first that this replica does not
 * know to be chosen (Paxos Made Simple, section 3). What it finds is proposed again under the
 * new ballot before anything new; then each proposal costs phase 2 alone.
 *
 * The file is long: both phases, and repeating them, are one machine with one state.
 *
 * The leader's own acceptor is one acceptor among the others: its vote counts when its record
 * is durable, and a quorum may well be made without it. */
#include "paxos/proposer.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "paxos/core_internal.h"
#include "paxos/hearing.h"
#include "paxos/quorum.h"
#include "synod/error.h"

static struct proposal *ring_at(const struct proposer *p, synod_slot slot)
{
    assert(p->window > 0 && (p->window & (p->window - 1)) == 0);
    assert(p->ring_offset >= sizeof *p);
    struct proposal *ring = (void *)((char *)(uintptr_t)p + p->ring_offset);
    return &ring[slot & (p->window - 1)];
}

static struct proposal *proposal_at(const struct proposer *p, synod_slot slot)
{
    assert(slot > 0);
    struct proposal *proposal = ring_at(p, slot);
    return proposal->entry.slot == slot ? proposal : NULL;
}

static void forget_proposals(struct proposer *p)
{
    memset(ring_at(p, 0), 0, p->window * sizeof(struct proposal));
}

void proposer_init(struct proposer *p, uint32_t window, uint32_t ring_offset)
{
    assert(((uintptr_t)p + ring_offset) % _Alignof(struct proposal) == 0);
    *p = (struct proposer){.state = PROPOSER_IDLE, .window = window, .ring_offset = ring_offset};
    forget_proposals(p);
}

/* -- Phase 1 ------------------------------------------------------------------------------ */

/* Ask `position` for what its promise does not cover yet. */
static void send_prepare(struct synod_core *c, uint32_t position, struct outbox *out)
{
    assert(c->proposer.state == PROPOSER_PREPARING && position != c->self);
    assert(c->proposer.covered[position] != SYNOD_SLOT_ALL);
    assert(synod_ballot_compare(c->proposer.ballot, c->acceptor.promised) == 0);
    struct synod_message *prepare =
        outbox_message(out, SYNOD_MESSAGE_PREPARE, c->options.members.ids[position]);
    prepare->ballot = c->proposer.ballot;
    prepare->slot = c->proposer.covered[position];
    prepare->after_lsn = MUTANT(4) ? 0 : c->acceptor.promised_lsn;
}

/* A ballot that nobody else makes, nor we in another life. */
static struct synod_ballot next_ballot(const struct synod_core *c)
{
    assert(c->round >= c->acceptor.promised.round && c->round < SYNOD_ROUND_MAX);
    struct synod_ballot ballot = {
        .round = (c->round < 1 ? 1 : c->round) + 1, /* Round 1 is left free: types.h. */
        .member = c->options.self,
        .incarnation = c->incarnation,
    };
    if (MUTANT(4)) {
        ballot.incarnation = 0;
    }
    if (MUTANT(12)) {
        ballot.member = c->options.members.ids[0];
    }
    return ballot;
}

/* Phase 1a. The new round is durable before anybody hears of it, because the promise that we
 * give ourselves is, so no later life can use the ballot again: the seeds of doubt are sown on
 * the disk first. Our own acceptor answers like the others. */
void proposer_stand(struct synod_core *c, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    assert(p->state == PROPOSER_IDLE && c->is_started && !c->is_stopping);
    assert(synod_ballot_is_none(c->election.leader));

    p->state = PROPOSER_PREPARING;
    p->ballot = next_ballot(c);
    core_see_round(c, p->ballot);
    p->reported_chosen = c->learner.chosen;
    p->reported_last = c->learner.chosen;
    p->progress_ms = c->now_ms;
    p->prepared_ms = c->now_ms;
    p->is_notice_due = 0;
    forget_proposals(p);

    (void)acceptor_promise(&c->acceptor, p->ballot, out);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        p->covered[i] = c->learner.chosen + 1;
        if (i != c->self) {
            send_prepare(c, i, out);
        }
    }
    const struct synod_message own = {.type = SYNOD_MESSAGE_PREPARE,
                                      .from = c->options.self,
                                      .ballot = p->ballot,
                                      .slot = p->covered[c->self]};
    acceptor_on_prepare(&c->acceptor, &c->learner, &own, out);
}

void proposer_step_down(struct synod_core *c, enum synod_why why)
{
    assert(why != 0 && why != SYNOD_WHY_ELECTED);
    if (c->proposer.state == PROPOSER_LEADING || c->proposer.state == PROPOSER_PREPARING) {
        c->why = why;
        c->proposer.state = PROPOSER_IDLE;
        reads_forget(&c->reads);
        election_on_step_down(c, why);
    }
}

/* Keep the vote of the highest ballot for its slot: P2c (Paxos Made Simple, 2.2). Returns 0 if
 * it lies beyond the window: we are too far behind to remember it. */
static int note_vote(struct synod_core *c, const struct synod_vote *vote, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    const synod_slot slot = vote->entry.slot;
    assert(p->state == PROPOSER_PREPARING);

    if (slot > c->learner.chosen + p->window) {
        return 0;
    }
    if (MUTANT(10) ? p->reported_last == c->learner.chosen : slot > p->reported_last) {
        p->reported_last = slot;
    }
    if (vote->is_chosen) {
        MARK("proposer: phase 1 reports a slot beyond the prefix as chosen");
        core_learn(c, &vote->entry, out);
        return 1;
    }
    if (slot <= c->learner.chosen) {
        return 1;
    }
    struct proposal *proposal = ring_at(p, slot);
    const int is_first = proposal->entry.slot != slot;
    assert(!is_first || proposal->entry.slot <= c->learner.chosen);
    assert(is_first || proposal->state == PROPOSAL_REPORTED);
    const int order = is_first ? 1 : synod_ballot_compare(vote->ballot, proposal->ballot);
    if (order < 0) {
        MARK("proposer: a reported vote is of a lower ballot than the one before");
    } else if (!is_first && order > 0) {
        MARK("proposer: a reported vote is of a higher ballot than the one before");
    }
    if (MUTANT(9) ? is_first : order > 0) {
        *proposal = (struct proposal){
            .ballot = vote->ballot, .entry = vote->entry, .state = PROPOSAL_REPORTED};
    }
    return 1;
}

/* A phase 1 quorum has promised and told all it knows. Slots up to the greatest prefix reported
 * are chosen: they are fetched, never proposed for. Above, whatever was reported is proposed
 * again, and what nobody reported below the last is a gap. */
static void become_leader(struct synod_core *c, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    assert(p->state == PROPOSER_PREPARING);
    assert(synod_ballot_compare(p->ballot, c->acceptor.promised) == 0);
    if (p->reported_last < p->reported_chosen) {
        p->reported_last = p->reported_chosen;
    }
    if (p->reported_last < c->learner.last) {
        p->reported_last = c->learner.last;
    }
    p->state = PROPOSER_LEADING;
    if (p->reported_chosen > c->learner.chosen) {
        MARK("proposer: wins without having all that is chosen");
    }
    p->found = p->reported_chosen + 1;
    p->next = p->reported_last + 1;
    assert(p->found <= p->next && p->next > c->learner.last);
    c->why = SYNOD_WHY_ELECTED;
    reads_forget(&c->reads);
    election_on_elected(c, out);
}

static uint32_t promised_set(const struct synod_core *c)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (c->proposer.covered[i] == SYNOD_SLOT_ALL) {
            set |= 1u << i;
        }
    }
    return set;
}

/* Phase 1b comes back. An answer that does not begin where the member's last one ended is a
 * repeat, or overtook another; the tick asks again. */
void proposer_on_promise(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    const int position = quorum_position(&c->options.members, m->from);
    assert(m->type == SYNOD_MESSAGE_PROMISE && m->until > m->slot);
    assert(position >= 0 && m->ballot.member == c->options.self);

    const int is_ours = synod_ballot_compare(m->ballot, p->ballot) == 0 || MUTANT(7);
    if (p->state != PROPOSER_PREPARING || !is_ours || m->slot != p->covered[position]) {
        MARK("proposer: a promise comes late, twice or out of order");
        return;
    }
    synod_slot until = m->until;
    for (uint32_t i = 0; i < m->vote_count && until == m->until; i++) {
        if (!note_vote(c, &m->votes[i], out)) {
            until = m->votes[i].entry.slot; /* Ask again from here when we have caught up. */
        }
    }
    if (m->chosen > p->reported_chosen || MUTANT(14)) {
        p->reported_chosen = m->chosen;
    }
    assert(until >= p->covered[position]); /* A promise is not taken back. */
    if (until > p->covered[position] && !MUTANT(93)) {
        p->progress_ms = c->now_ms;
    }
    p->covered[position] = until;
    if (until == m->until && until != SYNOD_SLOT_ALL) {
        MARK("proposer: asks for the rest of the votes");
        if ((uint32_t)position == c->self) {
            const struct synod_message own = {.type = SYNOD_MESSAGE_PREPARE,
                                              .from = c->options.self,
                                              .ballot = p->ballot,
                                              .slot = until};
            acceptor_on_prepare(&c->acceptor, &c->learner, &own, out);
        } else {
            send_prepare(c, (uint32_t)position, out);
        }
    }
    if (quorum_is_met(&c->options.members, QUORUM_PHASE1, promised_set(c))) {
        become_leader(c, out);
    }
}

/* -- Phase 2 ------------------------------------------------------------------------------ */

/* Send entries to one member. The array must outlive the step. */
static void send_accept(struct synod_core *c, uint32_t position, const struct synod_entry *entries,
                        uint32_t count, struct outbox *out)
{
    assert(c->proposer.state == PROPOSER_LEADING && position != c->self);
    assert(count > 0 && count <= c->options.entries_max);
    struct synod_message *accept =
        outbox_message(out, SYNOD_MESSAGE_ACCEPT, c->options.members.ids[position]);
    accept->ballot = c->proposer.ballot;
    accept->entries = entries;
    accept->entry_count = count;
    accept->chosen = c->learner.chosen;
}

/* Phase 2a: propose entries under our ballot, to our own acceptor too. */
static void broadcast(struct synod_core *c, const struct synod_entry *entries, uint32_t count,
                      struct outbox *out)
{
    assert(count > 0 && c->proposer.state == PROPOSER_LEADING);
    assert(synod_ballot_compare(c->proposer.ballot, c->acceptor.promised) == 0);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i != c->self) {
            send_accept(c, i, entries, count, out);
        }
    }
    c->proposer.is_notice_due = 0;
    const struct synod_message own = {.type = SYNOD_MESSAGE_ACCEPT,
                                      .from = c->options.self,
                                      .ballot = c->proposer.ballot,
                                      .entries = entries,
                                      .entry_count = count};
    acceptor_on_accept(&c->acceptor, &c->learner, &own, out);
}

/* Enter an entry as proposed under our ballot. */
static void enter(struct synod_core *c, const struct synod_entry *entry, uint32_t wants_notice)
{
    struct proposer *p = &c->proposer;
    struct proposal *proposal = ring_at(p, entry->slot);
    assert(p->state == PROPOSER_LEADING && entry->slot < p->next);
    assert(entry->slot <= c->learner.chosen + p->window);
    assert(proposal->entry.slot <= c->learner.chosen || proposal->entry.slot == entry->slot);
    /* One ballot proposes one value per slot. */
    assert(proposal->entry.slot != entry->slot || proposal->state == PROPOSAL_REPORTED);
    *proposal = (struct proposal){
        .ballot = p->ballot,
        .entry = *entry,
        .sent_ms = c->now_ms,
        .state = PROPOSAL_SENT,
        .wants_notice = wants_notice,
    };
}

int proposer_propose(struct synod_core *c, const struct synod_event *event, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    if (p->state != PROPOSER_LEADING) {
        return SYNOD_ERR_NO_LEADER;
    }
    if (p->found <= p->reported_last || p->next > c->learner.chosen + c->options.pipeline_max) {
        MARK("proposer: is busy with what it found, or its pipeline is full");
        return SYNOD_ERR_BUSY;
    }
    assert(event->entry->kind == SYNOD_ENTRY_VALUE || event->entry->kind == SYNOD_ENTRY_NOOP);
    assert(p->next > p->reported_last);
    struct synod_entry *entry = outbox_entries(out, 1);
    *entry = *event->entry;
    entry->slot = p->next++;
    entry->view = c->options.view;
    enter(c, entry, event->wants_notice);
    broadcast(c, entry, 1, out);
    out->effects.proposed = entry->slot;
    return 0;
}

/* The entry to propose for a slot that phase 1 covered: what was reported there with the
 * highest ballot, and a no-op where nothing was (Paxos Made Simple, section 3). */
static struct synod_entry entry_for_found(const struct synod_core *c, synod_slot slot)
{
    const struct proposal *reported = proposal_at(&c->proposer, slot);
    assert(slot > c->proposer.reported_chosen && slot <= c->proposer.reported_last);
    if (reported != NULL) {
        assert(reported->state == PROPOSAL_REPORTED);
        MARK("proposer: proposes again what it found");
        return reported->entry;
    }
    MARK("proposer: fills a gap with a no-op");
    return (struct synod_entry){.slot = slot, .view = c->options.view, .kind = SYNOD_ENTRY_NOOP};
}

/* Propose again what phase 1 found, as much as one message holds. */
static void propose_found(struct synod_core *c, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    struct synod_entry *entries = outbox_entries(out, c->options.entries_max);
    uint32_t count = 0;
    uint64_t bytes = 0;
    assert(p->state == PROPOSER_LEADING && p->found > p->reported_chosen);

    if (p->found <= c->learner.chosen) {
        p->found = c->learner.chosen + 1;
    }
    for (; p->found <= p->reported_last; p->found++) {
        if (p->found > c->learner.chosen + p->window || count == c->options.entries_max) {
            break;
        }
        if (learner_at(&c->learner, p->found) != NULL) {
            MARK("proposer: need not propose again what it knows to be chosen");
            continue;
        }
        const struct synod_entry entry = entry_for_found(c, p->found);
        if (count > 0 && bytes + entry.size > c->options.message_bytes_max) {
            break;
        }
        bytes += entry.size;
        enter(c, &entry, 0);
        entries[count++] = entry;
    }
    outbox_return_entries(out, c->options.entries_max - count);
    if (count > 0) {
        broadcast(c, entries, count, out);
    }
}

/* Phase 2b comes back. An entry is chosen when a phase 2 quorum accepted it under one ballot:
 * answers of other ballots, and a member's second one, do not count. */
void proposer_on_accepted(struct synod_core *c, const struct synod_message *m)
{
    struct proposer *p = &c->proposer;
    const int position = quorum_position(&c->options.members, m->from);
    assert(position >= 0 && m->ballot.member == c->options.self);

    const int is_ours = synod_ballot_compare(m->ballot, p->ballot) == 0 || MUTANT(13);
    if (p->state != PROPOSER_LEADING || !is_ours) {
        MARK("proposer: a vote comes for a ballot that it is done with");
        return;
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        struct proposal *proposal = proposal_at(p, m->entries[i].slot);
        if (proposal == NULL || proposal->state == PROPOSAL_REPORTED ||
            !synod_entry_equal(&proposal->entry, &m->entries[i])) {
            continue;
        }
        assert(synod_ballot_compare(proposal->ballot, p->ballot) == 0);
        proposal->acks |= MUTANT(8) ? proposal->acks + 1 : 1u << position;
        if (proposal->state == PROPOSAL_SENT &&
            quorum_is_met(&c->options.members, QUORUM_PHASE2, proposal->acks)) {
            proposal->state = PROPOSAL_CHOSEN;
            const int outcome = learner_learn(&c->learner, &proposal->entry);
            assert(outcome >= 0); /* Who heard of another value leads no more. */
        }
    }
}

/* As long as it leads, a leader says with its chosen prefix also this (a notice): every slot up
 * to there that I proposed under this ballot was chosen with the value that I proposed. A
 * follower that voted under this ballot then knows that its vote was for what was chosen. So a
 * leader that hears of another value, or of a slot that it has not come to, has been passed by
 * a higher ballot, and must not say it again. */
void proposer_on_learned(struct synod_core *c, const struct synod_entry *entry)
{
    if (c->proposer.state != PROPOSER_LEADING) {
        return;
    }
    assert(learner_at(&c->learner, entry->slot) != NULL);
    struct proposal *proposal = proposal_at(&c->proposer, entry->slot);
    const int is_sent = proposal != NULL && proposal->state != PROPOSAL_REPORTED;
    if (entry->slot >= c->proposer.next ||
        (is_sent && !synod_entry_equal(&proposal->entry, entry) && !MUTANT(69))) {
        proposer_step_down(c, SYNOD_WHY_REFUSED);
    } else if (is_sent) {
        proposal->state = PROPOSAL_CHOSEN;
    }
}

void proposer_on_delivered(struct synod_core *c, synod_slot before)
{
    assert(before <= c->learner.chosen);
    if (c->proposer.state != PROPOSER_LEADING) {
        return;
    }
    /* That phase 1's gap closes is no progress of phase 1: to fetch a long log takes as long as it
     * takes, whoever leads, and nothing can be proposed meanwhile. Who has it can lead. */
    if (c->learner.chosen > before && MUTANT(123)) {
        c->proposer.progress_ms = c->now_ms;
    }
    for (synod_slot slot = before + 1; slot <= c->learner.chosen; slot++) {
        const struct proposal *proposal = proposal_at(&c->proposer, slot);
        if (proposal != NULL && proposal->wants_notice) {
            c->proposer.is_notice_due = 1;
        }
    }
}

void proposer_on_refused(struct synod_core *c, struct synod_ballot refused,
                         struct synod_ballot promised)
{
    core_see_round(c, promised);
    if (c->proposer.state == PROPOSER_IDLE ||
        synod_ballot_compare(refused, c->proposer.ballot) != 0) {
        return;
    }
    /* A refusal that names no higher ballot is stale: we have been promised since. */
    if (synod_ballot_compare(promised, c->proposer.ballot) > 0 && !MUTANT(16)) {
        MARK("proposer: is refused for a higher ballot");
        proposer_step_down(c, SYNOD_WHY_REFUSED);
    }
}

/* -- Time --------------------------------------------------------------------------------- */

/* One past the last slot that may hold a proposal of ours. Who is elected far behind the others
 * has its next slot far beyond what the ring can hold. */
static synod_slot end_of_proposals(const struct synod_core *c)
{
    const synod_slot end = c->learner.chosen + c->options.window + 1;
    return c->proposer.next < end ? c->proposer.next : end;
}

/* Send `position` again what it has not accepted, if it is time; everything if `is_now`. Not what
 * it could not remember: that would take the room on a narrow link of what it has to learn first.
 * Returns the slot up to which that was done: one message may not hold it all. */
static synod_slot resend(struct synod_core *c, uint32_t position, int is_now, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    const synod_slot end = end_of_proposals(c);
    const synod_slot reach = hearing_reach(c, position);
    struct synod_entry *entries = outbox_entries(out, c->options.entries_max);
    synod_slot slot = c->learner.chosen + 1;
    uint32_t count = 0;
    uint64_t bytes = 0;

    for (; slot < end; slot++) {
        const struct proposal *proposal = proposal_at(p, slot);
        if (proposal == NULL || proposal->state != PROPOSAL_SENT ||
            (proposal->acks & 1u << position) != 0 || slot > reach) {
            continue;
        }
        assert(proposal->sent_ms <= c->now_ms);
        if (!is_now && (MUTANT(57) || c->now_ms - proposal->sent_ms < c->options.retry_ms)) {
            continue;
        }
        if (count == c->options.entries_max ||
            (count > 0 && bytes + proposal->entry.size > c->options.message_bytes_max)) {
            break;
        }
        bytes += proposal->entry.size;
        entries[count++] = proposal->entry;
    }
    outbox_return_entries(out, c->options.entries_max - count);
    if (count > 0) {
        send_accept(c, position, entries, count, out);
    }
    return slot - 1;
}

static void resend_to_all(struct synod_core *c, struct outbox *out)
{
    synod_slot done = SYNOD_SLOT_ALL;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const synod_slot slot = i == c->self ? done : resend(c, i, 0, out);
        done = slot < done ? slot : done;
    }
    const synod_slot end = end_of_proposals(c);
    for (synod_slot slot = c->learner.chosen + 1; slot < end && slot <= done; slot++) {
        struct proposal *proposal = proposal_at(&c->proposer, slot);
        if (proposal != NULL && proposal->state == PROPOSAL_SENT &&
            c->now_ms - proposal->sent_ms >= c->options.retry_ms) {
            MARK("proposer: repeats an accept that was not answered");
            proposal->sent_ms = c->now_ms;
        }
    }
}

static void prepare_again(struct synod_core *c, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    assert(synod_ballot_compare(p->ballot, c->acceptor.promised) == 0);
    MARK("proposer: asks again for promises");
    p->prepared_ms = c->now_ms;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i != c->self && p->covered[i] != SYNOD_SLOT_ALL) {
            send_prepare(c, i, out);
        }
    }
}

static void send_notices(struct synod_core *c, struct outbox *out)
{
    assert(c->proposer.state == PROPOSER_LEADING);
    c->proposer.is_notice_due = 0;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i != c->self) {
            struct synod_message *notice =
                outbox_message(out, SYNOD_MESSAGE_NOTICE, c->options.members.ids[i]);
            notice->ballot = c->proposer.ballot;
            notice->chosen = c->learner.chosen;
        }
    }
}

int proposer_is_phase1_open(const struct synod_core *c)
{
    const struct proposer *p = &c->proposer;
    return p->state == PROPOSER_PREPARING ||
           (p->state == PROPOSER_LEADING && c->learner.chosen < p->reported_chosen);
}

void proposer_on_tick(struct synod_core *c, struct outbox *out)
{
    struct proposer *p = &c->proposer;
    assert(p->progress_ms <= c->now_ms && p->prepared_ms <= c->now_ms);
    if (proposer_is_phase1_open(c) && c->now_ms - p->progress_ms >= election_patience_ms(c)) {
        MARK("proposer: gives phase 1 up");
        proposer_step_down(c, SYNOD_WHY_GAVE_UP);
    } else if (p->state == PROPOSER_PREPARING &&
               c->now_ms - p->prepared_ms >= c->options.retry_ms) {
        prepare_again(c, out);
    }
    if (p->state != PROPOSER_LEADING) {
        return;
    }
    if (p->found <= p->reported_last) {
        propose_found(c, out);
    }
    resend_to_all(c, out);
    if (p->is_notice_due) {
        send_notices(c, out);
    }
}

void proposer_on_connected(struct synod_core *c, synod_member_id member, struct outbox *out)
{
    const int position = quorum_position(&c->options.members, member);
    if (position < 0 || (uint32_t)position == c->self) {
        return;
    }
    if (c->proposer.state == PROPOSER_LEADING) {
        (void)resend(c, (uint32_t)position, 1, out);
    } else if (c->proposer.state == PROPOSER_PREPARING &&
               c->proposer.covered[position] != SYNOD_SLOT_ALL) {
        MARK("proposer: asks a member for its promise as it connects");
        send_prepare(c, (uint32_t)position, out);
    }
}

uint32_t proposer_in_flight(const struct synod_core *c)
{
    uint32_t count = 0;
    if (c->proposer.state == PROPOSER_LEADING) {
        for (synod_slot slot = c->learner.chosen + 1; slot < end_of_proposals(c); slot++) {
            const struct proposal *proposal = proposal_at(&c->proposer, slot);
            count += proposal != NULL && proposal->state == PROPOSAL_SENT;
        }
    }
    return count;
}

int proposer_has_work(const struct synod_core *c)
{
    const struct proposer *p = &c->proposer;
    return p->state == PROPOSER_LEADING &&
           (p->is_notice_due ||
            (p->found <= p->reported_last && p->found <= c->learner.chosen + p->window));
}

int proposer_holds(const struct synod_core *c, synod_slot slot, uint64_t handle)
{
    const struct proposal *proposal = proposal_at(&c->proposer, slot);
    assert(proposal == NULL || proposal->entry.slot == slot);
    return proposal != NULL && proposal->entry.handle == handle;
}

void proposer_check(const struct synod_core *c)
{
    const struct proposer *p = &c->proposer;
    if (p->state == PROPOSER_IDLE) {
        return;
    }
    assert(p->ballot.member == c->options.self);
    assert(p->ballot.round >= 2);
    assert(synod_ballot_compare(p->ballot, c->acceptor.promised) == 0);
    if (p->state == PROPOSER_LEADING) {
        assert(p->reported_chosen <= p->reported_last && p->reported_last < p->next);
        assert(quorum_is_met(&c->options.members, QUORUM_PHASE1, promised_set(c)));
        assert(p->found > p->reported_chosen);
        assert(c->learner.chosen < p->next);
        for (synod_slot slot = c->learner.chosen + 1; slot < end_of_proposals(c); slot++) {
            const struct proposal *proposal = proposal_at(p, slot);
            const struct synod_entry *chosen = learner_at(&c->learner, slot);
            if (proposal == NULL || proposal->state == PROPOSAL_REPORTED) {
                continue;
            }
            assert(synod_ballot_compare(proposal->ballot, p->ballot) == 0);
            assert(proposal->state != PROPOSAL_SENT ||
                   !quorum_is_met(&c->options.members, QUORUM_PHASE2, proposal->acks));
            assert(proposal->state != PROPOSAL_CHOSEN || chosen != NULL);
            assert(chosen == NULL || synod_entry_equal(chosen, &proposal->entry));
        }
    }
}
