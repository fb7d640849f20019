/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that turn points into probes share. Under control_lock. */
#ifndef DMARACE_POINTS_PROBES_H
#define DMARACE_POINTS_PROBES_H

#include "dmarace.h"

/* The probe of a row's first symbol. False if there is no such row. */
bool key_of_point(const char *point, struct probe_key *key);
/* Takes over the caller's use of the probe, on error as well. */
int add_probe(struct armed_rule *armed, struct probe *probe);
void replace_probe(struct armed_rule *armed, unsigned int at,
		   struct probe *probe);
int resolve_operation(const struct probe_key *key, struct armed_rule *armed);

#endif
