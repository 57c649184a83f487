#include "spec/grid_file.h"

#include "spec/grid.h"

static void add_line(enum record_kind kind, const void *object, struct buf *lines);

void grid_file_write(const struct snapshot *snapshot, struct buf *ret_lines)
{
    for (size_t i = 0; i < snapshot->hosts_length; i++)
        add_line(RECORD_HOST, &snapshot->hosts[i], ret_lines);
    for (size_t i = 0; i < snapshot->parties_length; i++)
        add_line(RECORD_PARTY, &snapshot->parties[i], ret_lines);
    for (size_t i = 0; i < snapshot->farms_length; i++)
        add_line(RECORD_FARM, &snapshot->farms[i], ret_lines);
    for (size_t i = 0; i < snapshot->images_length; i++)
        add_line(RECORD_IMAGE, &snapshot->images[i], ret_lines);
    for (size_t i = 0; i < snapshot->pools_length; i++)
        add_line(RECORD_POOL, &snapshot->pools[i], ret_lines);
    for (size_t i = 0; i < snapshot->slas_length; i++)
        add_line(RECORD_SLA, &snapshot->slas[i], ret_lines);
    for (size_t i = 0; i < snapshot->rules_length; i++)
        add_line(RECORD_SCALING_RULES, &snapshot->rules[i], ret_lines);
    for (size_t i = 0; i < snapshot->filters_length; i++)
        add_line(RECORD_FILTER, &snapshot->filters[i], ret_lines);
    for (size_t i = 0; i < snapshot->leases_length; i++)
        add_line(RECORD_LEASE, &snapshot->leases[i], ret_lines);
    for (size_t i = 0; i < snapshot->contacts_length; i++)
        add_line(RECORD_CONTACT, &snapshot->contacts[i], ret_lines);
    for (size_t i = 0; i < snapshot->keys_length; i++)
        add_line(RECORD_KEY, &snapshot->keys[i], ret_lines);
    for (size_t i = 0; i < snapshot->instances_length; i++)
        add_line(RECORD_INSTANCE, &snapshot->instances[i], ret_lines);
    for (size_t i = 0; i < snapshot->host_facts_length; i++)
        add_line(RECORD_HOST_FACT, &snapshot->host_facts[i], ret_lines);
    for (size_t i = 0; i < snapshot->farm_facts_length; i++)
        add_line(RECORD_FARM_FACT, &snapshot->farm_facts[i], ret_lines);
}

static void add_line(enum record_kind kind, const void *object, struct buf *lines)
{
    const struct schema *schema = grid_schema(kind);
    schema_write(schema, schema->name, object, lines);
    buf_add_char(lines, '\n');
}
