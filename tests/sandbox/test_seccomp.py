"""The filter of system calls, run instruction by instruction in a small simulator."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from codex_py.sandbox.errors import UnenforceablePolicy
from codex_py.sandbox.seccomp import (
    ALLOW,
    AND,
    DENY,
    IF_AT_LEAST,
    IF_EQUAL,
    KILL,
    LOAD,
    MACHINES,
    RETURN,
    Instruction,
    instructions,
    packed,
)

UNIX, INET, INET6, NETLINK, VSOCK = 1, 2, 10, 16, 40
STREAM, DATAGRAM, RAW, SEQPACKET = 1, 2, 3, 5
CLOEXEC, NONBLOCK = 0o2000000, 0o4000
SOMEWHERE = 0x7FFF_0000_1000

machines = pytest.mark.parametrize("machine", MACHINES)
networks = pytest.mark.parametrize("network", [False, True], ids=["no network", "network"])


def verdict(program: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run a filter as the kernel does: one accumulator, jumps forward, until it returns."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    accumulator, here = 0, 0
    while True:
        code, then, otherwise, operand = program[here]
        here += 1
        if code == LOAD:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == AND:
            accumulator &= operand
        elif code == IF_EQUAL:
            here += then if accumulator == operand else otherwise
        elif code == IF_AT_LEAST:
            here += then if accumulator >= operand else otherwise
        else:
            assert code == RETURN
            return operand


def ask(machine: str, call: str, *arguments: int, network: bool = False) -> int:
    known = MACHINES[machine]
    return verdict(instructions(machine, network=network), known.architecture, known.numbers[call], arguments)


@machines
@networks
def test_every_jump_goes_forward_and_stays_inside(machine: str, network: bool) -> None:
    program = instructions(machine, network=network)
    for following, line in enumerate(program, 1):
        for jump in (line.then, line.otherwise):
            assert 0 <= jump <= 255
            assert following + jump < len(program) or line.code == RETURN
    assert program[-1].code == RETURN


@machines
@networks
def test_an_ordinary_call_is_allowed(machine: str, network: bool) -> None:
    program, known = instructions(machine, network=network), MACHINES[machine]
    ordinary = set(range(500)) - set(known.numbers.values())
    assert {verdict(program, known.architecture, number, [1, 2, 3, 4, 5, 6]) for number in ordinary} == {ALLOW}


@machines
@networks
@pytest.mark.parametrize("architecture", [0x40000003, 0x40000028, 0, 0xFFFFFFFF], ids=["i386", "arm", "0", "any"])
def test_another_architecture_is_killed_whatever_it_calls(machine: str, network: bool, architecture: int) -> None:
    program = instructions(machine, network=network)
    assert {verdict(program, architecture, number) for number in range(500)} == {KILL}


@networks
def test_one_machine_is_foreign_to_the_other(network: bool) -> None:
    program = instructions("x86_64", network=network)
    assert verdict(program, MACHINES["aarch64"].architecture, 1) == KILL


@networks
@pytest.mark.parametrize("number", [0x40000000, 0x40000000 + 41, 0x7FFFFFFF, 0xFFFFFFFF])
def test_the_x32_numbers_are_killed(network: bool, number: int) -> None:
    assert verdict(instructions("x86_64", network=network), MACHINES["x86_64"].architecture, number) == KILL


@machines
@networks
@pytest.mark.parametrize(
    "call", ["io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl"]
)
def test_what_no_policy_can_allow_is_denied_always(machine: str, network: bool, call: str) -> None:
    assert ask(machine, call, network=network) == DENY


@machines
@pytest.mark.parametrize(
    "call",
    [
        "connect",
        "bind",
        "listen",
        "accept",
        "accept4",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
    ],
)
def test_what_reaches_out_is_denied_without_a_network_only(machine: str, call: str) -> None:
    assert ask(machine, call, 3, SOMEWHERE) == DENY
    assert ask(machine, call, 3, SOMEWHERE, network=True) == ALLOW


@machines
@pytest.mark.parametrize("call", ["socket", "socketpair"])
@pytest.mark.parametrize("flags", [0, CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK])
def test_without_a_network_only_connected_kinds_of_unix_sockets_are_made(machine: str, call: str, flags: int) -> None:
    for kind in (STREAM, SEQPACKET):
        assert ask(machine, call, UNIX, kind | flags) == ALLOW
    for kind in (DATAGRAM, RAW, 0, 4, 10, 0xF):  # the kernel takes RAW for DATAGRAM here
        assert ask(machine, call, UNIX, kind | flags) == DENY
    for family in (0, INET, INET6, NETLINK, VSOCK, 17, 38, 0xFFFFFFFF):
        assert ask(machine, call, family, STREAM | flags) == DENY


@machines
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_the_half_of_an_argument_that_the_kernel_ignores_changes_nothing(machine: str, call: str) -> None:
    high = 0xABCD << 32
    assert ask(machine, call, UNIX | high, STREAM | high) == ALLOW
    assert ask(machine, call, INET | high, STREAM) == DENY
    assert ask(machine, call, UNIX, DATAGRAM | high) == DENY
    assert ask(machine, call, VSOCK | high, STREAM, network=True) == DENY


@machines
def test_what_is_sent_needs_no_address_or_is_denied(machine: str) -> None:
    assert ask(machine, "sendto", 3, SOMEWHERE, 10, 0, 0, 0) == ALLOW
    for address in (SOMEWHERE, 1, 1 << 32, 0xFFFFFFFF, 0xFFFFFFFF << 32):
        assert ask(machine, "sendto", 3, SOMEWHERE, 10, 0, address, 16) == DENY
    assert ask(machine, "sendto", 3, SOMEWHERE, 10, 0, SOMEWHERE, 16, network=True) == ALLOW


@machines
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_with_a_network_every_family_but_the_hypervisors_is_there(machine: str, call: str) -> None:
    for family in (UNIX, INET, INET6, NETLINK, 17):
        assert ask(machine, call, family, DATAGRAM, network=True) == ALLOW
    assert ask(machine, call, VSOCK, STREAM, network=True) == DENY


@pytest.mark.parametrize("machine", ["i686", "armv7l", "riscv64", "ppc64le", ""])
def test_a_machine_whose_calls_are_not_known_is_a_refusal(machine: str) -> None:
    with pytest.raises(UnenforceablePolicy, match="system-call filter knows x86_64, aarch64 only"):
        instructions(machine, network=True)


def test_it_is_written_as_the_kernels_structure() -> None:
    assert packed([Instruction(0x15, 1, 2, 0xC000003E), Instruction(6, 0, 0, ALLOW)]) == bytes.fromhex(
        "1500 01 02 3e0000c0 0600 00 00 0000ff7f"
    )
