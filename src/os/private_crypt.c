/* The kernel's file encryption: a key is given to a file system once, and directories name it. Contents are
 * AES-256 in XTS mode, names in CBC with ciphertext stealing: what fscrypt.rst recommends where the processor
 * has AES. */
#include "os/private_inside.h"

#include "base/mem.h"
#include "os/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fscrypt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(PRIVATE_NAME_SIZE == 2 * FSCRYPT_KEY_IDENTIFIER_SIZE + 1, "two hex digits a byte");
_Static_assert((int)PRIVATE_KEY_SIZE <= FSCRYPT_MAX_KEY_SIZE, "a key that fscrypt takes");

static bool read_policy(int fd, struct fscrypt_policy_v2 *ret_policy, int *ret_errno);
static bool read_name(const char *name, unsigned char ret_bytes[FSCRYPT_KEY_IDENTIFIER_SIZE]);

bool crypt_possible(int base)
{
    struct fscrypt_policy_v2 policy;
    int reason = 0;
    /* One that is encrypted itself cannot have directories with keys of their own. */
    return !read_policy(base, &policy, &reason) && reason == ENODATA;
}

bool crypt_add_key(int base, const unsigned char key[PRIVATE_KEY_SIZE], char ret_name[PRIVATE_NAME_SIZE],
                   struct error *err)
{
    void *memory = NULL; /* what the kernel copies the key from is locked like all that holds it */
    if (!seal_secret_new(sizeof(struct fscrypt_add_key_arg) + PRIVATE_KEY_SIZE, &memory, err)) return false;
    struct fscrypt_add_key_arg *argument = memory;
    argument->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
    argument->raw_size = PRIVATE_KEY_SIZE;
    memcpy(argument->raw, key, PRIVATE_KEY_SIZE);
    bool good = ioctl(base, FS_IOC_ADD_ENCRYPTION_KEY, argument) == 0 ||
                error_errno(err, errno, "give a key to the kernel");
    for (size_t i = 0; good && i < FSCRYPT_KEY_IDENTIFIER_SIZE; i++)
        snprintf(ret_name + 2 * i, 3, "%02x", argument->key_spec.u.identifier[i]);
    seal_secret_free(memory);
    return good;
}

bool crypt_make_directory(int base, const char *directory, const char *name, struct error *err)
{
    struct fscrypt_policy_v2 policy = {0}, wanted = {.version = FSCRYPT_POLICY_V2,
                                                     .contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
                                                     .filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
                                                     .flags = FSCRYPT_POLICY_FLAGS_PAD_32};
    int reason = 0;
    if (!read_name(name, wanted.master_key_identifier))
        return error_set(err, ERROR_INVALID, "%s is no name of a key", name);
    if (mkdirat(base, directory, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "make the private directory %s", directory);
    int fd = openat(base, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return error_errno(err, errno, "open the private directory %s", directory);
    bool good = read_policy(fd, &policy, &reason);
    if (!good && reason == ENODATA) {
        /* Just made, or by one that ended then. The kernel refuses one that has files already. */
        good = ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &wanted) == 0 ||
               error_errno(err, errno, "encrypt the private directory %s", directory);
    } else if (!good) {
        error_errno(err, reason, "see how the private directory %s is encrypted", directory);
    } else if (policy.version != FSCRYPT_POLICY_V2 ||
               memcmp(policy.master_key_identifier, wanted.master_key_identifier,
                      FSCRYPT_KEY_IDENTIFIER_SIZE) != 0) {
        good =
            error_set(err, ERROR_FAILED, "the private directory %s is encrypted with another key", directory);
    }
    close(fd);
    return good;
}

bool crypt_remove_key(int base, const char *name, struct error *err)
{
    struct fscrypt_remove_key_arg argument = {.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER};
    if (!read_name(name, argument.key_spec.u.identifier))
        return error_set(err, ERROR_INVALID, "%s is no name of a key", name);
    if (ioctl(base, FS_IOC_REMOVE_ENCRYPTION_KEY, &argument) != 0)
        return errno == ENOKEY || error_errno(err, errno, "take a key from the kernel");
    if (argument.removal_status_flags & FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY)
        return error_set(err, ERROR_REFUSED, "files that the key has opened are in use");
    return true;
}

static bool read_policy(int fd, struct fscrypt_policy_v2 *ret_policy, int *ret_errno)
{
    struct fscrypt_get_policy_ex_arg argument = {.policy_size = sizeof(argument.policy)};
    if (ioctl(fd, FS_IOC_GET_ENCRYPTION_POLICY_EX, &argument) != 0) {
        *ret_errno = errno;
        return false;
    }
    *ret_policy = argument.policy.v2; /* of version 1 only the version is looked at */
    return true;
}

static bool read_name(const char *name, unsigned char ret_bytes[FSCRYPT_KEY_IDENTIFIER_SIZE])
{
    if (strlen(name) != PRIVATE_NAME_SIZE - 1 || strspn(name, "0123456789abcdef") != PRIVATE_NAME_SIZE - 1)
        return false;
    for (size_t i = 0; i < FSCRYPT_KEY_IDENTIFIER_SIZE; i++) {
        unsigned byte = 0;
        if (sscanf(name + 2 * i, "%2x", &byte) != 1) return false;
        ret_bytes[i] = (unsigned char)byte;
    }
    return true;
}
