// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file says which clients share a group, and keeps each group while one
 * of its clients is in it.
 */
#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "sim.h"

struct slot {
	struct iommu_group *group;	/* NULL while nobody is in it */
	unsigned int members;
};

static DEFINE_MUTEX(slots_lock);
static struct slot *slots;
static unsigned int slot_count;
static unsigned long *joined;		/* clients that are in their group */

/* Its group, with a reference for the caller. */
struct iommu_group *sim_group_join(unsigned int client)
{
	struct slot *slot = &slots[client % slot_count];
	struct iommu_group *group;

	mutex_lock(&slots_lock);
	group = slot->group ? slot->group : iommu_group_alloc();
	if (!IS_ERR(group) && !test_and_set_bit(client, joined)) {
		slot->group = group;
		slot->members++;
	}
	if (!IS_ERR(group))
		iommu_group_ref_get(group);
	mutex_unlock(&slots_lock);
	return group;
}

/* The core lets a client go, whether it had come as far as its group or not. */
void sim_group_leave(unsigned int client)
{
	struct slot *slot = &slots[client % slot_count];

	mutex_lock(&slots_lock);
	if (test_and_clear_bit(client, joined) && !--slot->members) {
		iommu_group_put(slot->group);
		slot->group = NULL;
	}
	mutex_unlock(&slots_lock);
}

/* groups: how many the clients share, one after the other; 0: one for each. */
int sim_groups_init(unsigned int clients, unsigned int groups)
{
	slot_count = groups ? groups : clients;
	slots = kvcalloc(slot_count, sizeof(*slots), GFP_KERNEL);
	joined = bitmap_zalloc(clients, GFP_KERNEL);
	if (slots && joined)
		return 0;
	sim_groups_exit();
	return -ENOMEM;
}

void sim_groups_exit(void)
{
	bitmap_free(joined);
	kvfree(slots);
	joined = NULL;
	slots = NULL;
}
