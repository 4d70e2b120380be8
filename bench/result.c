/* result.c -- what a run measured, and how it is told. */
#include "bench/result.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
    const char *name;
    double percent;
} PERCENTILES[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

enum {
    PERCENTILE_COUNT = sizeof PERCENTILES / sizeof PERCENTILES[0]
};

void result_fail(struct result *result, const char *text)
{
    result->failures++;
    for (int i = 0; i < ERRORS_MAX; i++) {
        if (result->errors[i].count == 0) {
            snprintf(result->errors[i].text, ERROR_SIZE, "%s", text);
        }
        if (i == ERRORS_MAX - 1 || strncmp(result->errors[i].text, text, ERROR_SIZE - 1) == 0) {
            result->errors[i].count++;
            return;
        }
    }
}

/* -- /proc ------------------------------------------------------------------------------ */

/* utime + stime of a process, in clock ticks; fields 14 and 15 of /proc/PID/stat, counted from
 * behind the name, which may have blanks in it. */
static double cpu_ticks(int pid)
{
    char path[64];
    char line[1024];
    unsigned long long user = 0;
    unsigned long long kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    const size_t size = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[size] = '\0';
    const char *rest = strrchr(line, ')');
    if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                               &user, &kernel) != 2) {
        return 0;
    }
    return (double)(user + kernel);
}

double result_server_cpu_us(const struct bench_options *options)
{
    double ticks = 0;
    for (size_t i = 0; i < options->pid_count; i++) {
        ticks += cpu_ticks(options->pids[i]);
    }
    return ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

double result_client_cpu_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) * 1e6 +
           (double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec;
}

static uint64_t rss_bytes(int pid)
{
    char path[64];
    char line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1) {
            break;
        }
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

void result_read_memory(struct result *result, const struct bench_options *options)
{
    for (size_t i = 0; i < options->pid_count; i++) {
        result->server_rss_bytes[i] = rss_bytes(options->pids[i]);
    }
}

/* -- Telling ---------------------------------------------------------------------------- */

static double per_second(const struct result *result)
{
    return result->seconds > 0 ? (double)result->operations / result->seconds : 0;
}

static double milliseconds(const struct result *result, double percent)
{
    return (double)histogram_percentile(&result->latency, percent) / 1e6;
}

static void print_table(const struct result *result, const struct bench_options *options)
{
    printf("%-14s %llu in %.2f s\n", "operations", (unsigned long long)result->operations,
           result->seconds);
    printf("%-14s %.0f\n", "per second", per_second(result));
    if (options->mode == BENCH_GAP) {
        printf("%-14s %.1f ms\n", "longest gap", (double)result->gap_us / 1000);
    }
    for (size_t i = 0; i < PERCENTILE_COUNT; i++) {
        printf("%-14s %.3f ms\n", PERCENTILES[i].name,
               milliseconds(result, PERCENTILES[i].percent));
    }
    printf("%-14s %.3f ms\n", "max", (double)result->latency.max / 1e6);
    printf("%-14s %.2f us per operation\n", "client CPU", result->client_cpu_us);
    if (options->pid_count > 0) {
        printf("%-14s %.2f us per operation\n", "server CPU", result->server_cpu_us);
    }
    for (size_t i = 0; i < options->pid_count; i++) {
        printf("%-14s %.1f MiB (pid %d)\n", "memory",
               (double)result->server_rss_bytes[i] / (1024 * 1024), options->pids[i]);
    }
    printf("%-14s %llu\n", "failed", (unsigned long long)result->failures);
    for (int i = 0; i < ERRORS_MAX && result->errors[i].count > 0; i++) {
        printf("%14llu %s\n", (unsigned long long)result->errors[i].count, result->errors[i].text);
    }
}

/* A JSON string. Bytes that could end it or are no characters become '?'. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        putchar(byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x7f ? '?' : byte);
    }
    putchar('"');
}

static void print_json(const struct result *result, const struct bench_options *options)
{
    printf("{\"operations\":%llu,\"seconds\":%.4f,\"per_second\":%.1f",
           (unsigned long long)result->operations, result->seconds, per_second(result));
    if (options->mode == BENCH_GAP) {
        printf(",\"gap_ms\":%.3f", (double)result->gap_us / 1000);
    }
    for (size_t i = 0; i < PERCENTILE_COUNT; i++) {
        printf(",\"%s_ms\":%.4f", PERCENTILES[i].name,
               milliseconds(result, PERCENTILES[i].percent));
    }
    printf(",\"max_ms\":%.4f,\"client_cpu_us\":%.3f", (double)result->latency.max / 1e6,
           result->client_cpu_us);
    if (options->pid_count > 0) {
        printf(",\"server_cpu_us\":%.3f,\"server_rss_bytes\":[", result->server_cpu_us);
        for (size_t i = 0; i < options->pid_count; i++) {
            printf("%s%llu", i == 0 ? "" : ",", (unsigned long long)result->server_rss_bytes[i]);
        }
        printf("]");
    }
    printf(",\"failures\":%llu,\"errors\":{", (unsigned long long)result->failures);
    for (int i = 0; i < ERRORS_MAX && result->errors[i].count > 0; i++) {
        printf("%s", i == 0 ? "" : ",");
        print_string(result->errors[i].text);
        printf(":%llu", (unsigned long long)result->errors[i].count);
    }
    printf("}}\n");
}

void result_print(const struct result *result, const struct bench_options *options)
{
    if (options->is_json) {
        print_json(result, options);
    } else {
        print_table(result, options);
    }
    fflush(stdout);
}

void result_show_progress(const struct result *result, double seconds, double share)
{
    static const char BAR[] = "##############################";
    enum {
        WIDTH = sizeof BAR - 1
    };
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    if (share > 1) {
        fprintf(stderr, "\r\033[K");
        return;
    }
    const int done = (int)(share * WIDTH);
    fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %llu operations, %.0f/s, %llu failed\033[K", done, BAR,
            WIDTH - done, "", share * 100, (unsigned long long)result->operations,
            seconds > 0 ? (double)result->operations / seconds : 0,
            (unsigned long long)result->failures);
    fflush(stderr);
}
