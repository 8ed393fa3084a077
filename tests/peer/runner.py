"""Run cases against one server, several at a time, each on its own fresh directories."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from . import disk, normal
from .calls import CLOSED, Address
from .cases import Call, Case, Connect, Json, Step
from .connection import Client
from .launch import running

_SLASH_TMP = Path("/tmp")


@dataclass(slots=True)
class Outcome:
    """What a server answered to every step, and the trees after and (where asked for) before."""

    answers: list[list[Json]] = field(default_factory=list)
    after: Json = None
    before: Json = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Args:
    command: the server's command line.
    work_dir: where the cases' directories are made; the same for both servers, not below /tmp.
    reference: drop the reference's mount points from listings, do not ask what it must not be asked.
    workers: how many cases run at once.
    """

    command: str
    work_dir: Path
    role: str
    reference: bool
    workers: int

    def all(self, cases: Sequence[Case]) -> dict[str, Outcome]:
        with running(self.command, self.work_dir, self.role) as address:
            return asyncio.run(self._all(cases, address))

    async def _all(self, cases: Sequence[Case], address: Address) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        waiting = iter([case for case in cases if not case.alone])
        await asyncio.gather(*(self._work(waiting, outcomes, address) for _ in range(self.workers)))
        await self._work(iter([case for case in cases if case.alone]), outcomes, address)
        return outcomes

    async def _work(self, waiting: Iterator[Case], outcomes: dict[str, Outcome], address: Address) -> None:
        client: Client | None = None
        for case in waiting:
            if client is not None and (client.broken or _needs_own(case)):
                await client.close()
                client = None
            if self.reference and case.ours_only:
                outcomes[case.name] = Outcome(left_out=case.ours_only)
                continue
            if client is None:
                client = Client(address)
                await client.open(case.handshake)
            outcomes[case.name] = await self._one(case, client)
            if _needs_own(case):
                await client.close()
                client = None
        if client is not None:
            await client.close()

    async def _one(self, case: Case, client: Client) -> Outcome:
        places = self._places(case)
        for place in places.values():
            disk.remove(place)
            os.makedirs(place)
        session = client.places.get("${SESSION}", "")
        client.places = {**places, "${SESSION}": session}
        try:
            disk.make(case.setup, places)
            outcome = Outcome(before=_trees(places) if case.disk == "kept" else None)
            for step in case.steps:
                outcome.answers.append(await self._step(step, client))
            outcome.after = None if case.disk == "any" else _trees(places)
        except disk.CannotMakeError as error:
            outcome = Outcome(left_out=str(error))
        for place in places.values():
            disk.remove(place)
        return outcome

    async def _step(self, step: Step, client: Client) -> list[Json]:
        if client.broken and not isinstance(step, Connect):
            return [CLOSED]
        client.broken = False
        answers = await client.take(step)
        if self.reference and isinstance(step, Call) and isinstance(step.params, dict) and step.params.get("sandbox"):
            path = disk.fill(str(step.params.get("path", "")), client.places)
            directory = unquote(path.removeprefix("file://"))
            answers = [normal.without_stubs(answer, directory) for answer in answers]
        return [normal.message(answer, client.places) for answer in answers]

    def _places(self, case: Case) -> dict[str, str]:
        """Directories named after the case: the same in every run, whatever other cases run with it."""
        name = f"case-{hashlib.sha256(case.name.encode(errors='surrogateescape')).hexdigest()[:10]}"
        places = {"${ROOT}": str(self.work_dir / name)}
        said = repr(case)
        if "${SLASH_TMP}" in said:
            places["${SLASH_TMP}"] = str(_SLASH_TMP / f"codex-peer-{name}")
        if "${TMPDIR}" in said:
            places["${TMPDIR}"] = str(self.work_dir / "tmpdir" / name)
        return places


def _needs_own(case: Case) -> bool:
    """Process ids and events belong to a session: a case that starts processes has one of its own."""
    return case.handshake != "full" or any(
        not isinstance(step, Call) or step.method == "process/start" for step in case.steps
    )


def _trees(places: dict[str, str]) -> Json:
    trees: dict[str, Json] = {}
    for name, place in places.items():
        trees[name] = dict(disk.describe(place)) if os.path.isdir(place) else "missing"
    return normal.message(trees, places)
