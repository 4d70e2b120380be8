/* run.c -- plays the scenarios and compares what happens with what is written.
 *
 *     scenario [--update] [FILE ...]     without files: every .txt in test/scenario
 *
 * A file has three parts: a story in prose, that cites where it comes from; the script, from a
 * line `script` on (script.h has its words); and the transcript, from a line `transcript` on.
 * The script is played by the real core, and the transcript must come out as it stands there.
 * --update, or UPDATE=1 in the environment, writes it anew: the difference is the review. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

enum {
    ERROR_SIZE = 600
};

static const char script_mark[] = "\nscript\n";
static const char transcript_mark[] = "\ntranscript\n";

/* The whole of a file as text, to be freed, or NULL. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (file == NULL || memory == NULL) {
        return NULL;
    }
    for (int byte; (byte = getc(file)) != EOF;) {
        (void)putc(byte, memory);
    }
    (void)fclose(file);
    (void)fclose(memory);
    return text;
}

static int write_file(const char *path, const char *before, const char *transcript)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return -1;
    }
    const int is_bad = fprintf(file, "%s%s%s", before, transcript_mark, transcript) < 0;
    return fclose(file) != 0 || is_bad ? -1 : 0;
}

/* Show the first line where the two differ. */
static void show_difference(const char *path, const char *expected, const char *found)
{
    int row = 1;
    for (;; row++) {
        const size_t left = strcspn(expected, "\n");
        const size_t right = strcspn(found, "\n");
        if (left != right || memcmp(expected, found, left) != 0 || expected[left] == 0) {
            printf("%s: line %d of the transcript\n  expected: %.*s\n  found:    %.*s\n", path, row,
                   (int)left, expected, (int)right, found);
            return;
        }
        expected += left + 1;
        found += right + (found[right] != 0);
    }
}

/* Play the text of a file, which is cut into its parts. Returns 0 if all is as it should be. */
static int play_text(const char *path, char *text, int is_update)
{
    char error[ERROR_SIZE] = "";
    char *script = strstr(text, script_mark);
    char *expected = script == NULL ? NULL : strstr(script, transcript_mark);
    if (script == NULL || script == text || (expected == NULL && !is_update)) {
        printf("%s: not a story, a line `script`, a script, and a line `transcript`\n", path);
        return -1;
    }
    script += sizeof script_mark - 1;
    if (expected != NULL) {
        *expected = 0;
        expected += sizeof transcript_mark - 1;
    }
    char *found = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&found, &size);
    const int is_played = script_play(script, memory, error, sizeof error) == 0;
    (void)fclose(memory);
    int outcome = is_played ? 0 : -1;
    if (!is_played) {
        printf("%s: %s\n", path, error);
    } else if (is_update) {
        outcome = write_file(path, text, found);
    } else if (strcmp(expected, found) != 0) {
        show_difference(path, expected, found);
        outcome = -1;
    }
    free(found);
    return outcome;
}

static int play_file(const char *path, int is_update)
{
    char *text = read_file(path);
    if (text == NULL) {
        printf("%s: cannot be read\n", path);
        return -1;
    }
    const int outcome = play_text(path, text, is_update);
    free(text);
    return outcome;
}

int main(int argc, char **argv)
{
    const char *update = getenv("UPDATE");
    int first = 1;
    int is_update = update != NULL && update[0] != 0 && strcmp(update, "0") != 0;
    unsigned int passed = 0;
    unsigned int failed = 0;
    glob_t found = {0};

    if (argc > 1 && strcmp(argv[1], "--update") == 0) {
        is_update = 1;
        first = 2;
    }
    char **files = argv + first;
    if (first == argc && glob("test/scenario/*.txt", 0, NULL, &found) == 0) {
        files = found.gl_pathv;
    }
    for (; *files != NULL; files++) {
        if (play_file(*files, is_update) == 0) {
            passed++;
        } else {
            failed++;
        }
    }
    globfree(&found);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
