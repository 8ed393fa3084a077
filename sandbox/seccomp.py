"""Which system calls a sandboxed process may make: a filter in classic BPF, which bubblewrap loads.

Mounts and namespaces do not keep a process from the Unix sockets that it can see on the disk (docker.sock, D-Bus, an
agent's): a connection to one needs no write to its directory. So without a network the filter refuses whatever reaches
out, by its arguments, and leaves what stays inside: socket pairs, asyncio, multiprocessing, Node's IPC.

A socket that is not connected, or a datagram one, can be aimed by `sendmsg`, whose address is behind a pointer that no
filter can follow. Hence sockets of the types stream and seqpacket only: they are aimed by `connect` alone.

Not filtered: TIOCSTI, since a process has a terminal of its own or none; new user namespaces, whose mounts stay locked.

Source: exec-server 0.169.0, observed, for what is refused with and without a network
Differs: `shutdown`, `getsockopt` and their like are allowed, `send` to a connected peer, too, so that event loops work;
datagram sockets and `sendto` with an address are refused. The user's keyrings are out of reach, always.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import UnenforceablePolicy

ALLOW = 0x7FFF0000
DENY = 0x00050001  # the call returns EPERM
KILL = 0x80000000  # the whole process

LOAD = 0x20  # a word of `struct seccomp_data`
AND = 0x54
RETURN = 0x06
IF_EQUAL = 0x15
IF_AT_LEAST = 0x35

NUMBER, ARCHITECTURE = 0, 4  # offsets in `struct seccomp_data`
_X32 = 0x40000000

_AF_UNIX, _AF_VSOCK = 1, 40
_STREAM, _SEQPACKET, _TYPE_MASK = 1, 5, 0xF

# What no process needs and a policy about files would be worth less with.
_NEVER = (
    "io_uring_setup",  # does other calls' work behind the filter's back
    "io_uring_enter",
    "io_uring_register",
    "add_key",  # the keyrings of the user, which no namespace hides
    "request_key",
    "keyctl",
)

_NOT_WITHOUT_NETWORK = (
    "connect",  # to a socket of the host that lies in a visible folder
    "bind",  # to be reached from outside by such a socket
    "listen",
    "accept",
    "accept4",
    "ptrace",  # no other process is seen; as the reference
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",  # bubblewrap's own descriptors
)


@dataclass(frozen=True, slots=True)
class Machine:
    """How one kind of machine names its system calls."""

    architecture: int  # AUDIT_ARCH_*
    numbers: dict[str, int]
    has_x32: bool = False


_COMMON_NUMBERS = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_getfd": 438}

MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        {
            **_COMMON_NUMBERS,
            "socket": 41,
            "connect": 42,
            "accept": 43,
            "sendto": 44,
            "bind": 49,
            "listen": 50,
            "socketpair": 53,
            "ptrace": 101,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "accept4": 288,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
        },
        has_x32=True,
    ),
    "aarch64": Machine(
        0xC00000B7,
        {
            **_COMMON_NUMBERS,
            "ptrace": 117,
            "socket": 198,
            "socketpair": 199,
            "bind": 200,
            "listen": 201,
            "accept": 202,
            "connect": 203,
            "sendto": 206,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "accept4": 242,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
        },
    ),
}


class Instruction(NamedTuple):
    """As the kernel has it: a jump skips `then` or `otherwise` instructions."""

    code: int
    then: int
    otherwise: int
    operand: int


class _Statement(NamedTuple):
    code: int
    operand: int


class _Jump(NamedTuple):
    """`then` and `otherwise` are labels further down; "" is the next instruction."""

    code: int
    operand: int
    then: str
    otherwise: str


_Line = _Statement | _Jump | str  # a string is a label


@functools.cache
def packed_for(machine: str, *, network: bool) -> bytes:
    """Return `instructions`, packed; there are two filters on a machine, and they do not change."""
    return packed(instructions(machine, network=network))


def instructions(machine: str, *, network: bool) -> list[Instruction]:
    """Return the filter for one kind of machine.

    Args:
        machine: As `os.uname` names it.
        network: Whether the process may use the machine's network.

    Raises:
        UnenforceablePolicy: -32603; the machine's system calls are not known here.
    """
    known = MACHINES.get(machine)
    if known is None:
        raise UnenforceablePolicy(
            f"cannot enforce a sandbox for processes on a machine of the kind `{machine}`: the system-call filter "
            f"knows {', '.join(MACHINES)} only"
        )
    lines = [*_native_only(known), *(_with_network(known) if network else _without_network(known)), *_ends()]
    return _assembled(lines)


def packed(program: Sequence[Instruction]) -> bytes:
    """Write a filter as an array of `struct sock_filter`, as `bwrap --seccomp` reads it."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _native_only(machine: Machine) -> Iterator[_Line]:
    """Kill what calls the kernel by another table of numbers: the filter's would mean something else there."""
    yield _Statement(LOAD, ARCHITECTURE)
    yield _Jump(IF_EQUAL, machine.architecture, "", "kill")
    yield _Statement(LOAD, NUMBER)
    if machine.has_x32:
        yield _Jump(IF_AT_LEAST, _X32, "kill", "")


def _with_network(machine: Machine) -> Iterator[_Line]:
    yield from _on(machine, _NEVER, "deny")
    yield from _on(machine, ("socket", "socketpair"), "family")
    yield _Statement(RETURN, ALLOW)
    yield "family"
    yield _Statement(LOAD, _argument(0))
    yield _Jump(IF_EQUAL, _AF_VSOCK, "deny", "allow")  # the hypervisor's own network


def _without_network(machine: Machine) -> Iterator[_Line]:
    yield from _on(machine, (*_NEVER, *_NOT_WITHOUT_NETWORK), "deny")
    yield from _on(machine, ("socket", "socketpair"), "family and type")
    yield from _on(machine, ("sendto",), "address")
    yield _Statement(RETURN, ALLOW)
    yield "family and type"
    yield _Statement(LOAD, _argument(0))
    yield _Jump(IF_EQUAL, _AF_UNIX, "", "deny")
    yield _Statement(LOAD, _argument(1))
    yield _Statement(AND, _TYPE_MASK)  # SOCK_CLOEXEC and SOCK_NONBLOCK come with it
    yield _Jump(IF_EQUAL, _STREAM, "allow", "")
    yield _Jump(IF_EQUAL, _SEQPACKET, "allow", "deny")
    yield "address"
    yield _Statement(LOAD, _argument(4))
    yield _Jump(IF_EQUAL, 0, "", "deny")
    yield _Statement(LOAD, _argument(4) + 4)
    yield _Jump(IF_EQUAL, 0, "allow", "deny")


def _ends() -> Iterator[_Line]:
    for label, verdict in (("allow", ALLOW), ("deny", DENY), ("kill", KILL)):
        yield label
        yield _Statement(RETURN, verdict)


def _on(machine: Machine, names: Sequence[str], label: str) -> Iterator[_Line]:
    for name in names:
        yield _Jump(IF_EQUAL, machine.numbers[name], label, "")


def _argument(index: int) -> int:
    """Return where the low half of an argument is, on a little-endian machine."""
    return 16 + 8 * index


def _assembled(lines: Sequence[_Line]) -> list[Instruction]:
    labels: dict[str, int] = {}
    code: list[_Statement | _Jump] = []
    for line in lines:
        if isinstance(line, str):
            labels[line] = len(code)
        else:
            code.append(line)
    return [_placed(line, labels, following) for following, line in enumerate(code, 1)]


def _placed(line: _Statement | _Jump, labels: dict[str, int], following: int) -> Instruction:
    if isinstance(line, _Statement):
        return Instruction(line.code, 0, 0, line.operand)
    then, otherwise = (labels[label] - following if label else 0 for label in (line.then, line.otherwise))
    return Instruction(line.code, then, otherwise, line.operand)
