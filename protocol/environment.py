"""What a machine says of itself: `environment/info` and `environment/status`.

Source: exec-server 0.169.0, observed. Real clients gate features on `capabilities`, so what we
do not have yet is false.
"""

from __future__ import annotations

from types import NoneType
from typing import Literal

from .methods import Method
from .path_uri import PathUri
from .wire import Wire

# The version of the reference whose protocol this is; clients read it as the executor's.
EXECUTOR_VERSION = "0.169.0"


class Shell(Wire):
    """The login shell of the server's user; clients build command lines with it."""

    name: str
    path: str


class Capabilities(Wire):
    """Features a client may use; a missing member reads as false."""

    network_proxy_launch: bool = False
    network_proxy_review_domains: bool = False
    credential_masking: bool = False
    credential_masking_custom_providers: bool = False
    capability_discovery_sandbox: bool = False
    fs_watch_missing: bool = False
    capability_discovery_v2: bool = False
    environment_config_read: bool = False
    http_header_env_vars: bool = False
    sandboxed_file_streaming: bool = False
    file_write_streaming: bool = False
    shell_snapshot_v2: bool = False
    windows_mxc: bool = False
    linux_root_write_preserves_devices: bool = False
    linux_approved_root_write_preserves_restrictions: bool = False


class EnvironmentInfo(Wire):
    """The machine: shell, folders and capabilities. `provider_id` is the same for every user of one host."""

    shell: Shell
    executor_version: str = "0.0.0"
    provider_id: str | None = None
    cwd: PathUri | None = None
    user_home_dir: PathUri | None = None
    platform_os: str | None = None
    prepend_path_dirs: tuple[PathUri, ...] = ()
    temporary_directories: tuple[PathUri, ...] = ()
    temp_dir: PathUri | None = None
    capabilities: Capabilities = Capabilities()


class EnvironmentStatus(Wire):
    """Whether the machine can take requests."""

    status: Literal["ready"] = "ready"


ENVIRONMENT_INFO = Method("environment/info", NoneType, EnvironmentInfo, "environment info")
ENVIRONMENT_STATUS = Method("environment/status", NoneType, EnvironmentStatus, "environment status")
