/* draw.c -- space-time diagrams: what happened, in rows.
 *
 * After L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978),
 * figure 1, turned so that time runs down as a page is read. Time is not to scale: a simulation
 * has microseconds in which ten things happen, and seconds in which nothing does. */
#include "sim/draw.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/draw_internal.h"

static void *allocated(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "draw: out of memory\n");
        abort();
    }
    return memory;
}

struct draw *draw_new(void)
{
    struct draw *draw = allocated(calloc(1, sizeof *draw));
    draw->per_unit = 1;
    return draw;
}

void draw_set_unit(struct draw *draw, uint64_t per_unit, const char *unit)
{
    assert(per_unit > 0);
    draw->per_unit = per_unit;
    snprintf(draw->unit, sizeof draw->unit, "%s", unit);
}

void draw_free(struct draw *draw)
{
    for (uint32_t i = 0; i < draw->lane_count; i++) {
        free(draw->lanes[i]);
    }
    for (uint32_t i = 0; i < draw->row_count; i++) {
        free(draw->rows[i].text);
    }
    free(draw->rows);
    free(draw);
}

uint32_t draw_lane(struct draw *draw, const char *name)
{
    assert(draw->lane_count < DRAW_LANES_MAX);
    draw->lanes[draw->lane_count] = allocated(strdup(name));
    return draw->lane_count++;
}

static struct draw_row *add_row(struct draw *draw, enum draw_row_kind kind, uint64_t at,
                                const char *text)
{
    if (draw->row_count == draw->row_capacity) {
        draw->row_capacity = draw->row_capacity == 0 ? 256 : draw->row_capacity * 2;
        draw->rows = allocated(realloc(draw->rows, draw->row_capacity * sizeof *draw->rows));
    }
    struct draw_row *row = &draw->rows[draw->row_count];
    *row = (struct draw_row){.at = at, .order = draw->row_count, .kind = kind};
    row->text = allocated(strdup(text));
    draw->row_count++;
    draw->is_arranged = 0;
    return row;
}

void draw_event(struct draw *draw, uint64_t at, uint32_t lane, enum draw_mark mark,
                const char *text)
{
    assert(lane < draw->lane_count && mark >= DRAW_POINT && mark <= DRAW_ALARM);
    struct draw_row *row = add_row(draw, DRAW_ROW_EVENT, at, text);
    row->lane = lane;
    row->mark = mark;
}

void draw_arrow(struct draw *draw, const struct draw_arrow *arrow)
{
    assert(arrow->from < draw->lane_count && arrow->to < draw->lane_count);
    assert(arrow->sent <= arrow->arrived);
    struct draw_row *row = add_row(draw, DRAW_ROW_ARROW, arrow->arrived, arrow->text);
    row->lane = arrow->to;
    row->from = arrow->from;
    row->sent = arrow->sent;
    row->is_lost = arrow->is_lost;
}

void draw_note(struct draw *draw, uint64_t at, const char *text)
{
    (void)add_row(draw, DRAW_ROW_NOTE, at, text);
}

enum {
    DIGITS_MAX = 9 /* Of a part of a unit. */
};

/* -- Order ---------------------------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right)
{
    const struct draw_row *a = left;
    const struct draw_row *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static void sort_rows(struct draw *draw)
{
    if (draw->row_count > 0) {
        qsort(draw->rows, draw->row_count, sizeof *draw->rows, compare_rows);
    }
}

/* The row in which `lane` can have sent something at `at`: the last above `below` in which
 * anything happened there at that moment. Returns `below` if there is none. */
static uint32_t find_sender(const struct draw *draw, uint32_t below, uint32_t lane, uint64_t at)
{
    for (uint32_t i = below; i > 0 && draw->rows[i - 1].at >= at; i--) {
        const struct draw_row *row = &draw->rows[i - 1];
        const int is_there = row->kind != DRAW_ROW_NOTE && row->lane == lane;
        if (is_there && row->at == at && !(row->kind == DRAW_ROW_ARROW && row->is_lost)) {
            return i - 1;
        }
    }
    return below;
}

/* What is sent while nothing else happens (a timer rang) gets a row to leave from; one for all
 * that leaves in that moment. Those rows come first among the rows of their moment. */
static void add_senders(struct draw *draw)
{
    const uint32_t count = draw->row_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct draw_row arrow = draw->rows[i];
        if (arrow.kind != DRAW_ROW_ARROW || find_sender(draw, i, arrow.from, arrow.sent) != i) {
            continue;
        }
        int is_there = 0;
        for (uint32_t j = draw->row_count; j > count && !is_there; j--) {
            is_there = draw->rows[j - 1].lane == arrow.from && draw->rows[j - 1].at == arrow.sent;
        }
        if (!is_there) {
            struct draw_row *row = add_row(draw, DRAW_ROW_SEND, arrow.sent, "");
            row->lane = arrow.from;
            row->order = 0;
        }
    }
}

void draw_arrange(struct draw *draw)
{
    if (draw->is_arranged) {
        return;
    }
    for (uint32_t i = 0; i < draw->row_count; i++) {
        draw->rows[i].order++; /* 0 is for the moments of sending. */
    }
    sort_rows(draw);
    add_senders(draw);
    sort_rows(draw);
    for (uint32_t i = 0; i < draw->row_count; i++) {
        struct draw_row *row = &draw->rows[i];
        row->order = i;
        if (row->kind == DRAW_ROW_ARROW) {
            row->sent_row = find_sender(draw, i, row->from, row->sent);
            assert(row->sent_row < i);
        }
    }
    draw->is_arranged = 1;
}

/* -- Words and lines ------------------------------------------------------------------------ */

void draw_time_text(const struct draw *draw, uint64_t at, char *text, size_t size)
{
    int digits = 0;
    for (uint64_t unit = 1; unit < draw->per_unit && digits < DIGITS_MAX; unit *= 10) {
        digits++;
    }
    const uint64_t whole = at / draw->per_unit;
    if (digits == 0) {
        snprintf(text, size, "%" PRIu64 "%s", whole, draw->unit);
    } else {
        snprintf(text, size, "%" PRIu64 ".%0*" PRIu64 " %s", whole, digits, at % draw->per_unit,
                 draw->unit);
    }
}

enum draw_line draw_first_line(const struct draw *draw, uint32_t lane)
{
    for (uint32_t i = 0; i < draw->row_count; i++) {
        const struct draw_row *row = &draw->rows[i];
        if (row->kind == DRAW_ROW_EVENT && row->lane == lane) {
            return row->mark == DRAW_START ? DRAW_LINE_NONE : DRAW_LINE_ALIVE;
        }
    }
    return DRAW_LINE_ALIVE;
}

enum draw_line draw_next_line(const struct draw_row *row, uint32_t lane, enum draw_line line)
{
    if (row->kind != DRAW_ROW_EVENT || row->lane != lane) {
        return line;
    }
    switch (row->mark) {
    case DRAW_START:
    case DRAW_RESUME:
        return DRAW_LINE_ALIVE;
    case DRAW_CRASH:
    case DRAW_STOP:
        return DRAW_LINE_NONE;
    case DRAW_PAUSE:
        return DRAW_LINE_PAUSED;
    default:
        return line;
    }
}
