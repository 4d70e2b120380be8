/* reads.c -- linearizable reads without writing: the read index. */
#include "paxos/reads.h"

#include "base/assert.h"
#include "base/mark.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "paxos/core_internal.h"
#include "paxos/quorum.h"
#include "synod/error.h"

static struct waiting_read *array_of(const struct reads *r)
{
    assert(r->array_offset >= sizeof *r);
    assert(r->count <= r->capacity);
    return (void *)((char *)(uintptr_t)r + r->array_offset);
}

void reads_init(struct reads *r, uint32_t capacity, uint32_t array_offset)
{
    assert(capacity > 0);
    assert(((uintptr_t)r + array_offset) % _Alignof(struct waiting_read) == 0);
    *r = (struct reads){.capacity = capacity, .array_offset = array_offset};
    memset(array_of(r), 0, capacity * sizeof(struct waiting_read));
}

void reads_forget(struct reads *r)
{
    r->count = 0;
    memset(array_of(r), 0, r->capacity * sizeof(struct waiting_read));
}

/* The greatest question that a phase 2 quorum has confirmed under our ballot. We confirm our
 * own: while we lead, our acceptor's promise is our ballot. */
static uint64_t confirmed_question(const struct synod_core *c)
{
    uint64_t best = 0;
    assert(c->proposer.state == PROPOSER_LEADING);
    assert(synod_ballot_compare(c->acceptor.promised, c->proposer.ballot) == 0);
    if (MUTANT(32)) {
        return c->election.question;
    }
    for (uint32_t i = 0; i <= c->options.members.count; i++) {
        const uint64_t question =
            i == c->options.members.count ? c->election.question : c->election.peers[i].confirmed;
        assert(question <= c->election.question); /* Nobody confirms what was not asked. */
        uint32_t set = 1u << c->self;
        for (uint32_t j = 0; j < c->options.members.count; j++) {
            if (c->election.peers[j].confirmed >= question) {
                set |= 1u << j;
            }
        }
        if (question > best && quorum_is_met(&c->options.members, QUORUM_PHASE2, set)) {
            best = question;
        }
    }
    return best;
}

/* The state that a read of now must see. Not the chosen prefix alone: what phase 1 reported may
 * have been chosen and answered by an earlier leader, in any order, and until all of it is
 * chosen here again the prefix may be behind what some client has seen. */
static synod_slot index_now(const struct synod_core *c)
{
    const synod_slot taken_over = c->proposer.reported_last;
    assert(c->proposer.state == PROPOSER_LEADING);
    assert(taken_over >= c->proposer.reported_chosen);
    if (MUTANT(34) || (MUTANT(70) && c->learner.last > c->learner.chosen)) {
        return c->learner.chosen;
    }
    if (taken_over > c->learner.chosen) {
        MARK("reads: wait for what the leader took over");
    }
    return taken_over > c->learner.chosen ? taken_over : c->learner.chosen;
}

static int enter(struct synod_core *c, synod_member_id from, uint64_t id, struct outbox *out)
{
    struct reads *r = &c->reads;
    assert(c->proposer.state == PROPOSER_LEADING);
    assert(quorum_position(&c->options.members, from) >= 0);
    if (r->count == r->capacity) {
        return SYNOD_ERR_BUSY;
    }
    /* If a question is out for earlier reads, the next one serves all that come until then. */
    const int is_out = r->count > 0;
    struct waiting_read *read = &array_of(r)[r->count++];
    *read = (struct waiting_read){.from = from,
                                  .id = id,
                                  .question = c->election.question + !MUTANT(33),
                                  .index = index_now(c)};
    if (!is_out) {
        (void)election_ask(c, out);
        reads_confirm(c, out);
    }
    return 0;
}

/* How a read is called in messages. The caller counts its reads from the start of each life, and
 * the leader may still hold one of an earlier life: its answer, with an index from before the
 * crash, must not pass for the answer to the read of this life that has the same number. Two
 * incarnations differ in their high halves, where no count ever comes. */
static uint64_t masked(const struct synod_core *c, uint64_t id)
{
    assert(c->is_started); /* Before, no life has a number. */
    return MUTANT(110) ? id : id ^ c->incarnation;
}

int reads_begin(struct synod_core *c, uint64_t id, struct outbox *out)
{
    if (c->proposer.state == PROPOSER_LEADING) {
        return enter(c, c->options.self, id, out);
    }
    if (synod_ballot_is_none(c->election.leader)) {
        return SYNOD_ERR_NO_LEADER;
    }
    assert(c->election.leader.member != c->options.self);
    struct synod_message *read = outbox_message(out, SYNOD_MESSAGE_READ, c->election.leader.member);
    read->id = masked(c, id);
    return 0;
}

void reads_on_index(const struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    assert(m->type == SYNOD_MESSAGE_READ_INDEX);
    assert(m->ballot.member == m->from);
    const uint64_t id = masked(c, m->id);
    if (id <= UINT32_MAX || MUTANT(135)) { /* Else it is of another life. */
        outbox_read(out, id, m->slot);
    }
}

void reads_on_read(struct synod_core *c, const struct synod_message *m, struct outbox *out)
{
    assert(m->type == SYNOD_MESSAGE_READ);
    /* If we do not lead, or are full, silence is enough: the sender tries again. */
    if (c->proposer.state == PROPOSER_LEADING) {
        (void)enter(c, m->from, m->id, out);
    }
}

static void answer(struct synod_core *c, const struct waiting_read *read, struct outbox *out)
{
    /* All that was taken over is in it, or a client could see less than before. */
    assert(read->index >= c->proposer.reported_last);
    assert(c->proposer.state == PROPOSER_LEADING);
    if (read->from == c->options.self) {
        outbox_read(out, read->id, read->index);
        return;
    }
    struct synod_message *index = outbox_message(out, SYNOD_MESSAGE_READ_INDEX, read->from);
    index->ballot = c->proposer.ballot;
    index->id = read->id;
    index->slot = read->index;
    index->chosen = c->learner.chosen;
}

/* A read is confirmed by answers to its own question or a later one, never by an answer to a
 * question that was asked before it came. */
void reads_confirm(struct synod_core *c, struct outbox *out)
{
    struct reads *r = &c->reads;
    struct waiting_read *array = array_of(r);
    const uint64_t confirmed = confirmed_question(c);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->count; i++) {
        assert(array[i].question > 0 && array[i].question <= c->election.question + 1);
        assert(kept == 0 || array[kept - 1].question <= array[i].question);
        if (array[i].question <= confirmed) {
            answer(c, &array[i], out);
        } else {
            array[kept++] = array[i];
        }
    }
    memset(&array[kept], 0, (r->count - kept) * sizeof *array);
    const int is_next_due =
        kept > 0 && kept < r->count && array[kept - 1].question > c->election.question;
    r->count = kept;
    if (is_next_due) {
        MARK("reads: the next question is due as the last one is answered");
        (void)election_ask(c, out);
    }
}

void reads_check(const struct synod_core *c)
{
    const struct reads *r = &c->reads;
    const struct waiting_read *array = array_of(r);
    assert(r->count == 0 || c->proposer.state == PROPOSER_LEADING);
    for (uint32_t i = 0; i < r->count; i++) {
        assert(quorum_position(&c->options.members, array[i].from) >= 0);
        assert(array[i].question > 0 && array[i].question <= c->election.question + 1);
        assert(i == 0 || array[i - 1].question <= array[i].question);
        assert(array[i].index >= c->proposer.reported_last);
    }
    for (uint32_t i = r->count; i < r->capacity; i++) {
        assert(array[i].from == 0 && array[i].question == 0);
    }
}
