"""`environment/info` and `environment/status`."""

from __future__ import annotations

from ..environment.environment import Environment
from ..protocol.environment import ENVIRONMENT_INFO, ENVIRONMENT_STATUS, EnvironmentInfo, EnvironmentStatus
from ..rpc.router import Pool, Router


def add_routes(router: Router, environment: Environment) -> None:
    """Answer what the machine says of itself."""

    async def info(_: None) -> EnvironmentInfo:
        return environment.info

    async def status(_: None) -> EnvironmentStatus:
        return EnvironmentStatus()

    router.add(ENVIRONMENT_INFO, info, pool=Pool.CONTROL)
    router.add(ENVIRONMENT_STATUS, status, pool=Pool.CONTROL)
