/* portrait.c -- what happened last in a run, as a space-time diagram. */
#include "sim/portrait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim/draw.h"
#include "sim/message_name.h"
#include "sim/net.h"
#include "synod/message.h"

enum {
    THINGS_MAX = 300, /* More nobody looks at. */
    FRAME_HEAD_SIZE = 16,
    FRAME_TYPE_AT = 8,
    FRAME_OF_MESSAGE = 16
};

/* A message, or something that befell a node. */
struct thing {
    int is_message;
    struct draw_arrow arrow;
    uint64_t at;
    uint32_t node;
    enum draw_mark mark;
    char text[64];
};

struct portrait {
    struct world_witness witness;
    struct thing things[THINGS_MAX];
    uint64_t count; /* So many came; the last of them are kept. */
    uint32_t nodes;
};

static struct thing *next_thing(struct portrait *portrait, uint32_t node)
{
    struct thing *thing = &portrait->things[portrait->count++ % THINGS_MAX];
    *thing = (struct thing){.node = node};
    portrait->nodes = node >= portrait->nodes ? node + 1 : portrait->nodes;
    return thing;
}

static const struct {
    const char *what;
    enum draw_mark mark;
} BEFALLS[] = {
    {"start", DRAW_START},   {"kill", DRAW_CRASH},    {"barrier", DRAW_CRASH},
    {"stopped", DRAW_STOP},  {"failed", DRAW_CRASH},  {"refused", DRAW_STOP},
    {"pause", DRAW_POINT},   {"running", DRAW_POINT}, {"leader", DRAW_POINT},
    {"clock", DRAW_POINT},   {"trouble", DRAW_POINT}, {"damage", DRAW_POINT},
    {"condemn", DRAW_POINT},
};

static void on_fact(void *context, const struct world *world, const char *what, uint64_t first,
                    uint64_t second)
{
    for (size_t i = 0; i < sizeof BEFALLS / sizeof BEFALLS[0]; i++) {
        if (strcmp(what, BEFALLS[i].what) == 0 && first < NET_NODES_MAX) {
            struct thing *thing = next_thing(context, (uint32_t)first);
            thing->at = world->now_us;
            thing->mark = BEFALLS[i].mark;
            snprintf(thing->text, sizeof thing->text, "%s %" PRIu64, what, second);
        }
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
    struct portrait *portrait = context;
    struct thing *thing = next_thing(portrait, frame->from > frame->to ? frame->from : frame->to);
    thing->is_message = 1;
    thing->arrow = (struct draw_arrow){.from = frame->from,
                                       .to = frame->to,
                                       .sent = frame->sent_us,
                                       .arrived = world->now_us,
                                       .is_lost = frame->is_lost};
    describe_frame(frame, thing->text, sizeof thing->text);
}

struct portrait *portrait_new(void)
{
    struct portrait *portrait = world_allocate(sizeof *portrait);
    portrait->witness = (struct world_witness){on_fact, on_frame, portrait};
    return portrait;
}

void portrait_free(struct portrait *portrait)
{
    free(portrait);
}

const struct world_witness *portrait_witness(const struct portrait *portrait)
{
    return &portrait->witness;
}

static void draw_thing(struct draw *draw, const struct thing *thing)
{
    if (thing->is_message) {
        struct draw_arrow arrow = thing->arrow;
        arrow.text = thing->text;
        draw_arrow(draw, &arrow);
    } else {
        draw_event(draw, thing->at, thing->node, thing->mark, thing->text);
    }
}

int portrait_write(const struct portrait *portrait, const char *path, const char *failure)
{
    const uint64_t first = portrait->count > THINGS_MAX ? portrait->count - THINGS_MAX : 0;
    const size_t length = strlen(path);
    FILE *file = fopen(path, "w");
    uint64_t last = 0;
    if (file == NULL) {
        return -1;
    }
    struct draw *draw = draw_new();
    draw_set_unit(draw, 1000, "ms");
    for (uint32_t node = 0; node < portrait->nodes; node++) {
        (void)draw_lane(draw, (const char[]){(char)('a' + (int)node), 0});
    }
    for (uint64_t i = first; i < portrait->count; i++) {
        const struct thing *thing = &portrait->things[i % THINGS_MAX];
        const uint64_t at = thing->is_message ? thing->arrow.arrived : thing->at;
        last = at > last ? at : last;
        draw_thing(draw, thing);
    }
    if (failure[0] != 0) {
        draw_note(draw, last, failure);
    }
    if (length > 4 && strcmp(path + length - 4, ".svg") == 0) {
        draw_write_svg(draw, file);
    } else {
        draw_write_text(draw, file);
    }
    draw_free(draw);
    return fclose(file) == 0 ? 0 : -1;
}
