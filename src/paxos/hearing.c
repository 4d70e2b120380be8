/* hearing.c -- whom a member hears, what they say of themselves, and what it says of itself. */
#include "paxos/hearing.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "paxos/core_internal.h"
#include "paxos/quorum.h"

synod_slot hearing_last(const struct synod_core *c)
{
    const synod_slot last = c->acceptor.last > c->learner.last ? c->acceptor.last : c->learner.last;
    assert(last >= c->acceptor.last && last >= c->learner.chosen);
    return last;
}

int hearing_of(const struct synod_core *c, uint32_t position)
{
    const struct election_peer *peer = &c->election.peers[position];
    assert(position < c->options.members.count);
    assert(peer->answered_ms <= c->now_ms);
    if (position == c->self) {
        return !core_disk_is_stalled(c);
    }
    return peer->answered_ms != 0 && c->now_ms - peer->answered_ms <= c->options.election_ms &&
           peer->answered >= c->election.fresh && (peer->status.flags & SYNOD_STATUS_STALLED) == 0;
}

uint32_t hearing_set(const struct synod_core *c)
{
    uint32_t set = 0;
    assert(c->self < c->options.members.count);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (hearing_of(c, i)) {
            set |= 1u << i;
        }
    }
    return set;
}

synod_slot hearing_reach(const struct synod_core *c, uint32_t position)
{
    const struct election_peer *peer = &c->election.peers[position];
    assert(position < c->options.members.count);
    assert(peer->chosen <= SYNOD_SLOT_MAX);
    return peer->answered_ms == 0 || MUTANT(131) ? SYNOD_SLOT_ALL
                                                 : peer->chosen + c->options.window;
}

/* Those heard that can vote on the slot behind `chosen`: who is a window behind it cannot before it
 * has caught up, however often it answers. */
static uint32_t voters_behind(const struct synod_core *c, synod_slot chosen)
{
    uint32_t set = hearing_set(c);
    assert(chosen >= c->learner.chosen);
    assert(chosen <= SYNOD_SLOT_MAX);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const synod_slot reach =
            i == c->self ? c->learner.chosen + c->options.window : hearing_reach(c, i);
        if (reach <= chosen && !MUTANT(145)) {
            if ((set & 1u << i) != 0) {
                MARK("hearing: a member that is heard is too far behind to vote");
            }
            set &= ~(1u << i);
        }
    }
    assert((set & ~hearing_set(c)) == 0);
    return set;
}

uint32_t hearing_voters(const struct synod_core *c)
{
    assert(c->learner.chosen <= SYNOD_SLOT_MAX);
    return voters_behind(c, c->learner.chosen);
}

int hearing_leads(const struct synod_status_report *status)
{
    assert(status != NULL);
    const uint32_t both = SYNOD_STATUS_LEADS | (MUTANT(54) ? 0 : SYNOD_STATUS_PHASE2);
    return (status->flags & both) == both;
}

/* True if we hear our leader ourselves, and it said that it hears a phase 2 quorum. */
static int can_vouch(const struct synod_core *c)
{
    if (synod_ballot_is_none(c->election.leader)) {
        return 0;
    }
    const int position = quorum_position(&c->options.members, c->election.leader.member);
    assert(position >= 0);
    return (uint32_t)position != c->self && hearing_of(c, (uint32_t)position) &&
           hearing_leads(&c->election.peers[position].status);
}

/* It hears a leader directly that says it hears a phase 2 quorum. One below our promise is none for
 * us: we could not follow it, and it does not hear from us that it is passed. */
int hearing_vouches(const struct synod_core *c, const struct synod_status_report *status)
{
    assert(status != NULL);
    if ((status->flags & SYNOD_STATUS_VOUCHES) == 0) {
        return 0;
    }
    if (synod_ballot_compare(status->leader, c->acceptor.promised) < 0) {
        MARK("hearing: a member vouches for a leader below the promise");
        return 0;
    }
    return 1;
}

int hearing_sees_leader(const struct synod_core *c)
{
    if (c->proposer.state == PROPOSER_LEADING) {
        return 1;
    }
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const struct synod_status_report *status = &c->election.peers[i].status;
        if (i != c->self && hearing_of(c, i) &&
            (hearing_leads(status) || hearing_vouches(c, status))) {
            return 1;
        }
    }
    return 0;
}

/* True if the leader that we follow is still one, as far as we hear: it says so itself, or
 * somebody vouches for it. That there is another leader does not count: were the one that we
 * follow gone and of the higher ballot, we should follow it, and vouch for nobody, for ever. */
int hearing_has_leader(const struct synod_core *c)
{
    assert(!synod_ballot_is_none(c->election.leader)); /* Or whoever follows nobody would do. */
    assert(c->election.leader.member != c->options.self);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const struct synod_status_report *status = &c->election.peers[i].status;
        if (i != c->self && hearing_of(c, i) &&
            synod_ballot_compare(status->leader, c->election.leader) == 0 &&
            (hearing_leads(status) || (status->flags & SYNOD_STATUS_VOUCHES) != 0)) {
            return 1;
        }
    }
    return 0;
}

synod_member_id hearing_via(const struct synod_core *c)
{
    const synod_member_id leader = c->election.leader.member;
    const int position = quorum_position(&c->options.members, leader);
    assert(leader == 0 || position >= 0);
    if (leader == 0 || leader == c->options.self || hearing_of(c, (uint32_t)position)) {
        return leader;
    }
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const struct synod_status_report *status = &c->election.peers[i].status;
        if (i != c->self && hearing_of(c, i) && (status->flags & SYNOD_STATUS_VOUCHES) != 0 &&
            synod_ballot_compare(status->leader, c->election.leader) == 0) {
            return c->options.members.ids[i];
        }
    }
    return 0;
}

/* One that is heard knows what is beyond our window: we could not take what phase 1 finds. */
int hearing_is_far_behind(const struct synod_core *c)
{
    const synod_slot reach = c->learner.chosen + c->options.window;
    assert(c->options.window > 0);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i != c->self && hearing_of(c, i) && c->election.peers[i].status.last > reach &&
            !MUTANT(123)) {
            return 1;
        }
    }
    return 0;
}

/* The longest prefix that is known to be chosen, as far as we hear: whoever leads has to come up to
 * it first. */
static synod_slot longest_prefix(const struct synod_core *c)
{
    synod_slot chosen = c->learner.chosen;
    assert(chosen <= SYNOD_SLOT_MAX);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const synod_slot theirs = c->election.peers[i].chosen;
        if (i != c->self && hearing_of(c, i) && theirs > chosen && !MUTANT(147)) {
            chosen = theirs;
        }
    }
    return chosen;
}

/* Who is behind can promise as well as any. */
int hearing_is_able(const struct synod_core *c)
{
    const uint32_t voters = voters_behind(c, longest_prefix(c));
    assert((voters >> c->options.members.count) == 0);
    return core_may_stand(c) && !hearing_is_far_behind(c) && (voters & 1u << c->self) != 0 &&
           quorum_is_met(&c->options.members, QUORUM_PHASE1, hearing_set(c)) &&
           quorum_is_met(&c->options.members, QUORUM_PHASE2, voters);
}

/* Those heard that say one of `flags` of themselves. */
static uint32_t those_that_say(const struct synod_core *c, uint32_t flags)
{
    uint32_t set = 0;
    assert(flags != 0);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        if (i != c->self && hearing_of(c, i) && (c->election.peers[i].status.flags & flags) != 0) {
            set |= 1u << i;
        }
    }
    assert((set & 1u << c->self) == 0);
    return set;
}

/* At first hand or at second: those that somebody needs who could lead need not hear one another,
 * and then none of them could. */
int hearing_of_one_able(const struct synod_core *c)
{
    assert(c->self < c->options.members.count);
    return those_that_say(c, SYNOD_STATUS_ABLE | (MUTANT(149) ? 0 : SYNOD_STATUS_HEARS_ABLE)) != 0;
}

/* Never at third hand, or two would tell each other for ever. Not of the one that we follow: it
 * asks whether there is another. */
static int hears_another_able(const struct synod_core *c)
{
    const int leader = quorum_position(&c->options.members, c->election.leader.member);
    uint32_t set = those_that_say(c, SYNOD_STATUS_ABLE);
    assert(leader >= 0 || synod_ballot_is_none(c->election.leader));
    assert((set & 1u << c->self) == 0);
    if (leader >= 0 && !MUTANT(150)) {
        set &= ~(1u << leader);
    }
    return set != 0;
}

/* The position of another that asked for our promise, has it and is heard; or -1. Not if our votes
 * are beyond its window: then it cannot take the promise before it has caught up. */
static int candidate(const struct synod_core *c)
{
    const int position = quorum_position(&c->options.members, c->acceptor.promised.member);
    assert(c->election.candidate_ms <= c->now_ms);
    assert(c->election.candidate_ms == 0 || position >= 0);
    if (position >= 0 && !MUTANT(124) && hearing_last(c) > hearing_reach(c, (uint32_t)position)) {
        return -1;
    }
    if (c->election.candidate_ms == 0 || (uint32_t)position == c->self ||
        !hearing_of(c, (uint32_t)position) || MUTANT(94)) {
        return -1;
    }
    return position;
}

static int awaits_one_that_stands(const struct synod_core *c)
{
    const int position = candidate(c);
    assert(position < (int)c->options.members.count);
    assert(position < 0 || (uint32_t)position != c->self); /* Nobody awaits itself. */
    return position >= 0 && !MUTANT(146) &&
           (c->election.peers[position].status.flags & SYNOD_STATUS_STANDS) != 0;
}

/* Who has asked for our promise within the election time-out is busy. So is one that says that it
 * stands: who has promised all is not asked again, and others' promises may take longer. */
int hearing_awaits(const struct synod_core *c)
{
    assert(c->election.candidate_ms <= c->now_ms);
    assert(c->options.election_ms > 0);
    if (candidate(c) >= 0 && c->now_ms - c->election.candidate_ms < c->options.election_ms) {
        MARK("hearing: a candidate has just asked for the promise");
        return 1;
    }
    if (awaits_one_that_stands(c)) {
        MARK("hearing: a candidate that has the promise says that it stands");
        return 1;
    }
    return 0;
}

/* Itself, too. */
static int is_heard(const struct synod_core *c, synod_member_id member)
{
    const int position = quorum_position(&c->options.members, member);
    assert(position < (int)c->options.members.count);
    assert(member != 0 || position < 0);
    return position >= 0 && ((uint32_t)position == c->self || hearing_of(c, (uint32_t)position));
}

/* We need not hear the candidate: whoever promised to both of us would undo its phase 1, as often
 * as that takes longer than we wait. Of one that we hear we know more than others do. Never at
 * third hand. */
int hearing_of_one_that_awaits(const struct synod_core *c)
{
    assert(c->self < c->options.members.count);
    for (uint32_t i = 0; i < c->options.members.count; i++) {
        const struct synod_status_report *status = &c->election.peers[i].status;
        if (i != c->self && hearing_of(c, i) && (status->flags & SYNOD_STATUS_AWAITS) != 0 &&
            !is_heard(c, status->leader.member) && !MUTANT(152)) {
            MARK("hearing: another waits for a candidate");
            return 1;
        }
    }
    return 0;
}

struct synod_status_report hearing_status(const struct synod_core *c)
{
    const int leads = c->proposer.state == PROPOSER_LEADING;
    assert(leads == (c->election.leader.member == c->options.self));
    assert(c->proposer.state != PROPOSER_PREPARING || synod_ballot_is_none(c->election.leader));
    struct synod_status_report status = {.leader = c->election.leader, .last = hearing_last(c)};
    if (leads) {
        status.flags |= SYNOD_STATUS_LEADS;
    }
    if (c->proposer.state == PROPOSER_PREPARING &&
        quorum_is_met(&c->options.members, QUORUM_PHASE1, hearing_set(c))) {
        status.flags |= SYNOD_STATUS_STANDS;
    }
    if (c->proposer.state == PROPOSER_IDLE && synod_ballot_is_none(status.leader) &&
        awaits_one_that_stands(c)) {
        status.flags |= SYNOD_STATUS_AWAITS;
        status.leader = c->acceptor.promised;
    }
    if (can_vouch(c) && !MUTANT(73)) {
        assert(!leads); /* Nobody vouches for itself. */
        status.flags |= SYNOD_STATUS_VOUCHES;
    }
    if (hearing_is_able(c)) {
        status.flags |= SYNOD_STATUS_ABLE;
    } else if (hears_another_able(c)) {
        MARK("hearing: tells of another that could lead");
        status.flags |= SYNOD_STATUS_HEARS_ABLE;
    }
    if (quorum_is_met(&c->options.members, QUORUM_PHASE2, hearing_set(c))) {
        status.flags |= SYNOD_STATUS_PHASE2;
    }
    if (core_disk_is_stalled(c)) {
        status.flags |= SYNOD_STATUS_STALLED;
    }
    return status;
}
