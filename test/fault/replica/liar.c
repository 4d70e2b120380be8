/* liar.c -- a cluster of three in which one says to another what no member would say. */
#include "liar.h"

#include <string.h>

#include "test.h"

struct replica *replica_of(const struct stage *stage, uint32_t node)
{
    return stage->rig->nodes[node].replica;
}

int has_leader(const struct rig *rig)
{
    struct replica_status status;
    replica_status(rig->nodes[0].replica, &status);
    return rig_all_equal(rig) && status.has_leader;
}

void stage_begin(struct stage *stage)
{
    struct replica_status status;
    struct rig *rig = rig_new(3, 5);
    for (uint32_t i = 0; i < 3; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_run(rig, 20 * SECOND, has_leader));
    for (uint32_t i = 0; i < 3; i++) {
        rig_submit(rig, i, 5, 100);
    }
    assert_true(rig_run(rig, 20 * SECOND, rig_all_answered));
    assert_true(rig_run(rig, 20 * SECOND, has_leader));
    replica_status(rig->nodes[0].replica, &status);
    *stage = (struct stage){rig, status.leader, (status.leader + 1) % 3};
}

void stage_end(struct stage *stage)
{
    rig_recover(stage->rig);
    rig_free(stage->rig);
}

int never(const struct rig *rig)
{
    (void)rig;
    return 0;
}

static uint32_t peer_number(const struct stage *stage, uint32_t of, uint32_t who)
{
    return replica_of(stage, of)->members[who].peer;
}

/* How often one has dropped the other for what it sent. */
uint64_t drops_of(const struct stage *stage, uint32_t by, uint32_t who)
{
    struct peer_statistics statistics;
    peers_statistics(replica_of(stage, by)->peers, peer_number(stage, by, who), &statistics);
    return statistics.dropped_count;
}

static uint64_t drops(const struct stage *stage)
{
    return drops_of(stage, stage->victim, stage->liar);
}

/* Let it lead from now on. */
void let_lead(struct stage *stage, uint32_t node)
{
    (void)drive_step(replica_of(stage, node), &(struct synod_event){.type = SYNOD_EVENT_STAND});
    os_sim_touch(stage->rig->nodes[node].sim);
    (void)rig_run(stage->rig, SECOND, never);
    assert_int_equal(replica_of(stage, stage->victim)->leader.member,
                     replica_of(stage, node)->identity);
}

/* The liar says it, and time passes. */
void say(struct stage *stage, uint16_t type, uint32_t group, struct bytes body)
{
    struct replica *liar = replica_of(stage, stage->liar);
    const struct peer_frame frame = {.type = type, .group = group};
    const uint32_t peer = peer_number(stage, stage->liar, stage->victim);
    for (int i = 0; i < 100 && !peers_is_connected(liar->peers, peer); i++) {
        (void)rig_run(stage->rig, SECOND / 20, never);
    }
    assert_int_equal(peers_send(liar->peers, peer, frame, &body, 1), 0);
    peers_flush(liar->peers);
    os_sim_touch(stage->rig->nodes[stage->liar].sim);
    (void)rig_run(stage->rig, SECOND / 10, never);
}

/* The same. Returns whether the victim has dropped it for that. */
int is_dropped_for(struct stage *stage, uint16_t type, uint32_t group, struct bytes body)
{
    const uint64_t before = drops(stage);
    say(stage, type, group, body);
    return drops(stage) != before;
}

struct bytes numbers(const uint64_t *from, size_t count)
{
    static uint8_t bytes[64];
    for (size_t i = 0; i < count; i++) {
        put_u64(bytes + 8 * i, from[i]);
    }
    return bytes_of(bytes, 8 * count);
}
