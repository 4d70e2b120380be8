/* election.c -- who should lead: asking, hearing, standing. Safety never depends on it. */
#include "paxos/election.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "paxos/core_internal.h"
#include "paxos/hearing.h"
#include "paxos/quorum.h"

enum {
    FAILURES_MAX = 5, /* The back-off doubles this often at most, ... */
    PATIENCE_MAX = 3, /* ... and the patience so often: what is gone must be given up some time. */
};

void election_init(struct election *e, uint64_t seed)
{
    *e = (struct election){.prng = {.state = seed}};
}

/* -- Asking ------------------------------------------------------------------------------- */

uint64_t election_ask(struct synod_core *c, struct outbox *out)
{
    struct election *e = &c->election;
    const struct synod_status_report status = hearing_status(c);

    assert(e->asked_ms <= c->now_ms);
    assert(c->proposer.state != PROPOSER_LEADING ||
           synod_ballot_compare(c->proposer.ballot, c->acceptor.promised) == 0);
    e->question++;
    e->asked_ms = c->now_ms;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i == c->self) {
            continue;
        }
        struct synod_message *ask =
            outbox_message(out, SYNOD_MESSAGE_ASK, c->options.members.ids[i]);
        ask->id = e->question;
        ask->status = status;
        ask->chosen = MUTANT(154) ? 0 : c->learner.chosen;
        if (c->proposer.state == PROPOSER_LEADING) {
            ask->ballot = c->proposer.ballot;
        }
    }
    return e->question;
}

void election_start(struct synod_core *c, struct outbox *out)
{
    assert(c->is_started);
    assert(synod_ballot_is_none(c->election.leader));
    (void)election_ask(c, out);
}

/* Somebody asks whether we are there. The answer says whether the asker's ballot still stands
 * here, which is what a leader needs for its reads: it is true as of now, and commits us to
 * nothing, so it waits for no record. */
void election_on_ask(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    const int position = quorum_position(&c->options.members, m->from);
    assert(m->type == SYNOD_MESSAGE_ASK);
    assert(position >= 0);
    assert(synod_ballot_is_none(m->ballot) || m->ballot.member == m->from);

    c->election.peers[position].status = m->status;
    c->election.peers[position].chosen = m->chosen;
    if (hearing_leads(&m->status) && !synod_ballot_is_none(m->ballot) &&
        synod_ballot_compare(m->ballot, c->acceptor.promised) >= 0) {
        election_follow(c, m->ballot);
    }
    struct synod_message *answer = outbox_message(out, SYNOD_MESSAGE_ANSWER, m->from);
    answer->id = m->id;
    answer->ballot = m->ballot;
    answer->promised = c->acceptor.promised;
    answer->status = hearing_status(c);
    answer->chosen = c->learner.chosen;
}

void election_on_answer(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    const int position = quorum_position(&c->options.members, m->from);
    assert(m->type == SYNOD_MESSAGE_ANSWER);
    assert(position >= 0);
    struct election_peer *peer = &c->election.peers[position];
    assert(peer->confirmed <= peer->answered && peer->answered <= c->election.question);
    if (m->id > c->election.question || m->id <= peer->answered) {
        return; /* Never asked, or answered since. */
    }
    peer->answered = m->id;
    peer->answered_ms = c->now_ms;
    peer->status = m->status;
    peer->chosen = m->chosen;
    if ((hearing_leads(&m->status) || hearing_vouches(c, &m->status)) &&
        synod_ballot_compare(m->status.leader, c->acceptor.promised) >= 0) {
        election_follow(c, m->status.leader);
    }
    if (c->proposer.state == PROPOSER_LEADING &&
        synod_ballot_compare(m->ballot, c->proposer.ballot) == 0) {
        if (synod_ballot_compare(m->promised, m->ballot) <= 0) {
            peer->confirmed = m->id;
            reads_confirm(c, out);
        } else {
            MARK("election: an answer says that a higher ballot was promised");
            proposer_on_refused(c, m->ballot, m->promised);
        }
    }
}

/* -- Following ---------------------------------------------------------------------------- */

static void lose_leader(struct synod_core *c, enum synod_why why)
{
    assert(c->proposer.state != PROPOSER_LEADING); /* Who leads has stepped down first. */
    assert(why != 0 && why != SYNOD_WHY_ELECTED);
    if (!synod_ballot_is_none(c->election.leader)) {
        c->election.leader = (struct synod_ballot){0};
        c->why = why;
    }
}

void election_follow(struct synod_core *c, struct synod_ballot ballot)
{
    struct election *e = &c->election;
    assert(synod_ballot_compare(ballot, c->acceptor.promised) >= 0);
    if (ballot.member == c->options.self || synod_ballot_compare(ballot, e->leader) <= 0) {
        return;
    }
    if (quorum_position(&c->options.members, ballot.member) < 0) {
        return;
    }
    /* A quorum has promised more than our own ballot, if we have one: it is of no use now. */
    proposer_step_down(c, SYNOD_WHY_HEARD);
    assert(c->proposer.state == PROPOSER_IDLE && e->leader.member != c->options.self);
    core_see_round(c, ballot); /* Or we might stand below the leader that we followed. */
    e->leader = ballot;
    e->since_ms = c->now_ms;
    e->stand_ms = 0;
    c->why = SYNOD_WHY_HEARD;
}

void election_on_promised(struct synod_core *c)
{
    assert(c->proposer.state == PROPOSER_IDLE ||
           synod_ballot_compare(c->proposer.ballot, c->acceptor.promised) == 0);
    if (synod_ballot_compare(c->acceptor.promised, c->election.leader) > 0) {
        lose_leader(c, SYNOD_WHY_PROMISED);
    }
}

void election_on_elected(struct synod_core *c, struct outbox *out)
{
    struct election *e = &c->election;
    assert(c->proposer.state == PROPOSER_LEADING && c->proposer.ballot.member == c->options.self);
    assert(synod_ballot_compare(c->proposer.ballot, c->acceptor.promised) == 0);
    assert(synod_ballot_is_none(e->leader)); /* Who stands follows nobody. */
    assert(c->reads.count == 0);             /* None would be confirmed by an earlier ballot. */
    e->leader = c->proposer.ballot;
    e->since_ms = c->now_ms;
    e->stand_ms = 0;
    e->quorum_ms = c->now_ms;
    for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
        e->peers[i].confirmed = 0;
    }
    (void)election_ask(c, out); /* Tell everybody now, not at the next heartbeat. */
}

/* Every lost ballot doubles the range of the next delay, so that two who keep beating each other
 * come apart (Paxos Made Simple, 2.4: progress needs a single proposer). To win phase 1 is not
 * enough to begin anew: in a duel each of the two does. */
void election_on_step_down(struct synod_core *c, enum synod_why why)
{
    struct election *e = &c->election;
    assert(c->proposer.state == PROPOSER_IDLE);
    assert(c->reads.count == 0); /* Nothing is confirmed any more. */
    if (e->failures > 1) {
        MARK("election: loses a ballot again, and waits longer");
    }
    if (e->failures < FAILURES_MAX) {
        e->failures++;
    }
    e->stand_ms = 0;
    lose_leader(c, why);
    e->asked_ms = 0; /* Say so at the next tick: others may be waiting for us to go. */
}

uint64_t election_patience_ms(const struct synod_core *c)
{
    const uint32_t failures = c->election.failures;
    assert(failures <= FAILURES_MAX);
    assert(c->options.election_ms > 0);
    const uint32_t doublings = failures < PATIENCE_MAX ? failures : PATIENCE_MAX;
    return (uint64_t)c->options.election_ms << (MUTANT(106) ? 0 : doublings);
}

/* -- Connections -------------------------------------------------------------------------- */

void election_on_connected(struct synod_core *c, struct outbox *out)
{
    (void)election_ask(c, out);
}

/* A killed process closes its connections: that starts the asking at once, instead of after a
 * time-out. It does not start the standing: somebody else may vouch for the leader, and only
 * answers to questions asked from now on tell whether anybody still does. */
void election_on_disconnected(struct synod_core *c, synod_member_id member, struct outbox *out)
{
    const int position = quorum_position(&c->options.members, member);
    assert(member != 0);
    if (position < 0 || (uint32_t)position == c->self) {
        return;
    }
    c->election.peers[position].answered_ms = 0;
    c->election.peers[position].status = (struct synod_status_report){0};
    c->election.peers[position].chosen = 0;
    if (c->election.leader.member == member) {
        MARK("election: a leader is lost with its connection");
        lose_leader(c, SYNOD_WHY_DISCONNECTED);
        c->election.fresh = election_ask(c, out);
    }
    assert(c->election.fresh <= c->election.question);
}

void election_on_prepare(struct synod_core *c, const struct synod_message *m)
{
    assert(m->type == SYNOD_MESSAGE_PREPARE);
    assert(synod_ballot_compare(m->ballot, c->acceptor.promised) <= 0);
    if (m->from != c->options.self && synod_ballot_compare(m->ballot, c->acceptor.promised) == 0) {
        c->election.candidate_ms = c->now_ms;
    }
}

void election_on_stop(struct synod_core *c, struct outbox *out)
{
    assert(c->is_stopping);
    assert(c->proposer.state == PROPOSER_IDLE && c->election.leader.member != c->options.self);
    (void)election_ask(c, out);
}

/* -- Standing ----------------------------------------------------------------------------- */

/* How many of the members heard know more than we do, or as much and come first. */
static uint32_t rank(const struct synod_core *c)
{
    const synod_slot own = hearing_last(c);
    uint32_t better = 0;
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const synod_slot last = c->election.peers[i].status.last;
        if (i != c->self && hearing_of(c, i) && (last > own || (last == own && i < c->self))) {
            better++;
        }
    }
    assert(better < c->options.members.count);
    return better;
}

/* Who would first have to catch up, or to wait until others have, leaves those that need not time
 * for an election. */
static uint64_t handicap_ms(const struct synod_core *c)
{
    assert(c->proposer.state == PROPOSER_IDLE);
    assert(c->options.election_ms > 0);
    if (hearing_is_far_behind(c)) {
        MARK("election: leaves others time, since it would have to catch up first");
        return c->options.election_ms;
    }
    if (!hearing_is_able(c) && hearing_of_one_able(c)) {
        MARK("election: leaves one that could lead time, since it could not itself");
        return c->options.election_ms;
    }
    return 0;
}

/* The best placed goes first, at once but for a little chance; each other one half a heartbeat
 * later, and whoever failed draws from a range that doubles, up to an election time-out at least:
 * messages are promised a share of that, whatever the heartbeat. */
static uint64_t draw_delay(struct synod_core *c)
{
    const uint64_t heartbeat = c->options.heartbeat_ms;
    const uint64_t least = c->options.election_ms >> (FAILURES_MAX - 1);
    const uint64_t step = heartbeat > least || MUTANT(151) ? heartbeat : least;
    assert(step > 0 && c->election.failures <= FAILURES_MAX);
    const uint64_t range =
        c->election.failures == 0 ? 1 + heartbeat / 8 : 1 + (step << (c->election.failures - 1));
    const uint64_t delay = rank(c) * (heartbeat / 2) + prng_below(&c->election.prng, range);
    return MUTANT(55) ? 0 : handicap_ms(c) + delay;
}

static void stand(struct synod_core *c, enum synod_why why, struct outbox *out)
{
    assert(c->proposer.state == PROPOSER_IDLE);
    c->election.stand_ms = 0;
    lose_leader(c, why);
    proposer_stand(c, out);
    assert(c->proposer.state == PROPOSER_PREPARING);
}

/* Who leads, or stands already, does so again: a ballot is used for one phase 1. */
void election_on_asked_to_stand(struct synod_core *c, struct outbox *out)
{
    if (c->is_started && core_may_stand(c)) {
        proposer_step_down(c, SYNOD_WHY_ASKED);
        stand(c, SYNOD_WHY_ASKED, out);
        assert(synod_ballot_is_none(c->election.leader));
        assert(c->proposer.ballot.round == c->round); /* Above everything seen. */
    }
}

static void consider_standing(struct synod_core *c, struct outbox *out)
{
    struct election *e = &c->election;
    const uint32_t heard = hearing_set(c);
    const int may_stand =
        core_may_stand(c) && !core_disk_is_stalled(c) && c->proposer.state == PROPOSER_IDLE &&
        quorum_is_met(&c->options.members, QUORUM_PHASE1, heard) &&
        quorum_is_met(&c->options.members, QUORUM_PHASE2, heard) && !hearing_sees_leader(c) &&
        !hearing_awaits(c) && !hearing_of_one_that_awaits(c);
    if (!may_stand) {
        e->stand_ms = 0;
        return;
    }
    if (e->stand_ms == 0) {
        e->stand_ms = c->now_ms + draw_delay(c);
    }
    if (c->now_ms >= e->stand_ms) {
        stand(c, SYNOD_WHY_SILENT, out);
    }
}

/* A leader that stays for an election time-out ends the duel that made it; we are none yet while
 * our phase 1 lacks anything. */
static void consider_calm(struct synod_core *c)
{
    struct election *e = &c->election;
    assert(e->since_ms <= c->now_ms);
    if (!synod_ballot_is_none(e->leader) && !proposer_is_phase1_open(c) &&
        c->now_ms - e->since_ms >= c->options.election_ms) {
        e->failures = 0;
    }
    assert(e->failures <= FAILURES_MAX);
}

/* Of the quorum that a leader hears too many are too far behind to vote; and somebody that it hears
 * of could do without them. As long as it leads, nobody else stands. Not if anything was chosen
 * since it looked last: how far the others are is known as of their last answers, and in a
 * heartbeat more than a window may be chosen. */
static int leads_in_vain(struct synod_core *c)
{
    const synod_slot seen = c->election.seen_chosen;
    assert(c->proposer.state == PROPOSER_LEADING);
    assert(seen <= c->learner.chosen);
    c->election.seen_chosen = c->learner.chosen;
    return (c->learner.chosen == seen || MUTANT(148)) &&
           !quorum_is_met(&c->options.members, QUORUM_PHASE2, hearing_voters(c)) &&
           hearing_of_one_able(c);
}

static void consider_giving_up(struct synod_core *c)
{
    if (c->proposer.state != PROPOSER_LEADING) {
        return;
    }
    assert(synod_ballot_compare(c->election.leader, c->proposer.ballot) == 0);
    assert(c->election.quorum_ms != 0 && c->election.quorum_ms <= c->now_ms);
    if (core_disk_is_stalled(c)) {
        MARK("election: a leader whose disk stalls steps down");
        proposer_step_down(c, SYNOD_WHY_STALLED);
    } else if (quorum_is_met(&c->options.members, QUORUM_PHASE2, hearing_set(c)) &&
               !leads_in_vain(c)) {
        c->election.quorum_ms = c->now_ms;
    } else if (c->now_ms - c->election.quorum_ms > c->options.election_ms && !MUTANT(54)) {
        if (quorum_is_met(&c->options.members, QUORUM_PHASE2, hearing_set(c))) {
            MARK("election: a leader in vain makes room for one that could lead");
        } else {
            MARK("election: a leader that hears no quorum steps down");
        }
        proposer_step_down(c, SYNOD_WHY_NO_QUORUM);
    }
}

void election_on_tick(struct synod_core *c, struct outbox *out)
{
    struct election *e = &c->election;
    assert(c->is_started && e->question > 0);
    assert(e->asked_ms <= c->now_ms);
    consider_calm(c);
    consider_giving_up(c);
    if (c->proposer.state == PROPOSER_IDLE && !synod_ballot_is_none(e->leader) &&
        !hearing_has_leader(c)) {
        MARK("election: a leader falls silent");
        lose_leader(c, SYNOD_WHY_SILENT);
    }
    consider_standing(c, out);
    if (e->asked_ms == 0 || c->now_ms - e->asked_ms >= c->options.heartbeat_ms) {
        (void)election_ask(c, out);
    }
    assert(e->stand_ms == 0 || c->proposer.state == PROPOSER_IDLE);
}

uint64_t election_wake_ms(const struct synod_core *c)
{
    const struct election *e = &c->election;
    assert(e->asked_ms <= c->now_ms);
    const uint64_t ask_ms = e->asked_ms == 0 ? c->now_ms : e->asked_ms + c->options.heartbeat_ms;
    return e->stand_ms != 0 && e->stand_ms < ask_ms ? e->stand_ms : ask_ms;
}

void election_check(const struct synod_core *c)
{
    const struct election *e = &c->election;
    assert(e->failures <= FAILURES_MAX);
    assert(e->fresh <= e->question);
    assert(e->asked_ms <= c->now_ms && e->quorum_ms <= c->now_ms);
    assert(e->candidate_ms <= c->now_ms);
    assert(e->stand_ms == 0 || c->proposer.state == PROPOSER_IDLE);
    for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
        const struct election_peer *peer = &e->peers[i];
        assert(peer->confirmed <= peer->answered && peer->answered <= e->question);
        assert(peer->answered_ms <= c->now_ms);
        assert(i < c->options.members.count || peer->answered == 0);
    }
}
