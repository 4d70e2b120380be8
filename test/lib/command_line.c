/* command_line.c -- a command line as a program gets it. */
#include "command_line.h"

#include <string.h>

#include "test.h"

void command_line_split(struct command_line *split, const char *line)
{
    assert_true(strlen(line) < COMMAND_LINE_SIZE);
    memcpy(split->text, line, strlen(line) + 1);
    split->count = 0;
    char *next = split->text;
    while (*next != '\0') {
        assert_true(split->count < COMMAND_LINE_WORDS);
        split->words[split->count++] = next;
        next += strcspn(next, " ");
        while (*next == ' ') {
            *next++ = '\0';
        }
    }
    split->words[split->count] = NULL;
}
