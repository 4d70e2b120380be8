/* canon.c -- every field of a core that counts time, records, chance or the past. */
#include "sim/explore/canon.h"

#include <string.h>

#include "base/assert.h"
#include "paxos/core_internal.h"

static void settle_time(const struct synod_core *core, uint64_t *time_ms)
{
    if (*time_ms > core->now_ms) {
        *time_ms = CANON_NOW_MS + (*time_ms - core->now_ms);
    } else if (*time_ms != 0) { /* 0 means never. */
        const uint64_t age = core->now_ms - *time_ms;
        *time_ms = CANON_NOW_MS - (age < CANON_LEAP_MS ? age : CANON_LEAP_MS);
    }
}

static void settle_lsn(const struct synod_core *core, synod_lsn *lsn)
{
    *lsn = *lsn > core->durable ? *lsn - core->durable : 0;
}

static void settle_votes(struct synod_core *core)
{
    struct acceptor_vote *votes = (void *)((char *)&core->acceptor + core->acceptor.ring_offset);
    for (uint32_t i = 0; i < core->acceptor.window; i++) {
        settle_lsn(core, &votes[i].lsn);
    }
}

/* Field by field into cleared memory: a copy of the structure would bring its padding along. */
static void settle_proposals(struct synod_core *core)
{
    struct proposal *proposals = (void *)((char *)&core->proposer + core->proposer.ring_offset);
    for (uint32_t i = 0; i < core->proposer.window; i++) {
        const struct proposal was = proposals[i];
        struct proposal *is = &proposals[i];
        memset(is, 0, sizeof *is);
        is->ballot = was.ballot;
        is->entry = was.entry;
        is->sent_ms = was.sent_ms;
        settle_time(core, &is->sent_ms);
        is->acks = was.acks;
        is->state = was.state;
        is->wants_notice = was.wants_notice;
    }
}

static void settle_peer(const struct synod_core *core, struct election_peer *peer,
                        int has_questions)
{
    const struct election_peer was = *peer;
    memset(peer, 0, sizeof *peer);
    peer->answered_ms = was.answered_ms;
    settle_time(core, &peer->answered_ms);
    peer->answered = has_questions ? was.answered : 0;
    peer->confirmed = has_questions ? was.confirmed : 0;
    peer->status.leader = was.status.leader;
    peer->status.last = was.status.last;
    peer->status.flags = was.status.flags;
}

/* Nobody can be a window behind: what others know to be chosen makes no difference. */
static void check_window(const struct synod_core *core)
{
    assert(core->learner.chosen < core->options.window);
    assert(core->proposer.next <= core->options.window + 1);
}

static void settle_election(struct synod_core *core, int has_questions)
{
    struct election *e = &core->election;
    settle_time(core, &e->asked_ms);
    settle_time(core, &e->stand_ms);
    settle_time(core, &e->candidate_ms);
    settle_time(core, &e->quorum_ms);
    settle_time(core, &e->since_ms);
    e->failures = 0;
    e->seen_chosen = 0;
    e->prng.state = 1;
    if (!has_questions) {
        e->question = e->question > 0;
        e->fresh = 0;
    }
    for (uint32_t i = 0; i < SYNOD_MEMBERS_MAX; i++) {
        settle_peer(core, &e->peers[i], has_questions);
    }
}

void canon_core(struct synod_core *core, int has_questions)
{
    assert(core->now_ms > 0 && core->durable <= core->lsn);
    check_window(core);
    settle_votes(core);
    settle_proposals(core);
    settle_election(core, has_questions);
    settle_time(core, &core->ticked_ms);
    settle_time(core, &core->learner.progress_ms);
    settle_time(core, &core->learner.giver_ms);
    settle_time(core, &core->proposer.progress_ms);
    settle_time(core, &core->proposer.prepared_ms);
    settle_lsn(core, &core->acceptor.promised_lsn);
    settle_lsn(core, &core->lsn);
    core->durable = 0;
    if (core->lsn == 0) {
        core->pending_ms = 0;
    } else {
        settle_time(core, &core->pending_ms);
    }
    core->why = (enum synod_why)0;
    core->now_ms = CANON_NOW_MS;
}
