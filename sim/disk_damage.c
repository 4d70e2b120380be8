/* disk_damage.c -- what a disk does to data that was durable. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/disk_internal.h"

enum {
    TRIES = 64
};

/* A sector of a file that has a name, and of which nothing is exempt. */
struct place {
    struct disk_file *file;
    uint64_t offset;
    int is_exempt; /* Where the last sync of the file made something durable. */
};

static int is_fair(const struct disk *disk, const struct place *place)
{
    const struct disk_file *file = place->file;
    const uint64_t end = place->offset + DISK_SECTOR_SIZE;
    return end <= file->kept.size && end <= file->seen.size &&
           !(place->is_exempt && place->offset < file->synced_to && file->synced_from < end) &&
           !disk_is_unsettled(disk, file, place->offset, DISK_SECTOR_SIZE);
}

static int draw_file(struct disk *disk, struct place *place)
{
    uint64_t count = 0;
    *place = (struct place){0};
    for (const struct name *name = name_next(&disk->kept, NULL); name != NULL;
         name = name_next(&disk->kept, name)) {
        if (name->file != NULL && world_below(disk->world, ++count) == 0) {
            place->file = name->file;
            place->is_exempt = !disk->has_frail_snapshots || strstr(name->path, ".snap") == NULL;
        }
    }
    return place->file != NULL;
}

static int is_blank(const struct place *place)
{
    static const uint8_t ZEROES[DISK_SECTOR_SIZE];
    return memcmp(image_look(&place->file->kept, place->offset), ZEROES, sizeof ZEROES) == 0;
}

/* Most of a log is empty, and damage there is no news: look for something that was written. */
static int draw_place(struct disk *disk, struct place *place)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        if (!draw_file(disk, place) || place->file->kept.size < DISK_SECTOR_SIZE) {
            continue;
        }
        const uint64_t sectors = place->file->kept.size / DISK_SECTOR_SIZE;
        place->offset = world_below(disk->world, sectors) * DISK_SECTOR_SIZE;
        if (is_fair(disk, place) && !is_blank(place)) {
            return 1;
        }
    }
    return 0;
}

static void put_sector(const struct place *place, const uint8_t *sector)
{
    image_write(&place->file->kept, place->offset, sector, DISK_SECTOR_SIZE);
    image_write(&place->file->seen, place->offset, sector, DISK_SECTOR_SIZE);
}

static int rot(struct disk *disk)
{
    struct place place;
    uint8_t sector[DISK_SECTOR_SIZE];
    if (!draw_place(disk, &place)) {
        return 0;
    }
    image_read(&place.file->kept, place.offset, sector, sizeof sector);
    sector[world_below(disk->world, sizeof sector)] ^= (uint8_t)(1u << world_below(disk->world, 8));
    put_sector(&place, sector);
    return 1;
}

static int misplace(struct disk *disk)
{
    struct place from;
    struct place to;
    uint8_t sector[DISK_SECTOR_SIZE];
    if (!draw_place(disk, &from) || !draw_place(disk, &to)) {
        return 0;
    }
    image_read(&from.file->kept, from.offset, sector, sizeof sector);
    put_sector(&to, sector);
    return 1;
}

static int bring_back(struct disk *disk)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        struct place place;
        if (draw_file(disk, &place) && place.file->has_stale) {
            const struct disk_file *file = place.file;
            place.offset = file->stale_at;
            if (is_fair(disk, &place) && memcmp(image_look(&file->kept, place.offset), file->stale,
                                                sizeof file->stale) != 0) {
                put_sector(&place, file->stale);
                return 1;
            }
        }
    }
    return 0;
}

void disk_set_frail_snapshots(struct disk *disk)
{
    disk->has_frail_snapshots = 1;
}

int disk_damage(struct disk *disk, enum disk_damage damage)
{
    switch (damage) {
    case DISK_ROT:
        return rot(disk);
    case DISK_STALE:
        return bring_back(disk);
    case DISK_MISPLACED:
        return misplace(disk);
    case DISK_WIPED:
        break;
    }
    assert(damage == DISK_WIPED);
    disk_wipe(disk);
    return 1;
}
