"""Reading the values of all secrets, patiently, until a deadline."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping

from attrs import define, field

from immutable.errors import BackendError, ImmutableError, Invalid
from immutable.secrets.references import SecretRef
from immutable.secrets.resolving import SecretResolver
from immutable.secrets.value import Secret

__all__ = ["Fetched", "fetch", "member"]

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@define
class Fetched:
    """What became of an attempt to read all secrets.

    Attributes:
        values: What was read, by name.
        reasons: Why the others weren't, by name.
    """

    values: dict[str, Secret] = field(factory=dict)
    reasons: dict[str, str] = field(factory=dict)


def fetch(
    refs: Mapping[str, SecretRef],
    resolver: Callable[[str], SecretResolver],
    *,
    deadline: float,
    tell: Callable[[str], None],
) -> Fetched:
    """Read all secrets, those of different schemes at the same time.

    What is missing or denied is asked for again like what doesn't answer: a right that was just
    given, or a secret that was just made, takes its time to be seen. What makes no sense isn't.

    Args:
        refs: The references by name.
        resolver: Returns the resolver of a scheme.
        deadline: Seconds after which whatever isn't there yet is given up.
        tell: Is told, once for each reference, why it isn't there yet.
    """
    done = Fetched({}, dict.fromkeys(refs, "nobody answered in time"))
    schemes = sorted({ref.scheme for ref in refs.values()})
    over = threading.Event()
    threads = []
    for scheme in schemes:
        mine = {name: ref for name, ref in refs.items() if ref.scheme == scheme}
        work = _Work(mine, scheme, resolver, deadline, done, tell, over)
        # A daemon: one that hangs in a library doesn't keep the process from its deadline.
        threads.append(threading.Thread(target=work.run, daemon=True, name=f"secrets-{scheme}"))
    for thread in threads:
        thread.start()
    timer = threading.Timer(deadline, over.set)
    timer.daemon = True
    timer.start()
    while any(thread.is_alive() for thread in threads) and not over.wait(0.01):
        pass
    timer.cancel()
    over.set()
    return Fetched(dict(done.values), dict(done.reasons))


@define
class _Work:
    """What one thread does: the secrets of one scheme, one after the other."""

    refs: Mapping[str, SecretRef]
    scheme: str
    resolver: Callable[[str], SecretResolver]
    deadline: float
    done: Fetched
    tell: Callable[[str], None]
    over: threading.Event

    def run(self) -> None:
        try:
            resolver = self.resolver(self.scheme)
        except ImmutableError as error:
            self.done.reasons.update(dict.fromkeys(self.refs, str(error)))
            return
        if waiting := self._round(resolver, tuple(self.refs)):
            self._again(resolver, waiting)
        resolver.close()

    def _again(self, resolver: SecretResolver, waiting: tuple[str, ...]) -> None:
        import tenacity  # On first use, as all that takes long to import.

        again = tenacity.Retrying(
            retry=tenacity.retry_if_result(bool),
            wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
            stop=tenacity.stop_when_event_set(self.over),
            sleep=tenacity.sleep_using_event(self.over),
            retry_error_callback=lambda _: (),
        )

        def go_round() -> tuple[str, ...]:
            nonlocal waiting
            waiting = self._round(resolver, waiting)
            return waiting

        again(go_round)

    def _round(self, resolver: SecretResolver, names: tuple[str, ...]) -> tuple[str, ...]:
        """Ask for each once; return those that are worth asking for again."""
        waiting = []
        for name in names:
            ref, before = self.refs[name], self.done.reasons[name]
            try:
                self.done.values[name] = member(resolver.resolve(ref), ref)
            except Invalid as error:
                self.done.reasons[name] = str(error)
            except BackendError as error:
                waiting.append(name)
                self.done.reasons[name] = str(error)
                if str(error) != before:
                    self.tell(f"{name}: {error}; trying again")
            except Exception as error:  # noqa: BLE001  # A plug-in's; its text may hold a value.
                self.done.reasons[name] = f"{ref}: the resolver failed ({type(error).__name__})"
            else:
                del self.done.reasons[name]
        return tuple(waiting)


# {"user": "ada", "port": 5432} with #user: ada; with #port: 5432; with #host: refused.
def member(secret: Secret, ref: SecretRef) -> Secret:
    """Return the field of a secret that a reference names; all of it when it names none.

    Text is delivered as it is, anything else as JSON.

    Raises:
        Invalid: The secret is no JSON object, or has no such member.
    """
    if not ref.field:
        return secret
    found = _picked(secret, ref.field)
    if found is None:
        raise Invalid(f"{ref}: the secret is no JSON object with a member {ref.field}")
    return found


def _picked(secret: Secret, name: str) -> Secret | None:
    # Nothing here may raise with the value in its frame or in the error's own attributes.
    with secret.reveal() as value:
        try:
            chosen = json.loads(value)[name]
            return Secret(chosen if isinstance(chosen, str) else json.dumps(chosen))
        except (ValueError, KeyError, TypeError, IndexError):
            return None
