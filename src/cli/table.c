/* table.c -- rows and columns in a frame of lines. */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/xmalloc.h"

enum {
    COLUMNS_MAX = 16,
    CELL_WIDTH_MAX = 60
};

struct table {
    const char *const *titles;
    unsigned columns;
    unsigned width[COLUMNS_MAX]; /* In characters. */
    char **cells;
    size_t count;
    size_t capacity;
};

/* Characters of a UTF-8 text: bytes that do not continue another. */
static unsigned width_of(const char *text)
{
    unsigned width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* Cut after CELL_WIDTH_MAX characters, whole ones. */
static void cut(char *text)
{
    unsigned width = 0;
    if (width_of(text) <= CELL_WIDTH_MAX) {
        return;
    }
    while (width < CELL_WIDTH_MAX - 3 || ((unsigned char)*text & 0xc0) == 0x80) {
        text++;
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    memcpy(text, "...", 4);
}

struct table *table_new(const char *const *titles, unsigned columns)
{
    assert(columns > 0 && columns <= COLUMNS_MAX);
    struct table *table = xcalloc(1, sizeof *table);
    table->titles = titles;
    table->columns = columns;
    for (unsigned i = 0; i < columns; i++) {
        table->width[i] = width_of(titles[i]);
    }
    return table;
}

void table_add(struct table *table, const char *text)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity * 2 + 64;
        table->cells = xrealloc(table->cells, table->capacity * sizeof table->cells[0]);
    }
    char *cell = xstrndup(text, strlen(text));
    for (char *at = cell; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '.' : *at;
    }
    cut(cell);
    unsigned *width = &table->width[table->count % table->columns];
    *width = width_of(cell) > *width ? width_of(cell) : *width;
    table->cells[table->count++] = cell;
}

static void print_line(const struct table *table, FILE *to)
{
    for (unsigned i = 0; i < table->columns; i++) {
        fputc('+', to);
        for (unsigned j = 0; j < table->width[i] + 2; j++) {
            fputc('-', to);
        }
    }
    fputs("+\n", to);
}

static void print_cell(const struct table *table, unsigned column, const char *text, FILE *to)
{
    fprintf(to, "| %s%*s", text, (int)(table->width[column] - width_of(text) + 1), "");
}

void table_print(struct table *table, FILE *to)
{
    assert(table->count % table->columns == 0);
    print_line(table, to);
    for (unsigned i = 0; i < table->columns; i++) {
        print_cell(table, i, table->titles[i], to);
    }
    fputs("|\n", to);
    print_line(table, to);
    for (size_t i = 0; i < table->count; i++) {
        print_cell(table, (unsigned)(i % table->columns), table->cells[i], to);
        if (i % table->columns == table->columns - 1) {
            fputs("|\n", to);
        }
        free(table->cells[i]);
    }
    print_line(table, to);
    free(table->cells);
    free(table);
}
