/* reference_reads.c -- a read is about all that anybody had applied when it began. */
#include <inttypes.h>
#include <string.h>

#include "model/reference_internal.h"

/* Where the read with that id is among those that wait, or would be. They stand in the order of
 * their ids; a member counts its ids up, so what is asked for is near the end. */
static uint32_t place_of_read(const struct member *member, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = member->read_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (member->reads[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int has_read_at(const struct member *member, uint32_t place, uint64_t id)
{
    return place < member->read_count && member->reads[place].id == id;
}

void reference_begin_read(const struct watch *w)
{
    struct member *member = w->member;
    const uint32_t place = place_of_read(member, w->event->id);
    if (has_read_at(member, place, w->event->id)) {
        return; /* Asked again: it is still about all that was applied when it came. */
    }
    member->reads = reference_grow(member->reads, member->read_count, sizeof *member->reads);
    memmove(member->reads + place + 1, member->reads + place,
            (member->read_count - place) * sizeof *member->reads);
    member->reads[place] = (struct waiting){.id = w->event->id, .floor = w->r->applied_max};
    member->read_count++;
}

/* An id that nobody waits for any more is a repeat; whoever asked will not look. */
int reference_end_read(const struct watch *w, const struct synod_read *read)
{
    struct member *member = w->member;
    const uint32_t place = place_of_read(member, read->id);
    if (!has_read_at(member, place, read->id)) {
        return 0;
    }
    if (read->index < member->reads[place].floor) {
        return reference_refuse(
            w, "reads from slot %" PRIu64 " on; slot %" PRIu64 " was applied when it asked",
            read->index, member->reads[place].floor);
    }
    w->r->counts.reads++;
    member->read_count--;
    memmove(member->reads + place, member->reads + place + 1,
            (member->read_count - place) * sizeof *member->reads);
    return 0;
}
