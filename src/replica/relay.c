/* relay.c -- what is for the leader, from a member that does not hear it.
 *
 * Where the link between a member and the leader is broken, and another member vouches for the
 * leader, the first goes on following it (src/paxos/election.h). It learns what is chosen from the
 * others; and what its clients want goes to the leader through the one that vouches: commands as
 * the bundles that they are, and of reads the question: that one asks the leader, and tells the
 * index that it is answered. Nothing goes through two others. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"

enum {
    READ_BYTES = 16, /* The life and the number of a read. */
    INDEX_BYTES = 24,
    RELAYED_MAX = 64
};

/* A read of another member. */
struct relayed {
    struct list link;
    uint32_t member;
    uint64_t life; /* Of the other member: the next one counts from the start again. */
    uint64_t id;
    uint64_t own_id; /* Of our question. */
};

int relay_way(const struct replica *r)
{
    struct synod_status status;
    synod_core_status(r->core, &status);
    return replica_member_of(r, MUTANT(95) ? status.leader.member : status.via);
}

int relay_is_open(const struct replica *r)
{
    const int leader = replica_member_of(r, r->leader.member);
    return leader >= 0 && ((uint32_t)leader == r->options.self || relay_way(r) == leader);
}

int relay_read(struct replica *r, uint64_t id)
{
    const uint64_t numbers[2] = {replica_life(r), id};
    const int way = relay_is_open(r) ? -1 : relay_way(r);
    if (way < 0) {
        return 0;
    }
    MARK("relay: asks the member that vouches for the leader");
    frames_send_numbers(r, (uint32_t)way, FRAME_READ, numbers, 2);
    return 1;
}

static void forget(struct replica *r, struct relayed *relayed)
{
    list_remove(&relayed->link);
    free(relayed);
    r->relayed_count--;
}

/* Ask the core once. Who wants to read asks again, and we do not: else those who wait for each
 * other would ask more and more. So many questions are remembered, and the oldest is forgotten. */
const char *relay_on_read(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != READ_BYTES) {
        return "a request to read that is not one";
    }
    struct relayed *relayed = relay_is_open(r) ? calloc(1, sizeof *relayed) : NULL;
    if (relayed == NULL) {
        return NULL; /* It will ask again. */
    }
    *relayed = (struct relayed){.member = member,
                                .life = get_u64(body.data),
                                .id = get_u64(body.data + 8),
                                .own_id = replica_next_read(r)};
    const uint64_t own_id = relayed->own_id;
    list_append(&r->relayed, &relayed->link);
    if (++r->relayed_count > RELAYED_MAX) {
        forget(r, LIST_ITEM(r->relayed.next, struct relayed, link));
    }
    (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_READ, .id = own_id});
    return NULL;
}

void relay_on_own_index(struct replica *r, uint64_t own_id, synod_slot index)
{
    struct list *link;
    struct list *next;
    LIST_FOREACH (&r->relayed, link, next) {
        struct relayed *relayed = LIST_ITEM(link, struct relayed, link);
        if (relayed->own_id == own_id) {
            const uint64_t numbers[3] = {relayed->life, relayed->id, index};
            MARK("relay: answers a member that does not hear the leader");
            frames_send_numbers(r, relayed->member, FRAME_READ_INDEX, numbers, 3);
            forget(r, relayed);
            return;
        }
    }
}

const char *relay_on_index(struct replica *r, struct bytes body)
{
    if (body.size != INDEX_BYTES || get_u64(body.data + 8) > UINT32_MAX) {
        return "an answer to a read that is not one";
    }
    if (get_u64(body.data) == replica_life(r) || MUTANT(137)) {
        reading_on_index(r, get_u64(body.data + 8), get_u64(body.data + 16));
    }
    return NULL;
}

void relay_free(struct replica *r)
{
    while (!list_is_empty(&r->relayed)) {
        forget(r, LIST_ITEM(r->relayed.next, struct relayed, link));
    }
}
