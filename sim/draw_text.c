/* draw_text.c -- space-time diagrams as plain text.
 *
 *        time  a     b     c
 *        1 ms  #     |     |     a: start
 *        2 ms  o---->|     |     a to b: prepare 1.a
 *        3 ms  o-----+--X  |     a to c: prepare 1.a; lost
 *        4 ms  |     X     |     b: crash
 *
 * A message is drawn in the row in which it arrives. If its sender has done something else since
 * it was sent, the words say when that was. */
#include <string.h>

#include "base/assert.h"
#include "sim/draw_internal.h"

enum {
    LANE_WIDTH = 8,
    TIME_WIDTH = 14,
    CANVAS_SIZE = DRAW_LANES_MAX * LANE_WIDTH + 8
};

static const char MARKS[] = {
    [DRAW_POINT] = '*', [DRAW_START] = '#',  [DRAW_CRASH] = 'X', [DRAW_STOP] = '_',
    [DRAW_PAUSE] = '=', [DRAW_RESUME] = '#', [DRAW_ALARM] = '!',
};

static uint32_t column(uint32_t lane)
{
    return lane * LANE_WIDTH;
}

static char line_character(enum draw_line line)
{
    return line == DRAW_LINE_ALIVE ? '|' : line == DRAW_LINE_PAUSED ? ':' : ' ';
}

static void paint_arrow(const struct draw_row *row, char *canvas)
{
    const uint32_t from = column(row->from);
    const uint32_t to = column(row->lane);
    if (from == to) {
        memcpy(canvas + from, row->is_lost ? "o-X" : "o<", row->is_lost ? 3 : 2);
        return;
    }
    const int is_right = from < to;
    const uint32_t left = is_right ? from : to;
    const uint32_t right = is_right ? to : from;
    const uint32_t cross = is_right ? to - LANE_WIDTH / 2 : to + LANE_WIDTH / 2;
    for (uint32_t i = left + 1; i < right; i++) {
        const int is_drawn = !row->is_lost || (is_right ? i <= cross : i >= cross);
        if (is_drawn) {
            canvas[i] = i % LANE_WIDTH == 0 ? '+' : '-';
        }
    }
    canvas[from] = 'o';
    if (row->is_lost) {
        canvas[cross] = 'X';
    } else {
        canvas[is_right ? to - 1 : to + 1] = is_right ? '>' : '<';
    }
}

/* True if the sender has done something between sending it and its arrival. */
static int is_late(const struct draw *draw, uint32_t index)
{
    const struct draw_row *row = &draw->rows[index];
    for (uint32_t i = row->sent_row + 1; i < index; i++) {
        if (draw->rows[i].kind != DRAW_ROW_NOTE && draw->rows[i].lane == row->from) {
            return 1;
        }
    }
    return 0;
}

static void write_words(const struct draw *draw, uint32_t index, FILE *to)
{
    const struct draw_row *row = &draw->rows[index];
    if (row->kind == DRAW_ROW_EVENT) {
        fprintf(to, "%s: %s", draw->lanes[row->lane], row->text);
    } else {
        fprintf(to, "%s to %s: %s", draw->lanes[row->from], draw->lanes[row->lane], row->text);
    }
    if (row->kind == DRAW_ROW_ARROW && is_late(draw, index)) {
        char sent[32];
        draw_time_text(draw, row->sent, sent, sizeof sent);
        fprintf(to, "; sent %s", sent);
    }
    fputs(row->kind == DRAW_ROW_ARROW && row->is_lost ? "; lost\n" : "\n", to);
}

static void write_row(const struct draw *draw, uint32_t index, const enum draw_line *lines,
                      FILE *to)
{
    const struct draw_row *row = &draw->rows[index];
    char canvas[CANVAS_SIZE];
    char time[32];
    const uint32_t width = draw->lane_count * LANE_WIDTH;

    draw_time_text(draw, row->at, time, sizeof time);
    if (row->kind == DRAW_ROW_NOTE) {
        fprintf(to, "%*s  == %s\n", TIME_WIDTH, time, row->text);
        return;
    }
    assert(width < sizeof canvas);
    memset(canvas, ' ', sizeof canvas);
    for (uint32_t lane = 0; lane < draw->lane_count; lane++) {
        canvas[column(lane)] = line_character(lines[lane]);
    }
    if (row->kind == DRAW_ROW_ARROW) {
        paint_arrow(row, canvas);
    } else {
        canvas[column(row->lane)] = MARKS[row->mark];
    }
    fprintf(to, "%*s  %.*s", TIME_WIDTH, time, (int)width, canvas);
    write_words(draw, index, to);
}

void draw_write_text(struct draw *draw, FILE *to)
{
    enum draw_line lines[DRAW_LANES_MAX];
    draw_arrange(draw);
    fprintf(to, "%*s  ", TIME_WIDTH, "time");
    for (uint32_t lane = 0; lane < draw->lane_count; lane++) {
        lines[lane] = draw_first_line(draw, lane);
        fprintf(to, "%-*.*s", LANE_WIDTH, LANE_WIDTH - 1, draw->lanes[lane]);
    }
    fputc('\n', to);
    for (uint32_t i = 0; i < draw->row_count; i++) {
        if (draw->rows[i].kind != DRAW_ROW_SEND) {
            write_row(draw, i, lines, to);
        }
        for (uint32_t lane = 0; lane < draw->lane_count; lane++) {
            lines[lane] = draw_next_line(&draw->rows[i], lane, lines[lane]);
        }
    }
}
