#!/usr/bin/env python3
"""layers.py: holds src/ to CONTRIBUTING.md: which layer may include which, which module may see
which library, that every header compiles alone, and that every file says which it is.

Prints a line of PASS or FAIL for each rule; exits with 1 if one is broken. Reads the sources below
$srcdir (default: the folder above this one) and writes nothing."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get('srcdir') or pathlib.Path(__file__).parent.parent)
SRC = ROOT / 'src'

# What a layer may include beside itself. A new folder below src/ needs a row here.
PURE = {'base', 'model', 'wire'}
OUTSIDE = {'store', 'token', 'bell'}
LAYERS = {
    'base': set(),
    'model': {'base'},
    'wire': {'base', 'model'},
    'store': PURE, 'token': PURE, 'bell': PURE,
    'ws': PURE | OUTSIDE, 'api': PURE | OUTSIDE, 'ctl': PURE | OUTSIDE,
    'relay': PURE | {'store', 'bell'},
}

# The layers without system calls, clock and log: what they may see, and what they may not call.
PURE_LAYERS = {'model', 'wire'}
PURE_BASE = {'attr', 'buf', 'digest', 'err', 'map', 'text', 'timestamp'}
PURE_HEADERS = {'ctype.h', 'errno.h', 'limits.h', 'math.h', 'stdarg.h', 'stdbool.h', 'stddef.h',
                'stdint.h', 'stdio.h', 'stdlib.h', 'string.h', 'strings.h'}
IMPURE_CALL = re.compile(
    r'(?<![\w.>])(v?[fds]?printf|v?asprintf|f?put[cs]|putchar|perror|f?open|fdopen|f?read|f?write'
    r'|fclose|fflush|f?get[cs]|getline|s?scanf|remove|rename|tmpfile|getenv|setenv|system|_?exit'
    r'|abort|atexit|s?rand|random|time|localtime|gmtime|strftime|clock_\w+|log_\w+)\s*\(')

# Each library, and the one file (or files) that see its headers; where it is a folder, at most so
# many files.
LIBRARIES = {
    'ini.h': ('base/config.c', 1),
    'openssl/': (('base/digest.c', 'token/pem.c'), 2),
    'systemd/': ('base/service.c', 1),
    'seccomp.h': ('base/sandbox.c', 1),
    'json-c/': ('wire/json.c', 1),
    'jwt.h': ('token/token.c', 1),
    'crypt.h': ('token/password.c', 1),
    'sqlite3.h': ('store/', None),
    'fcgiapp.h': ('api/', 1),
    'ev.h': (('ws/', 'relay/'), None),
    'hiredis/': ('relay/', None),
    'curl/': ('ctl/', 1),
}

# The system's own headers. What is in neither table is a library that has no place yet.
SYSTEM = PURE_HEADERS | {
    'assert.h', 'dirent.h', 'errno.h', 'fcntl.h', 'getopt.h', 'grp.h', 'inttypes.h', 'locale.h',
    'netdb.h', 'poll.h', 'pthread.h', 'pwd.h', 'sched.h', 'semaphore.h', 'setjmp.h',
    'signal.h', 'stdatomic.h', 'sysexits.h', 'syslog.h', 'termios.h', 'time.h', 'unistd.h', 'wchar.h'}
SYSTEM_FOLDERS = ('sys/', 'netinet/', 'arpa/', 'linux/')

# What a build inside the sources leaves there.
GENERATED = {'store/migrations.h'}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def sources():
    found = (p for p in SRC.rglob('*') if p.suffix in ('.c', '.h'))
    return sorted(p for p in found if name(p) not in GENERATED)


def name(path):
    """The path as an include would write it, such as base/buf.h."""
    return path.relative_to(SRC).as_posix()


def includes():
    """Yields every include: the file, the place, whether it is the system's, what it names."""
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                yield name(path), f'src/{name(path)}:{number}', found[1] == '<', found[2]


def without_comments(text):
    """The code alone: comments and strings become spaces, lines stay where they are."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"',
                  lambda m: re.sub(r'[^\n]', ' ', m[0]), text, flags=re.S)


def check_layers():
    for folder in sorted(p.name for p in SRC.iterdir() if p.is_dir()):
        if folder not in LAYERS:
            yield f'src/{folder}: is no layer that LAYERS knows'
    for file, where, of_system, target in includes():
        layer, _, rest = file.partition('/')
        reached, _, module = target.partition('/')
        if of_system or layer not in LAYERS:
            continue
        if reached not in LAYERS or not module or '/' in module:
            yield f'{where}: "{target}" is not written as layer/module.h'
        elif reached != layer and reached not in LAYERS[layer]:
            yield f'{where}: {layer} may not include {reached}'


def check_own_header_first():
    first = {}
    for file, where, _, target in includes():
        first.setdefault(file, (where, target))
    for file, (where, target) in first.items():
        own = file[:-2] + '.h'
        if file.endswith('.c') and (SRC / own).exists() and target != own:
            yield f'{where}: includes {target} before "{own}"'


def check_purity():
    for file, where, of_system, target in includes():
        if file.split('/')[0] not in PURE_LAYERS:
            continue
        if of_system and target not in PURE_HEADERS and library_of(target) is None:
            yield f'{where}: <{target}> is not pure'
        if target.startswith('base/') and target[5:-2] not in PURE_BASE:
            yield f'{where}: "{target}" is not pure'
    for path in sources():
        if name(path).split('/')[0] not in PURE_LAYERS:
            continue
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            for call in IMPURE_CALL.finditer(line):
                yield f'src/{name(path)}:{number}: {call[1]}() is not pure'


def library_of(target):
    for header in LIBRARIES:
        if target == header or (header.endswith('/') and target.startswith(header)):
            return header
    return None


def check_libraries():
    seen = {header: {} for header in LIBRARIES}
    for file, where, of_system, target in includes():
        library = library_of(target)
        if not of_system:
            continue
        if library:
            seen[library].setdefault(file, where)
        elif target not in SYSTEM and not target.startswith(SYSTEM_FOLDERS):
            yield f'{where}: <{target}> is in no table of layers.py'
    for library, (places, most) in LIBRARIES.items():
        places = (places,) if isinstance(places, str) else places
        for file, where in seen[library].items():
            if not any(file == p or (p.endswith('/') and file.startswith(p)) for p in places):
                yield f'{where}: {library} belongs to src/{" and src/".join(places)} alone'
        if most is not None and len(seen[library]) > most:
            yield f'{library}: is seen by {", ".join(sorted(seen[library]))}'


def check_first_comments():
    for path in sources() + sorted((ROOT / 't').rglob('*.[ch]')):
        begin = re.match(r'/\*\s*(?:\* )?(\S+): ', path.read_text())
        if not begin or begin[1] != path.name:
            yield f'{path.relative_to(ROOT)}:1: does not begin with a comment "{path.name}: ..."'


def check_guards():
    for path in sources():
        if path.suffix != '.h':
            continue
        guard = re.sub(r'\W', '_', name(path)).upper()
        if f'\n#ifndef {guard}\n#define {guard}\n' not in path.read_text():
            yield f'src/{name(path)}: is not guarded by {guard}'


def check_headers_alone():
    compiler = shlex.split(os.environ.get('CC', 'cc')) + shlex.split(os.environ.get('CPPFLAGS', ''))
    for path in sources():
        if path.suffix != '.h':
            continue
        run = subprocess.run(
            compiler + ['-std=gnu11', '-D_GNU_SOURCE', '-fsyntax-only', '-Wall', '-Werror',
                        '-I', str(SRC), '-x', 'c', '-'],
            input=f'#include "{name(path)}"\n', stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False)
        if run.returncode != 0:
            yield f'src/{name(path)}: does not compile alone:\n{run.stdout}'


RULES = {
    'layers include only those below them': check_layers,
    'a module includes its own header first': check_own_header_first,
    'model and wire are pure': check_purity,
    'each library is seen by one module': check_libraries,
    'every file begins with its name': check_first_comments,
    'every header is guarded by its name': check_guards,
    'every header compiles alone': check_headers_alone,
}


def main():
    broken = False
    if not sources():
        sys.exit(f'FAIL no sources below {SRC}')
    for rule, check in RULES.items():
        violations = list(check())
        print('FAIL' if violations else 'PASS', rule)
        for violation in violations:
            print('    ' + violation)
        broken = broken or bool(violations)
    sys.exit(1 if broken else 0)


if __name__ == '__main__':
    main()
