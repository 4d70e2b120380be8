/* rig.c -- one real core, A, among members that a test speaks for; the trace is the assertion. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void rig_init(struct rig *rig, uint32_t members)
{
    *rig = (struct rig){.now_ms = 1000, .tale = {.names = "ABCDEFGHI"}};
    synod_options_init(&rig->options);
    rig->options.self = A;
    rig->options.seed = 1;
    rig->options.entries_max = CLUSTER_ENTRIES_MAX;
    rig->options.members.count = members;
    rig->options.members.phase1 = members / 2 + 1;
    rig->options.members.phase2 = members / 2 + 1;
    for (uint32_t i = 0; i < members; i++) {
        rig->options.members.ids[i] = i + 1;
    }
}

void rig_start(struct rig *rig)
{
    rig->core = synod_core_init(malloc(synod_core_size(&rig->options)), &rig->options);
    rig->effects = synod_effects_init(malloc(synod_effects_size(&rig->options)), &rig->options);
    rig->role = SYNOD_ROLE_FOLLOWER;
    rig->leader = (struct synod_ballot){0};
    rig->own_count = 0;
    rig->lsn = 0;
    for (uint32_t i = 0; i < rig->record_count; i++) {
        const struct synod_record record = rig->records[i];
        assert_int_equal(
            rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = &record}), 0);
    }
    rig->life++;
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_START, .id = rig->life << 32});
}

void rig_deinit(struct rig *rig)
{
    free(rig->core);
    free(rig->effects);
}

void rig_restart(struct rig *rig)
{
    rig_deinit(rig);
    rig_start(rig);
}

/* -- The trace ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(struct rig *rig, const char *format, ...)
{
    const size_t used = strlen(rig->text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(rig->text + used, sizeof rig->text - used, format, arguments);
    va_end(arguments);
}

void rig_expect(struct rig *rig, const char *text)
{
    assert_string_equal(rig->text, text);
    rig_forget(rig);
}

void rig_forget(struct rig *rig)
{
    rig->text[0] = 0;
}

static void keep_own(struct rig *rig, const struct synod_message *message)
{
    assert_true(rig->own_count < RIG_OWN_MAX);
    struct cluster_packet *own = &rig->own[rig->own_count++];
    own->message = *message;
    if (message->entry_count > 0) {
        memcpy(own->entries, message->entries, message->entry_count * sizeof *own->entries);
    }
    if (message->vote_count > 0) {
        memcpy(own->votes, message->votes, message->vote_count * sizeof *own->votes);
    }
}

static void trace_message(struct rig *rig, const struct synod_message *message)
{
    char text[1024];
    if (message->type == SYNOD_MESSAGE_ASK) {
        rig->question = message->id;
    }
    if (message->to == A) {
        keep_own(rig, message);
        return;
    }
    if ((message->type == SYNOD_MESSAGE_ASK || message->type == SYNOD_MESSAGE_ANSWER) &&
        !rig->shows_heartbeats) {
        return;
    }
    add(rig, "to %c: %s", rig->tale.names[message->to - 1],
        tale_message(&rig->tale, message, text, sizeof text));
    if (message->after_lsn > 0) {
        add(rig, " (after #%llu)", (unsigned long long)message->after_lsn);
    }
    add(rig, "\n");
}

static void trace_status(struct rig *rig)
{
    static const char *const roles[] = {"", "follower of", "candidate,", "leader"};
    const struct synod_status status = rig_status(rig);
    char text[64];
    if (status.role == rig->role && synod_ballot_compare(status.leader, rig->leader) == 0) {
        return;
    }
    rig->role = status.role;
    rig->leader = status.leader;
    if (status.role == SYNOD_ROLE_CANDIDATE) {
        add(rig, "candidate with %s\n",
            tale_ballot(&rig->tale, status.promised, text, sizeof text));
    } else {
        add(rig, "%s %s: %s\n", roles[status.role],
            tale_ballot(&rig->tale, status.leader, text, sizeof text), synod_why_text(status.why));
    }
}

int rig_step(struct rig *rig, struct synod_event event)
{
    char text[1024];
    const struct synod_effects *effects = rig->effects;
    event.now_ms = rig->now_ms;
    const int outcome = synod_core_step(rig->core, &event, rig->effects);
    for (uint32_t i = 0; i < effects->record_count; i++) {
        const struct synod_record *record = &effects->records[i];
        assert_int_equal(record->lsn, rig->lsn + 1);
        assert_true(rig->record_count < RIG_RECORDS_MAX);
        rig->lsn = record->lsn;
        rig->records[rig->record_count++] = *record;
        add(rig, "record #%llu: %s\n", (unsigned long long)record->lsn,
            tale_record(&rig->tale, record, text, sizeof text));
    }
    for (uint32_t i = 0; i < effects->message_count; i++) {
        trace_message(rig, &effects->messages[i]);
    }
    for (uint32_t i = 0; i < effects->chosen_count; i++) {
        add(rig, "chosen: %s\n", tale_entry(&rig->tale, &effects->chosen[i], text, sizeof text));
    }
    for (uint32_t i = 0; i < effects->read_count; i++) {
        add(rig, "read %llu at slot %llu\n", (unsigned long long)effects->reads[i].id,
            (unsigned long long)effects->reads[i].index);
    }
    for (uint32_t i = 0; i < effects->serve_count; i++) {
        add(rig, "serve %c from slot %llu\n", rig->tale.names[effects->serves[i].to - 1],
            (unsigned long long)effects->serves[i].slot);
    }
    trace_status(rig);
    synod_core_check(rig->core);
    return outcome;
}

void rig_tick(struct rig *rig, uint64_t after_ms)
{
    rig->now_ms += after_ms;
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_TICK});
}

void rig_flush(struct rig *rig)
{
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = rig->lsn});
    for (uint32_t i = 0; i < rig->own_count; i++) {
        struct cluster_packet own = rig->own[i];
        own.message.entries = own.entries;
        own.message.votes = own.votes;
        (void)rig_step(rig,
                       (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &own.message});
    }
    rig->own_count = 0;
}

/* -- Messages ----------------------------------------------------------------------------- */

struct synod_ballot rig_ballot(uint64_t round, synod_member_id member)
{
    const uint64_t incarnation = round == 0 && member == 0 ? 0 : (uint64_t)1 << 32;
    return (struct synod_ballot){round, member, incarnation};
}

struct synod_entry rig_entry(synod_slot slot, uint64_t value)
{
    return (struct synod_entry){.slot = slot,
                                .view = 1,
                                .checksum = value,
                                .handle = value,
                                .size = 8,
                                .kind = SYNOD_ENTRY_VALUE};
}

struct synod_entry rig_noop(synod_slot slot)
{
    return (struct synod_entry){.slot = slot, .view = 1, .kind = SYNOD_ENTRY_NOOP};
}

void rig_message(struct rig *rig, synod_member_id from, struct synod_message message)
{
    message.from = from;
    message.to = A;
    message.view = message.view == 0 ? 1 : message.view;
    assert_true(synod_message_is_valid(&message, &rig->options));
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &message});
}

void rig_prepare(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot)
{
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_PREPARE,
                                       .ballot = rig_ballot(round, from),
                                       .slot = slot});
}

void rig_accept(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot,
                uint64_t value)
{
    const struct synod_entry entry = rig_entry(slot, value);
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_ACCEPT,
                                       .ballot = rig_ballot(round, from),
                                       .entries = &entry,
                                       .entry_count = 1});
}

void rig_notice(struct rig *rig, synod_member_id from, uint64_t round, synod_slot chosen)
{
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_NOTICE,
                                       .ballot = rig_ballot(round, from),
                                       .chosen = chosen});
}

void rig_learn(struct rig *rig, synod_member_id from, synod_slot slot, uint64_t value,
               synod_slot chosen)
{
    const struct synod_entry entry = rig_entry(slot, value);
    rig_message(
        rig, from,
        (struct synod_message){
            .type = SYNOD_MESSAGE_LEARN, .chosen = chosen, .entries = &entry, .entry_count = 1});
}

void rig_accepted(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot,
                  uint64_t value)
{
    const struct synod_entry entry = value == 0 ? rig_noop(slot) : rig_entry(slot, value);
    struct synod_ballot ballot = rig_ballot(round, A);
    ballot.incarnation = rig->life << 32;
    rig_message(
        rig, from,
        (struct synod_message){
            .type = SYNOD_MESSAGE_ACCEPTED, .ballot = ballot, .entries = &entry, .entry_count = 1});
}

void rig_promise(struct rig *rig, synod_member_id from, uint64_t round, synod_slot chosen)
{
    struct synod_ballot ballot = rig_ballot(round, A);
    ballot.incarnation = rig->life << 32;
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                       .ballot = ballot,
                                       .slot = rig_status(rig).chosen + 1,
                                       .until = SYNOD_SLOT_ALL,
                                       .chosen = chosen});
}

void rig_answer(struct rig *rig, synod_member_id from, uint32_t flags, struct synod_ballot leader)
{
    rig_answer_with(rig, from, 0, (struct synod_status_report){.leader = leader, .flags = flags});
}

void rig_answer_with(struct rig *rig, synod_member_id from, synod_slot chosen,
                     struct synod_status_report report)
{
    const struct synod_status status = rig_status(rig);
    const int leads = status.role == SYNOD_ROLE_LEADER;
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_ANSWER,
                                       .id = rig->question,
                                       .ballot = leads ? status.leader : rig_ballot(0, 0),
                                       .chosen = chosen,
                                       .status = report});
}

int rig_propose(struct rig *rig, uint64_t value)
{
    const struct synod_entry entry = rig_entry(0, value);
    return rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_PROPOSE, .entry = &entry});
}

void rig_stand(struct rig *rig)
{
    for (int i = 0; i < 1000 && rig->role == SYNOD_ROLE_FOLLOWER; i++) {
        for (uint32_t k = 1; k < rig->options.members.phase1; k++) {
            rig_answer(rig, k + 1, 0, rig_ballot(0, 0));
        }
        rig_tick(rig, 10);
    }
    assert_int_equal(rig->role, SYNOD_ROLE_CANDIDATE);
}

void rig_lead(struct rig *rig)
{
    rig_stand(rig);
    rig_flush(rig);
    for (uint32_t k = 1; k < rig->options.members.phase1; k++) {
        rig_promise(rig, k + 1, rig_status(rig).promised.round, 0);
    }
    assert_int_equal(rig->role, SYNOD_ROLE_LEADER);
    rig_forget(rig);
}

struct synod_status rig_status(const struct rig *rig)
{
    struct synod_status status;
    synod_core_status(rig->core, &status);
    return status;
}

int rig_aborts(void (*run)(void *), void *context)
{
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        run(context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
