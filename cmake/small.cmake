# SPDX-License-Identifier: MIT
# libduet_small.a: IPv4 alone, and without what src/small/absent.txt names, for machines where code is dear
# (docs/SMALL.md). A file below src/small stands in for the one of the same path below src; a header there is
# found first. Always -Os, whatever the rest is built with.
option(DUET_SMALL "Build and install libduet_small.a as well" OFF)

file(GLOB_RECURSE small_own CONFIGURE_DEPENDS src/small/*.c)
file(STRINGS src/small/absent.txt small_absent)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS src/small/absent.txt)
set(small_sources ${pure_sources})
foreach(name IN LISTS small_absent)
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${name})
        message(FATAL_ERROR "src/small/absent.txt names ${name}, which does not exist")
    endif()
    list(REMOVE_ITEM small_sources ${PROJECT_SOURCE_DIR}/${name})
endforeach()
foreach(path IN LISTS small_own)
    string(REPLACE /src/small/ /src/ replaced ${path})
    list(REMOVE_ITEM small_sources ${replaced})
endforeach()
list(APPEND small_sources ${small_own})

set(small_all "")
if(NOT DUET_SMALL AND NOT DUET_TESTS)
    set(small_all EXCLUDE_FROM_ALL)
endif()

# Without tables for unwinding, which C does not need; each function in a section of its own, so that the
# linker of the firmware drops what the firmware does not call.
set(small_flags ${DUET_PURE_FLAGS} -Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables)
add_library(duet_small STATIC ${small_all} ${small_sources})
target_include_directories(duet_small BEFORE PRIVATE src/small src)
target_include_directories(duet_small
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_options(duet_small PRIVATE ${DUET_WARNINGS} ${small_flags})
if(DUET_SMALL)
    install(TARGETS duet_small ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
