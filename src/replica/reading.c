/* reading.c -- reads: one question for all that wait.
 *
 * Reads that come in one turn share a question of the core; those that come while a few are out
 * join the next. Nobody joins a question that was asked once: so an answer to whatever was asked
 * since confirms all that wait for it. That it takes longer to answer than a question is waited
 * for is no harm, then, and where the members are far from each other it always does. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"
#include "synod/error.h"

enum {
    RETRY_HEARTBEATS = 2,
    QUESTIONS_MAX = 4 /* Out at a time. So a leader has room for those of all members at once. */
};

static void batch_free(struct replica *r, struct read_batch *batch)
{
    if (r->reading == batch) {
        r->reading = NULL;
    }
    list_remove(&batch->link);
    free(batch->waiters);
    free(batch);
}

static void batch_end(struct replica *r, struct read_batch *batch, int error)
{
    list_remove(&batch->link); /* A callback may begin reads: they must not find this one. */
    if (r->reading == batch) {
        r->reading = NULL;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->waiters[i].callback(batch->waiters[i].context, error);
    }
    batch_free(r, batch);
}

static struct read_batch *batch_new(struct replica *r)
{
    struct read_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        list_append(&r->reads, &batch->link);
        batch->deadline_us = os_now_us(r->os) + (uint64_t)r->options.request_timeout_ms * 1000;
        r->reading = batch;
    }
    return batch;
}

int replica_read(struct replica *r, replica_read_callback callback, void *context)
{
    if (r->phase >= PHASE_STOPPING || r->is_stop_wanted) {
        return SYNOD_ERR_STOPPED;
    }
    struct read_batch *batch = r->reading != NULL ? r->reading : batch_new(r);
    if (batch == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    if (batch->count == r->options.pending_max) {
        return SYNOD_ERR_BUSY;
    }
    if (batch->count == batch->capacity) {
        const uint32_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
        struct read_waiter *waiters = realloc(batch->waiters, capacity * sizeof *waiters);
        if (waiters == NULL) {
            return SYNOD_ERR_MEMORY;
        }
        batch->waiters = waiters;
        batch->capacity = capacity;
    }
    batch->waiters[batch->count++] = (struct read_waiter){callback, context};
    return 0;
}

/* Ask the core. Returns what it says; a batch that it refused is asked again later. */
static int ask(struct replica *r, struct read_batch *batch)
{
    const uint64_t id = replica_next_read(r);
    batch->first = batch->first == 0 || MUTANT(129) ? id : batch->first;
    batch->is_asked = 1;
    batch->asked_us = os_now_us(r->os);
    if (r->reading == batch) {
        r->reading = NULL; /* Reads that come from now on need a later question. */
    }
    if (relay_read(r, id)) {
        return 0;
    }
    const int outcome = drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_READ, .id = id});
    if (outcome != 0) {
        batch->is_asked = 0; /* A read that was refused has no effects: the batch still stands. */
        if (batch->first == id) {
            batch->first = 0;
            r->reading = r->reading == NULL ? batch : r->reading;
        }
    }
    return outcome;
}

static uint32_t questions_out(const struct replica *r)
{
    uint32_t count = 0;
    for (const struct list *link = r->reads.next; link != &r->reads; link = link->next) {
        const struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        count += batch->is_asked && !batch->is_confirmed;
    }
    return count;
}

/* Ask whatever is not asked: what came in this turn, and what a change of leader left. While
 * enough is asked, there is no leader, or the core is full, it waits for another turn. */
void reading_turn_end(struct replica *r)
{
    struct list *link = r->reads.next;
    while (link != &r->reads) {
        struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        link = link->next;
        if (!batch->is_asked && !batch->is_confirmed) {
            if (questions_out(r) >= QUESTIONS_MAX && !MUTANT(100)) {
                MARK("reading: waits until fewer questions are out");
                return;
            }
            if (ask(r, batch) != 0) {
                MARK("reading: waits for a leader");
                return;
            }
            link = r->reads.next; /* The step may have changed the list. */
        }
    }
}

/* Numbers count up, and begin again after 2^32. */
static int is_answer_to(const struct read_batch *batch, uint64_t id)
{
    assert(id <= UINT32_MAX || MUTANT(135)); /* Or it may be of an earlier life. */
    return batch->first == 0 ? MUTANT(130) : (uint32_t)(id - batch->first) < UINT32_MAX / 2;
}

void reading_on_index(struct replica *r, uint64_t id, synod_slot index)
{
    struct list *link, *next;
    LIST_FOREACH (&r->reads, link, next) {
        struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        if (!batch->is_confirmed && is_answer_to(batch, id)) {
            batch->is_confirmed = 1;
            batch->index = MUTANT(35) ? 0 : index;
            if (r->applied < batch->index) {
                MARK("reading: waits until its index is applied");
            }
        }
    }
    reading_on_applied(r);
}

void reading_on_applied(struct replica *r)
{
    struct list *link = r->reads.next;
    while (link != &r->reads) {
        struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        link = link->next;
        if (batch->is_confirmed && r->applied >= batch->index) {
            batch_end(r, batch, 0);
            link = r->reads.next; /* Callbacks may have changed the list. */
        }
    }
}

/* Whatever was asked of the leader before is lost: the end of the turn asks the new one. */
void reading_on_leader(struct replica *r)
{
    struct list *link, *next;
    LIST_FOREACH (&r->reads, link, next) {
        struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        batch->is_asked = 0;
    }
}

void reading_tick(struct replica *r)
{
    const uint64_t now = os_now_us(r->os);
    const uint64_t patience = (uint64_t)r->options.heartbeat_ms * 1000 * RETRY_HEARTBEATS;
    struct list *link = r->reads.next;

    while (link != &r->reads) {
        struct read_batch *batch = LIST_ITEM(link, struct read_batch, link);
        link = link->next;
        if (now >= batch->deadline_us) {
            MARK("reading: fails for want of a leader");
            batch_end(r, batch, SYNOD_ERR_NO_LEADER);
            link = r->reads.next;
        } else if (batch->is_asked && !batch->is_confirmed && now - batch->asked_us >= patience) {
            MARK("reading: asks again");
            batch->is_asked = 0;
        }
    }
}

void reading_fail_all(struct replica *r, int error)
{
    while (!list_is_empty(&r->reads)) {
        batch_end(r, LIST_ITEM(r->reads.next, struct read_batch, link), error);
    }
}

void reading_drop_all(struct replica *r)
{
    while (!list_is_empty(&r->reads)) {
        batch_free(r, LIST_ITEM(r->reads.next, struct read_batch, link));
    }
}
