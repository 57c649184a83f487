/* What a change of makes a new instance necessary, as one text. */
#ifndef CROFT_PLAN_SCALE_PERSONALITY_H
#define CROFT_PLAN_SCALE_PERSONALITY_H

#include "plan/plan.h"

/* The image that NAME:TAG means for the party: its own, else the landlord's, else NULL. */
const struct image *personality_image(const struct snapshot *snapshot, const char *party, const char *name);
const char *plan_personality_hash(struct arena *arena, const struct farm *farm, const struct tier *tier,
                                  bool is_balance, const char *digest, const struct farm_fact *fact);
/* A hash with one more text (NULL as "") or number in it. */
uint64_t hash_text(uint64_t hash, const char *text);
uint64_t hash_number(uint64_t hash, int64_t number);
/* The address that the farm got for a balance entry, or "". */
const char *personality_endpoint(const struct farm_fact *fact, const char *balance);
/* The tier of the farm with the name, or NULL. */
const struct tier *personality_tier(const struct farm *farm, const char *name);

#endif
