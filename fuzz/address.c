/* SPDX-License-Identifier: MIT */
/* Fuzzer of addresses as text, beside the C library's inet_pton and inet_ntop. An input whose first byte is below 128 is
 * text; otherwise 16 bytes are an address to be written. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "duet/stack.h"

static struct duet_address mapped(const uint8_t quad[4])
{
    return duet_ipv4(quad[0], quad[1], quad[2], quad[3]);
}

static void write_address(const struct duet_address *address)
{
    char text[DUET_ADDRESS_TEXT], theirs[INET6_ADDRSTRLEN];
    struct duet_address again;
    const size_t length = duet_address_format(address, text);
    EXPECT(length < sizeof text && strlen(text) == length);
    EXPECT(duet_address_parse(text, &again) == DUET_OK);
    EXPECT(duet_address_equal(&again, address));

    static const uint8_t zeros[12];
    if (memcmp(address->bytes, zeros, 12) == 0)
        return; /* theirs writes the end of these as a dotted quad, RFC 5952 does not ask for it */
    const bool is_ipv4 = duet_address_is_ipv4(address);
    EXPECT(inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes + (is_ipv4 ? 12 : 0), theirs,
                     sizeof theirs) != NULL);
    EXPECT(strcmp(text, theirs) == 0);
}

static void read_text(const char *text)
{
    struct duet_address address, theirs;
    uint8_t quad[4];
    const bool read = duet_address_parse(text, &address) == DUET_OK;
    const bool is_quad = inet_pton(AF_INET, text, quad) == 1;
    const bool is_six = inet_pton(AF_INET6, text, theirs.bytes) == 1;
    if (is_quad)
        theirs = mapped(quad);
    EXPECT(read == (is_quad || is_six));
    if (!read)
        return;
    EXPECT(duet_address_equal(&address, &theirs));
    EXPECT(duet_address_is_any(&address) ==
           (strcmp(text, "0.0.0.0") == 0 || (is_six && duet_address_is_any(&theirs))));
    write_address(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    if (size > 0 && data[0] >= 128) {
        struct duet_address address;
        (void)take8(&input);
        for (unsigned i = 0; i < sizeof address.bytes; i++)
            address.bytes[i] = take8(&input);
        write_address(&address);
        return 0;
    }
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    read_text(text);
    free(text);
    return 0;
}
