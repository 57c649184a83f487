/* The kinds of scalars that the tables of this room use. Internal to model/. */
#ifndef CROFT_MODEL_SCALARS_H
#define CROFT_MODEL_SCALARS_H

#include "model/schema.h"

/* const char * */
extern const struct scalar scalar_text;
extern const struct scalar scalar_name;          /* model.md: 1 to 63 of a-z 0-9 - */
extern const struct scalar scalar_image_name;    /* NAME:TAG */
extern const struct scalar scalar_zone;          /* east/b1/r1 */
extern const struct scalar scalar_absolute_path; /* /etc/motd */
extern const struct scalar scalar_spread;        /* host, rack, zone, site, 1 to 8 */
extern const struct scalar scalar_survive;       /* the same, or none */
extern const struct scalar scalar_sites;         /* any */
extern const struct scalar scalar_publish;       /* ADDR:PORT or auto */
extern const struct scalar scalar_digest;        /* sha256:… */
extern const struct scalar scalar_user;          /* uid or uid:gid */

/* int64_t */
extern const struct scalar scalar_int;
extern const struct scalar scalar_cpus; /* millicores */
extern const struct scalar scalar_bytes;
extern const struct scalar scalar_rate;     /* bits per second */
extern const struct scalar scalar_duration; /* milliseconds */
extern const struct scalar scalar_decimal;  /* thousandths */
/* The same, or "unlimited": -1. */
extern const struct scalar scalar_quota_int;
extern const struct scalar scalar_quota_cpus;
extern const struct scalar scalar_quota_bytes;
extern const struct scalar scalar_quota_rate;

extern const struct scalar scalar_money;        /* struct money, not negative */
extern const struct scalar scalar_bool;         /* bool */
extern const struct scalar scalar_mode;         /* unsigned: permission bits, octal */
extern const struct scalar scalar_port;         /* uint16_t, 1 to 65535 */
extern const struct scalar scalar_port_or_zero; /* uint16_t */
extern const struct scalar scalar_ipv4;         /* uint32_t */
extern const struct scalar scalar_prefix;       /* struct prefix */
extern const struct scalar scalar_mac;          /* uint64_t */

extern const struct scalar scalar_filter_on;       /* const char *: what is governed */
extern const struct scalar scalar_filter_protocol; /* int64_t: IANA's number, FILTER_PROTOCOL_ANY */
extern const struct scalar scalar_endpoint;        /* struct endpoint */
extern const struct scalar scalar_port_range;      /* struct port_range: 22, "8000-8099" */

extern const struct scalar scalar_right;  /* const char *: hardware, software, … */
extern const struct scalar scalar_moment; /* int64_t: milliseconds since 1970; 0: never */

/* Those of more than one member stand at offset 0 of the struct that they fill a part of. */
extern const struct scalar scalar_allow_port; /* struct allow: "5432/tcp", "8000-8099/tcp", "icmp", "all" */
extern const struct scalar scalar_balance_to; /* struct balance: "web:8080" */
extern const struct scalar scalar_health_tcp; /* struct health: a port, or true beside `port` */

#endif
