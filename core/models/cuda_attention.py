"""Attention of one token over a text's cache, and what is read off its logits, as Triton kernels.

See core.models.cuda_kernels for what they have in common with the others.
"""

from __future__ import annotations

import triton
import triton.language as tl

from core.models.cuda_kernels import let_next, wait

LOWEST = tl.constexpr(-1e30)


@triton.jit
def _angles(cosines, sines, position, HEAD: tl.constexpr, PADDED: tl.constexpr, ROTATES: tl.constexpr):
    """Those of a position. Sines begin negative, as core.models.rope makes them."""
    at = tl.arange(0, PADDED)
    if ROTATES:
        cosine = tl.load(cosines + position * HEAD + at, mask=at < HEAD, other=0.0).to(tl.float32)
        return cosine, tl.load(sines + position * HEAD + at, mask=at < HEAD, other=0.0).to(tl.float32)
    return tl.full([PADDED], 1.0, tl.float32), tl.zeros([PADDED], tl.float32)


@triton.jit
def _turned(
    source, norm, cosine, sine, epsilon,
    HEAD: tl.constexpr, PADDED: tl.constexpr, NORMED: tl.constexpr, ROTATES: tl.constexpr,
):  # fmt: skip
    """A head's query or key: normed, then turned by its position's angles."""
    at = tl.arange(0, PADDED)
    inside = at < HEAD
    across = tl.where(at < HEAD // 2, at + HEAD // 2, at - HEAD // 2)
    x = tl.load(source + at, mask=inside, other=0.0)
    y = tl.load(source + across, mask=inside, other=0.0)
    if NORMED:
        factor = tl.rsqrt(tl.sum(x * x, 0) / HEAD + epsilon)
        x = x * factor * tl.load(norm + at, mask=inside, other=0.0).to(tl.float32)
        y = y * factor * tl.load(norm + across, mask=inside, other=0.0).to(tl.float32)
    if ROTATES:
        x = x * cosine + y * sine
    return x


@triton.jit
def _kept(cache, first, begin, end, HEAD: tl.constexpr, PADDED: tl.constexpr, SPAN: tl.constexpr):
    """Up to SPAN cached keys or values from `begin` on, of the head whose cache begins at row `first`."""
    at = tl.arange(0, PADDED)
    place = begin + tl.arange(0, SPAN)
    wanted = (place < end)[:, None] & (at < HEAD)[None, :]
    return tl.load(cache + ((first + place) * HEAD)[:, None] + at[None, :], mask=wanted, other=0.0).to(tl.float32)


@triton.jit
def _over_kept(
    q, k, v, keys, values, first, begin, end,
    HEAD: tl.constexpr, PADDED: tl.constexpr, SPAN: tl.constexpr,
):  # fmt: skip
    """Keys begin .. end-1, of which k and v are the first SPAN: the highest score, the sum of exponentials below it,
    and the values weighted by them. The running maximum is Milakov & Gimelshein's, 2018."""
    place = tl.arange(0, SPAN)
    there = begin + place < end
    scores = tl.where(there, tl.sum(k * q[None, :], 1), LOWEST)
    highest = tl.max(scores, 0)
    weights = tl.where(there, tl.exp(scores - highest), 0.0)
    weighted = weights[:, None] * v
    for start in tl.range(begin + SPAN, end, SPAN):
        there = start + place < end
        k = _kept(keys, first, start, end, HEAD, PADDED, SPAN)
        v = _kept(values, first, start, end, HEAD, PADDED, SPAN)
        scores = tl.where(there, tl.sum(k * q[None, :], 1), LOWEST)
        higher = tl.maximum(highest, tl.max(scores, 0))
        factor = tl.exp(highest - higher)
        now = tl.where(there, tl.exp(scores - higher), 0.0)
        weights = weights * factor + now
        weighted = weighted * factor + now[:, None] * v
        highest = higher
    return highest, tl.sum(weights, 0), tl.sum(weighted, 0)


@triton.jit
def _and_one(highest, total, out, score, value):
    """The same three sums with one key more."""
    higher = tl.maximum(highest, score)
    factor = tl.exp(highest - higher)
    now = tl.exp(score - higher)
    return higher, total * factor + now, out * factor + now * value


@triton.jit
def _new_key(
    projected, norm, cosine, sine, key_head, epsilon, keys, values,
    HEADS: tl.constexpr, KEY_HEADS: tl.constexpr, HEAD: tl.constexpr, PADDED: tl.constexpr,
    NORMED: tl.constexpr, ROTATES: tl.constexpr,
):  # fmt: skip
    """This token's key and value of a head, as the cache keeps them."""
    at = tl.arange(0, PADDED)
    new = projected + (HEADS + key_head) * HEAD
    k = _turned(new, norm, cosine, sine, epsilon, HEAD, PADDED, NORMED, ROTATES)
    v = tl.load(new + KEY_HEADS * HEAD + at, mask=at < HEAD, other=0.0)
    return k.to(keys.dtype.element_ty), v.to(values.dtype.element_ty)


@triton.jit
def _joined(
    parts, ends, to, query,
    HEAD: tl.constexpr, PADDED: tl.constexpr, SPLITS: tl.constexpr,
):  # fmt: skip
    """A head's shares, weighted by their sums, as one. Read from the card's common cache, as others wrote them."""
    at = tl.arange(0, PADDED)
    slots = query * SPLITS + tl.arange(0, SPLITS)
    highest = tl.load(ends + 2 * slots, cache_modifier=".cg")
    factor = tl.exp(highest - tl.max(highest, 0))
    total = tl.sum(tl.load(ends + 2 * slots + 1, cache_modifier=".cg") * factor, 0)
    cells = slots[:, None] * HEAD + at[None, :]
    shares = tl.load(parts + cells, mask=(at < HEAD)[None, :], other=0.0, cache_modifier=".cg")
    tl.store(to + query * HEAD + at, tl.sum(shares * factor[:, None], 0) / total, mask=at < HEAD)


@triton.jit
def attend(
    projected, query_norm, key_norm, cosines, sines, keys, values, position, parts, ends, arrived, to,
    epsilon, scale, room,
    HEADS: tl.constexpr, KEY_HEADS: tl.constexpr, HEAD: tl.constexpr, PADDED: tl.constexpr,
    SPLITS: tl.constexpr, SPAN: tl.constexpr, ROTATES: tl.constexpr, NORMED: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """A head's query over its share of the cached keys, and for the first share over the new key, which it appends.

    Only what is filled is read, whatever room the cache has. Of a head's programs the last to arrive, which `arrived`
    counts, puts its shares together (Dao et al. 2023, flash-decoding), always in their order, and counts from 0 again.
    """
    let_next(AHEAD)
    query, share = tl.program_id(0), tl.program_id(1)
    key_head = query // (HEADS // KEY_HEADS)
    at = tl.arange(0, PADDED)
    inside = at < HEAD
    # Written by the token before, whose kernels have all ended: nothing of this waits for the projections.
    filled = tl.load(position).to(tl.int32)
    length = (filled + SPLITS * SPAN - 1) // (SPLITS * SPAN) * SPAN
    begin = share * length
    end = tl.minimum(begin + length, filled)
    first = key_head * room
    k = _kept(keys, first, begin, end, HEAD, PADDED, SPAN)
    v = _kept(values, first, begin, end, HEAD, PADDED, SPAN)
    cosine, sine = _angles(cosines, sines, filled, HEAD, PADDED, ROTATES)
    wait(AHEAD)
    q = _turned(projected + query * HEAD, query_norm, cosine, sine, epsilon, HEAD, PADDED, NORMED, ROTATES) * scale
    highest, total, out = _over_kept(q, k, v, keys, values, first, begin, end, HEAD, PADDED, SPAN)
    if share == 0:
        kept_k, kept_v = _new_key(
            projected, key_norm, cosine, sine, key_head, epsilon, keys, values,
            HEADS, KEY_HEADS, HEAD, PADDED, NORMED, ROTATES,
        )  # fmt: skip
        if query % (HEADS // KEY_HEADS) == 0:
            cell = (first + filled) * HEAD + at
            tl.store(keys + cell, kept_k, mask=inside)
            tl.store(values + cell, kept_v, mask=inside)
        score = tl.sum(kept_k.to(tl.float32) * q, 0)
        highest, total, out = _and_one(highest, total, out, score, kept_v.to(tl.float32))
    slot = query * SPLITS + share
    tl.store(parts + slot * HEAD + at, out, mask=inside)
    tl.store(ends + 2 * slot, highest)
    tl.store(ends + 2 * slot + 1, total)
    tl.debug_barrier()  # all of this program's stores are done before it counts as arrived
    if tl.atomic_add(arrived + query, 1, sem="acq_rel") == SPLITS - 1:
        tl.debug_barrier()
        _joined(parts, ends, to, query, HEAD, PADDED, SPLITS)
        tl.store(arrived + query, 0)


@triton.jit
def summarise(logits, parts, places, ROWS: tl.constexpr, LENGTH: tl.constexpr, WIDTH: tl.constexpr,
              AHEAD: tl.constexpr):  # fmt: skip
    """Of each LENGTH logits the highest, the sum of exponentials below it, and the first place of the highest."""
    let_next(AHEAD)
    program = tl.program_id(0)
    lane = tl.arange(0, WIDTH)
    highest, total, where = -1e30, 0.0, 0
    wait(AHEAD)
    for start in tl.range(program * LENGTH, tl.minimum((program + 1) * LENGTH, ROWS), WIDTH):
        at = start + lane
        x = tl.load(logits + at, mask=at < ROWS, other=LOWEST)
        top, place = tl.max(x, 0, return_indices=True)
        if top > highest:
            total = total * tl.exp(highest - top)
            highest, where = top, start + place
        total += tl.sum(tl.where(at < ROWS, tl.exp(x - highest), 0.0), 0)
    tl.store(parts + 2 * program, highest)
    tl.store(parts + 2 * program + 1, total)
    tl.store(places + program, where)


@triton.jit
def conclude(
    logits, parts, places, logprobs, token, told, position, last_position,
    ROWS: tl.constexpr, LENGTH: tl.constexpr, WIDTH: tl.constexpr, PARTS: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """Log-probabilities; the likeliest token, told with its log-probability too; and the position after this one."""
    let_next(AHEAD)
    program = tl.program_id(0)
    part = tl.arange(0, PARTS)
    wait(AHEAD)
    highest = tl.load(parts + 2 * part)
    top = tl.max(highest, 0)
    whole = top + tl.log(tl.sum(tl.load(parts + 2 * part + 1) * tl.exp(highest - top), 0))
    for start in tl.range(program * LENGTH, tl.minimum((program + 1) * LENGTH, ROWS), WIDTH):
        at = start + tl.arange(0, WIDTH)
        x = tl.load(logits + at, mask=at < ROWS, other=0.0)
        tl.store(logprobs + at, x - whole, mask=at < ROWS)
    if program == 0:
        best = tl.min(tl.where(highest == top, tl.load(places + part), ROWS - 1), 0)
        tl.store(token, best.to(tl.int64))
        tl.store(told, best.to(tl.float64))
        tl.store(told + 1, (tl.load(logits + best) - whole).to(tl.float64))
        tl.store(position, tl.minimum(tl.load(position) + 1, last_position))
