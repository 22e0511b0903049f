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

# Else it is made where something wants it.
set(small_all EXCLUDE_FROM_ALL)
if(DUET_SMALL)
    set(small_all "")
endif()

# Without tables for unwinding, which C does not need; each function in a section of its own, so that the
# linker drops what nobody calls.
set(small_flags ${DUET_PURE_FLAGS} -Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables)
function(prepare_small target)
    # What checks the sources reads what the full build compiles, and what is the small one's own, once.
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS ${ARGN})
    target_include_directories(${target} BEFORE PRIVATE src/small src)
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_options(${target} PRIVATE ${DUET_WARNINGS} ${small_flags})
endfunction()

add_library(duet_small_own OBJECT EXCLUDE_FROM_ALL ${small_own})
prepare_small(duet_small_own ON)
add_library(duet_small_shared OBJECT EXCLUDE_FROM_ALL ${small_sources})
prepare_small(duet_small_shared OFF)
set(small_objects $<TARGET_OBJECTS:duet_small_own> $<TARGET_OBJECTS:duet_small_shared>)

if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT DUET_SANITIZE AND NOT DUET_COVERAGE AND NOT DUET_FUZZ)
    # One object, linked from all of them, without the functions that no public one reaches: a core for
    # fewer features calls fewer of its own.
    foreach(source IN LISTS small_sources small_own)
        file(STRINGS ${source} lines REGEX "^[a-z][a-z0-9_ ]*[ *]duet_[a-z0-9_]+\\(")
        string(REGEX MATCHALL "duet_[a-z0-9_]+\\(" calls "${lines}")
        list(APPEND small_calls ${calls})
    endforeach()
    list(TRANSFORM small_calls REPLACE "(duet_[a-z0-9_]+).*" "-Wl,-u,\\1")
    list(REMOVE_DUPLICATES small_calls)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/duet_small.o
        COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -Wl,--gc-sections ${small_calls}
            -o ${PROJECT_BINARY_DIR}/duet_small.o ${small_objects}
        DEPENDS duet_small_own duet_small_shared ${small_objects}
        COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${PROJECT_BINARY_DIR}/duet_small.o PROPERTIES
        EXTERNAL_OBJECT TRUE GENERATED TRUE)
    add_library(duet_small STATIC ${small_all} ${PROJECT_BINARY_DIR}/duet_small.o)
else()
    add_library(duet_small STATIC ${small_all} ${small_objects})
endif()
set_target_properties(duet_small PROPERTIES LINKER_LANGUAGE C)
target_include_directories(duet_small PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(DUET_SMALL)
    install(TARGETS duet_small ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
