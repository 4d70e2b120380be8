/* run.c -- one seed: a cluster, its clients, its misfortunes, and the verdict.
 *
 * First safety: misfortunes come while the clients work. Then liveness: a quorum is healed, what
 * else is wrong stays wrong for good, and every member of that quorum must get a write through, and
 * a read, within a bound. Then all is healed: clients that had no chance before end their work, and
 * the cluster must come together: all nodes up that their disks let, all work ended, all states
 * equal. At last every node takes a write and is asked for every key, and the history is judged. */
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/checker.h"
#include "sim/escape.h"
#include "sim/scenario.h"

enum {
    WORK_S_MAX = 1800, /* Half as much again as clients need for thinking, on average. */
    HEAL_US_MAX = 60000000,
    LOOK_US = 50000,
    PROGRESS_US_MAX = 10000000, /* A healed quorum owes a write within this, ... */
    PROGRESS_ELECTIONS_MAX = 20 /* ... and so many times the election time-out. */
};

struct run {
    struct world world;
    struct swarm swarm;
    struct cluster *cluster;
    struct workload *workload;
    struct faults *faults;
    struct run_result *result;
};

static int is_broken(const struct run *run)
{
    return cluster_violation(run->cluster) != NULL;
}

/* -- Safety --------------------------------------------------------------------------------- */

static void let_work(struct run *run)
{
    const uint64_t until = run->world.now_us + UINT64_C(1000000) * WORK_S_MAX;
    while (!workload_is_done(run->workload) && !is_broken(run) &&
           world_step(&run->world, until) != 0) {
    }
}

/* Where disks are slower than the election time-out and just a quorum is left, there is hardly a
 * leader for long enough: such clients end their work when all is healed. */
static void work(struct run *run)
{
    for (uint32_t node = 0; node < cluster_nodes(run->cluster); node++) {
        cluster_start(run->cluster, node);
    }
    workload_start(run->workload);
    faults_start(run->faults);
    let_work(run);
}

/* Where nothing goes wrong, nothing fails. */
static void demand_service(struct run *run)
{
    const size_t failed = workload_failed(run->workload);
    if (run->swarm.faults == 0 && failed > 0) {
        snprintf(run->result->failure, sizeof run->result->failure,
                 "liveness: %zu operations failed, though nothing was wrong", failed);
    }
}

/* -- Liveness ------------------------------------------------------------------------------- */

/* A quorum of those whose disks nobody damages: one that is damaged may refuse at any time. */
static uint64_t draw_quorum(struct run *run)
{
    const uint32_t nodes = cluster_nodes(run->cluster);
    const uint32_t first = (uint32_t)world_below(&run->world, nodes);
    uint64_t quorum = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < nodes && count < nodes / 2 + 1; i++) {
        const uint32_t node = (first + i) % nodes;
        if (((run->swarm.victims >> node) & 1) == 0) {
            quorum |= (uint64_t)1 << node;
            count++;
        }
    }
    assert(count == nodes / 2 + 1);
    return quorum;
}

static void fail_progress(struct run *run, uint32_t node, uint64_t quorum)
{
    char where[400];
    cluster_describe(run->cluster, where, sizeof where);
    snprintf(run->result->failure, sizeof run->result->failure,
             "liveness: the quorum %#" PRIx64
             " was healed, and node %u answered no write, or no read after it: %s",
             quorum, node, where);
}

uint64_t run_progress_limit(const struct swarm *swarm)
{
    return PROGRESS_US_MAX + (uint64_t)swarm->cluster.election_ms * 1000 * PROGRESS_ELECTIONS_MAX;
}

static void demand_progress(struct run *run)
{
    const uint64_t quorum = draw_quorum(run);
    faults_heal_quorum(run->faults, quorum);
    const uint64_t begun = run->world.now_us;
    const uint64_t until = begun + run_progress_limit(&run->swarm);
    for (uint32_t node = 0; node < cluster_nodes(run->cluster) && !is_broken(run); node++) {
        if (((quorum >> node) & 1) != 0 && !workload_probe(run->workload, node, until) &&
            !is_broken(run)) {
            fail_progress(run, node, quorum);
            return;
        }
    }
    run->result->progress_us = run->world.now_us - begun;
}

/* Everything is healed: who is not done yet has nothing in the way any more. */
static void end_work(struct run *run)
{
    faults_end(run->faults);
    let_work(run);
    if (!workload_is_done(run->workload) && !is_broken(run) && !world_is_halted(&run->world)) {
        snprintf(run->result->failure, sizeof run->result->failure,
                 "liveness: clients had only %zu operations done %d s after everything was healed",
                 workload_done(run->workload), WORK_S_MAX);
    }
}

/* Now all must become one again. Returns 0 if it does not. */
static int come_together(struct run *run)
{
    const uint64_t until = run->world.now_us + HEAL_US_MAX;
    uint64_t next_look = 0;
    while (!is_broken(run)) {
        if (run->world.now_us >= next_look) {
            next_look = run->world.now_us + LOOK_US;
            if (workload_is_done(run->workload) && cluster_is_equal(run->cluster)) {
                return 1;
            }
        }
        if (world_step(&run->world, until) == 0) {
            return 0;
        }
    }
    return 1;
}

/* -- The run -------------------------------------------------------------------------------- */

/* What one judge cannot decide, and no other rejects, is counted: too many would be a blind eye
 * (tally.c). */
static void judge_history(struct run *run)
{
    struct checker_verdict verdict;
    const enum checker_opinion opinion = checker_judge(workload_history(run->workload), &verdict);
    if (opinion == CHECKER_GAVE_UP) {
        snprintf(run->result->doubt, sizeof run->result->doubt, "%s", verdict.text);
    }
    if (opinion == CHECKER_REJECTS) {
        snprintf(run->result->failure, sizeof run->result->failure, "linearizability: %s",
                 verdict.text);
    }
}

/* Everybody can be asked now, and what they say belongs to the history. Returns -1 if somebody
 * cannot. */
static int ask_all(struct run *run)
{
    for (uint32_t node = 0; node < cluster_nodes(run->cluster); node++) {
        const uint64_t until = run->world.now_us + HEAL_US_MAX;
        if (cluster_is_able(run->cluster, node) && !workload_probe(run->workload, node, until)) {
            return -1;
        }
    }
    return workload_read_all(run->workload, HEAL_US_MAX);
}

static void ask_and_judge(struct run *run)
{
    struct run_result *result = run->result;
    const int error = ask_all(run);
    if (is_broken(run)) {
        snprintf(result->failure, sizeof result->failure, "%s", cluster_violation(run->cluster));
    } else if (error != 0 && !world_is_halted(&run->world)) {
        snprintf(result->failure, sizeof result->failure,
                 "liveness: a write or a read has no answer %d s after everything was healed",
                 HEAL_US_MAX / 1000000);
    } else if (error == 0) {
        cluster_testify(run->cluster);
        judge_history(run);
    }
}

static void judge(struct run *run)
{
    struct run_result *result = run->result;
    if (result->failure[0] == 0) {
        end_work(run);
    }
    const int has_come_together = result->failure[0] != 0 || come_together(run);
    if (is_broken(run)) {
        snprintf(result->failure, sizeof result->failure, "%s", cluster_violation(run->cluster));
    } else if (world_is_halted(&run->world)) {
        result->failure[0] = 0; /* Nobody wants to know how it ends. */
    } else if (!has_come_together) {
        char where[512];
        cluster_describe(run->cluster, where, sizeof where);
        snprintf(result->failure, sizeof result->failure,
                 "liveness: not together %d s after everything was healed: %s%s",
                 HEAL_US_MAX / 1000000, where,
                 workload_is_done(run->workload) ? "" : "; clients wait");
    } else if (result->failure[0] == 0) {
        ask_and_judge(run);
    }
}

static void take_counts(const struct run *run)
{
    struct run_result *result = run->result;
    const struct cluster_counts counts = cluster_counts(run->cluster);
    result->trace = run->world.trace;
    result->simulated_us = run->world.now_us;
    result->events = run->world.events;
    result->operations = workload_done(run->workload);
    result->starts = counts.starts;
    result->kills = counts.kills;
    result->leaders = counts.leaders;
    result->restores = counts.restores;
    result->refusals = counts.refusals;
    result->frames = net_counts(cluster_net(run->cluster)).frames;
    result->nodes = cluster_nodes(run->cluster);
    result->clients = run->swarm.workload.clients;
    result->is_spared = run->swarm.faults == 0 || run->swarm.misfortunes == 0;
    result->faults = *faults_counts(run->faults);
}

static struct world *present;

void run_set_world(struct world *world)
{
    present = world;
}

uint64_t run_now_us(void)
{
    return present == NULL ? 0 : present->now_us;
}

static void save_history(const struct run *run, const char *path)
{
    FILE *to = fopen(path, "w");
    if (to == NULL || chronicle_write(workload_history(run->workload), to) != 0 ||
        fclose(to) != 0) {
        snprintf(run->result->failure, sizeof run->result->failure, "%s cannot be written", path);
    }
}

static void run_world(const struct run_options *options, struct run_result *result)
{
    struct run *run = world_allocate(sizeof *run); /* It outlives a jump out of here. */
    run->result = result;
    world_init(&run->world, options->seed, options->is_verbose);
    run->world.witness = options->witness;
    run->world.event_limit = options->event_limit;
    run_set_world(&run->world);
    swarm_draw(&run->swarm, &run->world, &options->limits);
    run->cluster = cluster_new(&run->world, &run->swarm.cluster);
    run->workload = workload_new(&run->world, run->cluster, &run->swarm.workload);
    run->faults = faults_new(&run->world, &run->swarm, run->cluster, run->workload);

    work(run);
    demand_service(run);
    if (!is_broken(run) && run->result->failure[0] == 0 && cluster_has_begun(run->cluster)) {
        demand_progress(run);
    }
    judge(run);
    take_counts(run);
    if (options->on_end != NULL) {
        options->on_end(options->context, run->cluster, &run->swarm);
    }
    if (options->history != NULL) {
        save_history(run, options->history);
    }
    cluster_free(run->cluster);
    workload_free(run->workload);
    faults_free(run->faults);
    world_deinit(&run->world);
    free(run);
}

uint64_t run_misfortunes(const struct run_result *result)
{
    uint64_t sum = 0;
    for (uint32_t i = FAULT_FIRST_MISFORTUNE; i < FAULT_END; i++) {
        sum += result->faults.kinds[i];
    }
    return sum;
}

void run_seed(const struct run_options *options, struct run_result *result)
{
    struct escape escape;
    *result = (struct run_result){0};
    marks_begin();
    escape_prepare(&escape);
    if (setjmp(escape.to) == 0) {
        if (options->scenario != PARTITION_NONE) {
            scenario_run(options, result);
        } else {
            run_world(options, result);
        }
    }
    escape_end();
    marks_take(result->marks);
    if (escape.text[0] != 0) {
        result->trace = present->trace;
        result->events = present->events;
        result->simulated_us = present->now_us;
        snprintf(result->failure, sizeof result->failure, "%s", escape.text);
    }
    run_set_world(NULL);
}
