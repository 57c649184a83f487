#include "model/denials.h"

#include "base/mem.h"
#include "base/text.h"

const struct denial denials[] = {
    {"spoof", "with a source that is not its own"},
    {"arp", "of address resolution in another's name"},
    {"ethertype", "that are not plain IPv4"},
    {"dhcp", "of an address server, which only the host is"},
    {"rate", "above the rate or the number of connections of one instance"},
    {"boundary", "to where no tenant may go"},
    {"policy", "that no rule in the farm's `allow` lets pass"},
    {"filter", "that a party's filter does not let pass"},
    {"state", "that belong to no connection"},
    {"inbound", "from outside that answer nothing"},
};
const unsigned denials_length = LENGTH(denials);

const char *denial_text(const char *reason)
{
    for (unsigned i = 0; i < LENGTH(denials); i++) {
        if (text_equal(denials[i].reason, reason)) return denials[i].text;
    }
    return NULL;
}
