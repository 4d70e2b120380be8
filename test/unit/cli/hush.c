/* hush.c -- keep what the command line says to people out of the tests' output. */
#include "hush.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int hush(void)
{
    fflush(stderr);
    const int kept = dup(STDERR_FILENO);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return kept;
}

void unhush(int kept)
{
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
}
