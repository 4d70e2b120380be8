/* cluster_look.c -- a cluster as it is seen from outside: what must hold of it, whether all are
 * equal, and where everybody stands. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kv/machine.h"
#include "replica/replica_internal.h"
#include "sim/cluster_internal.h"

enum {
    SNAPSHOTS_MAX = 3, /* The newest; one that was just written, and one that has just arrived. */
};

/* -- What must hold ------------------------------------------------------------------------ */

static void count_snapshot(void *context, const char *name)
{
    const char *suffix = strrchr(name, '.');
    *(uint32_t *)context += suffix != NULL && strcmp(suffix, ".snap") == 0;
}

uint32_t cluster_snapshots(const struct cluster *cluster, uint32_t index)
{
    uint32_t snapshots = 0;
    disk_list(os_sim_disk(cluster->nodes[index].os), "data/snap", count_snapshot, &snapshots);
    return snapshots;
}

/* A replica survives members that lie. Here nobody does. And it keeps no snapshot that another has
 * replaced: a disk that fills with them takes no new one. */
void cluster_look_at(struct cluster *cluster, uint32_t index)
{
    struct replica_status status;
    const uint32_t snapshots = cluster_snapshots(cluster, index);
    replica_status(cluster->nodes[index].replica, &status);
    if (snapshots > SNAPSHOTS_MAX) {
        ledger_violate(&cluster->ledger, "disk: node %u keeps %u snapshots", index, snapshots);
    }
    if (status.contradictions > 0) {
        ledger_violate(&cluster->ledger,
                       "agreement: node %u heard of another value than it knew, %" PRIu64 " times",
                       index, status.contradictions);
    }
}

void cluster_scan_core(const struct cluster *cluster, uint32_t index)
{
    const struct replica *r = cluster->nodes[index].replica;
    if (r != NULL && r->core != NULL) {
        synod_core_check(r->core);
    }
}

void cluster_scan(const struct cluster *cluster, uint32_t index)
{
    struct replica_status status;
    replica_status(cluster->nodes[index].replica, &status);
    cluster_scan_core(cluster, index);
    if (status.is_running) { /* Or a restore may have ended in the middle. */
        kv_check(machine_kv(cluster->nodes[index].machine));
    }
}

/* A log that was closed has all that it was given, unless the disk refused something; then there
 * is nothing but what the replica had been told. */
static int was_closed_with_table(const struct node *node)
{
    const int may_lack = node->was_full || node->has_trouble;
    return !may_lack || node->replica->is_table_durable;
}

/* Not what the replica thinks, but what its log says. */
static int has_table(const struct node *node)
{
    const struct replica *r = node->replica;
    return r->table_hash != 0 &&
           (r->wal == NULL ? was_closed_with_table(node) : wal_durable(r->wal) >= r->table_lsn);
}

void cluster_note_table(struct node *node)
{
    node->has_table = node->has_table || (node->replica != NULL && has_table(node));
}

static int lacks_table(const struct node *node)
{
    const int is_down = node->replica == NULL || node->is_ending;
    return is_down ? !node->has_table : !has_table(node);
}

void cluster_look_at_founding(struct cluster *cluster, uint32_t index)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (lacks_table(&cluster->nodes[i]) && !cluster->nodes[i].is_wiped) {
            ledger_violate(&cluster->ledger,
                           "founding: node %u votes, and node %u has no table on its disk", index,
                           i);
        }
    }
}

/* Those that are able are up, and have applied the same slots. */
static int is_level(const struct cluster *cluster)
{
    synod_slot applied = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        struct replica_status status;
        if (!cluster_is_able(cluster, i)) {
            continue;
        }
        if (!cluster_is_up(cluster, i)) {
            return 0;
        }
        replica_status(cluster->nodes[i].replica, &status);
        if (!status.is_running || (count++ > 0 && status.applied != applied)) {
            return 0;
        }
        applied = status.applied;
    }
    return count > 0;
}

int cluster_is_equal(struct cluster *cluster)
{
    uint64_t hash = 0;
    uint32_t count = 0;
    if (!is_level(cluster)) {
        return 0;
    }
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (!cluster_is_able(cluster, i)) {
            continue;
        }
        cluster_look_at(cluster, i);
        const uint64_t own = kv_hash(machine_kv(cluster->nodes[i].machine));
        if (count++ > 0 && own != hash) {
            return 0;
        }
        hash = own;
    }
    return count > 0;
}

static const char *describe_state(const struct node *node, const struct replica_status *status)
{
    return node->is_refused                           ? "refused"
           : node->is_wiped                           ? "wiped"
           : node->replica == NULL || node->is_ending ? "down"
           : status->is_running                       ? "running"
                                                      : "founding";
}

void cluster_describe(const struct cluster *cluster, char *text, size_t size)
{
    size_t at = 0;
    for (uint32_t i = 0; i < cluster->options.nodes && at < size; i++) {
        struct replica_status status = {0};
        if (cluster_is_up(cluster, i)) {
            replica_status(cluster->nodes[i].replica, &status);
        }
        const int length =
            snprintf(text + at, size - at, "%snode %u %s, applied %" PRIu64 ", leader %c",
                     i == 0 ? "" : "; ", i, describe_state(&cluster->nodes[i], &status),
                     status.applied, status.has_leader ? (char)('a' + status.leader) : '-');
        at += length > 0 ? (size_t)length : 0;
    }
}

void cluster_print(const struct cluster *cluster, FILE *to)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        const struct node *node = &cluster->nodes[i];
        struct replica_status status = {0};
        if (cluster_is_up(cluster, i)) {
            replica_status(node->replica, &status);
        }
        fprintf(to,
                "node %u: life %" PRIu64 ", %s%s%s%s, leader %c (%s), term %" PRIu64
                ", chosen %" PRIu64 ", applied %" PRIu64 ", %u commands pending, %" PRIu64
                " bytes of log\n",
                i, node->starts, describe_state(node, &status),
                cluster_is_paused(cluster, i) ? ", paused" : "",
                node->is_in_trouble ? ", its disk refuses" : "",
                node->is_damaged ? ", its disk is damaged" : "",
                status.has_leader ? (char)('a' + status.leader) : '-',
                status.why == NULL ? "none yet" : status.why, status.term, status.chosen,
                status.applied, status.pending, status.log_bytes);
    }
}

const char *cluster_violation(const struct cluster *cluster)
{
    return cluster->ledger.violation[0] == 0 ? NULL : cluster->ledger.violation;
}

struct cluster_counts cluster_counts(const struct cluster *cluster)
{
    struct cluster_counts counts = cluster->counts;
    counts.applied = cluster->ledger.applied;
    counts.restores = cluster->ledger.restores;
    counts.steps = watch_steps(cluster->watch);
    return counts;
}
