/* Rows of the tables of fields. Internal to model/. Each row ends with its help and what is special. */
#ifndef CROFT_MODEL_TABLE_H
#define CROFT_MODEL_TABLE_H

#include "model/scalars.h"
#include "model/schemas.h"

/* How a key is written, made when this is compiled: documents are mostly keys. */
#define KEY(name_) .key = name_, .written = ",\"" name_ "\":", .written_size = sizeof(",\"" name_ "\":") - 1

#define SCALAR(type, member, name_, scalar_, ...)                                               \
    {                                                                                           \
        KEY(name_), .kind = FIELD_SCALAR, .offset = offsetof(type, member), .scalar = &scalar_, \
                    .help = __VA_ARGS__                                                         \
    }
/* A scalar that fills several members of the struct. */
#define SCALAR_OVER(name_, scalar_, ...)                                                       \
    {                                                                                          \
        KEY(name_), .kind = FIELD_SCALAR, .offset = 0, .scalar = &scalar_, .help = __VA_ARGS__ \
    }
#define ENUM(type, member, name_, names_, ...)                                             \
    {                                                                                      \
        KEY(name_), .kind = FIELD_ENUM, .offset = offsetof(type, member), .names = names_, \
                    .help = __VA_ARGS__                                                    \
    }
#define STRUCT(type, member, name_, schema_, ...)                                               \
    {                                                                                           \
        KEY(name_), .kind = FIELD_STRUCT, .offset = offsetof(type, member), .schema = &schema_, \
                    .help = __VA_ARGS__                                                         \
    }
#define OBJECTS(type, member, name_, schema_, ...)                                        \
    {                                                                                     \
        KEY(name_), .kind = FIELD_OBJECTS, .offset = offsetof(type, member),              \
                    .length_offset = offsetof(type, member##_length), .schema = &schema_, \
                    .help = __VA_ARGS__                                                   \
    }
#define SCALARS(type, member, name_, scalar_, ...)                                        \
    {                                                                                     \
        KEY(name_), .kind = FIELD_SCALARS, .offset = offsetof(type, member),              \
                    .length_offset = offsetof(type, member##_length), .scalar = &scalar_, \
                    .help = __VA_ARGS__                                                   \
    }
#define PAIRS(type, member, name_, ...)                                                   \
    {                                                                                     \
        KEY(name_), .kind = FIELD_PAIRS, .offset = offsetof(type, member),                \
                    .length_offset = offsetof(type, member##_length), .help = __VA_ARGS__ \
    }
#define SCHEMA(type, title, table, ...)                                                                   \
    {                                                                                                     \
        .name = title, .size = sizeof(type), .fields = table, .fields_length = LENGTH(table), __VA_ARGS__ \
    }

#endif
