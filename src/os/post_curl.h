/* The functions of libcurl that os/post uses, loaded when they are first needed: a controller that tells
 * nobody does not carry the library and the thirty that it brings. Internal to os/. */
#ifndef CROFT_OS_POST_CURL_H
#define CROFT_OS_POST_CURL_H

#include "base/error.h"

/* The macros of the type checker name the functions themselves. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

struct curl_calls {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
    void (*easy_cleanup)(CURL *curl);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *curl);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *curl);
    CURLMcode (*multi_socket_action)(CURLM *multi, curl_socket_t fd, int ready, int *ret_running);
    CURLMcode (*multi_assign)(CURLM *multi, curl_socket_t fd, void *known);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *ret_left);
    CURLMcode (*multi_cleanup)(CURLM *multi);
};

MUST_CHECK bool post_curl_load(struct curl_calls *ret_calls, struct error *err);

#endif
