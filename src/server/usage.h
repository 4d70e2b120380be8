/* usage.h -- what `synod server --help` says. */
#ifndef SERVER_USAGE_H
#define SERVER_USAGE_H

#include <stdio.h>

/* All flags with their defaults, and how to start a cluster. `program` is what to type. */
void usage_print(FILE *to, const char *program);

/* Two lines, for those who typed something wrong. */
void usage_print_hint(FILE *to, const char *program);

#endif /* SERVER_USAGE_H */
