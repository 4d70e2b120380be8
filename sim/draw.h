/* draw.h -- space-time diagrams: time runs down, a lane per process, an arrow per message.
 *
 *     struct draw *draw = draw_new();
 *     uint32_t a = draw_lane(draw, "a"), b = draw_lane(draw, "b");
 *     draw_event(draw, 0, a, DRAW_START, "start");
 *     draw_arrow(draw, &(struct draw_arrow){.from = a, .to = b, .sent = 1, .arrived = 4,
 *                                           .text = "prepare 1.a"});
 *     draw_note(draw, 5, "agreement is broken");
 *     draw_write_svg(draw, file);
 *     draw_free(draw);
 *
 * Whoever draws says what happened when, in any order and in any unit of time (microseconds,
 * numbers of steps). Moments in which nothing happens take no space: each thing that happens has
 * a row of its own, in the order of time, and those of one moment in the order of the calls.
 * All texts are copied. Without memory the program aborts: a drawing is for a person who waits. */
#ifndef SIM_DRAW_H
#define SIM_DRAW_H

#include <stdint.h>
#include <stdio.h>

struct draw;

enum {
    DRAW_LANES_MAX = 32
};

/* What happens in one lane. */
enum draw_mark {
    DRAW_POINT = 1, /* Something worth a line. */
    DRAW_START,     /* A life begins: the lane is drawn from here on. */
    DRAW_CRASH,     /* A life ends without warning: the lane stops. */
    DRAW_STOP,      /* A life ends in good order. */
    DRAW_PAUSE,     /* It stands still: the lane is dashed, ... */
    DRAW_RESUME,    /* ... and goes on. */
    DRAW_ALARM,     /* This is what must not be. */
};

struct draw_arrow {
    uint32_t from;
    uint32_t to; /* May be `from`: a message to itself. */
    uint64_t sent;
    uint64_t arrived; /* At or after `sent`; of a lost one, when it is known to be lost. */
    int is_lost;      /* It ends in a cross, half way. */
    const char *text; /* What the message says. */
};

/* How the numbers of the time axis are written: `at` / `per_unit` with `unit` behind; the default
 * is the number as it is. `unit` is copied. */
struct draw *draw_new(void);
void draw_set_unit(struct draw *draw, uint64_t per_unit, const char *unit);
void draw_free(struct draw *draw);

/* A new lane, right of those before; at most DRAW_LANES_MAX. It is drawn from the beginning
 * unless its first event is a START. */
uint32_t draw_lane(struct draw *draw, const char *name);

void draw_event(struct draw *draw, uint64_t at, uint32_t lane, enum draw_mark mark,
                const char *text);
void draw_arrow(struct draw *draw, const struct draw_arrow *arrow);

/* Words across all lanes: the network is cut, a rule is broken. */
void draw_note(struct draw *draw, uint64_t at, const char *text);

/* Write what was drawn so far: as plain text, a row for each thing that happens, the words to
 * the right of the lanes; or as one SVG picture that needs nothing else. */
void draw_write_text(struct draw *draw, FILE *to);
void draw_write_svg(struct draw *draw, FILE *to);

#endif /* SIM_DRAW_H */
