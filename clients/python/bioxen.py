"""BioXen from Python: create cells, run them, measure them, and follow what happens to them.

This file is the whole client. It needs Python 3.8 or newer and nothing else: it speaks the NATS protocol itself. Copy
it next to a program, or install it from its folder with ``pip install ./clients/python``.

    import bioxen

    with bioxen.connect() as bx:
        vm = bx.create_bio_vm("cell-1", "syn3a", "basic", {"resources": {"ribosomes": "50%"}})
        vm.start()
        print(vm.exec("return cell.growth_rate()")["result"])
        vm.destroy()

Conventions:

* Requests and replies are dicts with the names of the protocol (docs/PROTOCOL.md), such as ``doublingTimeMinutes``.
  Keyword arguments of the methods are fields of the request in Python's spelling: ``expected_version=3`` is sent as
  ``expectedVersion``. Keys inside a nested dict are sent as they are.
* ``timeout`` is always in seconds. Names that end in ``_ms`` are milliseconds of the protocol.
* A refusal is an exception. Each error code of docs/errors.md has a class: ``VM_NOT_FOUND`` is :class:`VmNotFound`.
* A connection may be used by several threads at once. A watch belongs to one thread; only its ``close`` may be called
  by another one.
* No exception text and no ``repr`` contains a password, a token or a private key.

Licence: Apache-2.0.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import json
import os
import queue
import random
import re
import selectors
import socket
import ssl
import sys
import threading
import time
import uuid
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union
from urllib.parse import unquote

__version__ = "0.2.0"

Json = Dict[str, Any]

# --------------------------------------------------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------------------------------------------------


class BioXenError(Exception):
    """A refusal, or a request that got no reply. The subclasses correspond to the error codes of docs/errors.md.

    ``code``: the error code. ``message``: the text for people. ``retryable``: True when the same request can succeed
    later. ``details``: a dict whose content depends on the code.
    """

    code: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        retryable: bool = False,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        self.code = type(self).code if code is None else code
        self.message = message
        self.retryable = retryable
        self.details: Json = dict(details or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def to_dict(self) -> Json:
        """The error as the protocol writes it: ``code``, ``message``, ``retryable`` and ``details``."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "details": self.details,
        }


#: The name of the base exception in the original library.
BioXenException = BioXenError


class BadRequest(BioXenError):
    """The request is malformed, or a setting of the connection is. ``details["problems"]`` lists every problem."""

    code = "BAD_REQUEST"


class VmNotFound(BioXenError):
    """No VM has this id."""

    code = "VM_NOT_FOUND"


class VmAlreadyExists(BioXenError):
    """A VM with this id exists and is not destroyed."""

    code = "VM_ALREADY_EXISTS"


class InvalidTransition(BioXenError):
    """The state of the VM does not allow this command. ``details`` has ``state``, ``command`` and ``allowed``."""

    code = "INVALID_TRANSITION"


class ChassisNotFound(BioXenError):
    """No chassis has this id."""

    code = "CHASSIS_NOT_FOUND"


class CapacityExceeded(BioXenError):
    """The chassis has less free than requested. ``details`` has ``resource``, ``requested`` and ``free``."""

    code = "CAPACITY_EXCEEDED"


class QuotaExceeded(BioXenError):
    """The VMs with this label would together hold more than their quota."""

    code = "QUOTA_EXCEEDED"


class Infeasible(BioXenError):
    """The request fits none of the registered chassis, even when they are empty."""

    code = "INFEASIBLE"


class Unsupported(BioXenError):
    """The driver or type of the VM does not support this command, or lacks the setting that the message names."""

    code = "UNSUPPORTED"


class GuestError(BioXenError):
    """The program in the guest failed. For Lua, ``details["traceback"]`` has the location."""

    code = "GUEST_ERROR"


class GuestTimeout(BioXenError):
    """The program in the guest exceeded its limit of time or instructions and was ended."""

    code = "GUEST_TIMEOUT"


class GuestOutOfMemory(BioXenError):
    """The Lua program in the guest exceeded the memory limit of a guest."""

    code = "GUEST_OUT_OF_MEMORY"


class SnapshotNotFound(BioXenError):
    """No snapshot has this id."""

    code = "SNAPSHOT_NOT_FOUND"


class Cancelled(BioXenError):
    """The outcome of a durable command that was cancelled. It was not carried out."""

    code = "CANCELLED"


class JobNotFound(BioXenError):
    """No waiting job, no dead letter and no stored outcome has this id."""

    code = "JOB_NOT_FOUND"


class AlertRuleNotFound(BioXenError):
    """No alert rule has this id."""

    code = "ALERT_RULE_NOT_FOUND"


class ExperimentNotFound(BioXenError):
    """No experiment has this id."""

    code = "EXPERIMENT_NOT_FOUND"


class ModelNotFound(BioXenError):
    """No agent announces a model of this name."""

    code = "MODEL_NOT_FOUND"


class CourseNotFound(BioXenError):
    """The VM has no recorded time course."""

    code = "COURSE_NOT_FOUND"


class Conflict(BioXenError):
    """The command conflicts with a concurrent change, or with a fact that the message names."""

    code = "CONFLICT"


class Forbidden(BioXenError):
    """The login may not do this. The NATS server or the service refused it."""

    code = "FORBIDDEN"


class Unavailable(BioXenError):
    """The server, a service or the log is unreachable or full, or no reply came in time.

    ``details["reason"]`` is ``"login"`` or ``"tls"`` when a server was reached and refused the login or TLS.
    """

    code = "UNAVAILABLE"


class RateLimited(BioXenError):
    """The caller sent more than its share. ``details["retryAfterMs"]`` says when to try again."""

    code = "RATE_LIMITED"


class TooLarge(BioXenError):
    """The payload, or the event or reply that it leads to, exceeds a limit. ``details``: ``limit`` and ``bytes``."""

    code = "TOO_LARGE"


class Internal(BioXenError):
    """A bug in BioXen, or a reply that does not come from BioXen."""

    code = "INTERNAL"


class WatchError(BioXenError):
    """Ends a watch that cannot deliver the next event.

    ``reason``: ``"event-unreadable"``, ``"log-replaced"`` (the log ends before the last event that the watch saw, or
    has another event at that sequence) or ``"log-away"`` (the server is connected, but the log has been unreadable for
    30 s). ``last_seq``: every event up to this sequence was delivered.
    """

    def __init__(self, reason: str, message: str, last_seq: int) -> None:
        retryable = reason == "log-away"
        super().__init__(
            f"{message}; the last event seen is {last_seq}",
            code="UNAVAILABLE" if retryable else "INTERNAL",
            retryable=retryable,
            details={"reason": reason, "lastSeq": last_seq},
        )
        self.reason = reason
        self.last_seq = last_seq

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_restored_watch_error, (self.reason, self.message, self.last_seq))


def _restored_watch_error(reason: str, message: str, last_seq: int) -> WatchError:
    error = WatchError(reason, "", last_seq)
    error.message = message
    return error


#: The exception class of each error code.
ERROR_CLASSES: Dict[str, Type[BioXenError]] = {
    cls.code: cls for cls in BioXenError.__subclasses__() if cls is not WatchError
}


def error_of(
    code: str, message: str, retryable: bool = False, details: Optional[Mapping[str, Any]] = None
) -> BioXenError:
    """Returns the exception for an error of the protocol. A code of a later release gives a plain BioXenError."""
    cls = ERROR_CLASSES.get(code, BioXenError)
    return cls(message, code=code, retryable=retryable, details=details)


# --------------------------------------------------------------------------------------------------------------------
# The NATS protocol: what a server sends, and what a client sends
# --------------------------------------------------------------------------------------------------------------------

#: Longest line that a server may send, bytes. An INFO of a large cluster has some thousand.
_MAX_LINE_BYTES = 1_048_576
#: Largest message that a server may send, bytes. `max_payload` of a nats-server can be at most this.
_MAX_MESSAGE_BYTES = 67_108_864
_HEADER_LINE = b"NATS/1.0"


class ProtocolError(Exception):
    """The peer sent something that is not the NATS protocol. The text quotes at most the name of an operation."""


class Message:
    """A message of the server: subject, reply subject, headers, status and payload."""

    __slots__ = ("subject", "sid", "reply", "status", "description", "headers", "data")

    def __init__(self, subject: str, sid: int, reply: str, headers: Optional[_Headers], data: bytes) -> None:
        self.subject = subject
        self.sid = sid
        self.reply = reply
        #: Status of the server, such as 100 (heartbeat) or 503 (no responders); 0 for an ordinary message.
        self.status = headers.status if headers else 0
        self.description = headers.description if headers else ""
        #: The first value of each header, by its exact name.
        self.headers: Dict[str, str] = headers.fields if headers else {}
        self.data = data


class _Headers:
    __slots__ = ("status", "description", "fields")

    def __init__(self, status: int, description: str, fields: Dict[str, str]) -> None:
        self.status = status
        self.description = description
        self.fields = fields


def _parse_headers(block: bytes) -> _Headers:
    """Parses the header block of a message. Raises ProtocolError for a malformed block."""
    if not block.endswith(b"\r\n\r\n"):
        raise ProtocolError("the headers of a message have no end")
    first, *lines = block[:-4].split(b"\r\n")
    if first[: len(_HEADER_LINE)] != _HEADER_LINE:
        raise ProtocolError("the headers of a message have an unknown version")
    status, description = 0, ""
    inline = first[len(_HEADER_LINE) :].strip()
    if inline:
        digits, _, text = inline.partition(b" ")
        if len(digits) != 3 or not digits.isdigit():
            raise ProtocolError("the headers of a message have a malformed status")
        status, description = int(digits), text.strip().decode("utf-8", "replace")
    fields: Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise ProtocolError("the headers of a message have a malformed line")
        fields.setdefault(name.decode("utf-8", "replace"), value.strip().decode("utf-8", "replace"))
    return _Headers(status, description, fields)


#: An operation of the server: its name, and a Message, a dict (INFO), a text (-ERR) or None.
_Operation = Tuple[str, Any]


class Parser:
    """Turns the bytes of a NATS server into operations, however the bytes are divided into reads.

    ``feed`` returns the complete operations: ``("MSG", Message)``, ``("INFO", dict)``, ``("PING", None)``,
    ``("PONG", None)``, ``("+OK", None)``, ``("-ERR", text)``. Raises ProtocolError for anything else. After an error
    the parser is useless, and the connection must be closed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        #: Position up to which the buffer has no end of line. A long line in small pieces is searched only once.
        self._searched = 0
        #: The message whose payload is incomplete: subject, sid, reply, bytes of the headers, bytes in total.
        self._incomplete: Optional[Tuple[str, int, str, int, int]] = None

    @property
    def pending(self) -> int:
        """Number of bytes that belong to an incomplete operation."""
        return len(self._buffer)

    def feed(self, data: bytes, at_most: Optional[int] = None) -> List[_Operation]:
        """Adds bytes, and returns the complete operations: all of them, or the first ``at_most``."""
        self._buffer += data
        operations: List[_Operation] = []
        while at_most is None or len(operations) < at_most:
            if self._incomplete is None:
                line = self._line()
                if line is None:
                    break
                operation = self._operation(line)
            else:
                operation = self._message()
                if operation is None:
                    break
            if operation is not None:
                operations.append(operation)
        return operations

    def _line(self) -> Optional[bytes]:
        end = self._buffer.find(b"\r\n", max(0, self._searched - 1))
        if end > _MAX_LINE_BYTES or (end == -1 and len(self._buffer) > _MAX_LINE_BYTES):
            raise ProtocolError("a line of the server is too long")
        if end == -1:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._searched = 0
        return line

    def _operation(self, line: bytes) -> Optional[_Operation]:
        """Parses a line. Returns None for the first line of a message, whose payload follows."""
        name, _, rest = line.partition(b" ")
        kind = name.upper()
        if kind in (b"MSG", b"HMSG"):
            self._incomplete = _message_line(kind, rest)
            return None
        if kind in (b"PING", b"PONG", b"+OK"):
            return kind.decode(), None
        if kind == b"INFO":
            return "INFO", _info_of(rest)
        if kind == b"-ERR":
            return "-ERR", rest.decode("utf-8", "replace").strip().strip("'")
        raise ProtocolError("the server sent an unknown operation: is this a NATS server?")

    def _message(self) -> Optional[_Operation]:
        assert self._incomplete is not None
        subject, sid, reply, header_bytes, total = self._incomplete
        if len(self._buffer) < total + 2:
            return None
        if self._buffer[total : total + 2] != b"\r\n":
            raise ProtocolError("a message of the server is longer than it says")
        block = bytes(self._buffer[:total])
        del self._buffer[: total + 2]
        self._incomplete = None
        headers = _parse_headers(block[:header_bytes]) if header_bytes else None
        return "MSG", Message(subject, sid, reply, headers, block[header_bytes:])


def _message_line(kind: bytes, rest: bytes) -> Tuple[str, int, str, int, int]:
    """Parses `subject sid [reply] [header bytes] bytes`."""
    words = rest.split()
    numbers = 1 if kind == b"MSG" else 2
    sizes = words[-numbers:]
    if len(words) not in (2 + numbers, 3 + numbers) or not all(word.isdigit() for word in [words[1], *sizes]):
        raise ProtocolError("the server sent a malformed line of a message")
    total, header_bytes = int(sizes[-1]), int(sizes[0]) if numbers == 2 else 0
    if total > _MAX_MESSAGE_BYTES or header_bytes > total or (numbers == 2 and header_bytes == 0):
        raise ProtocolError("the server sent a message of an impossible size")
    reply = words[2].decode("utf-8", "replace") if len(words) == 3 + numbers else ""
    return words[0].decode("utf-8", "replace"), int(words[1]), reply, header_bytes, total


def _info_of(text: bytes) -> Json:
    try:
        info = json.loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise ProtocolError("the server sent a malformed INFO")
    return info


def _publication(subject: str, reply: str, headers: Mapping[str, str], data: bytes) -> bytes:
    """Returns the bytes of a PUB, or of an HPUB when there are headers. Raises BadRequest for a malformed header."""
    target = f"{subject} {reply}" if reply else subject
    if not headers:
        return b"".join((f"PUB {target} {len(data)}\r\n".encode(), data, b"\r\n"))
    lines = []
    for name, value in headers.items():
        if re.search(r"[\r\n]", value) or not re.fullmatch(r"[!-9;-~]+", name):
            raise BadRequest(f"the header {name!r} has a malformed name or value: remove line breaks")
        lines.append(f"{name}: {value}\r\n")
    block = f"NATS/1.0\r\n{''.join(lines)}\r\n".encode()
    return b"".join(
        (f"HPUB {target} {len(block)} {len(block) + len(data)}\r\n".encode(), block, data, b"\r\n")
    )


# --------------------------------------------------------------------------------------------------------------------
# Settings: URLs, logins, certificates, and the local stack
# --------------------------------------------------------------------------------------------------------------------

_DEFAULT_PORT = 4222
_MAX_PORT = 65_535
#: The environment variable of each setting; the names are those of the other clients of BioXen.
_VARIABLES = {
    "servers": "BIOXEN_NATS_URL",
    "creds": "BIOXEN_NATS_CREDS",
    "ca": "BIOXEN_NATS_CA",
    "cert": "BIOXEN_NATS_CERT",
    "key": "BIOXEN_NATS_KEY",
    "domain": "BIOXEN_NATS_DOMAIN",
}
_NO_ED25519 = (
    "nkeys and .creds files are not supported by the Python client, because their Ed25519 signatures are not in "
    "Python's standard library: use user:password@ or token@ in the URL, a client certificate, or the password that "
    "`bioxen auth add --password` writes beside the credentials"
)


class _Login:
    """The login of a URL. Its `repr` shows no secret."""

    __slots__ = ("user", "_secret")

    def __init__(self, user: Optional[str], secret: str) -> None:
        #: None for a token.
        self.user = user
        self._secret = secret

    def fields(self) -> Json:
        """The fields of CONNECT."""
        if self.user is None:
            return {"auth_token": self._secret}
        return {"user": self.user, "pass": self._secret}

    def __repr__(self) -> str:
        return "<login by token>" if self.user is None else f"<login of {self.user}>"


class _Address:
    """Host and port of one server, with the login of its URL."""

    __slots__ = ("url", "host", "port", "secure", "login")

    def __init__(self, url: str, host: str, port: int, secure: bool, login: Optional[_Login]) -> None:
        #: The URL without its login: the only form for messages.
        self.url = url
        self.host = host
        self.port = port
        #: True for `tls://`.
        self.secure = secure
        self.login = login

    @property
    def place(self) -> Tuple[str, int]:
        return self.host, self.port

    def __repr__(self) -> str:
        return f"<server {self.url}>"


def _decoded(text: str) -> str:
    """Decodes percent escapes such as `%40`. Returns a text with a malformed escape unchanged."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _address_of(text: str) -> Union[_Address, str]:
    """Returns the address of a URL, or the problem of the URL. The problem quotes no part of it."""
    match = re.fullmatch(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(.*)", text, re.DOTALL)
    scheme, rest = (match.group(1) or "", match.group(2)) if match else ("", text)
    kind = scheme.lower() or "nats"
    if kind in ("ws", "wss"):
        return "is for browsers: use nats:// or tls://"
    if kind not in ("nats", "tls"):
        return "has an unknown scheme: use nats:// or tls://"
    if re.search(r"\s", rest):
        return "contains a blank"
    written, at, authority = rest.rpartition("@")
    login: Optional[_Login] = None
    if at and written:
        user, colon, password = written.partition(":")
        if colon and not user:
            return "has a password without a user"
        login = _Login(_decoded(user), _decoded(password)) if colon else _Login(None, _decoded(written))
    place = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(?::([0-9]{1,5}))?/*", authority)
    port = int(place.group(2) or _DEFAULT_PORT) if place else 0
    if place is None or not 0 < port <= _MAX_PORT:
        return "has no valid host and port"
    shown = authority.rstrip("/")
    host = place.group(1).strip("[]").lower()
    return _Address(f"{kind}://{shown}" if scheme else shown, host, port, kind == "tls", login)


def parse_servers(servers: Union[str, Sequence[str]]) -> Tuple[List[_Address], List[str]]:
    """Returns the addresses of one or several URLs, and every problem. A text may name several, by commas."""
    parts = servers.split(",") if isinstance(servers, str) else list(servers)
    texts = [part.strip() for part in parts if part.strip()]
    if not texts:
        return [], ["names no server"]
    addresses: List[_Address] = []
    problems: List[str] = []
    for number, text in enumerate(texts, 1):
        which = "the URL" if len(texts) == 1 else f"URL {number}"
        # The comma in the password of `nats://user:a,b@host` splits one URL into two texts. Without this check,
        # `user:a` would be taken for host and port.
        if len(texts) > 1 and "@" in text and "://" not in text:
            problems.append(
                f"{which} has a login and no scheme: write nats:// or tls:// before each URL, and %2C for a comma in "
                "a password"
            )
            continue
        parsed = _address_of(text)
        if isinstance(parsed, str):
            problems.append(f"{which} {parsed}")
        else:
            addresses.append(parsed)
    return addresses, problems


def _is_secret_text(text: str) -> bool:
    """True for a text that looks like a credential or certificate, and not like the path of a file."""
    trimmed = text.strip()
    return "-----" in trimmed or "\n" in trimmed or re.fullmatch(r"S[A-Za-z0-9]{40,}", trimmed) is not None


class _EncryptedKey(Exception):
    pass


def _no_passphrase() -> str:
    # Without this callback, OpenSSL would ask for the passphrase on the terminal.
    raise _EncryptedKey()


class Settings:
    """The checked settings of one connection: servers with their logins, TLS and the JetStream domain."""

    def __init__(
        self,
        servers: Union[str, Sequence[str]],
        *,
        ca: Optional[str] = None,
        cert: Optional[str] = None,
        key: Optional[str] = None,
        domain: Optional[str] = None,
        creds: Optional[str] = None,
        names: Optional[Mapping[str, str]] = None,
        login: Optional[_Login] = None,
    ) -> None:
        """Raises BadRequest with every problem. ``names``: the name of each setting in error texts."""
        #: The name of each setting in error texts, such as `BIOXEN_NATS_URL` or `servers`.
        self.names: Dict[str, str] = {**{name: name for name in _VARIABLES}, **(names or {})}
        self.addresses, found = parse_servers(servers)
        self.domain = domain
        self._files = {"ca": ca, "cert": cert, "key": key}
        #: The login for a URL without one.
        self._login = login
        problems = [(self.names["servers"], problem) for problem in found]
        if creds is not None:
            problems.append((self.names["creds"], _NO_ED25519))
        problems.extend(self._tls_problems())
        if domain is not None and not re.fullmatch(r"[^\s.*>]+", domain):
            problems.append((self.names["domain"], "must be one word without blank, dot, * and >"))
        if problems:
            raise BadRequest(
                "\n".join(f"{path}: {text}" for path, text in problems),
                details={"problems": [{"path": path, "message": text} for path, text in problems]},
            )

    def __repr__(self) -> str:
        return f"<settings for {self.shown}>"

    @property
    def shown(self) -> str:
        """The URLs without their logins, separated by commas."""
        return ",".join(address.url for address in self.addresses)

    @property
    def wants_tls(self) -> bool:
        """True when the connection must be encrypted: one URL begins with `tls://`, or a TLS file is named."""
        return any(self._files.values()) or any(address.secure for address in self.addresses)

    @property
    def tls_wish(self) -> str:
        """The setting that asks for TLS, for error texts."""
        named = next((self.names[name] for name in ("ca", "cert", "key") if self._files[name]), None)
        if named is None or any(address.secure for address in self.addresses):
            return f"tls:// in {self.names['servers']}"
        return named

    @property
    def has_certificate(self) -> bool:
        """True when the client has a certificate of its own."""
        return self._files["cert"] is not None

    def login_for(self, place: Tuple[str, int]) -> Optional[_Login]:
        """The login for a server. A server that only the cluster announced gets the first login of the list."""
        for address in self.addresses:
            if address.place == place:
                return address.login or self._login
        return next((address.login for address in self.addresses if address.login), self._login)

    def tls_context(self) -> ssl.SSLContext:
        """Returns a new TLS context from the files as they are now. Raises OSError or ssl.SSLError."""
        context = ssl.create_default_context(cafile=self._files["ca"])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python 3.13 and newer would refuse authorities without optional extensions, which every other client accepts.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if self._files["cert"] and self._files["key"]:
            context.load_cert_chain(self._files["cert"], self._files["key"], password=_no_passphrase)
        return context

    def _tls_problems(self) -> List[Tuple[str, str]]:
        problems: List[Tuple[str, str]] = []
        for name, path in self._files.items():
            problem = None if path is None else _file_problem(path)
            if problem is not None:
                problems.append((self.names[name], problem))
        for one, other in (("cert", "key"), ("key", "cert")):
            if self._files[one] and not self._files[other]:
                problems.append((self.names[other], "is missing: a certificate and its key go together"))
        if problems:
            return problems
        try:
            ssl.create_default_context(cafile=self._files["ca"])
        except (OSError, ValueError):
            return [(self.names["ca"], f"{self._files['ca']} has no usable certificate in PEM form")]
        try:
            self.tls_context()
        except _EncryptedKey:
            return [(self.names["key"], f"{self._files['key']} has a passphrase: remove it from the key")]
        except (OSError, ValueError):
            return [(self.names["cert"], "has no usable certificate, or its key does not belong to it")]
        return []

    def refused_login(self, address: _Address) -> str:
        """The sentence about a login that the server refused: user, setting and remedy, and never a secret."""
        reached = f"the NATS server {address.url} was reached, but refused the login"
        login = self.login_for(address.place)
        servers = self.names["servers"]
        if login is not None and login is self._login:
            return (
                f"{reached} of user {login.user} from a file with its password: connect again when the key was rotated, "
                f"or check {self.names['creds']}"
            )
        if login is not None and login.user is not None:
            return f"{reached} of user {login.user}: check user and password in {servers}"
        if login is not None:
            return f"{reached} by token: check the token in {servers}"
        if self.has_certificate:
            return f"{reached} by certificate: check the certificate of {self.names['cert']}"
        return f"{reached} without credentials: write user:password@ or token@ before the host in {servers}"


def _file_problem(path: str) -> Optional[str]:
    if _is_secret_text(path):
        return "must be the path of a file, not its content"
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        return f"cannot read {path}: no such file"
    except IsADirectoryError:
        return f"cannot read {path}: it is a directory"
    except OSError as error:
        return f"cannot read {path}: {error.strerror or 'unknown error'}"
    return None


def bioxen_home(env: Mapping[str, str] = os.environ) -> str:
    """The folder in which a local stack leaves its address: `BIOXEN_HOME`, else `bioxen` in the XDG data directory."""
    if env.get("BIOXEN_HOME"):
        return env["BIOXEN_HOME"]
    data = env.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "bioxen")


def find_local_stack(home: Optional[str] = None) -> Optional[Json]:
    """Returns the record of the running local stack (`url`, `pid`, `dataDir`, …); None when no stack runs."""
    record = _json_file(os.path.join(home or bioxen_home(), "stack.json"))
    if record is None or not isinstance(record.get("url"), str) or not isinstance(record.get("pid"), int):
        return None
    return record if _still_runs(record["pid"], record.get("start")) else None


def _json_file(path: str) -> Optional[Json]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _still_runs(pid: int, start: Any) -> bool:
    """True when the process runs. `start` distinguishes it from a later process with the same id."""
    if os.name != "posix":
        # On Windows, os.kill would end the process instead of looking for it.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    now = _start_of(pid) if isinstance(start, str) else None
    return now is None or now == start


def _start_of(pid: int) -> Optional[str]:
    """The boot id of the kernel and the start time of the process; None where the kernel has no `/proc`."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            stat = file.read()
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            boot_id = file.read().strip()
    except OSError:
        return None
    return f"{boot_id} {stat[stat.rindex(')') + 2 :].split(' ')[19]}"


def _is_stack(record: Json, servers: Union[str, Sequence[str]]) -> bool:
    """True when `servers` is the local stack of the record."""
    stack, _ = parse_servers(record["url"])
    asked, _ = parse_servers(servers)
    return bool(stack) and [address.place for address in asked] == [stack[0].place]


def _stack_tls(record: Json) -> Dict[str, Optional[str]]:
    """The certificates with which clients connect to a local stack with TLS; empty for a stack without TLS."""
    tls = record.get("tls")
    if not isinstance(tls, dict):
        return {}
    return {name: path for name, path in tls.items() if name in ("ca", "cert", "key") and isinstance(path, str)}


def _stack_login(record: Json) -> Optional[_Login]:
    """The administrator's login of the local stack; None when the stack has no logins."""
    return _login_in(os.path.join(str(record.get("dataDir", "")), "keys", "admin.json"))


def _login_in(path: str) -> Optional[_Login]:
    """The login in a file with name and password, as `bioxen auth add --password` makes it; None for another file."""
    content = _json_file(path) or {}
    user, password = content.get("user"), content.get("password")
    return _Login(user, password) if isinstance(user, str) and isinstance(password, str) else None


def _login_of_creds(creds: str) -> Optional[_Login]:
    """The password of the user of a credentials file: in the file itself, or beside `alice.creds` in `alice.json`."""
    if _is_secret_text(creds):
        return None
    return _login_in(creds) or _login_in(re.sub(r"\.creds$", "", creds) + ".json")


def find_settings(
    servers: Union[str, Sequence[str], None] = None,
    env: Mapping[str, str] = os.environ,
    **given: Optional[str],
) -> Settings:
    """Returns the given settings, and takes the missing ones from the environment, as the ``bioxen`` command does.

    When neither names a server, the server is that of the local stack. Raises Unavailable when no server is found, and
    BadRequest with every problem of the settings.
    """
    names = {name: name if given.get(name) else variable for name, variable in _VARIABLES.items()}
    stack = find_local_stack(bioxen_home(env))
    found: Union[str, Sequence[str], None] = servers
    if servers is not None:
        names["servers"] = "servers"
    else:
        found = env.get(_VARIABLES["servers"]) or (stack["url"] if stack else None)
    if found is None:
        raise Unavailable(
            "no server is named: pass servers to connect(), set BIOXEN_NATS_URL, or start a local stack (`bioxen up`)"
        )

    def value(name: str) -> Optional[str]:
        return given.get(name) or env.get(_VARIABLES[name]) or None

    own = stack if stack is not None and _is_stack(stack, found) else None
    tls: Dict[str, Optional[str]] = {name: value(name) for name in ("ca", "cert", "key")}
    if any(given.get(name) for name in tls):
        tls = {name: given.get(name) for name in tls}
    elif own is not None:
        # Certificates in the environment belong to another server.
        tls = _stack_tls(own) or tls
    # A login in the given URL goes before the credentials of the environment.
    has_login = servers is not None and any(address.login for address in parse_servers(servers)[0])
    creds = given.get("creds") if has_login else value("creds")
    login = None if own is None else _stack_login(own)
    named = None if creds is None else _login_of_creds(creds)
    if named is not None:
        login, creds = named, None
    return Settings(found, creds=creds, domain=value("domain"), names=names, login=login, **tls)


# --------------------------------------------------------------------------------------------------------------------
# The connection
# --------------------------------------------------------------------------------------------------------------------

#: Longest attempt to connect to one server, seconds; then the next server is tried.
_DIAL_TIMEOUT_S = 2.0
#: Wait after every server has failed, before all are tried again, seconds. It doubles while a login is refused.
_RECONNECT_WAIT_S = 0.25
_LONGEST_RECONNECT_WAIT_S = 5.0
#: Interval of pings, seconds. After two unanswered pings the client reconnects.
_PING_INTERVAL_S = 10.0
_MAX_UNANSWERED_PINGS = 2
#: Longest time for the bytes that are still to be sent when the connection is closed, seconds.
_CLOSE_DEADLINE_S = 1.5
#: Most bytes that wait to be sent. Beyond it, a further request fails.
_MAX_UNSENT_BYTES = 67_108_864
_READ_BYTES = 262_144
#: Most reads from the socket in a row, so that a busy stream does not keep the client from sending.
_READS_IN_A_ROW = 16
_REFUSED_LOGIN = re.compile(r"authorization violation|authentication (?:expired|revoked)", re.IGNORECASE)
_NO_PERMISSION = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"", re.IGNORECASE)
#: Subject of the replies; each connection has one prefix below it.
_INBOX = "_INBOX"


class _Refused(Exception):
    """A server was reached, and refused: another attempt with the same settings would fail as well."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def error(self) -> Unavailable:
        return Unavailable(str(self), details={"reason": self.reason})


class _Link:
    """One TCP or TLS connection whose login the server accepted."""

    __slots__ = ("sock", "parser", "info", "address")

    def __init__(self, sock: socket.socket, parser: Parser, info: Json, address: _Address) -> None:
        self.sock = sock
        self.parser = parser
        self.info = info
        self.address = address


class _Dial:
    """One attempt to connect to one server."""

    def __init__(self, settings: Settings, address: _Address, name: str, timeout: float) -> None:
        self._settings = settings
        self._address = address
        self._name = name
        self._deadline = time.monotonic() + timeout
        self._parser = Parser()

    def connect(self) -> _Link:
        """Raises _Refused when the server refuses, and OSError or ProtocolError when it does not answer."""
        sock: socket.socket = socket.create_connection(self._address.place, timeout=self._left())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kind, info = self._read(sock)
            if kind == "-ERR":
                raise ConnectionError(f"the server ended the connection: {info}")
            if kind != "INFO":
                raise ProtocolError("the server did not begin with INFO: is this a NATS server?")
            is_encrypted = self._settings.wants_tls or info.get("tls_required") is True
            if is_encrypted:
                sock = self._encrypted(sock, info)
            self._log_in(sock, info, is_encrypted)
            sock.setblocking(False)
            return _Link(sock, self._parser, info, self._address)
        except BaseException:
            sock.close()
            raise

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server did not answer in time")
        return left

    def _read(self, sock: socket.socket) -> _Operation:
        data = b""
        while True:
            operations = self._parser.feed(data, at_most=1)
            if operations:
                return operations[0]
            sock.settimeout(self._left())
            data = sock.recv(_READ_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection")

    def _tls_refusal(self, text: str) -> _Refused:
        return _Refused("tls", f"the NATS server {self._address.url} was reached, but {text}")

    def _encrypted(self, sock: socket.socket, info: Json) -> socket.socket:
        names = self._settings.names
        if not info.get("tls_required") and not info.get("tls_available"):
            wish = self._settings.tls_wish
            raise self._tls_refusal(
                f"offers no TLS, and {wish} asks for it: enable TLS on the server, or connect without it"
            )
        if info.get("tls_verify") is True and not self._settings.has_certificate:
            raise self._tls_refusal(
                f"asks for a client certificate: name certificate and key with {names['cert']} and {names['key']}"
            )
        if self._parser.pending:
            # A text that follows INFO in the clear could come from a third party, and would be taken as encrypted.
            raise ProtocolError("the server sent more than INFO before TLS")
        try:
            context = self._settings.tls_context()
        except (_EncryptedKey, OSError, ValueError):
            raise self._tls_refusal(
                f"the TLS files are unusable: check {names['ca']}, {names['cert']} and {names['key']}"
            ) from None
        sock.settimeout(self._left())
        try:
            return context.wrap_socket(sock, server_hostname=self._address.host)
        except ssl.SSLCertVerificationError as error:
            is_name = "mismatch" in error.verify_message or "not valid for" in error.verify_message
            remedy = (
                f"name the server in {names['servers']} as its certificate does"
                if is_name
                else f"name the authority that signed it with {names['ca']}"
            )
            raise self._tls_refusal(f"its certificate is not accepted ({error.verify_message}): {remedy}") from error
        except ssl.SSLError as error:
            raise self._tls_refusal(f"the TLS handshake failed ({error.reason}): check TLS of the server") from error

    def _log_in(self, sock: socket.socket, info: Json, is_encrypted: bool) -> None:
        login = self._settings.login_for(self._address.place)
        options: Json = {
            "verbose": False,
            "pedantic": False,
            "tls_required": is_encrypted,
            "name": self._name,
            "lang": "python",
            "version": __version__,
            "protocol": 1,
            "echo": True,
            "headers": True,
            "no_responders": True,
            **(login.fields() if login else {}),
        }
        try:
            sock.settimeout(self._left())
            sock.sendall(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
            self._await_pong(sock)
        except (ssl.SSLError, ConnectionError) as error:
            # With TLS 1.3 a server checks the client's certificate only after the handshake of the client.
            if not is_encrypted or info.get("tls_verify") is not True or isinstance(error, ssl.SSLWantReadError):
                raise
            why = getattr(error, "reason", None) or "connection closed"
            raise self._tls_refusal(
                f"ended the TLS handshake ({why}): check the client certificate of {self._settings.names['cert']}"
            ) from error

    def _await_pong(self, sock: socket.socket) -> None:
        while True:
            kind, value = self._read(sock)
            if kind == "PONG":
                return
            if kind == "PING":
                sock.sendall(b"PONG\r\n")
            if kind == "-ERR" and _REFUSED_LOGIN.search(value):
                raise _Refused("login", self._settings.refused_login(self._address))
            if kind == "-ERR":
                raise ConnectionError(f"the server ended the connection: {value}")


class _Lost:
    """Stands in a queue for the end of a connection to a server; `generation` is the number of that connection."""

    __slots__ = ("generation",)

    def __init__(self, generation: int) -> None:
        self.generation = generation


#: What arrives on a reply subject: messages, the loss of the connection, and refusals of the server.
_Received = Union[Message, _Lost, BioXenError]


class _Inbox:
    """A reply subject of the connection, with the queue of what arrives on it."""

    __slots__ = ("subject", "asked", "generation", "end", "_queue")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        #: Ends the delivery to this inbox.
        self.end: Callable[[], None] = lambda: None
        #: Subject of the last request with this reply subject; the server names it when it refuses the request.
        self.asked = ""
        #: Number of the connection over which that request was sent.
        self.generation = 0
        self._queue: queue.SimpleQueue[_Received] = queue.SimpleQueue()

    def put(self, received: _Received) -> None:
        self._queue.put(received)

    def get(self, timeout: float) -> Optional[_Received]:
        """Returns the next that arrives; None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                received = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            # The loss of a connection does not concern a request that was sent over a later one.
            if not isinstance(received, _Lost) or received.generation >= self.generation:
                return received


class _Connection:
    """A connection to a list of servers that is restored whenever it is lost.

    One thread does all input and output, because a TLS socket must not be used by two threads at once. Other threads
    append to the bytes to be sent and wake that thread.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self._name = name
        self._changed = threading.Condition()
        self._unsent = bytearray()
        self._inboxes: Dict[str, _Inbox] = {}
        self._subscriptions: Dict[int, Tuple[str, Callable[[Message], None]]] = {}
        self._last_sid = 1
        self._last_token = 0
        self._prefix = f"{_INBOX}.{uuid.uuid4().hex[:22]}"
        self._learned: List[_Address] = []
        self._refusal: Optional[str] = None
        self._problem = "not connected yet"
        self._info: Json = {}
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        #: Number of the present connection to a server; it grows with each reconnect.
        self.generation = 0
        self.connected = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)

    # Called by the threads of the program.

    def open(self, timeout: float) -> None:
        """Connects for the first time. Raises Unavailable: at once when a server refuses login or TLS."""
        deadline = time.monotonic() + timeout
        while True:
            refusals: List[_Refused] = []
            for address in random.sample(self.settings.addresses, len(self.settings.addresses)):
                left = max(0.1, min(_DIAL_TIMEOUT_S, deadline - time.monotonic()))
                try:
                    link = _Dial(self.settings, address, self._name, left).connect()
                except _Refused as refusal:
                    refusals.append(refusal)
                except (OSError, ProtocolError) as error:
                    self._problem = str(error) or type(error).__name__
                else:
                    self._begin(link)
                    self._thread = threading.Thread(
                        target=self._run, args=(link,), name="bioxen-nats", daemon=True
                    )
                    self._thread.start()
                    return
            if refusals:
                self._close_wake()
                raise refusals[0].error()
            if time.monotonic() + _RECONNECT_WAIT_S >= deadline:
                self._close_wake()
                raise Unavailable(
                    f"no NATS server answers at {self.settings.shown}: {self._problem}", retryable=True
                )
            time.sleep(_RECONNECT_WAIT_S)

    def close(self) -> None:
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_DEADLINE_S + _DIAL_TIMEOUT_S + 1)
        self._fail_inboxes()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def max_payload(self) -> int:
        """Largest message that the server accepts, bytes with headers."""
        limit = self._info.get("max_payload")
        return limit if isinstance(limit, int) else 1_048_576

    @property
    def server_version(self) -> str:
        return str(self._info.get("version", "unknown"))

    def wait_connected(self, timeout: float) -> bool:
        """Returns True once a server is connected; False after `timeout` seconds, or when the connection is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.connected or self._closed, max(0.0, timeout))
            return self.connected

    def inbox(self, of_stream: bool = False) -> _Inbox:
        """Returns a new reply subject.

        All replies to requests arrive through one subscription, which tells them apart by their subject. A message of a
        stream keeps the subject under which it was stored, so that an inbox `of_stream` has a subscription of its own.
        """
        with self._changed:
            self._last_token += 1
            token = format(self._last_token, "x")
            inbox = _Inbox(f"{self._prefix}.stream.{token}" if of_stream else f"{self._prefix}.{token}")
            self._inboxes[inbox.subject] = inbox
        unsubscribe = self.subscribe(inbox.subject, inbox.put) if of_stream else None

        def end() -> None:
            with self._changed:
                self._inboxes.pop(inbox.subject, None)
            if unsubscribe is not None:
                unsubscribe()

        inbox.end = end
        return inbox

    def ask(self, inbox: _Inbox, subject: str, data: bytes, headers: Mapping[str, str], deadline: float) -> None:
        """Sends a request; replies arrive in the inbox. Raises Unavailable when no server is connected in time."""
        publication = _publication(subject, inbox.subject, headers, data)
        with self._changed:
            self._changed.wait_for(lambda: self.connected or self._closed, max(0.0, deadline - time.monotonic()))
            if self._closed:
                raise Unavailable("the connection is closed: connect again")
            if not self.connected:
                why = self._refusal or f"not connected to {self.settings.shown}: {self._problem}"
                raise Unavailable(why, retryable=True)
            if len(self._unsent) + len(publication) > _MAX_UNSENT_BYTES:
                raise Unavailable("the server does not take what is sent: send less at once", retryable=True)
            inbox.asked = subject
            inbox.generation = self.generation
            self._unsent += publication
        self._wake()

    def subscribe(self, subject: str, deliver: Callable[[Message], None]) -> Callable[[], None]:
        """Delivers every message on `subject`, also after each reconnect, and returns the function that ends this."""
        with self._changed:
            self._last_sid += 1
            sid = self._last_sid
            self._subscriptions[sid] = (subject, deliver)
            if self.connected:
                self._unsent += f"SUB {subject} {sid}\r\n".encode()
        self._wake()

        def unsubscribe() -> None:
            with self._changed:
                if self._subscriptions.pop(sid, None) is not None and self.connected:
                    self._unsent += f"UNSUB {sid}\r\n".encode()
            self._wake()

        return unsubscribe

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"\0")
        except OSError:
            # The buffer is full, so that the thread wakes anyway; or the connection is closed.
            pass

    def _close_wake(self) -> None:
        self._wake_reader.close()
        self._wake_writer.close()

    # Called by the thread of the connection.

    def _begin(self, link: _Link) -> None:
        with self._changed:
            self._info = link.info
            self._learn(link.info)
            lines = [f"SUB {self._prefix}.* 1\r\n"]
            lines += [f"SUB {subject} {sid}\r\n" for sid, (subject, _) in self._subscriptions.items()]
            self._unsent = bytearray("".join(lines).encode())
            self.generation += 1
            self.connected = True
            self._refusal = None
            self._changed.notify_all()

    def _learn(self, info: Json) -> None:
        """Notes the servers that the cluster announces."""
        urls = info.get("connect_urls")
        found, _ = parse_servers([url for url in urls if isinstance(url, str)]) if isinstance(urls, list) else ([], [])
        known = {address.place for address in self.settings.addresses}
        self._learned = [address for address in found if address.place not in known]

    def _run(self, link: Optional[_Link]) -> None:
        while link is not None:
            try:
                _Pump(self, link).run()
            except (OSError, ProtocolError) as error:
                self._problem = str(error) or type(error).__name__
            finally:
                link.sock.close()
                with self._changed:
                    self.connected = False
                    self._unsent.clear()
                self._fail_inboxes()
            link = self._dial_again()
        self._close_wake()

    def _dial_again(self) -> Optional[_Link]:
        """Dials until a server accepts; None when the connection was closed meanwhile."""
        wait = _RECONNECT_WAIT_S
        while True:
            addresses = [*self.settings.addresses, *self._learned]
            is_refused = False
            for address in random.sample(addresses, len(addresses)):
                if self._closed:
                    return None
                try:
                    link = _Dial(self.settings, address, self._name, _DIAL_TIMEOUT_S).connect()
                except _Refused as refusal:
                    is_refused = True
                    self._refusal = str(refusal)
                except (OSError, ProtocolError) as error:
                    self._problem = str(error) or type(error).__name__
                else:
                    self._begin(link)
                    return link
            wait = min(_LONGEST_RECONNECT_WAIT_S, 2 * wait) if is_refused else _RECONNECT_WAIT_S
            with self._changed:
                self._changed.wait_for(lambda: self._closed, wait)

    def _fail_inboxes(self) -> None:
        with self._changed:
            inboxes = list(self._inboxes.values())
            lost = _Lost(self.generation)
        for inbox in inboxes:
            inbox.put(lost)

    def _take_unsent(self) -> bytes:
        with self._changed:
            taken = bytes(self._unsent)
            self._unsent.clear()
            return taken

    def _drain_wake(self) -> None:
        try:
            while self._wake_reader.recv(4_096):
                pass
        except OSError:
            pass

    def _handle(self, kind: str, value: Any) -> Optional[bytes]:
        """Handles an operation of the server; returns bytes to be sent."""
        if kind == "MSG":
            self._deliver(value)
        elif kind == "PING":
            return b"PONG\r\n"
        elif kind == "INFO":
            self._info = {**self._info, **value}
            self._learn(value)
        elif kind == "-ERR":
            self._problem = value
            self._refuse(value)
        return None

    def _deliver(self, message: Message) -> None:
        if message.sid == 1:
            inbox = self._inboxes.get(message.subject)
            if inbox is not None:
                inbox.put(message)
            return
        subscription = self._subscriptions.get(message.sid)
        if subscription is not None:
            subscription[1](message)

    def _refuse(self, text: str) -> None:
        """Gives the server's refusal of a subject to the requests on that subject."""
        match = _NO_PERMISSION.search(text)
        if match is None:
            return
        error = Forbidden(f"the NATS server refuses {match.group(1).lower()} to {match.group(2)} for this login")
        is_inbox = match.group(2).startswith(f"{self._prefix}.")
        with self._changed:
            inboxes = [inbox for inbox in self._inboxes.values() if is_inbox or inbox.asked == match.group(2)]
        for inbox in inboxes:
            inbox.put(error)


class _Pump:
    """Moves bytes between one socket and the connection until the socket fails or the connection is closed."""

    def __init__(self, connection: _Connection, link: _Link) -> None:
        self._connection = connection
        self._sock = link.sock
        self._parser = link.parser
        self._outgoing = b""
        self._selector = selectors.DefaultSelector()
        self._unanswered = 0

    def run(self) -> None:
        connection = self._connection
        self._selector.register(self._sock, selectors.EVENT_READ)
        self._selector.register(connection._wake_reader, selectors.EVENT_READ)
        try:
            # Operations that arrived with the reply to the login.
            self._feed(b"")
            next_ping = time.monotonic() + _PING_INTERVAL_S
            while not connection.closed:
                now = time.monotonic()
                if now >= next_ping:
                    next_ping = now + _PING_INTERVAL_S
                    self._ping()
                self._write()
                self._watch_socket()
                ready = self._selector.select(max(0.0, next_ping - now))
                for key, _ in ready:
                    if key.fileobj is self._sock:
                        self._read()
                    else:
                        connection._drain_wake()
            self._finish()
        finally:
            self._selector.close()

    def _watch_socket(self) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._sock).events != events:
            self._selector.modify(self._sock, events)

    def _ping(self) -> None:
        if self._unanswered >= _MAX_UNANSWERED_PINGS:
            raise ConnectionError("the server does not answer pings")
        self._unanswered += 1
        self._outgoing += b"PING\r\n"

    def _feed(self, data: bytes) -> None:
        for kind, value in self._parser.feed(data):
            if kind == "PONG":
                self._unanswered = 0
                continue
            answer = self._connection._handle(kind, value)
            if answer is not None:
                self._outgoing += answer

    def _read(self) -> None:
        for _ in range(_READS_IN_A_ROW):
            try:
                data = self._sock.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not data:
                raise ConnectionError("the server closed the connection")
            self._feed(data)
        # The TLS layer may hold bytes that the selector does not see.
        if isinstance(self._sock, ssl.SSLSocket):
            while self._sock.pending():
                self._feed(self._sock.recv(_READ_BYTES))

    def _write(self) -> None:
        while True:
            if not self._outgoing:
                self._outgoing = self._connection._take_unsent()
                if not self._outgoing:
                    return
            try:
                sent = self._sock.send(self._outgoing)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            self._outgoing = self._outgoing[sent:]

    def _finish(self) -> None:
        """Sends what is left, for a limited time."""
        deadline = time.monotonic() + _CLOSE_DEADLINE_S
        self._write()
        while self._outgoing and time.monotonic() < deadline:
            self._watch_socket()
            self._selector.select(max(0.0, deadline - time.monotonic()))
            self._write()


# --------------------------------------------------------------------------------------------------------------------
# Calls: request and reply, repeated attempts, and listings in pages
# --------------------------------------------------------------------------------------------------------------------

#: Default deadline of each attempt of a request, seconds.
DEFAULT_TIMEOUT_S = 10.0
#: Time limit of a program in a guest when the request names none, milliseconds. The protocol defines it.
DEFAULT_EXEC_TIMEOUT_MS = 5_000
#: Pause before the next attempt, seconds, after a refusal without `retryAfterMs` or an attempt without a reply.
_RETRY_WAIT_S = 0.1
#: Longest pause that a refusal can ask for, milliseconds. No service sends a longer `retryAfterMs`.
_MAX_RETRY_AFTER_MS = 5_000
#: Largest random extension of such a pause, so that refused callers do not all come back at the same time.
_RETRY_JITTER = 0.25
#: Codes whose cause ends within seconds. A lack of capacity can last for hours, and is not among them.
TRANSIENT_CODES = ("UNAVAILABLE", "RATE_LIMITED", "CONFLICT")
#: Number of attempts without a reply after which a call fails. Each of them lasts until its deadline.
_MAX_UNANSWERED = 3
#: Most requests for a page that only one instance of a service keeps; each request reaches a random instance.
_MAX_TRIES_OF_PAGE = 16

#: The lists of the paged queries, by subject: "items" is a list, "items-by-name" a dict of lists, a dict with `key` and
#: `each` a list of objects with lists of their own, and any other dict an inner object. The protocol defines them.
PAGES: Dict[str, Json] = {
    "bioxen.qry.vm.get": {"ledger": {"entries": "items"}},
    "bioxen.qry.vm.list": {"vms": "items"},
    "bioxen.qry.vm.history": {"events": "items"},
    "bioxen.qry.course.get": {"rows": "items"},
    "bioxen.qry.experiment.get": {"vms": "items"},
    "bioxen.qry.experiment.list": {"experiments": "items"},
    "bioxen.qry.chassis.list": {"chassis": "items"},
    "bioxen.qry.chassis.orphans": {"orphans": "items"},
    "bioxen.qry.chassis.drain": {"drain": {"vms": "items"}},
    "bioxen.qry.placement.plan": {
        "placements": "items",
        "deferrals": {"key": "vmId", "each": {"reasons": "items"}},
        "preemptions": {"key": "vmId", "each": {"victims": "items"}},
        "changes": "items",
        "scores": "items-by-name",
    },
    "bioxen.qry.placement.explain": {"candidates": "items", "preempted": "items"},
    "bioxen.qry.ledger.get": {"ledger": {"entries": "items"}},
    "bioxen.qry.ledger.list": {"ledgers": {"key": "chassisId", "each": {"entries": "items"}}},
    "bioxen.qry.quota.get": {"quota": {"holders": "items"}},
    "bioxen.qry.quota.list": {"quotas": {"key": "label", "each": {"holders": "items"}}},
    "bioxen.qry.monitor.fleet": {"samples": "items"},
    "bioxen.qry.monitor.report": {"findings": "items"},
    "bioxen.qry.alert.list": {"rules": "items", "active": "items"},
    "bioxen.qry.alert.dead": {"dead": "items"},
}


def merged_pages(page: Json, following: Json, shape: Mapping[str, Any]) -> Json:
    """Returns one page with the content of two successive pages of a listing."""
    out = {**page, **following}
    for field, inner in shape.items():
        a, b = page.get(field), following.get(field)
        if a is None or b is None:
            continue
        if inner == "items":
            out[field] = [*a, *b]
        elif inner == "items-by-name":
            out[field] = {**a, **{name: [*a.get(name, []), *items] for name, items in b.items()}}
        elif isinstance(inner.get("key"), str):
            out[field] = _merged_each(a, b, inner["key"], inner["each"])
        else:
            out[field] = merged_pages(a, b, inner)
    return out


def _merged_each(a: List[Json], b: List[Json], key: str, each: Mapping[str, Any]) -> List[Json]:
    # An object whose inner list did not fit goes on as the first object of the next page.
    if not a or not b or a[-1].get(key) != b[0].get(key):
        return [*a, *b]
    return [*a[:-1], merged_pages(a[-1], b[0], each), *b[1:]]


def course_columns(course: Json) -> Dict[str, List[Optional[float]]]:
    """Returns the rows of a reply of ``bioxen.qry.course.get`` by column."""
    rows = course["rows"]
    return {column["name"]: [row[at] for row in rows] for at, column in enumerate(course["columns"])}


def _camel(name: str) -> str:
    """`expected_version` as the protocol spells it: `expectedVersion`."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), name)


def _fields(*parts: Optional[Mapping[str, Any]]) -> Json:
    """Joins the fields of a request; later parts replace earlier ones. Fields with the value None are left out."""
    return {
        _camel(name): value for part in parts if part is not None for name, value in part.items() if value is not None
    }


def _reply_of(message: Message) -> Union[Json, str, None]:
    """Returns a reply; a text that says why the message is none; None for the acknowledgement of a stream."""
    try:
        reply = json.loads(message.data)
    except ValueError:
        return "is not JSON"
    if not isinstance(reply, dict):
        return "is not a JSON object"
    ok, error = reply.get("ok"), reply.get("error")
    if ok is True or (ok is False and isinstance(error, dict) and isinstance(error.get("code"), str)):
        return reply
    if ok is None and isinstance(reply.get("stream"), str):
        return None
    return "is a refusal without an error" if ok is False else "has no boolean `ok`"


class _Calls:
    """Sends requests and returns replies, with one rule for repeated attempts (that of the TypeScript client)."""

    def __init__(self, connection: _Connection, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout

    def call(self, subject: str, request: Json, timeout: float, headers: Mapping[str, str], repeats: bool) -> Json:
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._attempt(subject, request, timeout, headers)
            except BioXenError as error:
                wait = _pause_after(error)
                is_transient = error.retryable and error.code in TRANSIENT_CODES
                left = timeout - (time.monotonic() - started)
                is_last = not repeats or (attempt >= _MAX_UNANSWERED and left <= wait)
                if not is_transient or is_last or self.connection.closed:
                    raise
            time.sleep(wait)

    def _attempt(self, subject: str, request: Json, timeout: float, headers: Mapping[str, str]) -> Json:
        data = json.dumps(request, separators=(",", ":"), allow_nan=False).encode()
        if len(data) > self.connection.max_payload:
            limit = self.connection.max_payload
            raise TooLarge(
                f"the payload has {len(data)} bytes, the server accepts {limit}: send less",
                details={"limit": limit, "bytes": len(data)},
            )
        deadline = time.monotonic() + timeout
        inbox = self.connection.inbox()
        try:
            self.connection.ask(inbox, subject, data, headers, deadline)
            return self._reply(inbox, subject, timeout, deadline)
        finally:
            inbox.end()

    def _reply(self, inbox: _Inbox, subject: str, timeout: float, deadline: float) -> Json:
        malformed = ""
        while True:
            received = inbox.get(deadline - time.monotonic())
            if received is None and malformed:
                raise Internal(f"what arrived as the reply on {subject} {malformed}")
            if received is None:
                raise Unavailable(f"no reply on {subject} within {timeout:g} s", retryable=True)
            message = _message_of(received, subject)
            if message.status == 503:
                raise Unavailable(f"no service answers on {subject}: retry", retryable=True)
            reply = _reply_of(message)
            if isinstance(reply, str):
                malformed = reply
            elif reply is not None and reply["ok"]:
                return reply
            elif reply is not None:
                error = reply["error"]
                raise error_of(
                    error["code"], str(error.get("message", "")), error.get("retryable") is True, error.get("details")
                )


def _message_of(received: _Received, subject: str) -> Message:
    if isinstance(received, Message):
        return received
    if isinstance(received, BioXenError):
        raise received
    raise Unavailable(f"the connection was lost before the reply on {subject}", retryable=True)


def _pause_after(error: BioXenError) -> float:
    """The pause before the next attempt, seconds: what the refusal asks for, extended at random by up to a quarter."""
    asked = error.details.get("retryAfterMs")
    if not isinstance(asked, (int, float)) or isinstance(asked, bool) or not asked > 0:
        return _RETRY_WAIT_S
    return min(asked, _MAX_RETRY_AFTER_MS) / 1_000 * (1 + _RETRY_JITTER * random.random())


# --------------------------------------------------------------------------------------------------------------------
# Watches
# --------------------------------------------------------------------------------------------------------------------

_EVENT_STREAM = "BIOXEN_EVENTS"
_EVENT_SUBJECTS = "bioxen.evt.>"
_SKIPS_SUBJECT = "bioxen.evt.log.skips"
_EVENT_FILTER = re.compile(r"bioxen\.evt(?:\.(?:[a-z0-9-]+|\*))*(?:\.(?:[a-z0-9-]+|\*|>))")
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NANOSECONDS = 1_000_000_000
#: Events that one pull requests; at most this many wait for a slow reader. An event has about 1 KB.
_PULL_BATCH = 500
#: Longest life of one pull, seconds; then the watch sends the next one.
_PULL_EXPIRES_S = 15
#: Interval of the server's heartbeats, seconds. After three without a word, the watch makes a new consumer.
_HEARTBEAT_S = 0.75
_SILENCE_LIMIT_S = 3 * _HEARTBEAT_S
#: Time after which the server removes the consumer of a watch that ended without `close`, seconds.
_CONSUMER_INACTIVE_S = 300
#: Longest wait for one answer of JetStream, seconds; a healthy server answers within milliseconds.
_JETSTREAM_TIMEOUT_S = 5.0
#: Pause before the next attempt to read the log, seconds.
_WATCH_RETRY_S = 0.25
#: Longest time that the log may be unreadable on a connected server, seconds. Then the watch ends.
_LOG_AWAY_S = 30.0
#: Longest time that `close` waits for the server to remove the consumer, seconds.
_STOP_TIMEOUT_S = 2.0
#: Longest uninterrupted wait of a watch, seconds: it then looks whether it was closed.
_LOOK_S = 0.25


class _Interrupted(Exception):
    """The present consumer of a watch is of no further use: the watch makes another one."""


class _JetStream:
    """Requests to JetStream, and the errors of its answers."""

    def __init__(self, connection: _Connection, domain: Optional[str]) -> None:
        self.connection = connection
        self._prefix = f"$JS.{domain}.API" if domain else "$JS.API"

    def subject(self, name: str) -> str:
        return f"{self._prefix}.{name}"

    def ask(self, name: str, request: Json, timeout: float = _JETSTREAM_TIMEOUT_S) -> Json:
        """Returns the answer. Raises Unavailable without one, and for an error other than 404; 404 gives {}."""
        subject = self.subject(name)
        deadline = time.monotonic() + timeout
        inbox = self.connection.inbox()
        try:
            self.connection.ask(inbox, subject, json.dumps(request).encode(), {}, deadline)
            received = inbox.get(deadline - time.monotonic())
        finally:
            inbox.end()
        if received is None:
            raise Unavailable(f"JetStream did not answer on {subject} within {timeout:g} s", retryable=True)
        message = _message_of(received, subject)
        if message.status == 503:
            raise Unavailable("the server has no JetStream, or this login may not use it", retryable=True)
        answer = _json_object(message.data)
        error = (answer or {}).get("error")
        if answer is None:
            raise Internal(f"what arrived as the answer on {subject} is not a JSON object")
        if isinstance(error, dict) and error.get("code") == 404:
            return {}
        if isinstance(error, dict):
            raise Unavailable(f"JetStream refused {name}: {error.get('description')}", retryable=True)
        return answer


def _json_object(data: bytes) -> Optional[Json]:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _event_of(data: bytes) -> Union[Json, str]:
    """Returns the envelope of an event, or the reason why the bytes are none."""
    event = _json_object(data)
    if event is None:
        return "is not a JSON object"
    required = ("specversion", "id", "source", "type", "subject")
    absent = [name for name in required if not isinstance(event.get(name), str)]
    return f"lacks {', '.join(absent)}" if absent else event


def _positions(reply: str) -> Optional[Tuple[int, int]]:
    """Sequence in the stream and sequence of the delivery, from the reply subject of a delivered message."""
    tokens = reply.split(".")
    # `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.…`; later servers add domain and account.
    at = 5 if len(tokens) == 9 else 7
    if len(tokens) < 9 or tokens[:2] != ["$JS", "ACK"] or not (tokens[at] + tokens[at + 1]).isdigit():
        return None
    return int(tokens[at]), int(tokens[at + 1])


_AnyWatch = TypeVar("_AnyWatch", bound="_Watching")


class _Watching:
    """A watch as an iterator, and as a context manager that closes it."""

    def next(self, timeout: Optional[float] = None) -> Optional[Json]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: _AnyWatch) -> _AnyWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self: _AnyWatch) -> _AnyWatch:
        return self

    def __next__(self) -> Json:
        value = self.next()
        if value is None:
            raise StopIteration
        return value


class EventWatch(_Watching):
    """The events of the log: in order, each once, across lost connections and restarts of the server.

    Iterate over it, or call :meth:`next`. Each event is a dict: the CloudEvents envelope (``type``, ``subject``,
    ``time``, ``data``, …) and ``seq``, its sequence in the log. To resume in another process, store the last ``seq``
    and begin with ``from_seq=seq + 1``.

    After an interruption the watch reads the last event that it knows again. If that event is unchanged, byte for byte,
    the log is still the same and no event is missing; otherwise the watch ends with :class:`WatchError`.

    Use it as a context manager, or call :meth:`close`: the server then forgets the watch at once.
    """

    def __init__(
        self,
        jetstream: _JetStream,
        *,
        from_seq: Optional[int],
        subject: str,
        on_unreadable: Optional[Callable[[int, str], None]],
    ) -> None:
        self._jetstream = jetstream
        self._connection = jetstream.connection
        self._filter = subject
        self._on_unreadable = on_unreadable
        self._closed = threading.Event()
        self._removing = threading.Lock()
        self._inbox: Optional[_Inbox] = None
        #: Name of the consumer on the server; empty without one.
        self._consumer = ""
        self._failure: Optional[WatchError] = None
        self._skipped: Dict[int, bool] = {}
        self._skips_read_to = 0
        self._reported_seq = 0
        #: Highest sequence that the watch has seen in the log. A log that ends before it is another log.
        self._known_end = 0
        #: Sequence and SHA-256 of the last message that was received.
        self._newest: Optional[Tuple[int, bytes]] = None
        self._away_since: Optional[float] = None
        self._left_in_pull = 0
        self._next_delivery = 1
        self._is_verified = True
        self._heard_at = 0.0
        self._waited_at = 0.0
        if from_seq is None:
            # Events that are stored from now on are delivered, also those before the first `next`.
            self._known_end = self._last_seq_of_log()
            from_seq = self._known_end + 1
        self._from = from_seq

    def __del__(self) -> None:
        # A loop that ends with `break` leaves its watch to the garbage collector, which must not wait for the server.
        if not self._closed.is_set() and not sys.is_finalizing():
            self._drop_consumer()

    def __repr__(self) -> str:
        return f"<watch of {self._filter} after {self.last_seq}>"

    @property
    def last_seq(self) -> int:
        """Every event up to this sequence was delivered."""
        return self._newest[0] if self._newest else self._from - 1

    def next(self, timeout: Optional[float] = None) -> Optional[Json]:
        """Returns the next event, and waits for it; None after ``timeout`` seconds, and once the watch is closed.

        Raises WatchError when the watch cannot deliver the next event, and Forbidden when the login may not read the
        log.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        # A reader that was away for a while heard nothing: silence counts from now on.
        now = time.monotonic()
        if now - self._waited_at > _HEARTBEAT_S:
            self._heard_at = max(self._heard_at, now)
        try:
            while not self._closed.is_set():
                if self._failure is not None:
                    raise self._failure
                event = self._step(deadline)
                if event is not None:
                    return event
                if deadline is not None and time.monotonic() >= deadline:
                    return None
            # Another thread closed the watch, perhaps while this thread made a consumer.
            self.close()
            return None
        finally:
            self._waited_at = time.monotonic()

    def close(self) -> None:
        """Ends the watch. May be called by any thread, and more than once."""
        self._closed.set()
        # A second call returns after the consumer was removed, so that the connection may then be closed.
        with self._removing:
            self._drop_consumer(_STOP_TIMEOUT_S)

    def _step(self, deadline: Optional[float]) -> Optional[Json]:
        """Returns the next event; None when the caller must look at its deadline again."""
        try:
            if self._connection.closed:
                self._closed.set()
                return None
            if not self._connection.connected:
                self._away_since = None
                self._connection.wait_connected(self._wait(deadline))
                return None
            if self._inbox is None:
                self._open()
            return self._receive(deadline)
        except _Interrupted:
            self._drop_consumer()
            return None
        except WatchError as failure:
            self._drop_consumer(_STOP_TIMEOUT_S)
            self._failure = failure
            raise
        except Forbidden:
            self._drop_consumer()
            raise
        except BioXenError as error:
            self._drop_consumer()
            self._wait_or_end(error, deadline)
            return None

    def _wait(self, deadline: Optional[float], longest: float = _LOOK_S) -> float:
        return longest if deadline is None else max(0.0, min(longest, deadline - time.monotonic()))

    def _wait_or_end(self, error: BioXenError, deadline: Optional[float]) -> None:
        """Waits before the next attempt to read the log, and ends the watch when the log was away for too long."""
        now = time.monotonic()
        if not self._connection.connected:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = now
        elif now - self._away_since > _LOG_AWAY_S:
            message = f"the log has been unreadable for {_LOG_AWAY_S:g} s: {error.message}"
            self._failure = WatchError("log-away", message, self.last_seq)
            return
        self._closed.wait(self._wait(deadline, _WATCH_RETRY_S))

    def _last_seq_of_log(self) -> int:
        state = self._jetstream.ask(f"STREAM.INFO.{_EVENT_STREAM}", {}).get("state")
        if not isinstance(state, dict) or not isinstance(state.get("last_seq"), int):
            raise Unavailable(f"cannot open the event log: the server has no stream {_EVENT_STREAM}", retryable=True)
        return state["last_seq"]

    def _replaced(self, why: str) -> WatchError:
        return WatchError("log-replaced", f"the log was cut short or replaced: {why}", self.last_seq)

    def _open(self) -> None:
        """Makes a consumer that begins at the last known event, and asks it for events."""
        end = self._last_seq_of_log()
        if end < self._known_end:
            raise self._replaced(f"it ends at {end}, earlier it ended at {self._known_end}")
        self._known_end = end
        self._read_skips()
        name = f"py{uuid.uuid4().hex[:16]}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._newest[0] if self._newest else self._from,
            "ack_policy": "none",
            "filter_subject": self._filter,
            "inactive_threshold": _CONSUMER_INACTIVE_S * _NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
        }
        # Noted before the request: without its answer, the consumer may exist nevertheless.
        self._consumer = name
        made = self._jetstream.ask(
            f"CONSUMER.CREATE.{_EVENT_STREAM}.{name}.{self._filter}",
            {"stream_name": _EVENT_STREAM, "config": config, "action": "create"},
        )
        if not made:
            raise Unavailable(f"cannot open the event log: the server has no stream {_EVENT_STREAM}", retryable=True)
        self._inbox = self._connection.inbox(of_stream=True)
        self._next_delivery = 1
        self._is_verified = self._newest is None
        if self._newest is not None and made.get("num_pending") == 0:
            raise self._replaced(f"event {self._newest[0]} is missing")
        self._pull()

    def _pull(self) -> None:
        assert self._inbox is not None
        request = {
            "batch": _PULL_BATCH,
            "expires": _PULL_EXPIRES_S * _NANOSECONDS,
            "idle_heartbeat": int(_HEARTBEAT_S * _NANOSECONDS),
        }
        subject = self._jetstream.subject(f"CONSUMER.MSG.NEXT.{_EVENT_STREAM}.{self._consumer}")
        data = json.dumps(request).encode()
        self._connection.ask(self._inbox, subject, data, {}, time.monotonic() + _JETSTREAM_TIMEOUT_S)
        self._left_in_pull = _PULL_BATCH
        self._heard_at = time.monotonic()

    def _receive(self, deadline: Optional[float]) -> Optional[Json]:
        assert self._inbox is not None
        if self._left_in_pull == 0:
            self._pull()
        received = self._inbox.get(self._wait(deadline))
        if received is None:
            if time.monotonic() - self._heard_at > _SILENCE_LIMIT_S:
                raise _Interrupted()
            return None
        if isinstance(received, _Lost):
            raise _Interrupted()
        if isinstance(received, BioXenError):
            raise received
        self._heard_at = time.monotonic()
        self._away_since = None
        return self._status(received) if received.status else self._deliver(received)

    def _status(self, message: Message) -> None:
        if message.status == 100:
            return
        text = message.description.lower()
        # 404 and 408: the pull has ended without its number of messages. 409 also reports the end of a consumer.
        if message.status in (404, 408) or (message.status == 409 and ("batch" in text or "maxbytes" in text)):
            self._left_in_pull = 0
            return
        raise _Interrupted()

    def _deliver(self, message: Message) -> Optional[Json]:
        positions = _positions(message.reply)
        if positions is None:
            return None
        seq, delivery = positions
        if delivery != self._next_delivery:
            raise _Interrupted()
        self._next_delivery += 1
        self._left_in_pull -= 1
        digest = hashlib.sha256(message.data).digest()
        if not self._is_verified:
            self._verify(seq, digest)
            return None
        # A consumer that should begin beyond the end of the log begins at the last message of the log.
        if seq < self._from or (self._newest is not None and seq <= self._newest[0]):
            return None
        event = _event_of(message.data)
        if isinstance(event, str):
            self._report(seq, message.subject, event)
        self._newest = (seq, digest)
        self._known_end = max(self._known_end, seq)
        if isinstance(event, str):
            return None
        if message.subject == _SKIPS_SUBJECT:
            self._note_skip(event)
        return None if self._skipped.get(seq) else {"seq": seq, **event}

    def _verify(self, seq: int, digest: bytes) -> None:
        """Compares the first message of a new consumer with the last one of the previous consumer."""
        assert self._newest is not None
        if seq != self._newest[0]:
            raise self._replaced(f"event {self._newest[0]} is missing")
        if digest != self._newest[1]:
            raise self._replaced(f"event {seq} differs from the one seen earlier")
        self._is_verified = True

    def _report(self, seq: int, subject: str, why: str) -> None:
        """Handles a message that is not an event. Messages that an operator has skipped are left out silently."""
        if self._skipped.get(seq):
            return
        if self._on_unreadable is None:
            raise WatchError("event-unreadable", f"message {seq} on {subject} {why}", self.last_seq)
        if seq > self._reported_seq:
            self._reported_seq = seq
            self._on_unreadable(seq, why)

    def _read_skips(self) -> None:
        """Reads which messages operators have skipped; usually there are none."""
        while True:
            request = {"seq": self._skips_read_to + 1, "next_by_subj": _SKIPS_SUBJECT}
            stored = self._jetstream.ask(f"STREAM.MSG.GET.{_EVENT_STREAM}", request).get("message")
            if not isinstance(stored, dict) or not isinstance(stored.get("seq"), int):
                return
            self._skips_read_to = stored["seq"]
            event = _json_object(base64.b64decode(stored.get("data") or ""))
            if event is not None:
                self._note_skip(event)

    def _note_skip(self, event: Json) -> None:
        data = event.get("data")
        if isinstance(data, dict) and isinstance(data.get("seq"), int):
            self._skipped[data["seq"]] = event.get("type") == "bioxen.log.skipped.v1"

    def _drop_consumer(self, timeout: float = 0.0) -> None:
        """Gives up the present consumer, and asks the server to remove it; waits up to `timeout` seconds for that."""
        inbox, name = self._inbox, self._consumer
        self._inbox, self._consumer = None, ""
        if inbox is not None:
            inbox.put(_Lost(self._connection.generation))
            inbox.end()
        if not name or not self._connection.connected:
            return
        try:
            self._jetstream.ask(f"CONSUMER.DELETE.{_EVENT_STREAM}.{name}", {}, timeout)
        except BioXenError:
            # The server removes a consumer without pulls by itself.
            pass


#: Most measurements or lines that wait for a slow reader; beyond it the oldest are dropped.
_MAX_WAITING = 1_000


class _Waiting:
    """The messages that wait for the reader of a watch. The connection refers to it, and not to the watch itself."""

    def __init__(self) -> None:
        self.arrived = threading.Condition()
        self.messages: Deque[Json] = collections.deque()
        self.dropped = 0

    def receive(self, message: Message) -> None:
        value = _json_object(message.data)
        if value is None:
            return
        with self.arrived:
            self.messages.append(value)
            if len(self.messages) > _MAX_WAITING:
                self.messages.popleft()
                self.dropped += 1
            self.arrived.notify()


class Watch(_Watching):
    """Live messages of one or several subjects: measurements, or lines that guests print.

    Iterate over it, or call :meth:`next`. Messages that are published while the connection is lost are missing; after a
    reconnect the watch goes on by itself.
    """

    def __init__(self, connection: _Connection, subject: str) -> None:
        self._connection = connection
        self._subject = subject
        self._closed = False
        self._waiting = _Waiting()
        self._unsubscribe = connection.subscribe(subject, self._waiting.receive)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()

    def __repr__(self) -> str:
        return f"<watch of {self._subject}>"

    @property
    def dropped(self) -> int:
        """Number of messages that a slow reader missed: at most 1 000 wait, and then the oldest are dropped."""
        return self._waiting.dropped

    def next(self, timeout: Optional[float] = None) -> Optional[Json]:
        """Returns the next message; None after ``timeout`` seconds, and once the watch or connection is closed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = self._waiting
        with waiting.arrived:
            while not waiting.messages:
                if self._closed or self._connection.closed:
                    return None
                wait = _LOOK_S if deadline is None else min(_LOOK_S, deadline - time.monotonic())
                if wait <= 0:
                    return None
                waiting.arrived.wait(wait)
            return waiting.messages.popleft()

    def close(self) -> None:
        """Ends the watch. May be called by any thread, and more than once."""
        if self._closed:
            return
        self._closed = True
        with self._waiting.arrived:
            self._waiting.arrived.notify_all()
        self._unsubscribe()


# --------------------------------------------------------------------------------------------------------------------
# VMs and their resources
# --------------------------------------------------------------------------------------------------------------------

_POLL_INTERVAL_S = 0.05
_BIOLOGICAL_TYPES = ("syn3a", "ecoli", "minimal_cell")
_VM_TYPES = ("basic", "xcpng")


class BiologicalVM:
    """The handle of one VM. It makes no call by itself, and the VM need not exist.

    Every method raises the exception of the refusal's code, such as :class:`VmNotFound`. Every command takes ``timeout``
    (deadline of each attempt, seconds) and ``message_id`` (see :meth:`Bioxen.call`). Other keyword arguments are fields
    of the request: ``vm.stop(force=True)``, ``vm.resize({...}, expected_version=7)``.
    """

    def __init__(self, bioxen: Bioxen, vm_id: str) -> None:
        self.id = vm_id
        self.resources = BioResourceManager(self)
        self._bioxen = bioxen

    def __repr__(self) -> str:
        return f"<VM {self.id}>"

    @property
    def vm_id(self) -> str:
        """The id, under the original library's name."""
        return self.id

    def _call(self, subject: str, fields: Mapping[str, Any], timeout: Optional[float] = None, **more: Any) -> Json:
        return self._bioxen._call(subject, {"timeout": timeout}, fields, more, {"vmId": self.id})

    def start(self, timeout: Optional[float] = None, **fields: Any) -> Json:
        """Starts the VM and returns its view once it runs. ``timeout``: seconds; default that of the connection.

        Raises, when no chassis can take the VM, the exception of the first refusal, such as CapacityExceeded, with all
        refusals in ``details["reasons"]``; the VM stays pending. When the guest fails, the exception of the failure,
        such as GuestError. Unavailable when the outcome is not known in time.
        """
        vm = self._call("cmd.vm.start", fields, timeout)["vm"]
        settled = self._until(vm, _is_settled, timeout)
        if settled["state"] == "running":
            return settled
        refusals = settled.get("refusals") or []
        is_pending = settled["state"] == "pending"
        code = (refusals[0]["code"] if refusals else "UNAVAILABLE") if is_pending else settled.get("failure")
        reason = settled.get("reason") or "no reason reported"
        raise error_of(
            code or "CONFLICT",
            f"{self.id} is {settled['state']}: {reason}",
            retryable=is_pending,
            details={"state": settled["state"], "reasons": refusals},
        )

    def pause(self, **fields: Any) -> Json:
        """Pauses the guest and returns the VM; it keeps its reservation."""
        return self._call("cmd.vm.pause", fields)["vm"]

    def resume(self, **fields: Any) -> Json:
        """Resumes a paused guest and returns the VM."""
        return self._call("cmd.vm.resume", fields)["vm"]

    def stop(self, timeout: Optional[float] = None, **fields: Any) -> Json:
        """Stops the VM, and returns it once its guest has ended and its reservation is released.

        ``fields``: ``deadline_ms`` and ``force``, where the service knows them.
        """
        vm = self._call("cmd.vm.stop", fields, timeout)["vm"]
        return self._until(vm, lambda now: now["state"] != "stopping", timeout)

    def destroy(self, timeout: Optional[float] = None, **fields: Any) -> Json:
        """Destroys the VM, stopping it first if necessary, and returns it once it is destroyed."""
        vm = self._call("cmd.vm.destroy", fields, timeout)["vm"]
        return self._until(vm, lambda now: now["state"] == "destroyed", timeout)

    def resize(self, resources: Mapping[str, Any], at_minute: Optional[int] = None, **fields: Any) -> Json:
        """Changes the request of the VM, and its allocation while it runs or is paused: all amounts or none.

        ``resources``: integers in the unit of the name (``ribosomes``, ``rnaPolymerases``, ``atpPerSecond``: molecules
        per second), or shares of the type's full demand such as ``"50%"``. A cell gets them at minute ``at_minute`` of
        its simulated time (default: the present one). Raises CapacityExceeded, QuotaExceeded, or BadRequest when the cell
        has passed the minute.
        """
        return self._call("cmd.vm.resize", fields, resources=dict(resources), at_minute=at_minute)["vm"]

    def set_environment(
        self, environment: Mapping[str, float], at_minute: Optional[int] = None, **fields: Any
    ) -> Optional[int]:
        """Changes these fields of the environment at a minute of simulated time (default: the present one).

        ``environment``: ``nutrientQuality``, ``substrate``, ``chloramphenicolMicromolar``. Returns the minute; None if
        this command had changed it before. Raises BadRequest when the cell has passed the minute.
        """
        return self._call("cmd.vm.set-environment", fields, environment=dict(environment), at_minute=at_minute)[
            "simMinute"
        ]

    def allocate_resources(self, resources: Mapping[str, Any], **fields: Any) -> Json:
        """:meth:`resize` under the original library's name."""
        return self.resize(resources, **fields)

    def exec(
        self, source: str, timeout_ms: Optional[int] = None, read_only: Optional[bool] = None, **fields: Any
    ) -> Json:
        """Runs a program in the guest: Lua in a cell, shell in a machine of a pool.

        Returns ``{"result", "stdout", "instructions", "simMinute"}``. ``timeout_ms``: time limit of the program,
        milliseconds, default 5 000. ``read_only``: run it on a copy of the cell, which stays as it is. Raises GuestError, GuestTimeout or GuestOutOfMemory. The call is never repeated by itself: after
        Unavailable, the program may have run.
        """
        return self._call("cmd.vm.exec", fields, source=source, timeout_ms=timeout_ms, read_only=read_only)

    def execute_biological_process(self, code: str) -> Json:
        """:meth:`exec` under the original library's name."""
        return self.exec(code)

    def snapshot(self, snapshot_id: Optional[str] = None, **fields: Any) -> Json:
        """Stores the state of the guest under ``snapshot_id`` (default: a new id), and returns the snapshot.

        The guest must run or be paused. Raises Unsupported, GuestError or TooLarge.
        """
        return self._call("cmd.vm.snapshot", fields, snapshot_id=snapshot_id)["snapshot"]

    def restore(self, snapshot_id: str, **fields: Any) -> Json:
        """Restores a snapshot: a running guest at once, a stopped VM at its next start. Raises SnapshotNotFound."""
        return self._call("cmd.vm.restore", fields, snapshot_id=snapshot_id)["vm"]

    def delete_snapshot(self, snapshot_id: str, **fields: Any) -> Json:
        """Deletes a snapshot. Raises SnapshotNotFound."""
        return self._call("cmd.vm.delete-snapshot", fields, snapshot_id=snapshot_id)["vm"]

    def fork(self, new_vm_id: str, from_snapshot_id: Optional[str] = None, **fields: Any) -> BiologicalVM:
        """Creates a copy with a seed of its own, and returns its handle; the copy is not started.

        The copy begins from the snapshot, or without one from the present state of the guest.
        """
        self._call("cmd.vm.fork", fields, new_vm_id=new_vm_id, from_snapshot_id=from_snapshot_id)
        return BiologicalVM(self._bioxen, new_vm_id)

    def migrate(self, chassis_id: Optional[str] = None, **fields: Any) -> Json:
        """Requests a move to ``chassis_id``, or to any chassis with room, and returns the VM."""
        return self._call("cmd.vm.migrate", fields, chassis_id=chassis_id)["vm"]

    def status(self, at_seq: Optional[int] = None) -> Json:
        """Returns the VM with its latest measurement as ``sample`` (None before the first).

        With ``at_seq``, returns the VM as it was after the event with that sequence; ``sample`` is then None.
        """
        vm = self._call("qry.vm.get", {}, at_seq=at_seq)["vm"]
        return {**vm, "sample": self.sample() if at_seq is None else None}

    def get_status(self) -> Json:
        """:meth:`status` under the original library's name."""
        return self.status()

    def get_vm_type(self) -> str:
        """The infrastructure type: ``basic`` or ``xcpng``."""
        return self._call("qry.vm.get", {})["vm"]["vmType"]

    def get_biological_type(self) -> str:
        """The biological type: ``syn3a``, ``ecoli`` or ``minimal_cell``."""
        return self._call("qry.vm.get", {})["vm"]["biologicalType"]

    def sample(self) -> Optional[Json]:
        """Returns the latest measurement of the VM; None before the first.

        Fields: ``doublingTimeMinutes`` (simulated minutes), ``growthRatePerMinute``, ``simMinutes``, ``ribosomes``
        (``total``, ``engaged``, ``cap``), ``atp`` (``perSecond``: molecules per second), ``divisions``, ``health``
        (0 to 100), and more (docs/PROTOCOL.md).
        """
        return self._call("qry.monitor.vm", {})["sample"]

    def get_biological_metrics(self) -> Optional[Json]:
        """:meth:`sample` under the original library's name."""
        return self.sample()

    def get_resource_usage(self) -> Json:
        """What :meth:`BioResourceManager.get_resource_usage` returns."""
        return self.resources.get_resource_usage()

    def course(
        self,
        fields: Optional[Sequence[str]] = None,
        from_minute: Optional[int] = None,
        to_minute: Optional[int] = None,
        incarnation: Optional[int] = None,
    ) -> Dict[str, List[Optional[float]]]:
        """Returns the recorded time course: each column by its name, as lists of equal length.

        ``minute`` and ``branch`` come first; without ``fields`` every recorded field follows. A value that does not
        exist is None. ``pandas.DataFrame(vm.course())`` makes a frame, ``numpy.array(course["r"], float)`` an array
        with NaN for None. Raises CourseNotFound when the VM records none, BadRequest that names each unknown field.
        """
        own = {} if fields is None else {"fields": list(fields)}
        found = self._call(
            "qry.course.get", own, from_minute=from_minute, to_minute=to_minute, incarnation=incarnation
        )
        return course_columns(found)

    def history(self) -> List[Json]:
        """Returns every event of this VM, oldest first."""
        return self._call("qry.vm.history", {})["events"]

    def watch_events(
        self, from_seq: Optional[int] = None, on_unreadable: Optional[Callable[[int, str], None]] = None
    ) -> EventWatch:
        """Returns the events of this VM from sequence ``from_seq`` on (default: those from now on), each once."""
        return self._bioxen.watch_events(from_seq, vm_id=self.id, on_unreadable=on_unreadable)

    def watch_telemetry(self) -> Watch:
        """Returns the measurements of this VM from now on, about one a second (see :meth:`sample`)."""
        return self._bioxen.watch_telemetry(self.id)

    def watch_log(self) -> Watch:
        """Returns the lines that the guest prints from now on."""
        return self._bioxen.watch_log(self.id)

    def _until(self, vm: Json, is_done: Callable[[Json], bool], timeout: Optional[float]) -> Json:
        limit = self._bioxen.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while not is_done(vm):
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.id} is still {vm['state']} after {limit:g} s", retryable=True)
            time.sleep(_POLL_INTERVAL_S)
            vm = self._call("qry.vm.get", {})["vm"]
        return vm


#: Names of the original library. The infrastructure of a VM is a driver at the agent, so that one handle serves both.
BasicBiologicalVM = BiologicalVM
XCPngBiologicalVM = BiologicalVM


def _is_settled(vm: Json) -> bool:
    """True when the outcome of a start is known: the VM runs, has failed, or reports why it waits."""
    if vm["state"] == "starting":
        return False
    return vm["state"] != "pending" or bool(vm.get("refusals"))


class BioResourceManager:
    """The resources of one VM: its allocation, its use, and the room on its chassis.

    ``vm.resources`` is bound to its VM. As in the original library, ``BioResourceManager()`` may be bound later with
    :meth:`bind_vm`; an unbound manager raises RuntimeError.
    """

    def __init__(self, vm: Optional[BiologicalVM] = None) -> None:
        self._vm = vm

    def bind_vm(self, vm: BiologicalVM) -> None:
        """Binds this manager to a VM."""
        self._vm = vm

    @property
    def vm(self) -> BiologicalVM:
        """The bound VM. Raises RuntimeError without one."""
        if self._vm is None:
            raise RuntimeError("No VM bound to resource manager. Call bind_vm() first.")
        return self._vm

    def allocate(self, resources: Optional[Mapping[str, Any]] = None, **fields: Any) -> Json:
        """Resizes the VM: ``allocate({"ribosomes": 400})`` or ``allocate(ribosomes=400, atp_per_second="50%")``."""
        return self.vm.resize(_fields(resources, fields))

    def allocate_atp(self, percentage: float) -> Json:
        """Sets the ATP supply to this share of the type's full demand, per cent above 0."""
        return self.vm.resize({"atpPerSecond": f"{percentage:g}%"})

    def allocate_ribosomes(self, count: int) -> Json:
        """Sets the number of ribosomes."""
        return self.vm.resize({"ribosomes": count})

    def get_resource_usage(self) -> Json:
        """Returns ``{name: {"allocated", "used"}}``, in the unit of each name; empty for a VM without an allocation.

        ``used`` is the latest measurement; None for a resource that is not measured.
        """
        vm = self.vm.status()
        sample = vm["sample"] or {}
        used = {
            "ribosomes": (sample.get("ribosomes") or {}).get("engaged"),
            "atpPerSecond": (sample.get("atp") or {}).get("perSecond"),
        }
        held = vm.get("allocation") or {}
        return {name: {"allocated": amount, "used": used.get(name)} for name, amount in held.items()}

    def get_available_resources(self) -> Json:
        """Returns the free resources of the VM's chassis; without a place, the most that is free on any chassis."""
        bioxen = self.vm._bioxen
        chassis_id = self.vm.status()["chassisId"]
        if chassis_id is not None:
            return bioxen.call("qry.ledger.get", {"chassisId": chassis_id})["ledger"]["free"]
        most: Json = {}
        for ledger in bioxen.list_ledgers():
            for name, amount in ledger["free"].items():
                most[name] = max(most.get(name, 0), amount)
        return most

    def optimize_resources_for_biological_type(self) -> Json:
        """Gives the VM the full demand of its type, with which it grows at the reference rate; returns the VM.

        The smaller optimum that ``bioxen vm optimise`` computes needs the cell model, which this file does not have.
        """
        names = ("ribosomes", "rnaPolymerases", "atpPerSecond")
        if self.vm.get_vm_type() != "basic":
            raise Unsupported(f"{self.vm.id} is no cell: only VMs of type basic have a full demand of cell resources")
        return self.vm.resize({name: "100%" for name in names})


# --------------------------------------------------------------------------------------------------------------------
# The entry points
# --------------------------------------------------------------------------------------------------------------------


class Bioxen:
    """A connection to a BioXen. Make one with :func:`connect`; use it as a context manager, or call :meth:`close`."""

    def __init__(self, connection: _Connection, settings: Settings, timeout: float) -> None:
        #: Default deadline of each attempt of a request, seconds.
        self.timeout = timeout
        self._connection = connection
        self._calls = _Calls(connection, timeout)
        self._jetstream = _JetStream(connection, settings.domain)

    def __enter__(self) -> Bioxen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<BioXen at {self.servers}>"

    @property
    def servers(self) -> str:
        """The URLs of the servers without logins, separated by commas."""
        return self._connection.settings.shown

    @property
    def connected(self) -> bool:
        """True while a server is connected. A lost connection is restored by itself."""
        return self._connection.connected

    @property
    def server_version(self) -> str:
        """The version of the nats-server."""
        return self._connection.server_version

    def call(
        self,
        subject: str,
        request: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        message_id: Optional[str] = None,
        traceparent: Optional[str] = None,
    ) -> Json:
        """Sends a request of the protocol and returns its reply: ``call("qry.vm.get", {"vmId": "cell-1"})``.

        ``subject``: with or without ``bioxen.`` before it. ``timeout``: deadline of each attempt, seconds.

        A request is repeated under one message id, so that a command has its effects once: until ``timeout`` has passed
        since the first attempt, while the refusal is transient (UNAVAILABLE, RATE_LIMITED, CONFLICT) and retryable, or
        while no service serves the subject. A request without any reply fails after three attempts. ``vm.exec`` is
        never repeated. A query for a listing without ``limit`` and ``cursor`` returns all its pages as one reply.

        Raises the exception of the refusal's code; Unavailable when no reply comes; Forbidden when the login may not
        send the request.
        """
        full = subject if subject.startswith("bioxen.") else f"bioxen.{subject}"
        payload = dict(request or {})
        is_exec = full == "bioxen.cmd.vm.exec"
        limit = self.timeout if timeout is None else timeout
        if is_exec and timeout is None:
            asked = payload.get("timeoutMs")
            limit += (asked if isinstance(asked, (int, float)) else DEFAULT_EXEC_TIMEOUT_MS) / 1_000
        headers: Dict[str, str] = {}
        if full.startswith("bioxen.cmd."):
            headers["Nats-Msg-Id"] = message_id or str(uuid.uuid4())
        if traceparent is not None:
            headers["traceparent"] = traceparent
        reply = self._calls.call(full, payload, limit, headers, repeats=not is_exec)
        shape = PAGES.get(full)
        if shape is None or "limit" in payload or "cursor" in payload:
            return reply
        return self._following_pages(full, payload, reply, shape, limit, headers)

    def _call(self, subject: str, *parts: Optional[Mapping[str, Any]]) -> Json:
        """Calls with the joined fields of the request, from which `timeout` and `message_id` are taken."""
        request = _fields(*parts)
        timeout, message_id = request.pop("timeout", None), request.pop("messageId", None)
        return self.call(subject, request, timeout=timeout, message_id=message_id)

    def _following_pages(
        self, subject: str, request: Json, whole: Json, shape: Json, timeout: float, headers: Mapping[str, str]
    ) -> Json:
        tries = 1
        while isinstance(whole.get("cursor"), str):
            cursor = whole["cursor"]
            try:
                page = self._calls.call(subject, {**request, "cursor": cursor}, timeout, headers, repeats=True)
            except Conflict as error:
                # Another instance of the service keeps this listing; the next request may reach that instance.
                if error.details.get("cursor") != "gone" or tries >= _MAX_TRIES_OF_PAGE:
                    raise
                tries += 1
                continue
            tries = 1
            if page.get("cursor") == cursor:
                raise Internal(f"the listing of {subject} does not go on after its cursor")
            before = {name: value for name, value in whole.items() if name != "cursor"}
            whole = merged_pages(before, page, shape)
        return whole

    def create_bio_vm(
        self,
        vm_id: str,
        biological_type: str,
        vm_type: str = "basic",
        config: Optional[Mapping[str, Any]] = None,
        **fields: Any,
    ) -> BiologicalVM:
        """Creates a VM and returns its handle; the VM is not started.

        ``config`` and ``fields``: fields of ``vm.create`` such as ``resources``, ``priority`` (1 to 5), ``seed``,
        ``program`` (Lua), ``environment``, ``labels``, ``placement`` and ``restart_policy``. Raises BadRequest,
        VmAlreadyExists, Infeasible or QuotaExceeded.
        """
        own = {"vmId": vm_id, "biologicalType": biological_type, "vmType": vm_type}
        self._call("cmd.vm.create", config, fields, own)
        return BiologicalVM(self, vm_id)

    def create_biological_vm(
        self, vm_type: str = "basic", config: Optional[Mapping[str, Any]] = None, **fields: Any
    ) -> BiologicalVM:
        """Creates a VM of ``biological_type`` (in ``config`` or as a keyword; default ``syn3a``) under a new id.

        ``vm_id`` in ``config`` or as a keyword names it. Everything else is as for :meth:`create_bio_vm`.
        """
        own = {"vmType": vm_type}
        created = self._call("cmd.vm.create", {"biologicalType": "syn3a"}, config, fields, own)
        return BiologicalVM(self, created["vm"]["vmId"])

    def vm(self, vm_id: str) -> BiologicalVM:
        """Returns the handle of a VM without a call; the VM need not exist."""
        return BiologicalVM(self, vm_id)

    def list_vms(
        self, state: Optional[str] = None, label: Optional[str] = None, chassis_id: Optional[str] = None
    ) -> List[Json]:
        """Returns all VMs that match, in order of id. Destroyed VMs are listed only with ``state="destroyed"``."""
        return self.call("qry.vm.list", _fields({"state": state, "label": label, "chassisId": chassis_id}))["vms"]

    def list_chassis(self) -> List[Json]:
        """Returns all chassis, in order of id."""
        return self.call("qry.chassis.list")["chassis"]

    def list_ledgers(self) -> List[Json]:
        """Returns the ledger of each chassis: capacity, what it offers, what is reserved and what is free."""
        return self.call("qry.ledger.list")["ledgers"]

    def watch_events(
        self,
        from_seq: Optional[int] = None,
        *,
        vm_id: Optional[str] = None,
        subject: Optional[str] = None,
        on_unreadable: Optional[Callable[[int, str], None]] = None,
    ) -> EventWatch:
        """Returns the events of the log from sequence ``from_seq`` on, and then every new one; see EventWatch.

        Without ``from_seq``: the events that are stored from now on. ``vm_id`` or ``subject`` (such as
        ``bioxen.evt.chassis.*``) select events. ``on_unreadable(seq, why)`` is called for a message that is no event,
        and the watch goes on; without it, the watch ends there.

        Raises BadRequest with every problem of the arguments, and Unavailable when the log cannot be reached.
        """
        problems = []
        if from_seq is not None and (not isinstance(from_seq, int) or isinstance(from_seq, bool) or from_seq < 1):
            problems.append(("from_seq", f"must be an integer of at least 1, is {from_seq!r}"))
        if vm_id is not None and not _ID.fullmatch(str(vm_id)):
            problems.append(("vm_id", f"{vm_id!r} is not the id of a VM"))
        if subject is not None and not _EVENT_FILTER.fullmatch(str(subject)):
            problems.append(("subject", f"{subject!r} is not below {_EVENT_SUBJECTS}"))
        if subject is not None and vm_id is not None:
            problems.append(("subject", "cannot be combined with vm_id"))
        if problems:
            raise BadRequest(
                "; ".join(f"{path}: {text}" for path, text in problems),
                details={"problems": [{"path": path, "message": text} for path, text in problems]},
            )
        selected = f"bioxen.evt.vm.{vm_id}" if vm_id is not None else subject or _EVENT_SUBJECTS
        return EventWatch(self._jetstream, from_seq=from_seq, subject=selected, on_unreadable=on_unreadable)

    def watch_telemetry(self, vm_id: Optional[str] = None) -> Watch:
        """Returns the measurements of one VM, or of all VMs, from now on."""
        return Watch(self._connection, f"bioxen.tel.vm.{_token(vm_id)}")

    def watch_log(self, vm_id: Optional[str] = None) -> Watch:
        """Returns the lines that the guest of one VM, or of all VMs, prints from now on."""
        return Watch(self._connection, f"bioxen.log.vm.{_token(vm_id)}")

    def close(self) -> None:
        """Closes the connection; watches end."""
        global _latest
        self._connection.close()
        if _latest is self:
            _latest = None


def _token(vm_id: Optional[str]) -> str:
    if vm_id is not None and not _ID.fullmatch(vm_id):
        raise BadRequest(f"vm_id: {vm_id!r} is not the id of a VM")
    return "*" if vm_id is None else vm_id


_latest: Optional[Bioxen] = None


def connect(
    servers: Union[str, Sequence[str], None] = None,
    *,
    ca: Optional[str] = None,
    cert: Optional[str] = None,
    key: Optional[str] = None,
    creds: Optional[str] = None,
    domain: Optional[str] = None,
    timeout: float = DEFAULT_TIMEOUT_S,
    name: str = "bioxen-python",
) -> Bioxen:
    """Connects to a BioXen. The factories of this module then use this connection.

    ``servers``: a URL such as ``nats://user:password@host:4222`` or ``tls://token@host``, or several in a list or
    separated by commas. Default: ``BIOXEN_NATS_URL``, else the local stack that ``bioxen up`` started.
    ``ca``, ``cert``, ``key``: paths of PEM files; they ask for TLS. Default: ``BIOXEN_NATS_CA``, ``BIOXEN_NATS_CERT``
    and ``BIOXEN_NATS_KEY``. ``domain``: JetStream domain; default ``BIOXEN_NATS_DOMAIN``. ``timeout``: deadline of each
    attempt of a request and of this connect, seconds. ``name``: shown by the server's monitoring.

    Raises Unavailable when no server is found or answers, and at once when a server refuses the login or TLS
    (``details["reason"]``); BadRequest with every problem of the settings. ``creds`` and ``BIOXEN_NATS_CREDS`` are
    refused: nkeys need Ed25519, which Python's standard library does not have.
    """
    global _latest
    settings = find_settings(servers, ca=ca, cert=cert, key=key, creds=creds, domain=domain)
    connection = _Connection(settings, name)
    connection.open(timeout)
    _latest = Bioxen(connection, settings, timeout)
    return _latest


def connected() -> Bioxen:
    """Returns the latest connection; without one, connects as :func:`connect` does without arguments."""
    return _latest if _latest is not None else connect()


def create_bio_vm(
    vm_id: str, biological_type: str, vm_type: str = "basic", config: Optional[Mapping[str, Any]] = None, **fields: Any
) -> BiologicalVM:
    """:meth:`Bioxen.create_bio_vm` on the latest connection."""
    return connected().create_bio_vm(vm_id, biological_type, vm_type, config, **fields)


#: An alias of the original library.
create_vm = create_bio_vm


def create_biological_vm(
    vm_type: str = "basic", config: Optional[Mapping[str, Any]] = None, **fields: Any
) -> BiologicalVM:
    """:meth:`Bioxen.create_biological_vm` on the latest connection."""
    return connected().create_biological_vm(vm_type, config, **fields)


def quick_start_vm(biological_type: str, vm_id: Optional[str] = None, **fields: Any) -> BiologicalVM:
    """Creates a VM of type ``basic`` (default id ``quick-<type>``), starts it, and returns its handle."""
    name = vm_id or f"quick-{biological_type.replace('_', '-')}"
    vm = create_bio_vm(name, biological_type, "basic", None, **fields)
    vm.start()
    return vm


def get_supported_biological_types() -> List[str]:
    """The biological types that a VM can have."""
    return list(_BIOLOGICAL_TYPES)


def get_supported_vm_types() -> List[str]:
    """The infrastructure types that a VM can have."""
    return list(_VM_TYPES)


def validate_biological_type(biological_type: str) -> bool:
    """True for a supported biological type."""
    return biological_type in _BIOLOGICAL_TYPES


def validate_vm_type(vm_type: str) -> bool:
    """True for a supported infrastructure type."""
    return vm_type in _VM_TYPES


def get_version() -> str:
    """The version of this file."""
    return __version__


def get_info() -> Json:
    """Name, version and description of this file."""
    return {"name": "bioxen", "version": __version__, "description": "Python client of BioXen"}
