/* command_line.h -- a command line as a program gets it. */
#ifndef TEST_COMMAND_LINE_H
#define TEST_COMMAND_LINE_H

enum {
    COMMAND_LINE_SIZE = 2048,
    COMMAND_LINE_WORDS = 64
};

struct command_line {
    char text[COMMAND_LINE_SIZE];
    char *words[COMMAND_LINE_WORDS + 1]; /* Ends with NULL. */
    int count;
};

/* Split a line at its spaces. */
void command_line_split(struct command_line *split, const char *line);

#endif /* TEST_COMMAND_LINE_H */
