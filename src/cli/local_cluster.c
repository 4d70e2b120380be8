/* local_cluster.c -- real servers on loopback, children of this process, to be killed at will.
 *
 * They are the very program that anybody can run, started with `server` and etcd's flags. */
#include "cli/local_cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

enum {
    PORT_MIN = 10000, /* Below those that the system gives to outgoing connections. */
    PORT_COUNT = 20000,
    PORT_TRIES = 200,
    LOG_TAIL = 2048,
};

static int is_free(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int result =
        descriptor < 0 ? -1 : bind(descriptor, (const struct sockaddr *)&address, sizeof address);
    if (descriptor >= 0) {
        close(descriptor);
    }
    return result == 0;
}

/* Two different free ports for each member: a run of them from some random place on. */
static int choose_ports(struct local_cluster *cluster)
{
    const unsigned wanted = 2 * cluster->options.count;
    unsigned chosen = 0;
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance) {
        chance = (uint32_t)getpid();
    }
    for (unsigned i = 0; i < PORT_TRIES && chosen < wanted; i++) {
        const uint16_t port = (uint16_t)(PORT_MIN + (chance + i) % PORT_COUNT);
        if (is_free(port)) {
            struct local_member *member = &cluster->members[chosen / 2];
            snprintf(chosen % 2 == 0 ? member->client : member->peer, LOCAL_ADDRESS_SIZE,
                     "127.0.0.1:%u", port);
            chosen++;
        }
    }
    return chosen == wanted ? 0 : -1;
}

int local_cluster_init(struct local_cluster *cluster, const struct local_cluster_options *options)
{
    const char *place = getenv("TMPDIR");
    char dir[LOCAL_PATH_SIZE];
    assert(options->count > 0 && options->count <= LOCAL_MEMBERS_MAX);
    *cluster = (struct local_cluster){.options = *options};
    if (place == NULL || *place == '\0' || strlen(place) > LOCAL_PATH_SIZE / 2) {
        place = "/tmp";
    }
    snprintf(dir, sizeof dir, "%s/%.32s-XXXXXX", place, options->program);
    if (mkdtemp(dir) == NULL) {
        fprintf(stderr, "%s: cannot make a directory in %s: %s\n", options->program, place,
                strerror(errno));
        return -1;
    }
    memcpy(cluster->dir, dir, sizeof dir);
    for (unsigned i = 0; i < options->count; i++) {
        struct local_member *member = &cluster->members[i];
        const int letter = 'a' + (int)i;
        member->name[0] = (char)letter;
        /* The directory's name leaves room for these: place is half of it at most. */
        snprintf(member->data_dir, sizeof member->data_dir, "%.200s/%c", dir, letter);
        snprintf(member->log, sizeof member->log, "%.200s/%c.log", dir, letter);
    }
    if (choose_ports(cluster) != 0) {
        fprintf(stderr, "%s: found no free ports on 127.0.0.1\n", options->program);
        return -1;
    }
    return 0;
}

/* The table of members, as --initial-cluster wants it. */
static void write_table(const struct local_cluster *cluster, char *to, size_t room)
{
    size_t size = (size_t)snprintf(to, room, "--initial-cluster=");
    for (unsigned i = 0; i < cluster->options.count; i++) {
        const struct local_member *member = &cluster->members[i];
        size += (size_t)snprintf(to + size, room - size, "%s%s=http://%s", i == 0 ? "" : ",",
                                 member->name, member->peer);
        assert(size < room);
    }
}

/* In the child: become a member. Does not return. */
static void run_member(const struct local_cluster *cluster, const struct local_member *member,
                       pid_t parent)
{
    const char *binary = cluster->options.binary;
    char listen_peer[64];
    char listen_client[64];
    char table[LOCAL_MEMBERS_MAX * 64];
    setpgid(0, 0); /* A ^C on the terminal is for us alone: we end the members. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127); /* It died before we said that we want to die with it. */
    }
    const int log = open(member->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    snprintf(listen_peer, sizeof listen_peer, "--listen-peer-urls=http://%s", member->peer);
    snprintf(listen_client, sizeof listen_client, "--listen-client-urls=http://%s", member->client);
    write_table(cluster, table, sizeof table);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl(binary == NULL ? "/proc/self/exe" : binary, "synod", "server", "--name", member->name,
          "--data-dir", member->data_dir, "--log-format=json", listen_peer, listen_client, table,
          (char *)NULL);
    fprintf(stderr, "cannot start: %s\n", strerror(errno));
    _exit(127);
}

int local_cluster_start(struct local_cluster *cluster, unsigned index)
{
    struct local_member *member = &cluster->members[index];
    assert(index < cluster->options.count && member->pid == 0);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "%s: cannot start a process: %s\n", cluster->options.program,
                strerror(errno));
        return -1;
    }
    if (pid == 0) {
        run_member(cluster, member, parent);
    }
    member->pid = pid;
    return 0;
}

void local_cluster_signal(const struct local_cluster *cluster, unsigned index, int signum)
{
    assert(index < cluster->options.count && cluster->members[index].pid > 0);
    kill(cluster->members[index].pid, signum);
}

void local_cluster_end(struct local_cluster *cluster, unsigned index, int signum)
{
    struct local_member *member = &cluster->members[index];
    assert(index < cluster->options.count && member->pid > 0);
    kill(member->pid, signum);
    while (waitpid(member->pid, NULL, 0) < 0 && errno == EINTR) {
        /* A signal of our own; the child is still to be waited for. */
    }
    member->pid = 0;
}

int local_cluster_find_dead(struct local_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->options.count; i++) {
        struct local_member *member = &cluster->members[i];
        if (member->pid > 0 && waitpid(member->pid, NULL, WNOHANG) == member->pid) {
            member->pid = 0;
            return (int)i;
        }
    }
    return -1;
}

static void remove_tree(const char *path)
{
    char start[LOCAL_PATH_SIZE];
    char *roots[] = {start, NULL};
    snprintf(start, sizeof start, "%s", path);
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    FTSENT *entry = tree == NULL ? NULL : fts_read(tree);
    while (entry != NULL) {
        if (entry->fts_info == FTS_DP) {
            rmdir(entry->fts_path);
        } else if (entry->fts_info != FTS_D) {
            unlink(entry->fts_path);
        }
        entry = fts_read(tree);
    }
    if (tree != NULL) {
        fts_close(tree);
    }
}

void local_cluster_end_all(struct local_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->options.count; i++) {
        if (cluster->members[i].pid > 0) {
            local_cluster_end(cluster, i, SIGKILL);
        }
    }
}

void local_cluster_deinit(struct local_cluster *cluster)
{
    local_cluster_end_all(cluster);
    if (cluster->dir[0] != '\0') {
        remove_tree(cluster->dir);
    }
}

/* The last bytes of a member's log as a text; its size. */
static size_t read_tail(const struct local_cluster *cluster, unsigned index, char to[LOG_TAIL + 1])
{
    const int log = open(cluster->members[index].log, O_RDONLY | O_CLOEXEC);
    const off_t end = log < 0 ? 0 : lseek(log, 0, SEEK_END);
    const off_t start = end > LOG_TAIL ? end - LOG_TAIL : 0;
    const ssize_t size = log < 0 ? 0 : pread(log, to, LOG_TAIL, start);
    if (log >= 0) {
        close(log);
    }
    to[size < 0 ? 0 : size] = '\0';
    return size < 0 ? 0 : (size_t)size;
}

void local_cluster_read_why(const struct local_cluster *cluster, unsigned index, char *to,
                            size_t room)
{
    static const char mark[] = "\"msg\":\"leader changed\"";
    static const char field[] = "\"why\":\"";
    char tail[LOG_TAIL + 1];
    const char *line = NULL;
    read_tail(cluster, index, tail);
    for (const char *at = strstr(tail, mark); at != NULL; at = strstr(at + 1, mark)) {
        line = at;
    }
    const char *why = line == NULL ? NULL : strstr(line, field);
    to[0] = '\0';
    if (why != NULL) {
        why += sizeof field - 1;
        snprintf(to, room, "%.*s", (int)strcspn(why, "\"\n"), why);
    }
}

void local_cluster_show_log(const struct local_cluster *cluster, unsigned index)
{
    char tail[LOG_TAIL + 1];
    if (read_tail(cluster, index, tail) > 0) {
        fprintf(stderr, "The log of %s ends so:\n%s\n", cluster->members[index].name, tail);
    }
}
