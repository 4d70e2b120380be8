/* step_fuzz.c -- one real core among members that say anything whatever.
 *
 * The input is a run of events: messages, made of bytes and then passed through the same filter as
 * those from the wire; ticks, disks that finish, connections, proposals, reads, snapshots,
 * restarts. The core's own side of the bargain is kept (time does not go back, no record is durable
 * that was not written, what it says to itself comes back as it was said), the members' side is
 * not: Paxos does not promise to agree with liars, but no lie may break an assertion, and after
 * a restart the core must take back all that it wrote itself.
 *
 * Options   u8 members, u8 window, u8 entries in a message
 * Event     u8 kind, and what the kind asks for
 * Message   see message_script.h */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "message_script.h"
#include "synod/core.h"

enum {
    ENTRIES_MAX = MESSAGE_SCRIPT_ENTRIES_MAX - 2, /* The script may give two more than allowed. */
    OWN_MAX = 64,       /* Messages to itself that wait; the run ends where there are more. */
    RECORDS_MAX = 1024, /* The same for records. */
    SELF = 1
};

struct own {
    struct synod_message message;
    struct synod_entry entries[ENTRIES_MAX];
    struct synod_vote votes[ENTRIES_MAX];
};

struct run {
    struct feed feed;
    struct synod_options options;
    struct synod_core *core; /* NULL between two lives. */
    struct synod_effects *effects;
    uint64_t now_ms;
    uint64_t life;
    synod_lsn lsn;     /* Of the last record of this life. */
    synod_lsn durable; /* The same, on the disk. */
    synod_slot applied;
    synod_slot snapshot;
    uint64_t reads;
    uint64_t asked;             /* The last question or read that it sent. */
    struct synod_ballot ballot; /* The last that it prepared. */
    struct own *own;
    uint32_t own_count;
    struct synod_record *records; /* Of all lives; those of the present one may not be durable. */
    uint32_t record_count;
    uint32_t stable_count; /* Of them, those that were durable when this life began. */
    int is_over;
};

/* -- What a step brings ------------------------------------------------------------------- */

static void keep_record(struct run *run, const struct synod_record *record)
{
    assert(record->lsn == run->lsn + 1);
    run->lsn = record->lsn;
    if (run->record_count == RECORDS_MAX) {
        run->is_over = 1;
        return;
    }
    run->records[run->record_count++] = *record;
}

static void keep_own(struct run *run, const struct synod_message *message)
{
    if (run->own_count == OWN_MAX) {
        run->is_over = 1;
        return;
    }
    struct own *own = &run->own[run->own_count++];
    own->message = *message;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        own->entries[i] = message->entries[i];
    }
    for (uint32_t i = 0; i < message->vote_count; i++) {
        own->votes[i] = message->votes[i];
    }
}

/* Whatever it sends would be let in by an honest member. */
static void take_message(struct run *run, const struct synod_message *message)
{
    struct synod_options theirs = run->options;
    theirs.self = message->to;
    assert(synod_message_is_valid(message, &theirs));
    assert(message->after_lsn <= run->lsn);
    if (message->type == SYNOD_MESSAGE_PREPARE) {
        run->ballot = message->ballot;
    }
    if (message->type == SYNOD_MESSAGE_ASK || message->type == SYNOD_MESSAGE_READ) {
        run->asked = message->id;
    }
    if (message->to == SELF) {
        keep_own(run, message);
    }
}

static int step(struct run *run, struct synod_event event)
{
    event.now_ms = run->now_ms;
    const int outcome = synod_core_step(run->core, &event, run->effects);
    const struct synod_effects *effects = run->effects;
    for (uint32_t i = 0; i < effects->record_count; i++) {
        keep_record(run, &effects->records[i]);
    }
    for (uint32_t i = 0; i < effects->message_count; i++) {
        take_message(run, &effects->messages[i]);
    }
    for (uint32_t i = 0; i < effects->chosen_count; i++) {
        assert(effects->chosen[i].slot == run->applied + 1);
        run->applied++;
    }
    assert(effects->wake_at_ms >= run->now_ms);
    synod_core_check(run->core);
    return outcome;
}

/* -- Lives -------------------------------------------------------------------------------- */

static void begin_life(struct run *run)
{
    struct synod_options options = run->options;
    options.seed = run->life;
    run->core = synod_core_init(calloc(1, synod_core_size(&options)), &options);
    run->life++;
    run->lsn = run->durable = 0;
    run->own_count = 0;
    run->applied = run->snapshot;
    if (run->snapshot > 0) {
        (void)step(run, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = run->snapshot});
    }
    run->stable_count = run->record_count;
    for (uint32_t i = 0; i < run->stable_count; i++) {
        const int outcome = step(
            run, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = &run->records[i]});
        assert(outcome == 0);
    }
    (void)step(run, (struct synod_event){.type = SYNOD_EVENT_START, .id = run->life << 32 | 7});
}

/* What was not on the disk is gone. */
static void end_life(struct run *run)
{
    const uint32_t kept = run->stable_count + (uint32_t)run->durable;
    assert(kept <= run->record_count);
    run->record_count = kept;
    free(run->core);
    run->core = NULL;
}

/* -- Messages ----------------------------------------------------------------------------- */

static void hear(struct run *run)
{
    struct synod_status status;
    struct message_script script = {.options = &run->options, .ballot = run->ballot};
    synod_core_status(run->core, &status);
    script.applied = run->applied;
    script.asked = run->asked;
    script.promised = status.promised;
    script.leader = status.leader;
    message_script_make(&script, &run->feed);
    struct synod_message *m = &script.message;
    m->to = SELF;
    if (synod_message_is_valid(m, &run->options)) {
        (void)step(run, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = m});
    }
}

/* Something that it said to itself comes back. */
static void deliver_own(struct run *run, uint8_t which)
{
    if (run->own_count == 0) {
        return;
    }
    const uint32_t position = which % run->own_count;
    struct own own = run->own[position];
    if (own.message.after_lsn > run->durable) {
        return;
    }
    own.message.entries = own.entries;
    own.message.votes = own.votes;
    run->own[position] = run->own[--run->own_count];
    const int outcome =
        step(run, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &own.message});
    assert(outcome == 0); /* It never contradicts itself. */
}

/* -- Events ------------------------------------------------------------------------------- */

static void flush(struct run *run, uint8_t count)
{
    const synod_lsn waiting = run->lsn - run->durable;
    run->durable += count < waiting ? count : waiting;
    (void)step(run, (struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = run->durable});
}

static void install_snapshot(struct run *run)
{
    const uint64_t ahead = feed_number(&run->feed);
    if (ahead > SYNOD_SNAPSHOT_SLOT_MAX || run->applied > SYNOD_SNAPSHOT_SLOT_MAX - ahead) {
        return;
    }
    run->snapshot = run->applied += ahead;
    (void)step(run, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = run->snapshot});
}

static void propose(struct run *run, uint8_t value)
{
    const struct synod_entry entry = {
        .kind = SYNOD_ENTRY_VALUE, .size = value, .checksum = value, .handle = value + 1u};
    (void)step(run, (struct synod_event){
                        .type = SYNOD_EVENT_PROPOSE, .entry = &entry, .wants_notice = value & 1});
}

static void happen(struct run *run)
{
    enum {
        HEAR = 8
    };
    const uint8_t kind = feed_u8(&run->feed);
    const uint8_t how = kind / 16;
    switch (kind % 16) {
    case HEAR:
        run->now_ms += feed_u8(&run->feed) * 8u;
        (void)step(run,
                   (struct synod_event){.type = how == 15 ? SYNOD_EVENT_STAND : SYNOD_EVENT_TICK});
        break;
    case HEAR + 1:
        flush(run, how == 0 ? UINT8_MAX : how);
        break;
    case HEAR + 2:
        deliver_own(run, how);
        break;
    case HEAR + 3:
        propose(run, feed_u8(&run->feed));
        break;
    case HEAR + 4:
        (void)step(run, (struct synod_event){.type = SYNOD_EVENT_READ, .id = ++run->reads});
        break;
    case HEAR + 5:
        (void)step(run, (struct synod_event){.type = how % 2 == 0 ? SYNOD_EVENT_CONNECTED
                                                                  : SYNOD_EVENT_DISCONNECTED,
                                             .member = 1 + how / 2 % run->options.members.count});
        break;
    case HEAR + 6:
        install_snapshot(run);
        break;
    case HEAR + 7:
        if (how == 0) {
            (void)step(run, (struct synod_event){.type = SYNOD_EVENT_STOP});
        }
        end_life(run);
        begin_life(run);
        break;
    default:
        hear(run);
    }
}

static void take_options(struct run *run)
{
    struct synod_options *options = &run->options;
    synod_options_init(options);
    options->self = SELF;
    options->members.count = 1 + feed_u8(&run->feed) % 5;
    for (uint32_t i = 0; i < options->members.count; i++) {
        options->members.ids[i] = i + 1;
    }
    options->members.phase1 = options->members.phase2 = options->members.count / 2 + 1;
    options->window = 2u << feed_u8(&run->feed) % 3;
    options->pipeline_max = options->window / 2;
    options->entries_max = 1 + feed_u8(&run->feed) % ENTRIES_MAX;
    options->message_bytes_max = 300;
    options->reads_max = 3;
}

FUZZ(step)
{
    struct run run = {.feed = {input}, .now_ms = 1};
    take_options(&run);
    run.own = calloc(OWN_MAX, sizeof *run.own);
    run.records = calloc(RECORDS_MAX, sizeof *run.records);
    run.effects = synod_effects_init(calloc(1, synod_effects_size(&run.options)), &run.options);
    assert(run.own != NULL && run.records != NULL);
    begin_life(&run);
    while (!feed_is_empty(&run.feed) && !run.is_over) {
        happen(&run);
    }
    free(run.core);
    free(run.effects);
    free(run.records);
    free(run.own);
}
