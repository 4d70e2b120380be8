/* core.c -- one event in, all its effects out.
 *
 * The order within a step: what a message says about the chosen prefix first, since it may make
 * room in the window; then the handler of its type; then whatever became deliverable; and at
 * the end the checks that are cheap enough for production. */
#include "synod/core.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "paxos/core_internal.h"
#include "paxos/filter.h"
#include "paxos/hearing.h"
#include "paxos/quorum.h"
#include "synod/error.h"

/* -- Options and memory ------------------------------------------------------------------- */

void synod_options_init(struct synod_options *options)
{
    *options = (struct synod_options){
        .view = 1,
        .window = 1024,
        .pipeline_max = 256,
        .entries_max = 32,
        .message_bytes_max = 1u << 20,
        .reads_max = 64,
        .heartbeat_ms = 100,
        .election_ms = 1000,
        .retry_ms = 100,
    };
}

int synod_options_are_valid(const struct synod_options *options)
{
    const struct synod_members *members = &options->members;
    if (members->count < 1 || members->count > SYNOD_MEMBERS_MAX ||
        quorum_position(members, options->self) < 0 || options->view == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->ids[i] == 0 || quorum_position(members, members->ids[i]) != (int)i) {
            return 0;
        }
    }
    return members->phase1 >= 1 && members->phase1 <= members->count && members->phase2 >= 1 &&
           members->phase2 <= members->count &&
           members->phase1 + members->phase2 + MUTANT(153) > members->count &&
           options->window >= 2 && (options->window & (options->window - 1)) == 0 &&
           options->pipeline_max >= 1 && options->window <= SYNOD_WINDOW_MAX &&
           options->pipeline_max <= options->window / 2 && options->entries_max >= 1 &&
           options->entries_max <= SYNOD_ENTRIES_MAX && options->reads_max >= 1 &&
           options->reads_max <= SYNOD_READS_MAX && options->heartbeat_ms >= 1 &&
           options->election_ms > options->heartbeat_ms && options->retry_ms >= 1;
}

struct layout {
    size_t votes, learned, proposals, reads, total;
};

static size_t place(size_t *total, size_t size)
{
    const size_t at = *total;
    assert(size > 0 && size <= SIZE_MAX - 15u - at);
    *total += (size + 15u) & ~(size_t)15u;
    return at;
}

static struct layout plan(const struct synod_options *options)
{
    struct layout layout = {0};
    (void)place(&layout.total, sizeof(struct synod_core));
    layout.votes = place(&layout.total, options->window * sizeof(struct acceptor_vote));
    layout.learned = place(&layout.total, options->window * sizeof(struct learned));
    layout.proposals = place(&layout.total, options->window * sizeof(struct proposal));
    layout.reads = place(&layout.total, options->reads_max * sizeof(struct waiting_read));
    return layout;
}

size_t synod_core_size(const struct synod_options *options)
{
    return plan(options).total;
}

struct synod_core *synod_core_init(void *memory, const struct synod_options *options)
{
    assert(synod_options_are_valid(options));
    const struct layout layout = plan(options);
    struct synod_core *c = memory;
    assert((uintptr_t)memory % _Alignof(struct synod_core) == 0);
    assert(layout.total <= UINT32_MAX); /* What is found by offsets is within their reach. */

    memset(memory, 0, layout.total);
    c->options = *options;
    c->self = (uint32_t)quorum_position(&options->members, options->self);
    assert(c->self < options->members.count);
    acceptor_init(&c->acceptor, options,
                  (uint32_t)(layout.votes - offsetof(struct synod_core, acceptor)));
    learner_init(&c->learner, options->window,
                 (uint32_t)(layout.learned - offsetof(struct synod_core, learner)));
    proposer_init(&c->proposer, options->window,
                  (uint32_t)(layout.proposals - offsetof(struct synod_core, proposer)));
    reads_init(&c->reads, options->reads_max,
               (uint32_t)(layout.reads - offsetof(struct synod_core, reads)));
    election_init(&c->election, options->seed);
    return c;
}

/* -- Messages ----------------------------------------------------------------------------- */

/* A notice (see proposer_on_learned): where our own vote is of the leader's ballot, it was for
 * what was chosen. It is as true of a ballot that was passed since. */
static void on_notice(struct synod_core *c, const struct synod_message *m)
{
    assert(!synod_ballot_is_none(m->ballot) && m->ballot.member == m->from);
    const synod_slot reach = c->learner.chosen + c->options.window;
    const synod_slot last = m->chosen < reach ? m->chosen : reach;
    for (synod_slot slot = c->learner.chosen + 1; slot <= last; slot++) {
        const struct acceptor_vote *vote = acceptor_at(&c->acceptor, slot);
        if (vote != NULL && (synod_ballot_compare(vote->ballot, m->ballot) == 0 || MUTANT(15))) {
            if (learner_learn(&c->learner, &vote->entry) == 1) {
                proposer_on_learned(c, &vote->entry);
            }
        }
    }
}

static void deliver(struct synod_core *c, struct outbox *out)
{
    const synod_slot before = c->learner.chosen;
    learner_deliver(&c->learner, c->now_ms, out);
    proposer_on_delivered(c, before);
    assert(c->learner.chosen >= before);
    assert(c->acceptor.recorded <= c->learner.chosen);
}

/* Somebody tells us that an entry is chosen. It is recorded as chosen, not as a vote: no ballot
 * of ours stands behind it. Where our own vote was for the same, that record serves: a later
 * record of the chosen prefix must find one for each slot. */
void core_learn(struct synod_core *c, const struct synod_entry *entry, struct outbox *out)
{
    const struct acceptor_vote *vote = acceptor_at(&c->acceptor, entry->slot);
    if (learner_learn(&c->learner, entry) != 1) {
        return;
    }
    if (vote == NULL || (!synod_entry_equal(&vote->entry, entry) && !MUTANT(109))) {
        MARK("core: learns what it did not vote for");
        acceptor_record_chosen(&c->acceptor, &c->learner, out);
        assert(entry->slot > c->acceptor.recorded);
        assert(entry->slot <= c->acceptor.recorded + c->options.window);
        (void)outbox_record(out,
                            &(struct synod_record){.type = SYNOD_RECORD_LEARNED, .entry = *entry});
    }
    proposer_on_learned(c, entry);
}

static void on_learn(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    const synod_slot before = c->learner.chosen;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        core_learn(c, &m->entries[i], out);
    }
    deliver(c, out);
    if (m->entry_count > 0) {
        learner_claim(&c->learner, m->from, m->chosen, c->now_ms);
    }
    if (c->learner.chosen > before && /* A repeat that brings nothing must not ask for another. */
        learner_is_giver(&c->learner, m->from, m->chosen, c->now_ms)) {
        learner_fetch(&c->learner, c->now_ms, 0, out);
    }
}

static void on_fetch(const struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    assert(m->type == SYNOD_MESSAGE_FETCH && m->slot > 0);
    if (m->slot <= c->learner.chosen) {
        outbox_serve(out, m->from, m->slot);
    }
}

/* Promising more than our own ballot ends our candidacy or our lead. */
static void after_promise(struct synod_core *c)
{
    if (c->proposer.state != PROPOSER_IDLE &&
        synod_ballot_compare(c->acceptor.promised, c->proposer.ballot) > 0) {
        MARK("core: its own promise ends its lead or candidacy");
        proposer_step_down(c, SYNOD_WHY_PROMISED);
    }
    election_on_promised(c);
    assert(c->acceptor.promised.round <= c->round);
}

static void on_accept(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    acceptor_on_accept(&c->acceptor, &c->learner, m, out);
    if (synod_ballot_compare(m->ballot, c->acceptor.promised) == 0) {
        after_promise(c);
    }
}

static void dispatch(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    switch (m->type) {
    case SYNOD_MESSAGE_PREPARE:
        acceptor_on_prepare(&c->acceptor, &c->learner, m, out);
        after_promise(c);
        election_on_prepare(c, m);
        break;
    case SYNOD_MESSAGE_PROMISE:
        proposer_on_promise(c, m, out);
        deliver(c, out);
        break;
    case SYNOD_MESSAGE_ACCEPT:
        on_accept(c, m, out);
        break;
    case SYNOD_MESSAGE_ACCEPTED:
        proposer_on_accepted(c, m);
        deliver(c, out);
        break;
    case SYNOD_MESSAGE_REFUSED:
        proposer_on_refused(c, m->ballot, m->promised);
        break;
    case SYNOD_MESSAGE_LEARN:
        on_learn(c, m, out);
        break;
    case SYNOD_MESSAGE_FETCH:
        on_fetch(c, m, out);
        break;
    case SYNOD_MESSAGE_ASK:
        election_on_ask(c, m, out);
        break;
    case SYNOD_MESSAGE_ANSWER:
        election_on_answer(c, m, out);
        break;
    case SYNOD_MESSAGE_READ:
        reads_on_read(c, m, out);
        break;
    case SYNOD_MESSAGE_READ_INDEX:
        reads_on_index(c, m, out);
        break;
    case SYNOD_MESSAGE_NOTICE:
    case SYNOD_MESSAGE_CHOSEN:
        break; /* What they say about the prefix was all. */
    case SYNOD_MESSAGE_TYPE_END:
        assert_unreachable("a filtered message has a type");
    }
}

/* What others have and we lack is asked of a member that answers us: one that merely reaches
 * us would be asked again and again, and its claims would crowd out those that can help. */
static void note_claim(struct synod_core *c, const struct synod_message *m)
{
    const uint32_t position = (uint32_t)quorum_position(&c->options.members, m->from);
    assert(position < c->options.members.count);
    if (m->chosen > c->learner.chosen && position != c->self &&
        (hearing_set(c) & 1u << position) != 0) {
        learner_claim(&c->learner, m->from, m->chosen, c->now_ms);
    }
}

static int on_message(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    assert(c->is_started); /* Who answers before all is restored forgets its promises. */
    assert(synod_message_is_valid(m, &c->options));
    if (m->view != c->options.view && !(MUTANT(68) && m->type == SYNOD_MESSAGE_NOTICE)) {
        return 0; /* Ballots live in a view: what belongs to another is never compared. */
    }
    const uint64_t contradictions = c->learner.contradictions;
    core_see_round(c, m->ballot);
    core_see_round(c, m->promised);
    const int is_from_leader = m->type == SYNOD_MESSAGE_ACCEPT || m->type == SYNOD_MESSAGE_NOTICE ||
                               m->type == SYNOD_MESSAGE_READ_INDEX ||
                               (m->type == SYNOD_MESSAGE_ASK && m->ballot.round != 0);
    if (is_from_leader) {
        on_notice(c, m);
        deliver(c, out);
    }
    dispatch(c, m, out);
    note_claim(c, m);
    if (c->learner.contradictions == contradictions) {
        return 0;
    }
    assert(m->from != c->options.self); /* We may believe a lie, but then we do not tell another. */
    return SYNOD_ERR_CORRUPT;
}

/* -- Records ------------------------------------------------------------------------------ */

/* The records say that the prefix reaches `chosen`: what they last said about each slot up to
 * there is what was chosen. A slot they say nothing about is a contradiction. */
static int restore_chosen(struct synod_core *c, synod_slot chosen, struct outbox *out)
{
    assert(!c->is_started); /* Later, votes are not what was chosen by themselves. */
    for (synod_slot slot = c->learner.chosen + 1; slot <= chosen; slot++) {
        const struct acceptor_vote *vote = acceptor_at(&c->acceptor, slot);
        if (learner_at(&c->learner, slot) != NULL) {
            continue;
        }
        if (vote == NULL) {
            return SYNOD_ERR_CORRUPT;
        }
        MARK("core: a vote is restored as chosen");
        (void)learner_learn(&c->learner, &vote->entry);
    }
    learner_deliver(&c->learner, c->now_ms, out);
    assert(c->learner.chosen >= chosen);
    c->acceptor.recorded = c->learner.chosen;
    if (MUTANT(29)) {
        c->acceptor.promised = (struct synod_ballot){0};
    }
    return 0;
}

static int on_restore(struct synod_core *c, const struct synod_record *record, struct outbox *out)
{
    const int has_entry = record->type == SYNOD_RECORD_VOTE || record->type == SYNOD_RECORD_LEARNED;
    const int has_ballot =
        record->type == SYNOD_RECORD_VOTE || record->type == SYNOD_RECORD_PROMISE;
    assert(!c->is_started);
    assert(c->lsn == 0); /* All that this life writes comes after what the others wrote. */
    if ((has_entry && !filter_entry_is_valid(&record->entry)) ||
        (has_ballot && !filter_ballot_is_valid(record->ballot, &c->options))) {
        return SYNOD_ERR_CORRUPT;
    }
    switch (record->type) {
    case SYNOD_RECORD_PROMISE:
    case SYNOD_RECORD_VOTE:
        core_see_round(c, record->ballot);
        if (MUTANT(27) && record->type == SYNOD_RECORD_VOTE) {
            (void)learner_learn(&c->learner, &record->entry);
            learner_deliver(&c->learner, c->now_ms, out);
        }
        return acceptor_restore(&c->acceptor, &c->learner, record);
    case SYNOD_RECORD_LEARNED:
        if (record->entry.slot > c->learner.chosen + c->options.window) {
            return SYNOD_ERR_CORRUPT;
        }
        if (learner_learn(&c->learner, &record->entry) < 0) {
            return SYNOD_ERR_CORRUPT;
        }
        learner_deliver(&c->learner, c->now_ms, out);
        return 0;
    case SYNOD_RECORD_CHOSEN:
        return restore_chosen(c, record->chosen, out);
    }
    return SYNOD_ERR_CORRUPT;
}

static void on_snapshot(struct synod_core *c, synod_slot slot, struct outbox *out)
{
    assert(slot <= SYNOD_SNAPSHOT_SLOT_MAX);
    if (slot <= c->learner.chosen) {
        return;
    }
    /* Whatever we had in flight up to there was decided without our hearing how. */
    if (c->proposer.state == PROPOSER_LEADING && slot > c->proposer.reported_chosen) {
        MARK("core: a snapshot ends a lead");
        proposer_step_down(c, SYNOD_WHY_REFUSED);
    }
    learner_skip_to(&c->learner, slot, c->now_ms);
    if (MUTANT(25)) {
        c->acceptor.promised = (struct synod_ballot){0};
    }
    deliver(c, out);
    assert(c->learner.chosen >= slot);
}

/* -- The step ----------------------------------------------------------------------------- */

static void on_durable(struct synod_core *c, synod_lsn lsn)
{
    assert(lsn <= c->lsn);
    if (lsn > c->durable) {
        c->durable = lsn;
        c->pending_ms = c->now_ms;
    }
}

static void on_tick(struct synod_core *c, struct outbox *out)
{
    if (!c->is_started) {
        return;
    }
    assert(c->ticked_ms <= c->now_ms);
    c->ticked_ms = c->now_ms;
    election_on_tick(c, out);
    proposer_on_tick(c, out);
    if (!learner_is_given(&c->learner, c->now_ms, c->options.election_ms)) {
        c->learner.giver = 0;
        learner_fetch(&c->learner, c->now_ms, c->options.retry_ms, out);
    }
}

static int handle(struct synod_core *c, const struct synod_event *event, struct outbox *out)
{
    switch (event->type) {
    case SYNOD_EVENT_RESTORE:
        return on_restore(c, event->record, out);
    case SYNOD_EVENT_START:
        assert(!c->is_started);
        c->is_started = 1;
        c->incarnation = event->id;
        election_start(c, out);
        return 0;
    case SYNOD_EVENT_TICK:
        on_tick(c, out);
        return 0;
    case SYNOD_EVENT_MESSAGE:
        return on_message(c, event->message, out);
    case SYNOD_EVENT_DURABLE:
        on_durable(c, event->lsn);
        return 0;
    case SYNOD_EVENT_SNAPSHOT:
        on_snapshot(c, event->slot, out);
        return 0;
    case SYNOD_EVENT_PROPOSE:
        return proposer_propose(c, event, out);
    case SYNOD_EVENT_READ:
        return reads_begin(c, event->id, out);
    case SYNOD_EVENT_CONNECTED:
        election_on_connected(c, out);
        proposer_on_connected(c, event->member, out);
        return 0;
    case SYNOD_EVENT_DISCONNECTED:
        election_on_disconnected(c, event->member, out);
        return 0;
    case SYNOD_EVENT_STOP:
        c->is_stopping = 1;
        proposer_step_down(c, SYNOD_WHY_RESIGNED);
        election_on_stop(c, out);
        return 0;
    case SYNOD_EVENT_STAND:
        election_on_asked_to_stand(c, out);
        return 0;
    }
    assert_unreachable("an event has a type");
}

/* When the next tick is due. Counted from the last tick, not from this event: events that come
 * faster than any time-out must not put off everything that time brings. */
static uint64_t wake_ms(const struct synod_core *c)
{
    if (!c->is_started) {
        return UINT64_MAX;
    }
    if (proposer_has_work(c)) {
        return c->now_ms;
    }
    const int is_waiting =
        c->proposer.state == PROPOSER_PREPARING ||
        (c->proposer.state == PROPOSER_LEADING && c->proposer.next > c->learner.chosen + 1) ||
        c->learner.claimed > c->learner.chosen;
    const int is_retry_first = c->options.retry_ms < c->options.heartbeat_ms;
    uint64_t wake = c->ticked_ms +
                    (is_waiting && is_retry_first ? c->options.retry_ms : c->options.heartbeat_ms);
    if (election_wake_ms(c) < wake) {
        wake = election_wake_ms(c);
    }
    return wake > c->now_ms ? wake : c->now_ms;
}

/* What holds between any two steps, as far as it costs nothing to look. Who leads is the one it
 * follows, who stands follows nobody, and neither has promised anything above its own ballot. */
static void check_roles(const struct synod_core *c)
{
    const struct synod_ballot leader = c->election.leader;
    const enum proposer_state state = c->proposer.state;
    assert(state >= PROPOSER_IDLE && state <= PROPOSER_LEADING);
    assert(state == PROPOSER_IDLE ||
           synod_ballot_compare(c->acceptor.promised, c->proposer.ballot) == 0);
    assert(state != PROPOSER_LEADING || synod_ballot_compare(leader, c->proposer.ballot) == 0);
    assert(state == PROPOSER_LEADING || leader.member != c->options.self);
    assert(state != PROPOSER_PREPARING || synod_ballot_is_none(leader));
    assert(state == PROPOSER_LEADING || c->reads.count == 0);
    assert(synod_ballot_is_none(leader) || synod_ballot_compare(leader, c->acceptor.promised) >= 0);
}

int synod_core_step(struct synod_core *c, const struct synod_event *event,
                    struct synod_effects *effects)
{
    struct outbox *out = (struct outbox *)effects;
    const struct synod_ballot leader = c->election.leader;
    const struct synod_ballot promised = c->acceptor.promised;
    const synod_slot chosen = c->learner.chosen;
    assert(event->now_ms > 0 && event->now_ms >= c->now_ms);

    c->now_ms = event->now_ms;
    outbox_reset(out, c->lsn);
    const int outcome = handle(c, event, out);

    if (c->durable == c->lsn && out->lsn > c->lsn) {
        c->pending_ms = c->now_ms;
    }
    c->lsn = out->lsn;
    for (uint32_t i = 0; i < effects->record_count; i++) {
        out->records[i].view = c->options.view;
        assert(out->records[i].lsn == c->lsn - effects->record_count + 1 + i);
    }
    for (uint32_t i = 0; i < effects->message_count; i++) {
        out->messages[i].from = c->options.self;
        out->messages[i].view = c->options.view;
        outbox_check_message(out, &out->messages[i], c->options.message_bytes_max);
        acceptor_check_said(&c->acceptor, &out->messages[i]);
    }
    effects->leader_changed = synod_ballot_compare(leader, c->election.leader) != 0;
    effects->wake_at_ms = wake_ms(c);

    assert(synod_ballot_compare(c->acceptor.promised, promised) >= 0);
    assert(c->learner.chosen >= chosen);
    assert(effects->chosen_count <= c->learner.chosen - chosen);
    assert(outcome == 0 || event->type == SYNOD_EVENT_MESSAGE ||
           effects->record_count + effects->message_count == 0);
    check_roles(c);
    return outcome;
}

/* -- Looking in --------------------------------------------------------------------------- */

void synod_core_status(const struct synod_core *c, struct synod_status *status)
{
    *status = (struct synod_status){
        .role = c->proposer.state == PROPOSER_LEADING     ? SYNOD_ROLE_LEADER
                : c->proposer.state == PROPOSER_PREPARING ? SYNOD_ROLE_CANDIDATE
                                                          : SYNOD_ROLE_FOLLOWER,
        .why = c->why,
        .view = c->options.view,
        .promised = c->acceptor.promised,
        .leader = c->election.leader,
        .chosen = c->learner.chosen,
        .last = hearing_last(c),
        .round = c->round,
        .in_flight = proposer_in_flight(c),
        .hears = quorum_count(hearing_set(c)),
        .via = hearing_via(c),
    };
    assert(status->last >= status->chosen);
    assert(status->hears <= c->options.members.count);
}

int synod_core_holds(const struct synod_core *c, synod_slot slot, uint64_t handle)
{
    const struct acceptor_vote *vote = acceptor_at(&c->acceptor, slot);
    const struct synod_entry *chosen = learner_at(&c->learner, slot);
    assert(slot > c->learner.chosen);
    return (vote != NULL && vote->entry.handle == handle) ||
           (chosen != NULL && chosen->handle == handle) || proposer_holds(c, slot, handle);
}

void synod_core_check(const struct synod_core *c)
{
    assert(synod_options_are_valid(&c->options));
    assert(c->durable <= c->lsn);
    assert(c->acceptor.promised.round <= c->round);
    assert(c->acceptor.promised_lsn <= c->lsn);
    assert(c->acceptor.window == c->options.window && c->proposer.window == c->options.window);
    assert(c->reads.capacity == c->options.reads_max);
    assert(c->ticked_ms <= c->now_ms && c->pending_ms <= c->now_ms);
    assert(quorum_position(&c->options.members, c->options.self) == (int)c->self);
    acceptor_check(&c->acceptor, &c->learner);
    learner_check(&c->learner);
    proposer_check(c);
    election_check(c);
    reads_check(c);
    check_roles(c);
    for (uint32_t i = 1; i <= c->options.window; i++) {
        const struct acceptor_vote *vote = acceptor_at(&c->acceptor, c->learner.chosen + i);
        assert(vote == NULL || vote->lsn <= c->lsn);
        assert(vote == NULL || vote->ballot.round <= c->round);
    }
}

const char *synod_why_text(enum synod_why why)
{
#define SYNOD_WHY_CASE(name, code, text)                                                           \
    case name:                                                                                     \
        return text;
    switch (why) {
        SYNOD_WHY_MAP(SYNOD_WHY_CASE)
    }
    return "no change yet";
}
