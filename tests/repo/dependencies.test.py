#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who includes whom: base <- wire <- core <- everything, through include/duet/ only."""
import pathlib
import re
import tempfile

import tap

# What a folder may include besides itself. "duet": the public headers.
MAY_INCLUDE = {
    "src/base": set(),
    "src/wire": {"base", "duet"},
    "src/core": {"base", "wire", "duet"},
    "src/small": {"base", "wire", "core", "duet"},
    "src/link": {"base", "wire", "duet"},
    "src/observe": {"base", "wire", "duet"},
    "src/host": {"base", "wire", "link", "observe", "duet"},
    "src/sim": {"base", "wire", "link", "observe", "host", "duet"},
    "include/duet": set(),
    "tools": {"duet"},
    "bench": {"tools", "duet"},
    "examples": {"duet"},
}

# base, wire and core know no libc beyond the headers that a freestanding compiler brings, and
# string.h for memcpy, memmove, memset and memcmp.
PURE = ("src/base", "src/wire", "src/core", "src/small")
PURE_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "stdalign.h", "limits.h", "stdarg.h", "string.h"}


def layer(root, path):
    """The key of MAY_INCLUDE that a file belongs to, or None."""
    parts = path.relative_to(root).parts
    for key in ("/".join(parts[:2]), parts[0]):
        if key in MAY_INCLUDE:
            return key
    return None


def resolve(root, path, name):
    """The file that #include "name" means in path, or None."""
    small = [root / "src" / "small"] if (root / "src" / "small") in path.parents else []
    for folder in (path.parent, *small, root / "src", root / "include"):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


def judge_include(root, path, key, bracket, name):
    if bracket == "<":
        if name.startswith("duet/"):
            return None if "duet" in MAY_INCLUDE[key] else "must not include the public headers"
        if key in PURE and name not in PURE_HEADERS:
            return f"must not include <{name}>"
        return None
    target = resolve(root, path, name)
    if target is None:
        return f'includes "{name}", which does not exist'
    other = layer(root, target)
    short = other.split("/")[-1] if other else str(target.relative_to(root).parts[0])
    if other != key and short not in MAY_INCLUDE[key]:
        return f"must not include {short}/ ({name})"
    return None


def problems(root):
    root = root.resolve()
    found = []
    for folder in MAY_INCLUDE:
        for path in sorted((root / folder).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
                if not match:
                    continue
                problem = judge_include(root, path, folder, *match.groups())
                if problem:
                    found.append(f"{path.relative_to(root)}:{number}: {problem}")
    return found


def unlisted(root):
    """Folders of src/ that no rule above speaks of."""
    return [f"src/{path.name} is not in MAY_INCLUDE" for path in sorted((root / "src").iterdir())
            if path.is_dir() and f"src/{path.name}" not in MAY_INCLUDE]


def plant(files):
    """The problems of a tree that has these files: {path: text}."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return problems(root)


def main():
    test = tap.Tap()
    test.clean("every include goes the allowed way", problems(tap.SOURCE))
    test.clean("every folder of src/ has its rule", unlisted(tap.SOURCE))

    core = {"src/core/tcp.h": "", "src/wire/tcp.h": "", "include/duet/stack.h": ""}
    test.found("observe includes core", plant(
        {**core, "src/observe/a.c": '#include "../core/tcp.h"\n'}), "must not include core/")
    test.found("wire includes core", plant(
        {**core, "src/wire/a.c": '#include "core/tcp.h"\n'}), "must not include core/")
    test.found("base includes the public headers", plant(
        {**core, "src/base/a.c": '#include "duet/stack.h"\n'}), "must not include duet/")
    test.found("core includes stdio.h", plant(
        {"src/core/a.c": "#include <stdio.h>\n"}), "must not include <stdio.h>")
    test.found("a tool includes an internal header", plant(
        {**core, "tools/a.c": '#include "../src/wire/tcp.h"\n'}), "must not include wire/")
    test.found("an example includes an internal header by the include path", plant(
        {**core, "examples/a.c": '#include "core/tcp.h"\n'}), "must not include core/")
    test.finish()


if __name__ == "__main__":
    main()
