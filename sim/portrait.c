/* portrait.c -- what happened last in a run, as a space-time diagram. */
#include "sim/portrait.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "sim/draw.h"
#include "sim/message_name.h"
#include "sim/net.h"
#include "sim/partition.h"
#include "synod/message.h"

enum {
    THINGS_MAX = 300, /* More nobody looks at. */
    FRAME_HEAD_SIZE = 16,
    FRAME_TYPE_AT = 8,
    FRAME_OF_MESSAGE = 16
};

enum thing_kind {
    THING_MESSAGE = 1,
    THING_EVENT, /* It befell a node. */
    THING_NOTE,  /* It befell the network. */
    THING_CUT,   /* Links that carry nothing from now on, ... */
    THING_WHOLE  /* ... or something again. */
};

/* Links by who speaks; a bit for each who would hear it. */
struct links {
    uint16_t heard_by[NET_NODES_MAX];
};

struct thing {
    enum thing_kind kind;
    struct draw_arrow arrow;
    struct links links;
    uint64_t at;
    uint32_t node;
    enum draw_mark mark;
    char text[64];
};

struct portrait {
    struct world_witness witness;
    struct thing things[THINGS_MAX];
    uint64_t count;   /* So many came; the last of them are kept. */
    struct links cut; /* Before the first that is kept. */
    uint32_t nodes;
};

static char name_of(uint64_t node)
{
    return (char)('a' + (int)node);
}

/* -- What is cut ---------------------------------------------------------------------------- */

/* What is cut behind the thing, if `cut` was before it. */
static void pass(struct links *cut, const struct thing *thing)
{
    for (uint32_t from = 0; from < NET_NODES_MAX; from++) {
        const uint32_t changed = thing->links.heard_by[from];
        if (thing->kind == THING_CUT) {
            cut->heard_by[from] = (uint16_t)(cut->heard_by[from] | changed);
        } else if (thing->kind == THING_WHOLE) {
            cut->heard_by[from] = (uint16_t)(cut->heard_by[from] & ~changed);
        }
    }
}

static int has_link(const struct links *links, uint32_t from, uint32_t to)
{
    return (links->heard_by[from] >> to) & 1;
}

/* As "what: a>b c-d": from a to b, and between c and d. Returns how many links there are. */
static uint32_t describe_links(const char *what, const struct links *links, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s:", what);
    uint32_t count = 0;
    for (uint32_t from = 0; from < NET_NODES_MAX; from++) {
        for (uint32_t to = 0; to < NET_NODES_MAX; to++) {
            const int is_both = has_link(links, from, to) && has_link(links, to, from);
            if (has_link(links, from, to) && !(is_both && to < from) && used < size) {
                used += (size_t)snprintf(text + used, size - used, " %c%c%c", name_of(from),
                                         is_both ? '-' : '>', name_of(to));
                count++;
            }
        }
    }
    return count;
}

/* -- What happens --------------------------------------------------------------------------- */

static struct thing *next_thing(struct portrait *portrait, enum thing_kind kind, uint64_t at,
                                uint32_t node)
{
    struct thing *thing = &portrait->things[portrait->count % THINGS_MAX];
    if (portrait->count++ >= THINGS_MAX) {
        pass(&portrait->cut, thing);
    }
    *thing = (struct thing){.kind = kind, .at = at, .node = node};
    portrait->nodes = node >= portrait->nodes ? node + 1 : portrait->nodes;
    return thing;
}

static const struct {
    const char *what;
    enum draw_mark mark;
    const char *towards; /* Whom; NULL: the second number is none. */
} BEFALLS[] = {
    {"start", DRAW_START, NULL},   {"kill", DRAW_CRASH, NULL},    {"barrier", DRAW_CRASH, NULL},
    {"stopped", DRAW_STOP, NULL},  {"failed", DRAW_CRASH, NULL},  {"refused", DRAW_STOP, NULL},
    {"pause", DRAW_POINT, NULL},   {"running", DRAW_POINT, NULL}, {"leader", DRAW_POINT, NULL},
    {"clock", DRAW_POINT, NULL},   {"trouble", DRAW_POINT, NULL}, {"damage", DRAW_POINT, NULL},
    {"condemn", DRAW_POINT, NULL}, {"clog", DRAW_POINT, "to"},    {"break", DRAW_POINT, "with"},
};

/* True if it is something that befalls a node. */
static int add_event(struct portrait *portrait, uint64_t at, const char *what, uint64_t first,
                     uint64_t second)
{
    for (size_t i = 0; i < sizeof BEFALLS / sizeof BEFALLS[0]; i++) {
        const char *towards = BEFALLS[i].towards;
        if (strcmp(what, BEFALLS[i].what) != 0) {
            continue;
        }
        if (first < NET_NODES_MAX && !(towards != NULL && first == second)) {
            struct thing *thing = next_thing(portrait, THING_EVENT, at, (uint32_t)first);
            thing->mark = BEFALLS[i].mark;
            if (towards == NULL) {
                snprintf(thing->text, sizeof thing->text, "%s %" PRIu64, what, second);
            } else {
                snprintf(thing->text, sizeof thing->text, "%s %s %c", what, towards,
                         name_of(second));
            }
        }
        return 1;
    }
    return 0;
}

/* The links that are cut at one moment are one thing. */
static void add_link(struct portrait *portrait, uint64_t at, enum thing_kind kind, uint32_t from,
                     uint32_t to)
{
    struct thing *last = &portrait->things[(portrait->count + THINGS_MAX - 1) % THINGS_MAX];
    if (from == to) {
        return;
    }
    if (portrait->count == 0 || last->kind != kind || last->at != at) {
        last = next_thing(portrait, kind, at, from > to ? from : to);
    }
    portrait->nodes = to >= portrait->nodes ? to + 1 : portrait->nodes;
    last->links.heard_by[from] = (uint16_t)(last->links.heard_by[from] | 1u << to);
}

static void on_fact(void *context, const struct world *world, const char *what, uint64_t first,
                    uint64_t second)
{
    const uint64_t at = world->now_us;
    if (add_event(context, at, what, first, second)) {
        return;
    }
    if (strcmp(what, "cut") == 0) {
        struct thing *thing = next_thing(context, THING_NOTE, at, (uint32_t)second);
        snprintf(thing->text, sizeof thing->text, "a partition: %s, its centre is %c",
                 partition_name((enum partition_shape)first), name_of(second));
    } else if (strcmp(what, "link cut") == 0) {
        add_link(context, at, THING_CUT, (uint32_t)first, (uint32_t)second);
    } else if (strcmp(what, "link whole") == 0) {
        add_link(context, at, THING_WHOLE, (uint32_t)first, (uint32_t)second);
    }
}

static void describe_frame(const struct world_frame *frame, char *text, size_t size)
{
    const uint32_t frame_type = get_u16(frame->bytes + FRAME_TYPE_AT);
    const uint32_t type = frame_type == FRAME_OF_MESSAGE && frame->size >= FRAME_HEAD_SIZE + 4
                              ? get_u32(frame->bytes + FRAME_HEAD_SIZE)
                              : 0;
    if (message_name(type) != NULL) {
        snprintf(text, size, "%s", message_name(type));
    } else {
        snprintf(text, size, "frame %" PRIu32, frame_type);
    }
}

static void on_frame(void *context, const struct world *world, const struct world_frame *frame)
{
    struct thing *thing = next_thing(context, THING_MESSAGE, world->now_us,
                                     frame->from > frame->to ? frame->from : frame->to);
    thing->arrow = (struct draw_arrow){.from = frame->from,
                                       .to = frame->to,
                                       .sent = frame->sent_us,
                                       .arrived = world->now_us,
                                       .is_lost = frame->is_lost};
    describe_frame(frame, thing->text, sizeof thing->text);
}

struct portrait *portrait_new(void)
{
    struct portrait *portrait =
        mmap(NULL, sizeof *portrait, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (portrait == MAP_FAILED) {
        fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    portrait->witness = (struct world_witness){on_fact, on_frame, portrait};
    return portrait;
}

void portrait_free(struct portrait *portrait)
{
    if (portrait != NULL) {
        (void)munmap(portrait, sizeof *portrait);
    }
}

const struct world_witness *portrait_witness(const struct portrait *portrait)
{
    return &portrait->witness;
}

/* -- The drawing ---------------------------------------------------------------------------- */

static void draw_links(struct draw *draw, uint64_t at, const char *what, const struct links *links)
{
    char text[256];
    if (describe_links(what, links, text, sizeof text) > 0) {
        draw_note(draw, at, text);
    }
}

static void draw_thing(struct draw *draw, const struct thing *thing)
{
    struct draw_arrow arrow = thing->arrow;
    arrow.text = thing->text;
    switch (thing->kind) {
    case THING_MESSAGE:
        draw_arrow(draw, &arrow);
        break;
    case THING_EVENT:
        draw_event(draw, thing->at, thing->node, thing->mark, thing->text);
        break;
    case THING_NOTE:
        draw_note(draw, thing->at, thing->text);
        break;
    case THING_CUT:
        draw_links(draw, thing->at, "cut", &thing->links);
        break;
    case THING_WHOLE:
        draw_links(draw, thing->at, "whole again", &thing->links);
        break;
    }
}

/* The last `count`, if there are so many. */
static struct draw *draw_all(const struct portrait *portrait, uint64_t count, const char *failure)
{
    const uint64_t kept = portrait->count < THINGS_MAX ? portrait->count : THINGS_MAX;
    const uint64_t first = portrait->count - (count < kept ? count : kept);
    struct draw *draw = draw_new();
    struct links cut = portrait->cut;
    uint64_t begin = UINT64_MAX;
    uint64_t end = 0;
    draw_set_unit(draw, 1000, "ms");
    for (uint32_t node = 0; node < portrait->nodes; node++) {
        (void)draw_lane(draw, (const char[]){name_of(node), 0});
    }
    for (uint64_t i = portrait->count - kept; i < first; i++) {
        pass(&cut, &portrait->things[i % THINGS_MAX]);
    }
    for (uint64_t i = first; i < portrait->count; i++) {
        const struct thing *thing = &portrait->things[i % THINGS_MAX];
        const uint64_t sent = thing->kind == THING_MESSAGE ? thing->arrow.sent : thing->at;
        begin = sent < begin ? sent : begin;
        end = thing->at > end ? thing->at : end;
    }
    draw_links(draw, begin, "cut before", &cut);
    for (uint64_t i = first; i < portrait->count; i++) {
        draw_thing(draw, &portrait->things[i % THINGS_MAX]);
    }
    if (failure[0] != 0) {
        draw_note(draw, end, failure);
    }
    return draw;
}

void portrait_print(const struct portrait *portrait, FILE *to, uint64_t count, const char *failure)
{
    struct draw *draw = draw_all(portrait, count, failure);
    draw_write_text(draw, to);
    draw_free(draw);
}

int portrait_write(const struct portrait *portrait, const char *path, const char *failure)
{
    const size_t length = strlen(path);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return -1;
    }
    struct draw *draw = draw_all(portrait, THINGS_MAX, failure);
    if (length > 4 && strcmp(path + length - 4, ".svg") == 0) {
        draw_write_svg(draw, file);
    } else {
        draw_write_text(draw, file);
    }
    draw_free(draw);
    return fclose(file) == 0 ? 0 : -1;
}
