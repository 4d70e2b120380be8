/* draw_test.c -- space-time diagrams: rows in order, arrows from where they were sent. */
#include "sim/draw.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static char *written(struct draw *draw, void (*write)(struct draw *draw, FILE *to))
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    write(draw, to);
    (void)fclose(to);
    return text;
}

static struct draw *example(void)
{
    struct draw *draw = draw_new();
    const uint32_t a = draw_lane(draw, "a");
    const uint32_t b = draw_lane(draw, "b");
    const uint32_t c = draw_lane(draw, "c");
    draw_set_unit(draw, 1000, "ms");
    /* Out of order, as a simulation that hears of arrivals late may tell it. */
    draw_event(draw, 9000, b, DRAW_CRASH, "crash");
    draw_event(draw, 0, a, DRAW_START, "start");
    draw_arrow(draw, &(struct draw_arrow){
                         .from = a, .to = b, .sent = 1000, .arrived = 2500, .text = "prepare 1.a"});
    draw_arrow(draw, &(struct draw_arrow){.from = a,
                                          .to = c,
                                          .sent = 1000,
                                          .arrived = 1000,
                                          .is_lost = 1,
                                          .text = "prepare 1.a"});
    draw_arrow(draw, &(struct draw_arrow){
                         .from = b, .to = a, .sent = 2500, .arrived = 3000, .text = "promise"});
    draw_arrow(draw, &(struct draw_arrow){
                         .from = b, .to = c, .sent = 2500, .arrived = 9500, .text = "a < b & c"});
    draw_event(draw, 9600, c, DRAW_ALARM, "two values");
    draw_note(draw, 9700, "agreement is broken");
    return draw;
}

TEST(draw, writes_text_in_the_order_of_time)
{
    static const char EXPECTED[] =
        "          time  a       b       c       \n"
        "      0.000 ms  #       |       |       a: start\n"
        "      1.000 ms  o-------+---X   |       a to c: prepare 1.a; lost\n"
        "      2.500 ms  o------>|       |       a to b: prepare 1.a\n"
        "      3.000 ms  |<------o       |       b to a: promise\n"
        "      9.000 ms  |       X       |       b: crash\n"
        "      9.500 ms  |       o------>|       b to c: a < b & c; sent 2.500 ms\n"
        "      9.600 ms  |               !       c: two values\n"
        "      9.700 ms  == agreement is broken\n";
    struct draw *draw = example();
    char *text = written(draw, draw_write_text);
    assert_string_equal(text, EXPECTED);
    free(text);
    draw_free(draw);
}

TEST(draw, writes_svg_with_words_escaped_and_losses_crossed)
{
    struct draw *draw = example();
    char *text = written(draw, draw_write_svg);
    assert_non_null(strstr(text, "<svg xmlns=\"http://www.w3.org/2000/svg\""));
    assert_non_null(strstr(text, "a &lt; b &amp; c"));
    assert_non_null(strstr(text, "class=\"cross\""));
    assert_non_null(strstr(text, "agreement is broken"));
    assert_null(strstr(text, "a < b"));
    assert_string_equal(text + strlen(text) - 7, "</svg>\n");
    free(text);
    draw_free(draw);
}

TEST(draw, can_be_continued_after_it_was_written)
{
    struct draw *draw = example();
    char *first = written(draw, draw_write_text);
    draw_note(draw, 500, "in between");
    char *second = written(draw, draw_write_text);
    assert_null(strstr(first, "in between"));
    const char *note = strstr(second, "0.500 ms  == in between");
    assert_non_null(note);
    assert_true(note < strstr(second, "prepare"));
    free(first);
    free(second);
    draw_free(draw);
}

TEST(draw, of_nothing_is_empty_and_valid)
{
    struct draw *draw = draw_new();
    (void)draw_lane(draw, "alone");
    char *text = written(draw, draw_write_text);
    char *svg = written(draw, draw_write_svg);
    assert_string_equal(text, "          time  alone   \n");
    assert_non_null(strstr(svg, "</svg>"));
    free(text);
    free(svg);
    draw_free(draw);
}
