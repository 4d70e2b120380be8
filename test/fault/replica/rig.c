/* rig.c -- one or three replicas in a simulated world; what happens to the first may fail. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "synod/error.h"
#include "test.h"

enum {
    SECOND = 1000000
};

/* A command or read under way. */
struct question {
    struct list link;
    struct node *node;
    uint64_t number; /* Of a command. */
    uint64_t floor;  /* What a read must see: commands acknowledged before it. */
};

static void end_question(struct question *question)
{
    assert_true(question->node->waiting > 0);
    question->node->waiting--;
    list_remove(&question->link);
    free(question);
}

/* -- What a replica tells ---------------------------------------------------------------- */

static void on_running(void *context)
{
    struct node *node = context;
    assert_int_equal(node->failures, 0);
    assert_false(node->is_running);
    node->is_running = 1;
}

static void on_leader(void *context)
{
    assert_int_equal(((const struct node *)context)->failures, 0);
}

static void on_failed(void *context, const struct report *report)
{
    struct node *node = context;
    node->failures++;
    node->report = *report;
}

static void on_stopped(void *context)
{
    ((struct node *)context)->is_stopped = 1;
}

static const struct replica_events EVENTS = {.on_running = on_running,
                                             .on_leader = on_leader,
                                             .on_failed = on_failed,
                                             .on_stopped = on_stopped};

/* An error has a cause that was ordered, and the operator is told what and where. */
static void check_report(const struct report *report, int error)
{
    assert_true(fault_has_struck());
    assert_true(error == SYNOD_ERR_MEMORY || error == SYNOD_ERR_STORAGE ||
                error == SYNOD_ERR_ADDRESS);
    assert_int_equal(report->error, error);
    assert_true(strlen(report->file) > 0);
    const char *why = error == SYNOD_ERR_MEMORY    ? "emory"
                      : error == SYNOD_ERR_ADDRESS ? "Address already in use"
                                                   : "Input/output error";
    const int is_full = strstr(report->text, "No space left on device") != NULL;
    if (strstr(report->text, why) == NULL && !(is_full && error == SYNOD_ERR_STORAGE)) {
        fail_msg("the report says: %s", report->text);
    }
}

/* -- Processes --------------------------------------------------------------------------- */

static struct os *os_of(const struct node *node)
{
    return node->fault != NULL ? os_fault_os(node->fault) : os_sim_os(node->sim);
}

/* The first node's code is what may fail. */
static int enter(const struct node *node)
{
    return fault_enter(node->fault != NULL);
}

void rig_start(struct rig *rig, uint32_t index)
{
    static const struct replica_member MEMBERS[NODES_MAX] = {
        {"a", "node:0"}, {"b", "node:1"}, {"c", "node:2"}};
    struct node *node = &rig->nodes[index];
    struct replica_options options;
    const struct synod_machine machine = book_machine(&node->book);
    assert_null(node->replica);
    book_clear(&node->book);
    node->failures = node->is_running = node->is_stopped = 0;
    if (index == 0) {
        node->fault = os_fault_new(os_sim_os(node->sim));
    }
    replica_options_init(&options);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = node;
    options.data_dir = "data";
    options.listen = MEMBERS[index].address;
    options.members = MEMBERS;
    options.member_count = rig->count;
    options.self = index;
    options.command_size_max = RIG_COMMAND_BYTES_MAX;
    options.heartbeat_ms = 20;
    options.election_ms = 100;
    options.request_timeout_ms = 1000;
    options.snapshot_bytes = 40000;
    options.tail_bytes = 6000;
    options.cache_bytes = 2000;
    options.segment_bytes = 16384;
    const int was = enter(node);
    node->open_error = replica_open(os_of(node), &options, &node->report, &node->replica);
    fault_leave(was);
    if (node->open_error != 0) {
        check_report(&node->report, node->open_error);
        node->replica = NULL;
        rig_kill(rig, index);
    }
    os_sim_touch(node->sim);
}

void rig_kill(struct rig *rig, uint32_t index)
{
    struct node *node = &rig->nodes[index];
    struct replica *replica = node->replica;
    if (replica == NULL && node->fault == NULL) {
        return;
    }
    const int was = enter(node);
    if (replica != NULL) {
        replica_kill(replica);
    }
    os_sim_kill(node->sim);
    if (replica != NULL) {
        replica_free(replica);
    }
    os_sim_drain(node->sim);
    fault_leave(was);
    os_sim_revive(node->sim);
    if (node->fault != NULL) {
        os_fault_free(node->fault);
    }
    node->fault = NULL;
    node->replica = NULL;
    while (!list_is_empty(&node->questions)) {
        end_question(LIST_ITEM(node->questions.next, struct question, link));
    }
}

static struct os_sim *machine_new(struct rig *rig, uint32_t index)
{
    const struct os_sim_options os = {.turn_us_max = 50, .flush_us_min = 50, .flush_us_max = 300};
    return os_sim_new(&rig->world, rig->net, index, &os);
}

void rig_wipe(struct rig *rig, uint32_t index)
{
    struct node *node = &rig->nodes[index];
    assert_null(node->scrapped);
    rig_kill(rig, index);
    node->scrapped = node->sim;
    node->sim = machine_new(rig, index);
}

int rig_is_up(const struct rig *rig, uint32_t index)
{
    const struct node *node = &rig->nodes[index];
    return node->replica != NULL && node->failures == 0;
}

static int has_stopped(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        if (rig->nodes[i].is_stopped) {
            return 1;
        }
    }
    return 0;
}

void rig_stop(struct rig *rig, uint32_t index)
{
    struct node *node = &rig->nodes[index];
    if (!rig_is_up(rig, index)) {
        return;
    }
    const int was = enter(node);
    replica_stop(node->replica);
    fault_leave(was);
    os_sim_touch(node->sim);
    if (!rig_run(rig, 5 * SECOND, has_stopped)) {
        assert_null(node->replica); /* It has failed meanwhile. */
        return;
    }
    assert_int_equal(node->waiting, 0);
    rig_kill(rig, index);
    node->is_stopped = 0;
}

/* -- Asking ------------------------------------------------------------------------------ */

static uint64_t count_acknowledged(const struct rig *rig)
{
    uint64_t count = 0;
    for (uint64_t i = 1; i <= rig->commands; i++) {
        count += rig->is_acknowledged[i];
    }
    return count;
}

static void on_result(void *context, int error, const void *result)
{
    struct question *question = context;
    struct node *node = question->node;
    if (error == 0) {
        assert_ptr_equal(result, &node->book);
        assert_int_equal(node->failures, 0);
        node->rig->is_acknowledged[question->number] = 1;
    }
    end_question(question);
}

static void on_read(void *context, int error)
{
    struct question *question = context;
    struct node *node = question->node;
    if (error == 0) {
        assert_int_equal(node->failures, 0);
        assert_true(node->book.count >= question->floor);
    }
    end_question(question);
}

static struct question *question_new(struct node *node)
{
    struct question *question = malloc(sizeof *question);
    assert_non_null(question);
    *question = (struct question){
        .node = node, .number = node->rig->commands, .floor = count_acknowledged(node->rig)};
    list_init(&question->link);
    list_append(&node->questions, &question->link);
    node->waiting++;
    return question;
}

static void settle_refusal(struct question *question, int error)
{
    if (error != 0) {
        assert_true(error == SYNOD_ERR_STOPPED ||
                    (error == SYNOD_ERR_MEMORY && fault_has_struck()));
        end_question(question);
    }
}

void rig_submit(struct rig *rig, uint32_t index, uint32_t count, size_t size)
{
    struct node *node = &rig->nodes[index];
    static uint8_t bytes[RIG_COMMAND_BYTES_MAX];
    assert_true(size >= 8 && size <= sizeof bytes);
    for (uint32_t i = 0; i < count && rig_is_up(rig, index); i++) {
        assert_true(rig->commands + 1 < BOOK_COMMANDS_MAX);
        put_u64(bytes, ++rig->commands);
        struct question *question = question_new(node);
        const int was = enter(node);
        const int error =
            replica_submit(node->replica, 1, bytes_of(bytes, size), on_result, question);
        fault_leave(was);
        settle_refusal(question, error);
        os_sim_touch(node->sim);
    }
}

void rig_read(struct rig *rig, uint32_t index, uint32_t count)
{
    struct node *node = &rig->nodes[index];
    for (uint32_t i = 0; i < count && rig_is_up(rig, index); i++) {
        struct question *question = question_new(node);
        const int was = enter(node);
        const int error = replica_read(node->replica, on_read, question);
        fault_leave(was);
        settle_refusal(question, error);
        os_sim_touch(node->sim);
    }
}

/* -- Time -------------------------------------------------------------------------------- */

static void end_failed(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        struct node *node = &rig->nodes[i];
        if (node->replica != NULL && node->failures > 0) {
            assert_int_equal(node->failures, 1);
            if (!rig->is_deceived || node->report.error != SYNOD_ERR_CORRUPT) {
                assert_int_equal(i, 0); /* Nobody else has a reason. */
                check_report(&node->report, node->report.error);
            }
            rig_kill(rig, i);
        }
    }
}

int rig_run(struct rig *rig, uint64_t us, rig_condition condition)
{
    const uint64_t end_us = rig->world.now_us + us;
    for (;;) {
        if (condition(rig)) {
            return 1;
        }
        if (!world_step(&rig->world, end_us)) {
            return 0;
        }
        end_failed(rig);
    }
}

int rig_all_run(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        if (rig_is_up(rig, i) && !rig->nodes[i].is_running) {
            return 0;
        }
    }
    return 1;
}

int rig_all_answered(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        if (rig_is_up(rig, i) && rig->nodes[i].waiting > 0) {
            return 0;
        }
    }
    return 1;
}

int rig_all_equal(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        const struct node *node = &rig->nodes[i];
        const struct book *first = &rig->nodes[0].book;
        if (!rig_is_up(rig, i) || !node->is_running || node->book.count != first->count) {
            return 0;
        }
        assert_memory_equal(node->book.numbers, first->numbers, 8 * first->count);
    }
    return 1;
}

/* -- The end ----------------------------------------------------------------------------- */

/* Every acknowledged command is in the book; no command is there twice. */
static void check_book(const struct rig *rig, const struct book *book)
{
    uint8_t times[BOOK_COMMANDS_MAX] = {0};
    for (uint64_t i = 0; i < book->count; i++) {
        assert_in_range(book->numbers[i], 1, rig->commands);
        assert_int_equal(times[book->numbers[i]]++, 0);
    }
    for (uint64_t i = 1; i <= rig->commands; i++) {
        assert_true(times[i] || !rig->is_acknowledged[i]);
    }
}

void rig_recover(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        if (!rig_is_up(rig, i)) {
            rig_kill(rig, i);
            rig_start(rig, i);
        }
    }
    assert_true(rig_run(rig, 60 * SECOND, rig_all_equal));
    const uint64_t before = count_acknowledged(rig);
    int tries = 0;
    while (count_acknowledged(rig) < before + rig->count && tries++ < 20) {
        for (uint32_t i = 0; i < rig->count; i++) {
            rig_submit(rig, i, 1, 100);
            rig_read(rig, i, 1);
        }
        assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    }
    assert_true(count_acknowledged(rig) >= before + rig->count);
    assert_true(rig_run(rig, 5 * SECOND, rig_all_equal));
    check_book(rig, &rig->nodes[0].book);
}

/* -- Life -------------------------------------------------------------------------------- */

static void touch_node(void *context, uint32_t node)
{
    os_sim_touch(((struct rig *)context)->nodes[node].sim);
}

static void ignore_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

struct rig *rig_new(uint32_t count, uint64_t seed)
{
    const struct net_options net = {.delay_us_min = 50, .delay_us_max = 500};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = ignore_line});
    world_init(&rig->world, seed, 0);
    rig->count = count;
    rig->net = net_new(&rig->world, &net);
    net_on_activity(rig->net, touch_node, rig);
    for (uint32_t i = 0; i < count; i++) {
        rig->nodes[i] = (struct node){.rig = rig, .index = i, .sim = machine_new(rig, i)};
        list_init(&rig->nodes[i].questions);
    }
    return rig;
}

void rig_free(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        rig_kill(rig, i);
    }
    net_free(rig->net);
    for (uint32_t i = 0; i < rig->count; i++) {
        os_sim_free(rig->nodes[i].sim);
        if (rig->nodes[i].scrapped != NULL) {
            os_sim_free(rig->nodes[i].scrapped);
        }
    }
    world_deinit(&rig->world);
    log_configure(&(struct log_options){.level = LOG_INFO});
    free(rig);
}
