/* SPDX-License-Identifier: MIT */
/* Finds the engine of lwIP, which lies beside the program where the build could make it. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

static const char *const module_name = "duet-bench-lwip.so";

struct engine *engine_lwip(char *why, size_t size)
{
    char path[PATH_MAX + 32];
    engine_module_function *module = NULL;
    void *library, *symbol;
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *name;

    snprintf(why, size,
             "not measured: the build found no lwIP (Debian: liblwip-dev), so there is no %s",
             module_name);
    if (length <= 0)
        return NULL;
    path[length] = '\0';
    name = strrchr(path, '/');
    if (name == NULL)
        return NULL;
    memcpy(name + 1, module_name, strlen(module_name) + 1);
    if (access(path, R_OK) != 0)
        return NULL;
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    symbol = library == NULL ? NULL : dlsym(library, ENGINE_MODULE_SYMBOL);
    if (symbol == NULL) {
        snprintf(why, size, "not measured: %s", dlerror());
        return NULL;
    }
    memcpy(&module, &symbol, sizeof symbol);
    why[0] = '\0';
    return module();
}
