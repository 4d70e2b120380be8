/* draw_internal.h -- what a diagram holds, for those who write it: rows in order of time. */
#ifndef SIM_DRAW_INTERNAL_H
#define SIM_DRAW_INTERNAL_H

#include "sim/draw.h"

enum draw_row_kind {
    DRAW_ROW_EVENT = 1,
    DRAW_ROW_ARROW, /* The moment in which a message arrives, or is lost. */
    DRAW_ROW_SEND,  /* A moment in which something was sent, and nothing else happened. */
    DRAW_ROW_NOTE,
};

struct draw_row {
    uint64_t at;
    uint64_t order; /* Of the call that made it: parts rows of one moment. */
    enum draw_row_kind kind;
    enum draw_mark mark; /* EVENT. */
    uint32_t lane;       /* Where it happens; of an ARROW: where it ends. */
    uint32_t from;       /* ARROW: where it began, ... */
    uint64_t sent;       /* ... when, ... */
    uint32_t sent_row;   /* ... and the row of that moment. */
    int is_lost;
    char *text;
};

struct draw {
    char *lanes[DRAW_LANES_MAX];
    uint32_t lane_count;
    struct draw_row *rows;
    uint32_t row_count;
    uint32_t row_capacity;
    uint64_t per_unit;
    char unit[8];
    int is_arranged; /* Rows are in order, and arrows know where they begin. */
};

/* How a lane looks between two rows. */
enum draw_line {
    DRAW_LINE_NONE = 1,
    DRAW_LINE_ALIVE,
    DRAW_LINE_PAUSED,
};

/* Put the rows in order, and find for each arrow the row that it leaves from. */
void draw_arrange(struct draw *draw);

/* How `lane` looks above the first row, and below a row, when it looked like `line` above it. */
enum draw_line draw_first_line(const struct draw *draw, uint32_t lane);
enum draw_line draw_next_line(const struct draw_row *row, uint32_t lane, enum draw_line line);

/* The moment in words. */
void draw_time_text(const struct draw *draw, uint64_t at, char *text, size_t size);

#endif /* SIM_DRAW_INTERNAL_H */
