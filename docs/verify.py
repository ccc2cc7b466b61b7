"""Check an export: ``python verify.py export.jsonl kept-elsewhere.txt --key public.pem``.

Needs only Python, and cryptography for a key; see docs/audit.md. RFC 6962, section 2.1; C2SP.
"""

import argparse
import json
import sys
from base64 import b64decode
from collections.abc import Iterable, Iterator
from functools import reduce
from hashlib import sha256
from pathlib import Path

KEPT, GIVEN, SIGNED = range(3)  # What a checkpoint's word is worth: more is better.


def joined(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node of the tree."""
    return sha256(b"\1" + left + right).digest()


def climb(node: bytes, index: int, size: int, proof: list[str]) -> bytes:
    """Return the root that a proof of inclusion leads to; nothing for one of a wrong length."""
    if size <= 1 or not proof:
        return node if size == 1 and not proof else b""
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return joined(climb(node, index, half, proof[:-1]), b64decode(proof[-1]))
    return joined(b64decode(proof[-1]), climb(node, index - half, size - half, proof[:-1]))


def witness(text: str, trust: int, origin: str, key: bytes | None) -> tuple[int, bytes, int]:
    """Return a checkpoint as size, root and trust; an error says what is wrong with it."""
    body, _, below = text.strip("\n").partition("\n\n")
    of, size, digest, *_ = body.split("\n")
    if of != origin:
        raise ValueError(f"is of the log {of}, not of {origin}")
    if key is not None:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        public = load_pem_public_key(key)
        mine = sha256(origin.encode() + b"\n\1" + public.public_bytes_raw()).digest()[:4]
        for value in (b64decode(line.split(" ")[-1]) for line in below.split("\n")):
            if value[:4] == mine:
                public.verify(value[4:], f"{body}\n".encode())  # Raises InvalidSignature.
                trust = SIGNED
        if trust == GIVEN:
            raise ValueError("is not signed with this key")
    return int(size), b64decode(digest, validate=True), trust


def check(row: dict, place: int, head: tuple, seqs: dict) -> Iterator[str]:
    """Yield what is wrong with a record as such, and with its place in its rollout."""
    leaf, hashed = json.loads(row["leaf"]), sha256(b"\0" + row["leaf"].encode()).digest()
    last, seq = seqs.get(leaf["rollout"], -1), leaf["seq"]
    seqs[leaf["rollout"]] = max(last, seq)
    if hashed != b64decode(row["hash"]):
        yield "changed: it does not have the hash with which it was written"
    if climb(hashed, row["index"], head[0], row["proof"] or []) != head[1]:
        yield "its proof does not lead to the export's own checkpoint"
    if row["index"] != place:
        yield f"record {place} was to come: missing or moved"
    if seq != last + 1:
        yield f"in rollout {leaf['rollout']} seq {seq} follows {last}: missing or moved"


def read(lines: Iterable[str], witnesses: dict[str, tuple], head: tuple) -> Iterator[str]:
    """Yield what is wrong with the records, one by one and then as a whole."""
    roots = {each[0]: b"" for each in witnesses.values()} | {0: sha256().digest()}
    seqs, subtrees, total, sound = {}, [], 0, True
    for number, line in enumerate(lines, 2):
        index, node, rest, wrong = total, b"", total, []
        try:
            row = json.loads(line)
            index, node = int(row["index"]), b64decode(row["hash"])
            wrong += check(row, total, head, seqs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong.append(f"not a record: {error!r}")
        yield from (f"record {index} (line {number}): {each}" for each in wrong)
        sound, total = sound and index == total, index + 1
        while sound and rest & 1:  # The roots of the perfect subtrees, the largest first.
            node, rest = joined(subtrees.pop(), node), rest >> 1
        subtrees.append(node)
        if sound and total in roots:
            roots[total] = reduce(lambda right, left: joined(left, right), subtrees[::-1])
    held = [each for each in witnesses.values() if roots[each[0]] == each[1]]
    for name, (size, digest, trust) in witnesses.items():
        sure = max((h[0] for h in held if h[2] >= trust and h[0] < size), default=0)
        if size > total:
            yield f"records {total} to {size - 1}: missing, or as many before: {name} knows of them"
        elif roots[size] not in (digest, b""):
            yield f"records {sure} to {size - 1}: not those that {name} stands for"
    best = max((each[0] for each in held if each[2] > KEPT), default=0)
    print(f"{best} of {total} records are as a checkpoint from outside, or a signed one, has them")


def main() -> str | int:
    """Check what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--key", type=Path)
    args = parser.parse_args()
    key, found, witnesses = args.key and args.key.read_bytes(), [], {}
    with args.export.open(encoding="utf-8") as file:
        texts = json.loads(file.readline())["checkpoints"]  # The last one is of the whole export.
        weighed = [(f"checkpoint {n} in it", text, KEPT) for n, text in enumerate(texts, 1)]
        weighed += [(str(path), path.read_text("utf-8"), GIVEN) for path in args.checkpoints]
        for name, text, trust in weighed:
            try:
                witnesses[name] = witness(text, trust, texts[-1].split("\n")[0], key)
            except Exception as error:  # noqa: BLE001  # Whatever it is, it counts for nothing.
                found.append(f"{name}: {error!r}")
        found += read(file, witnesses, witnesses.get(weighed[len(texts) - 1][0], (0, b"")))
    return "\n".join(found) or 0


if __name__ == "__main__":
    sys.exit(main())
