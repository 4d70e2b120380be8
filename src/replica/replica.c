/* replica.c -- one member of a cluster: its life, and what it tells about itself. */
#include "replica/replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "replica/replica_internal.h"
#include "synod/error.h"

enum {
    SILENT_ELECTIONS = 5 /* A connection lasts so many election time-outs in silence, at least. */
};

void replica_options_init(struct replica_options *options)
{
    *options = (struct replica_options){
        .token = "etcd-cluster",
        .heartbeat_ms = 100,
        .election_ms = 1000,
        .request_timeout_ms = 5000,
        .command_size_max = 2 << 20,
        .pending_max = 20000,
        .pending_bytes_max = 64 << 20,
        .snapshot_bytes = 64 << 20,
        .tail_bytes = 32 << 20,
        .cache_bytes = 4 << 20,
        .backlog_bytes_max = 64 << 20,
    };
}

int replica_member_of(const struct replica *r, synod_member_id id)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (id != 0 && r->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

int replica_step_core(struct replica *r, const struct synod_event *event)
{
    const int outcome = synod_core_step(r->core, event, r->effects);
    if (r->events->on_step != NULL) {
        r->events->on_step(r->context, event, r->effects);
    }
    return outcome;
}

/* -- Failing ------------------------------------------------------------------------------ */

void replica_warn(const char *what, const struct report *report)
{
    log_write(LOG_WARN, what, (struct log_field[]){log_text("error", report->text), {0}});
}

void replica_fail(struct replica *r, const struct report *report)
{
    if (r->phase == PHASE_FAILED || r->phase == PHASE_STOPPED) {
        return;
    }
    r->phase = PHASE_FAILED;
    if (r->report != NULL) {
        *r->report = *report; /* replica_open() has not returned: it says so itself. */
        return;
    }
    log_write(LOG_ERROR, "failed", (struct log_field[]){log_text("error", report->text), {0}});
    r->events->on_failed(r->context, report);
}

void replica_fail_memory(struct replica *r, const char *what)
{
    struct report report = {0};
    (void)report_fill(&report, SYNOD_ERR_MEMORY,
                      (struct report_place){r->options.data_dir, REPORT_WHOLE},
                      "out of memory for %s", what);
    replica_fail(r, &report);
}

/* -- Peers -------------------------------------------------------------------------------- */

static void on_connected(void *context, uint32_t peer)
{
    struct replica *r = context;
    const uint32_t index = r->member_of_peer[peer];
    const struct member *member = &r->members[index];
    log_write(LOG_DEBUG, "connected", (struct log_field[]){log_text("to", member->name), {0}});
    taking_on_connected(r, index);
    if (r->phase == PHASE_RUNNING) {
        (void)drive_step(
            r, &(struct synod_event){.type = SYNOD_EVENT_CONNECTED, .member = member->id});
    } else {
        founding_advance(r);
    }
}

static void on_disconnected(void *context, uint32_t peer)
{
    struct replica *r = context;
    const uint32_t index = r->member_of_peer[peer];
    log_write(LOG_INFO, "disconnected",
              (struct log_field[]){log_text("from", r->members[index].name), {0}});
    catchup_forget(r, index);
    giving_on_lost(r, index);
    if (r->phase == PHASE_RUNNING) {
        (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_DISCONNECTED,
                                                  .member = r->members[index].id});
    }
}

static const struct peers_events PEERS_EVENTS = {
    .on_hello = founding_on_hello,
    .on_connected = on_connected,
    .on_disconnected = on_disconnected,
    .on_frame = frames_on_frame,
};

int replica_open_peers(struct replica *r, struct report *report)
{
    const char *addresses[SYNOD_MEMBERS_MAX];
    struct peers_options options;
    peers_options_init(&options);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (i != r->options.self) {
            r->members[i].peer = options.peer_count;
            r->member_of_peer[options.peer_count] = i;
            addresses[options.peer_count++] = r->members[i].address;
        }
    }
    options.name = r->members[r->options.self].name;
    options.address = r->members[r->options.self].address;
    options.listen = r->options.listen;
    options.peers = addresses;
    options.frame_size_max = REPLICA_FRAME_BYTES_MAX;
    const uint64_t silence_us = SILENT_ELECTIONS * (uint64_t)r->options.election_ms * 1000;
    options.silence_us = options.silence_us > silence_us ? options.silence_us : silence_us;
    options.cluster_key = founding_cluster_key(r);
    options.member = r->identity;
    options.incarnation = replica_life(r);
    options.table_hash = r->is_table_durable ? r->table_hash : 0;
    const int error = peers_new(r->os, &options, &PEERS_EVENTS, r, &r->peers);
    if (error == 0) {
        return 0;
    }
    return report_fill(report, error == -ENOMEM ? SYNOD_ERR_MEMORY : SYNOD_ERR_ADDRESS,
                       (struct report_place){r->options.listen, REPORT_WHOLE},
                       "cannot listen for the other members: %s%s", strerror(-error),
                       error == -EADDRINUSE ? " (is another server running there?)" : "");
}

/* -- Opening ------------------------------------------------------------------------------ */

static int copy_options(struct replica *r, const struct replica_options *options)
{
    r->options = *options;
    r->options.members = NULL;
    r->options.data_dir = strdup(options->data_dir);
    r->options.token = strdup(options->token);
    r->options.listen = strdup(options->listen);
    int failed =
        r->options.data_dir == NULL || r->options.token == NULL || r->options.listen == NULL;
    for (uint32_t i = 0; i < options->member_count; i++) {
        r->members[i].name = strdup(options->members[i].name);
        r->members[i].address = strdup(options->members[i].address);
        failed |= r->members[i].name == NULL || r->members[i].address == NULL;
    }
    return failed ? -1 : 0;
}

int replica_open(struct os *os, const struct replica_options *options, struct report *report,
                 struct replica **replica)
{
    assert(options->member_count >= 1 && options->member_count <= SYNOD_MEMBERS_MAX);
    assert(options->self < options->member_count);
    assert(options->command_size_max <= REPLICA_COMMAND_BYTES_MAX);
    *report = (struct report){0};
    struct replica *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return report_fill(report, SYNOD_ERR_MEMORY,
                           (struct report_place){options->data_dir, REPORT_WHOLE}, "out of memory");
    }
    r->os = os;
    r->machine = *options->machine;
    r->events = options->events;
    r->context = options->context;
    r->phase = PHASE_OPENING;
    r->pending_first = 1;
    r->sequence = 1;
    r->unsent = 1;
    list_init(&r->held);
    list_init(&r->to_self);
    list_init(&r->held_spare);
    list_init(&r->relayed);
    list_init(&r->reads);
    list_init(&r->early);

    int error = copy_options(r, options);
    r->timer = os_timer_new(os, drive_on_timer, r);
    if (error != 0 || r->timer == NULL) {
        error =
            report_fill(report, SYNOD_ERR_MEMORY,
                        (struct report_place){options->data_dir, REPORT_WHOLE}, "out of memory");
    }
    if (error == 0) {
        error = recover_open(r, report);
    }
    if (error == 0 && os_turn_end(os, drive_on_turn_end, r) != 0) {
        error =
            report_fill(report, SYNOD_ERR_MEMORY,
                        (struct report_place){options->data_dir, REPORT_WHOLE}, "out of memory");
    }
    if (error != 0) {
        r->phase = PHASE_STOPPED;
        replica_free(r);
        return error;
    }
    r->report = NULL;
    log_write(LOG_INFO, "opened",
              (struct log_field[]){log_text("data_dir", r->options.data_dir),
                                   log_u64("start", r->start_count),
                                   log_u64("snapshot", r->snapshot),
                                   log_u64("applied", r->applied),
                                   {0}});
    *replica = r;
    return 0;
}

/* -- Stopping ----------------------------------------------------------------------------- */

static void release(struct replica *r);

static void on_log_closed(void *context)
{
    struct replica *r = context;
    r->wal = NULL;
    r->phase = PHASE_STOPPED;
    r->events->on_stopped(r->context);
}

/* A job on a worker may be reading the log, and cannot be called back: the log is closed, and the
 * memory of a replica given back, when the last of them has returned. */
static void end_if_idle(struct replica *r)
{
    if (r->work_count > 0) {
        return;
    }
    if (r->is_freed) {
        release(r);
    } else if (r->phase == PHASE_STOPPING) {
        wal_close(r->wal, on_log_closed, r); /* This replica may be freed inside. */
    }
}

void replica_work(struct replica *r, struct os_work *work)
{
    r->work_count++;
    os_work(r->os, work);
}

void replica_work_done(struct replica *r)
{
    assert(r->work_count > 0);
    r->work_count--;
    end_if_idle(r);
}

void replica_kill(struct replica *r)
{
    r->phase = PHASE_STOPPED;
}

/* Whoever wants it to stop may be one of its own callbacks, in the middle of something: it stops
 * when a turn ends. */
void replica_stop(struct replica *r)
{
    if (r->phase < PHASE_STOPPING && !r->is_stop_wanted) {
        r->is_stop_wanted = 1;
        os_timer_start(r->os, r->timer, 0);
    }
}

void replica_leave(struct replica *r)
{
    assert(r->is_stop_wanted && r->phase < PHASE_STOPPING);
    if (r->phase == PHASE_RUNNING) {
        (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_STOP});
        peers_flush(r->peers);
    }
    if (r->phase == PHASE_FAILED) {
        return;
    }
    r->phase = PHASE_STOPPING;
    submit_fail_all(r, SYNOD_ERR_STOPPED);
    reading_fail_all(r, SYNOD_ERR_STOPPED);
    taking_stop(r);
    giving_stop(r);
    snapshotting_stop(r);
    os_timer_stop(r->os, r->timer);
    if (r->peers != NULL) {
        peers_free(r->peers);
        r->peers = NULL;
    }
    end_if_idle(r);
}

static void free_held(struct list *list)
{
    struct list *link, *next;
    LIST_FOREACH (list, link, next) {
        free(LIST_ITEM(link, struct held, link));
    }
}

static void free_early(struct list *list)
{
    struct list *link, *next;
    LIST_FOREACH (list, link, next) {
        free(LIST_ITEM(link, struct early_record, link));
    }
}

/* Nothing of it is under way any more. The directory is given back last: until then nobody else may
 * write there. */
static void give_back(void *context)
{
    struct replica *r = context;
    assert(r->work_count == 0);
    if (r->lock != NULL) {
        os_file_close(r->os, r->lock);
    }
    relay_free(r);
    log_deinit(&r->log);
    free_held(&r->held);
    free_held(&r->to_self);
    free_held(&r->held_spare);
    free_early(&r->early);
    buffer_deinit(&r->table);
    buffer_deinit(&r->forming);
    buffer_deinit(&r->forwarded);
    free(r->ready);
    free(r->pending);
    free(r->pairs);
    free(r->arrays.entries);
    free(r->arrays.votes);
    free(r->arrays.values);
    free(r->core);
    free(r->effects);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        free(r->members[i].name);
        free(r->members[i].address);
    }
    free((char *)(uintptr_t)r->options.data_dir);
    free((char *)(uintptr_t)r->options.token);
    free((char *)(uintptr_t)r->options.listen);
    free(r);
}

static void release(struct replica *r)
{
    if (r->wal != NULL) {
        wal_close(r->wal, give_back, r);
    } else {
        give_back(r);
    }
}

void replica_free(struct replica *r)
{
    assert(!r->is_freed);
    r->phase = PHASE_STOPPED;
    taking_stop(r);
    giving_stop(r);
    snapshotting_stop(r);
    if (r->peers != NULL) {
        peers_free(r->peers);
        r->peers = NULL;
    }
    if (r->timer != NULL) {
        os_timer_free(r->os, r->timer);
    }
    reading_drop_all(r);
    r->is_freed = 1;
    end_if_idle(r);
}

/* -- Looking in --------------------------------------------------------------------------- */

void replica_status(const struct replica *r, struct replica_status *status)
{
    const int leader = replica_member_of(r, r->leader.member);
    *status = (struct replica_status){
        .is_running = r->phase == PHASE_RUNNING,
        .has_failed = r->phase == PHASE_FAILED,
        .leader = leader < 0 ? 0 : (uint32_t)leader,
        .has_leader = leader >= 0,
        .is_leader = leader >= 0 && (uint32_t)leader == r->options.self,
        .cluster_id = r->table_hash,
        .term = r->term,
        .chosen = r->applied,
        .applied = r->applied,
        .leader_changes = r->leader_changes,
        .submitted = r->submitted,
        .failed = r->failed,
        .applied_commands = r->applied_commands,
        .pending = r->pending_count,
        .log_bytes = r->wal == NULL ? 0 : wal_bytes(r->wal),
        .log_backlog = r->wal == NULL ? 0 : wal_backlog(r->wal),
        .flush_count = r->flush_count,
        .flush_us_total = r->flush_us_total,
        .why = synod_why_text(r->why),
        .contradictions = r->contradictions,
    };
}

synod_member_id replica_member_id(const struct replica *r, uint32_t index)
{
    assert(index < r->options.member_count);
    return r->members[index].id;
}

int replica_peer_port(const struct replica *r)
{
    return r->peers == NULL ? 0 : peers_port(r->peers);
}
