"""One HTTP server that answers JSON: keys, retries, and which failures are worth another attempt.

    transient   no connection, no answer in time, 408, 409, 425, 429, any 5xx, an answer that cannot be read:
                asked again after `pause`, 2 `pause`, 4 `pause` ... seconds, or after what Retry-After says
    permanent   anything else, and an account without quota: raised at once, with what to mend

A key is read from the environment at every call and stands in no field, record or message. Connections are kept for
as long as the event loop that opened them runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from stepward.errors import ConfigError, MissingExtraError, ModelError, ResourceError, StepwardError
from stepward.types import Json

try:
    import httpx2 as httpx
except ModuleNotFoundError as error:
    raise MissingExtraError.of("httpx2", "openai") from error

TRANSIENT = frozenset({408, 409, 425, 429})
LONGEST_QUOTE = 300
"""Characters of a server's own message that are shown."""


class Reply(NamedTuple):
    """What came of a call; `failure` says why there is no body after the last attempt."""

    body: Mapping[str, Any]
    attempts: int
    failure: str = ""


class _Transient(Exception):
    """Worth another attempt, after `wait` seconds where the server said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(reason)


@dataclass(frozen=True, eq=False, kw_only=True)
class HttpServer:
    """Where the server is and how patiently it is asked."""

    url: str
    """Such as "http://localhost:8000/v1"."""
    key_env: str = ""
    """Name of the environment variable that holds the key; empty for a server that wants none."""
    attempts: int = 5
    pause: float = 1.0
    """Seconds before the second attempt, doubled before each further one."""
    longest_pause: float = 120.0
    """A server that asks for a longer pause than this is not waited for."""
    timeout: float = 600.0
    """Seconds that one attempt may take."""
    connections: int = 64
    """Calls under way at once."""
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)
    """What carries the calls in place of the network, in tests."""
    sleep: Callable[[float], Awaitable[object]] = field(default=asyncio.sleep, repr=False)
    _clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Open] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("a server's url begins with http:// or https://", got=parts.netloc and parts.scheme)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                "a server's url holds no user, password or query: urls are written to run folders",
                got=f"{parts.scheme}://{parts.hostname}",
                mend="put the key into an environment variable and name that in key_env",
            )
        if min(self.attempts, self.connections) < 1 or min(self.timeout, self.longest_pause) <= 0 or self.pause < 0:
            raise ConfigError("attempts and connections must be at least 1, timeouts above 0, pause at least 0")

    async def post(self, path: str, body: Mapping[str, Json], needed: str = "choices") -> Reply:
        """The answer to `body`, after as many attempts as it takes to get one with the field `needed`.

        Raises `ConfigError` for a refused key or a wrong address, `ModelError` for a body that is too long for the
        model, `ResourceError` for any other that the server refuses and for an account without quota.
        """
        headers = self._headers()
        reason = ""
        for attempt in range(1, self.attempts + 1):
            try:
                found = await self._once(path, body, headers)
                if isinstance(found, dict) and needed in found:
                    return Reply(found, attempt)
                raise _Transient(f"{self.url} sent what cannot be read")
            except _Transient as error:
                reason, wait = str(error), error.wait
            if wait is not None and wait > self.longest_pause:
                return Reply({}, attempt, f"{reason}; it asks for a pause of {wait:g} s")
            if attempt < self.attempts:
                await self.sleep(self.pause * 2 ** (attempt - 1) if wait is None else wait)
        return Reply({}, self.attempts, f"{reason} ({self.attempts} attempts)")

    async def _once(self, path: str, body: Mapping[str, Json], headers: Mapping[str, str]) -> object:
        where = f"{self.url.rstrip('/')}/{path}"
        try:
            answer = await (await self._client()).post(where, json=dict(body), headers=dict(headers))
        except httpx.TimeoutException:
            raise _Transient(f"{where} did not answer within {self.timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Transient(f"{where} cannot be reached: {type(error).__name__} {error}".rstrip()) from None
        if answer.status_code in TRANSIENT or answer.status_code >= 500:
            if answer.status_code == 429 and "insufficient_quota" in answer.text:
                raise ResourceError(f"the account at {self.url} has no quota left", mend=f"check {self.key_env}")
            raise _Transient(f"{where} answered {answer.status_code}", _retry_after(answer.headers))
        if answer.status_code != 200:
            raise self._refusal(where, answer.status_code, _message(answer))
        return _json(answer)

    def _headers(self) -> dict[str, str]:
        if not self.key_env:
            return {}
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise ConfigError(
                f"the environment variable {self.key_env} is not set", mend=f"it is the key of {self.url}"
            )
        return {"Authorization": f"Bearer {key}"}

    def _refusal(self, where: str, status: int, said: str) -> StepwardError:
        """What a permanent failure means."""
        if status in (401, 403):
            mend = f"check the key in {self.key_env}" if self.key_env else "name the variable of its key in key_env"
            return ConfigError(f"{where} refuses the key", got=status, mend=mend)
        key = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        quoted = (said.replace(key, "...") if key else said)[:LONGEST_QUOTE]
        if status == 413 or (status in (400, 422) and _too_long(quoted)):
            return ModelError(f"the request is too long for {where}", got=quoted, mend="ask for fewer tokens")
        if status == 404:
            return ConfigError(f"{where} is not there", got=quoted, mend="check url (it often ends in /v1) and model")
        if status in (400, 422):
            mend = "if it refuses every request, check the kind of server and the fields that are sent"
            return ResourceError(f"{where} refuses this request with {status}", got=quoted, mend=mend)
        return ConfigError(f"{where} answered {status}", got=quoted, mend="check url and model")

    async def _client(self) -> httpx.AsyncClient:
        """The client of the event loop. A loop that is shut down ends its generators, and with this one the client."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            limits = httpx.Limits(max_connections=self.connections, max_keepalive_connections=self.connections)
            timeout = httpx.Timeout(self.timeout, pool=None)
            client = httpx.AsyncClient(limits=limits, timeout=timeout, transport=self.transport)
            closing = _closing(client)
            self._clients[loop] = _Open(client, closing)
            await anext(closing)
        return self._clients[loop].client


class _Open(NamedTuple):
    client: httpx.AsyncClient
    closing: AsyncGenerator[None, None]


async def _closing(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await client.aclose()


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the server asks to wait, as a number or as a date; None where it does not say."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.replace(".", "", 1).isdigit():
        return float(said)
    try:
        now = parsedate_to_datetime(headers["date"])
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _json(answer: httpx.Response) -> object:
    try:
        found: object = answer.json()
    except ValueError:
        return None
    return found


def _message(answer: httpx.Response) -> str:
    """The server's own words: OpenAI nests them, others do not."""
    found = _json(answer)
    inner = found.get("error", found) if isinstance(found, dict) else None
    said = inner.get("message", inner.get("detail")) if isinstance(inner, dict) else inner
    return str(said) if said else answer.text


def _too_long(said: str) -> bool:
    """Whether a refusal speaks of the context; servers agree on no code for it."""
    words = said.lower()
    return "context" in words and any(each in words for each in ("length", "window", "exceed", "size", "maximum"))
