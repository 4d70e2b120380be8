/* draw_svg.c -- space-time diagrams as SVG.
 *
 * A message's words stand at its head, where no two messages meet; events' words stand right of
 * their lane. Letters are large and lines strong for the size of the whole, so that a picture
 * that is shrunk to a page's width can still be read. Words are written last, each with a rim of
 * the paper's colour, so no line strikes them out. */
#include <string.h>

#include "sim/draw_internal.h"

enum {
    ROW_HEIGHT = 30,
    TOP = 64,
    LEFT = 140,
    BOX = 9, /* Half a box's side. */
    LETTER = 9,
    LANE_MIN = 160,
    LANE_MAX = 420
};

static const char STYLE[] =
    "<style>\n"
    "text{font:15px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1b1f24;"
    "paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\n"
    ".name{font-weight:700;font-size:19px;text-anchor:middle}\n"
    ".time{fill:#6a737d;text-anchor:end}\n"
    ".end{text-anchor:end}\n"
    ".line{stroke:#8c959f;stroke-width:2.5}\n"
    ".paused{stroke:#8c959f;stroke-width:2.5;stroke-dasharray:3 7}\n"
    ".arrow{stroke:#0550ae;stroke-width:2;fill:none;marker-end:url(#head)}\n"
    ".lost{stroke:#c4432b;stroke-width:2;fill:none;stroke-dasharray:7 5}\n"
    ".cross{stroke:#c4432b;stroke-width:3.5}\n"
    ".point{fill:#1b1f24}\n"
    ".start{fill:#1a7f37}\n"
    ".crash{fill:#c4432b}\n"
    ".stop{fill:#6a737d}\n"
    ".alarm{fill:#c4432b}\n"
    ".band{fill:#fff3c4}\n"
    "</style>\n"
    "<defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" "
    "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"#0550ae\"/></marker>"
    "</defs>\n";

struct page {
    const struct draw *draw;
    FILE *to;
    int lane_width;
};

static int x_of(const struct page *page, uint32_t lane)
{
    return LEFT + page->lane_width / 2 + (int)lane * page->lane_width;
}

static int y_of(uint32_t row)
{
    return TOP + (int)row * ROW_HEIGHT;
}

static void write_escaped(const char *text, FILE *to)
{
    for (const char *at = text; *at != 0; at++) {
        switch (*at) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        default:
            fputc((unsigned char)*at < ' ' ? ' ' : *at, to);
        }
    }
}

static void write_text(const struct page *page, const char *class, int x, int y, const char *text)
{
    fprintf(page->to, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
    write_escaped(text, page->to);
    fputs("</text>\n", page->to);
}

/* -- Lanes ---------------------------------------------------------------------------------- */

static void write_lane(const struct page *page, uint32_t lane)
{
    const struct draw *draw = page->draw;
    const int x = x_of(page, lane);
    enum draw_line line = draw_first_line(draw, lane);
    int from = TOP - ROW_HEIGHT / 2;
    for (uint32_t i = 0; i <= draw->row_count; i++) {
        const enum draw_line next =
            i == draw->row_count ? DRAW_LINE_NONE : draw_next_line(&draw->rows[i], lane, line);
        if (next == line) {
            continue;
        }
        if (line != DRAW_LINE_NONE) {
            fprintf(page->to, "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
                    line == DRAW_LINE_PAUSED ? "paused" : "line", x, from, x, y_of(i));
        }
        from = y_of(i);
        line = next;
    }
    write_text(page, "name", x, TOP - ROW_HEIGHT, draw->lanes[lane]);
}

/* -- Rows ----------------------------------------------------------------------------------- */

static void write_cross(const struct page *page, int x, int y)
{
    fprintf(page->to, "<path class=\"cross\" d=\"M%d %dl14 14m0 -14l-14 14\"/>\n", x - 7, y - 7);
}

static void write_self_arrow(const struct page *page, const struct draw_row *row, int y)
{
    const int x = x_of(page, row->lane);
    const int top = y_of(row->sent_row);
    fprintf(page->to, "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>\n",
            row->is_lost ? "lost" : "arrow", x, top, x + 40, top, x + 40, y, x, y);
    if (row->is_lost) {
        write_cross(page, x + 30, (top + y) / 2);
    }
}

/* Where an arrow ends: at its lane, or short of it. */
static int head_of(const struct page *page, const struct draw_row *row)
{
    const int step = row->is_lost ? page->lane_width / 3 : 0;
    return x_of(page, row->lane) + (row->from < row->lane ? -step : step);
}

static void write_arrow(const struct page *page, const struct draw_row *row, int y)
{
    if (row->from == row->lane) {
        write_self_arrow(page, row, y);
        return;
    }
    const int to = head_of(page, row);
    fprintf(page->to, "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
            row->is_lost ? "lost" : "arrow", x_of(page, row->from), y_of(row->sent_row), to, y);
    if (row->is_lost) {
        write_cross(page, to, y);
    }
}

static void write_event(const struct page *page, const struct draw_row *row, int y)
{
    static const char *const CLASSES[] = {
        [DRAW_POINT] = "point", [DRAW_START] = "start", [DRAW_CRASH] = "crash",
        [DRAW_STOP] = "stop",   [DRAW_PAUSE] = "stop",  [DRAW_RESUME] = "start",
        [DRAW_ALARM] = "alarm",
    };
    const int x = x_of(page, row->lane);
    if (row->mark == DRAW_POINT) {
        fprintf(page->to, "<circle class=\"point\" cx=\"%d\" cy=\"%d\" r=\"6\"/>\n", x, y);
    } else {
        fprintf(page->to, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
                CLASSES[row->mark], x - BOX, y - BOX, 2 * BOX, 2 * BOX);
    }
}

static void write_note(const struct page *page, int y)
{
    const int width = page->lane_width * (int)page->draw->lane_count;
    fprintf(page->to, "<rect class=\"band\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT,
            y - ROW_HEIGHT / 2 + 2, width, ROW_HEIGHT - 4);
}

static void write_shape(const struct page *page, uint32_t index)
{
    const struct draw_row *row = &page->draw->rows[index];
    if (row->kind == DRAW_ROW_EVENT) {
        write_event(page, row, y_of(index));
    } else if (row->kind == DRAW_ROW_ARROW) {
        write_arrow(page, row, y_of(index));
    }
}

/* An arrow comes from above, so its words are safe from it below its head. */
static void write_words(const struct page *page, uint32_t index)
{
    const struct draw_row *row = &page->draw->rows[index];
    const int y = y_of(index);
    char time[32];
    if (index == 0 || page->draw->rows[index - 1].at != row->at) {
        draw_time_text(page->draw, row->at, time, sizeof time);
        write_text(page, "time", LEFT - 8, y + 5, time);
    }
    switch (row->kind) {
    case DRAW_ROW_EVENT:
        write_text(page, "", x_of(page, row->lane) + BOX + 6, y + 5, row->text);
        break;
    case DRAW_ROW_ARROW:
        write_text(page, row->from < row->lane ? "end" : "",
                   head_of(page, row) + (row->from < row->lane ? -14 : 14), y + 13, row->text);
        break;
    case DRAW_ROW_NOTE:
        write_text(page, "", LEFT + 8, y + 5, row->text);
        break;
    case DRAW_ROW_SEND:
        break;
    }
}

/* -- The page ------------------------------------------------------------------------------- */

/* Lanes as far apart as most words are long: a few long ones may run over a lane. */
static int choose_width(const struct draw *draw)
{
    uint64_t sum = 0;
    uint64_t count = 1;
    for (uint32_t i = 0; i < draw->row_count; i++) {
        const size_t length = strlen(draw->rows[i].text);
        if (draw->rows[i].kind == DRAW_ROW_ARROW) {
            sum += length;
            count++;
        }
    }
    const uint64_t width = (sum / count + 8) * LETTER;
    return width < LANE_MIN ? LANE_MIN : width > LANE_MAX ? LANE_MAX : (int)width;
}

/* Words of the last lane's events stand right of it. */
static int choose_margin(const struct draw *draw, int lane_width)
{
    int margin = 0;
    for (uint32_t i = 0; i < draw->row_count; i++) {
        const struct draw_row *row = &draw->rows[i];
        const int lanes = row->kind == DRAW_ROW_NOTE ? (int)draw->lane_count
                                                     : (int)(draw->lane_count - row->lane);
        const int room =
            row->kind == DRAW_ROW_NOTE ? lanes * lane_width : lanes * lane_width - lane_width / 2;
        const int need = (int)strlen(row->text) * LETTER + 40 - room;
        const int is_counted = row->kind != DRAW_ROW_ARROW || row->from >= row->lane;
        margin = is_counted && need > margin ? need : margin;
    }
    return margin;
}

void draw_write_svg(struct draw *draw, FILE *to)
{
    draw_arrange(draw);
    const struct page page = {.draw = draw, .to = to, .lane_width = choose_width(draw)};
    const int width =
        LEFT + page.lane_width * (int)draw->lane_count + choose_margin(draw, page.lane_width);
    const int height = TOP + ((int)draw->row_count + 1) * ROW_HEIGHT;

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n%s",
            width, height, width, height, STYLE);
    for (uint32_t i = 0; i < draw->row_count; i++) {
        if (draw->rows[i].kind == DRAW_ROW_NOTE) {
            write_note(&page, y_of(i));
        }
    }
    for (uint32_t lane = 0; lane < draw->lane_count; lane++) {
        write_lane(&page, lane);
    }
    for (uint32_t i = 0; i < draw->row_count; i++) {
        write_shape(&page, i);
    }
    for (uint32_t i = 0; i < draw->row_count; i++) {
        write_words(&page, i);
    }
    fputs("</svg>\n", to);
}
