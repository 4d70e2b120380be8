/* table.h -- rows and columns in a frame of lines, as wide as what is in them. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

struct table;

/* An empty table with these titles, a list of `columns` texts; borrowed. */
struct table *table_new(const char *const *titles, unsigned columns);

/* Add a cell, copied: left to right, row by row. Control characters are shown as '.', and what
 * is longer than 60 characters is cut with "...". */
void table_add(struct table *table, const char *text);

/* Print it and free it. The last row is whole. */
void table_print(struct table *table, FILE *to);

#endif /* CLI_TABLE_H */
