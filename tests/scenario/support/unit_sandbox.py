#!/usr/bin/env python3
"""Runs a program within what its unit leaves it, as far as one without systemd can: the kernel enforces it.

usage: unit_sandbox.py UNIT PROGRAM ARGUMENT...

SystemCallFilter, SystemCallArchitectures, RestrictAddressFamilies and MemoryDenyWriteExecute become a seccomp filter
with the answers that systemd gives; LimitCORE, LimitNOFILE, UMask, NoNewPrivileges and CapabilityBoundingSet are set.
What the sets (@system-service) hold is asked of systemd-analyze. Exits 77 where this machine cannot do that.
"""

import ctypes
import errno
import os
import platform
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys

CANNOT = 77
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 22, 38, 24
SECCOMP_MODE_FILTER = 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
LOAD, EQUAL, HAS_BITS, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
PROT_WRITE, PROT_EXEC = 2, 4


def cannot(why):
    print(f"unit_sandbox: {why}", file=sys.stderr)
    sys.exit(CANNOT)


def settings_of(unit):
    """Every assignment, in order; an empty one forgets those before, as systemd has it."""
    settings = {}
    with open(unit, encoding="utf-8") as lines:
        for line in lines:
            name, mark, value = line.strip().partition("=")
            if mark and not name.startswith(("#", ";")):
                settings.setdefault(name, []).append(value)
    return settings


def read_sets():
    """What each set of system calls holds: calls, and other sets."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    ).stdout
    sets, name = {}, None
    for line in shown.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith("    ") and name and not line.strip().startswith("#"):
            sets[name].append(line.strip())
        elif line and not line.startswith(" "):
            name = None  # the calls that are in no set
    return sets


def expand(names, sets):
    calls = set()
    for name in names:
        calls |= expand(sets[name], sets) if name.startswith("@") else {name}
    return calls


def allowed_calls(filters):
    """The first list says what is allowed, with what any program needs; those that follow take away or add."""
    sets = read_sets()
    calls = set()
    for position, value in enumerate(filters):
        if value.startswith("~"):
            assert position > 0, "the first filter has to be a list of what is allowed"
            calls -= expand(value[1:].split(), sets)
        else:
            calls |= expand(["@default", *value.split()], sets)
    return calls


def numbers():
    defined = subprocess.run(
        ["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True
    ).stdout
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", defined)}


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def refuse(error):
    return instruction(RETURN, REFUSE | error)


def only(number, body):
    """The body, for that call alone; it ends in a verdict."""
    return [instruction(EQUAL, number, 0, len(body)), *body]


def filter_of(settings):
    known = numbers()
    allow = instruction(RETURN, ALLOW)
    program = [
        instruction(LOAD, ARCHITECTURE_AT),
        instruction(EQUAL, ARCHITECTURES[platform.machine()], 1, 0),
        refuse(errno.EPERM),
        instruction(LOAD, NUMBER_AT),
    ]
    if "RestrictAddressFamilies" in settings:
        families = [int(getattr(socket, name)) for name in settings["RestrictAddressFamilies"][-1].split()]
        body = [instruction(LOAD, ARGUMENTS_AT)]
        for family in families:
            body += [instruction(EQUAL, family, 0, 1), allow]
        program += only(known["socket"], [*body, refuse(errno.EAFNOSUPPORT)])
    if settings.get("MemoryDenyWriteExecute") == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        third = instruction(LOAD, ARGUMENTS_AT + 2 * 8)
        program += only(
            known["mmap"],
            [third, instruction(AND, both), instruction(EQUAL, both, 0, 1), refuse(errno.EPERM), allow],
        )
        for name in ("mprotect", "pkey_mprotect"):
            program += only(known[name], [third, instruction(HAS_BITS, PROT_EXEC, 0, 1), refuse(errno.EPERM), allow])
    for name in sorted(allowed_calls(settings["SystemCallFilter"])):
        if name in known:  # not every architecture has every call
            program += only(known[name], [allow])
    return b"".join([*program, refuse(errno.EPERM)])


def restrict(settings):
    libc = ctypes.CDLL(None, use_errno=True)
    for name, limit in (("LimitCORE", resource.RLIMIT_CORE), ("LimitNOFILE", resource.RLIMIT_NOFILE)):
        hard = resource.getrlimit(limit)[1]
        value = int(settings[name][-1])
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    os.umask(int(settings["UMask"][-1], 8))
    if settings["CapabilityBoundingSet"] == [""] and os.geteuid() == 0:
        for capability in range(41):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    code = filter_of(settings)
    buffer = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    program = Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        cannot("no NoNewPrivileges here")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        cannot(f"no seccomp filter here: {os.strerror(ctypes.get_errno())}")


def main():
    unit, program = sys.argv[1], sys.argv[2:]
    if platform.machine() not in ARCHITECTURES:
        cannot(f"on {platform.machine()} the numbers of system calls are not known")
    for tool in ("systemd-analyze", "cc"):
        if shutil.which(tool) is None:
            cannot(f"there is no {tool}")
    restrict(settings_of(unit))
    os.execv(program[0], program)


main()
