#include "os/post_curl.h"

#include <dlfcn.h>
#include <string.h>

/* The soname of every libcurl 7 and 8 that is built against OpenSSL. */
static const char soname[] = "libcurl.so.4";

bool post_curl_load(struct curl_calls *ret_calls, struct error *err)
{
    struct curl_calls calls;
    const struct {
        const char *name;
        void *function;
    } rows[] = {
        {"curl_global_init", &calls.global_init},
        {"curl_easy_init", &calls.easy_init},
        {"curl_easy_setopt", &calls.easy_setopt},
        {"curl_easy_getinfo", &calls.easy_getinfo},
        {"curl_easy_cleanup", &calls.easy_cleanup},
        {"curl_slist_append", &calls.slist_append},
        {"curl_slist_free_all", &calls.slist_free_all},
        {"curl_multi_init", &calls.multi_init},
        {"curl_multi_setopt", &calls.multi_setopt},
        {"curl_multi_add_handle", &calls.multi_add_handle},
        {"curl_multi_remove_handle", &calls.multi_remove_handle},
        {"curl_multi_socket_action", &calls.multi_socket_action},
        {"curl_multi_assign", &calls.multi_assign},
        {"curl_multi_info_read", &calls.multi_info_read},
        {"curl_multi_cleanup", &calls.multi_cleanup},
    };
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

    if (!library) return error_set(err, ERROR_FAILED, "mail and webhooks need libcurl: %s", dlerror());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *found = dlsym(library, rows[i].name);
        if (!found) return error_set(err, ERROR_FAILED, "%s has no %s", soname, rows[i].name);
        memcpy(rows[i].function, &found, sizeof(found));
    }
    if (calls.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_FAILED, "%s cannot begin", soname);
    *ret_calls = calls;
    return true;
}
