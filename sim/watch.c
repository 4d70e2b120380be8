/* watch.c -- what every step of every core of a cluster is held against. */
#include "sim/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "model/reference.h"
#include "sim/world.h"

/* The records of a step, and how many writes of the log had been made when it gave them out. */
struct written {
    synod_lsn lsn; /* Of the last of them. */
    uint64_t writes;
};

/* One member's records that do not count as durable yet, oldest first. */
struct member {
    const struct disk *disk;
    struct written *written;
    size_t first;
    size_t end;
    size_t capacity;
};

struct watch {
    struct reference *reference;
    struct member members[SYNOD_MEMBERS_MAX];
    uint32_t count;
    char why[128];
};

struct watch *watch_new(uint32_t members)
{
    struct watch *watch = world_allocate(sizeof *watch);
    assert(members >= 1 && members <= SYNOD_MEMBERS_MAX);
    watch->reference = reference_new(members, members / 2 + 1, members / 2 + 1);
    watch->count = members;
    return watch;
}

void watch_free(struct watch *watch)
{
    for (uint32_t i = 0; i < watch->count; i++) {
        free(watch->members[i].written);
    }
    reference_free(watch->reference);
    free(watch);
}

void watch_begin(struct watch *watch, uint32_t member, const struct disk *disk)
{
    reference_begin(watch->reference, member);
    watch->members[member].disk = disk;
    watch->members[member].first = watch->members[member].end = 0;
}

static void note(struct member *member, synod_lsn lsn)
{
    if (member->first == member->end) {
        member->first = member->end = 0;
    }
    if (member->end == member->capacity) {
        member->capacity = member->capacity == 0 ? 64 : 2 * member->capacity;
        member->written =
            world_reallocate(member->written, member->capacity * sizeof *member->written);
    }
    member->written[member->end++] =
        (struct written){.lsn = lsn, .writes = disk_log_writes(member->disk)};
}

/* Records up to `lsn` are said to be durable. Returns 0 where one of them cannot be. */
static int is_durable(struct member *member, synod_lsn lsn)
{
    uint64_t writes = 0;
    int is_any = 0;
    while (member->first < member->end && member->written[member->first].lsn <= lsn) {
        writes = member->written[member->first++].writes;
        is_any = 1;
    }
    return !is_any || disk_log_lasting(member->disk) > writes;
}

const char *watch_step(struct watch *watch, uint32_t member, const struct synod_event *event,
                       const struct synod_effects *effects)
{
    struct member *watched = &watch->members[member];
    assert(member < watch->count);
    if (event->type == SYNOD_EVENT_DURABLE && !is_durable(watched, event->lsn)) {
        snprintf(watch->why, sizeof watch->why,
                 "member %" PRIu32 ": record %" PRIu64 " counts as durable and is not on the disk",
                 member, event->lsn);
        return watch->why;
    }
    if (effects->record_count > 0) {
        note(watched, effects->records[effects->record_count - 1].lsn);
    }
    return reference_step(watch->reference, member, event, effects) == 0
               ? NULL
               : reference_why(watch->reference);
}

uint64_t watch_steps(const struct watch *watch)
{
    return reference_counts(watch->reference).steps;
}
