"""What can go wrong in the making of an environment, and plain English for what pip said about it.

Standard library only.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Literal

from core.utils.errors import MerlineError

FailureKind = Literal["network", "certificate", "disk", "conflict", "other"]


class SetupError(MerlineError):
    """The environment could not be made; the text says what, why, and the cure."""


class InstallError(SetupError):
    """pip failed; `kind` says whether trying again can help."""

    def __init__(self, text: str, kind: FailureKind) -> None:
        super().__init__(text)
        self.kind = kind


_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Connection(?:Reset|Refused|Aborted)?Error|Connection broken"
    r"|timed out|name resolution|Network is unreachable|IncompleteRead|incomplete-download"
    r"|IncompleteDownload|ProxyError|SSLError|ProtocolError|Max retries exceeded|5\d\d Server Error"
    r"|located at .+ is invalid|BadZipFile|DO NOT MATCH THE HASHES",  # a cut file, as older pips see it
    re.IGNORECASE,
)
_DISK = re.compile(r"Errno 28\b|No space left on device|Errno 122\b|Disk quota exceeded")
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError")
_NOTHING = re.compile(r"satisfies the requirement (\S+).*\(from versions: none\)")
_CONFLICT = re.compile(r"ResolutionImpossible|conflicting dependencies|No matching distribution found", re.IGNORECASE)


def explain_failure(output: str, environment: Path, work: Path) -> InstallError:
    """Plain English for what pip said: the disk, a certificate, the network, a conflict, else pip's own words."""
    log = work / "pip.log"
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:") or "error:" in line[:12]]
    said = " ".join(errors[-2:]) or (output.strip().splitlines() or ["pip gave no reason"])[-1]
    if _DISK.search(output):
        free_mb = shutil.disk_usage(environment if environment.exists() else work.parent).free // 10**6
        full = "The disk is full" if "quota" not in output else "Your share of the disk is used up (a quota)"
        text = (
            f"{full}: {free_mb} MB are free where {environment.parent} is. "
            "Make room and start again; what is installed already is kept."
        )
        return InstallError(text, "disk")
    if certificate_refused(output):
        text = (
            "The package index's certificate was not accepted. If this network has a proxy with a certificate of its "
            "own, name it: PIP_CERT=/path/to/certificates.pem python3 main.py. "
            f"If this machine's date is wrong, set it. Details: {log}"
        )
        return InstallError(text, "certificate")
    if _NETWORK.search(output):
        text = (
            "The packages could not be fetched: the package index cannot be reached, or the connection was cut. "
            "Check the network (and the proxy, if there is one) and start again; it goes on where it stopped. "
            f"Details: {log}"
        )
        return InstallError(text, "network")
    if unknown := _NOTHING.search(output):
        text = (
            f"The package index has nothing for {unknown[1]}: it cannot be reached, or has no build for Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} on this machine. Check the network. Details: {log}"
        )
        return InstallError(text, "conflict")
    if _CONFLICT.search(output):
        return InstallError(f"No set of packages fits together here: {said} Details: {log}", "conflict")
    return InstallError(f"pip failed: {said} Details: {log}", "other")


def certificate_refused(output: str) -> bool:
    """Whether pip says that it does not trust the index's certificate."""
    return _CERTIFICATE.search(output) is not None
