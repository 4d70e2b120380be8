/* replay.c -- every input of the corpora once more: what was found once is found again.
 *
 * usage: fuzz-replay CORPUS            every target, on the files of CORPUS/<target>
 *        fuzz-replay TARGET FILE ...   one target, on these files
 *
 * A target without a corpus is a failure. An input that breaks its target ends the program, and
 * says how to repeat it. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum {
    PATH_SIZE = 1024
};

/* Written before an input is tried: a signal handler may not print much. */
static char present[PATH_SIZE + 80];

static void say_present(int signal_number)
{
    (void)!write(STDERR_FILENO, present, strlen(present));
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

/* Try one file, from memory that ends where it ends. */
static int replay_file(const struct fuzz_target *target, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return -1;
    }
    const size_t size = (size_t)ftell(file);
    uint8_t *data = malloc(size == 0 ? 1 : size); /* No more: who reads on is to be seen. */
    rewind(file);
    const int is_whole = data != NULL && fread(data, 1, size, file) == size;
    (void)fclose(file);
    if (is_whole) {
        snprintf(present, sizeof present, "again: fuzz-replay %s %s\n", target->name, path);
        fuzz_run(target, bytes_of(data, size));
    }
    free(data);
    return is_whole ? 0 : -1;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Returns how many files of the target's corpus were tried; 0 is a failure. */
static int replay_corpus(const struct fuzz_target *target, const char *corpus)
{
    char path[PATH_SIZE];
    struct dirent **names = NULL;
    int tried = 0;
    snprintf(path, sizeof path, "%s/%s", corpus, target->name);
    const int count = scandir(path, &names, is_input, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", corpus, target->name, names[i]->d_name);
        tried += replay_file(target, path) == 0;
        free(names[i]);
    }
    free(names);
    if (tried == 0 || tried != count) {
        fprintf(stderr, "fuzz-replay: %s: %d of %d inputs could be read\n", target->name, tried,
                count);
        return 0;
    }
    return tried;
}

static int replay_all(const char *corpus)
{
    int passed = 0;
    int failed = 0;
    for (const struct fuzz_target *target = fuzz_targets(); target != NULL; target = target->next) {
        const int tried = replay_corpus(target, corpus);
        passed += tried;
        failed += tried == 0;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    (void)signal(SIGABRT, say_present);
    (void)signal(SIGSEGV, say_present);
    if (argc == 2) {
        return replay_all(argv[1]);
    }
    const struct fuzz_target *target = fuzz_targets();
    while (target != NULL && argc > 2 && strcmp(target->name, argv[1]) != 0) {
        target = target->next;
    }
    if (argc < 2 || target == NULL) {
        fprintf(stderr, "usage: fuzz-replay CORPUS, or fuzz-replay TARGET FILE ...\n");
        return 2;
    }
    int failed = 0;
    for (int i = 2; i < argc; i++) {
        failed += replay_file(target, argv[i]) != 0;
    }
    printf("%d passed, %d failed\n", argc - 2 - failed, failed);
    return failed == 0 ? 0 : 1;
}
