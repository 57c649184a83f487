/* A vault for the simulation: the twin of os/vault.h. Boxes and signatures are digests, of no cryptographic
 * worth; but what is sealed to another key, torn or forged is refused as the real one does, and slots live on
 * the disk. */
#ifndef CROFT_SIM_VAULT_H
#define CROFT_SIM_VAULT_H

#include "port/disk.h"
#include "port/random.h"
#include "port/vault.h"

struct sim_vault;

/* The ports outlive it. Fails as the disk does. */
MUST_CHECK bool sim_vault_new(const struct disk_port *disk, const struct random_port *random,
                              struct sim_vault **ret_vault, struct error *err);
void sim_vault_free(struct sim_vault *vault); /* NULL is fine */
const struct vault_port *sim_vault_port(struct sim_vault *vault);

#endif
