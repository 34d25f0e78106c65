"""The order of a choice that repeats: its alternatives may stand mixed, and which stood beside which has meaning.

Two numbers of a person, each followed by whether it is authentic, are not two numbers followed by two marks. So
reading keeps the order when it is another than composing would make of itself, and composing follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.mapping.structure import Block, Particle, Shape


def repeated_choices(particles: tuple[Particle, ...]) -> Iterator[Block]:
    """The outermost choices that repeat among the particles of one element."""
    for particle in particles:
        if isinstance(particle, Block):
            if particle.choice and particle.occurs.many:
                yield particle
            else:
                yield from repeated_choices(particle.particles)


def tags_of(particle: Particle) -> Iterator[str]:
    """The elements that can stand in a particle, by Clark name."""
    if isinstance(particle, Shape):
        yield particle.tag
    else:
        for below in particle.particles:
            yield from tags_of(below)


def made_order(block: Block, counts: Mapping[str, int]) -> list[str]:
    """The order when none is known: alternative by alternative, of a sequence one round after the other."""
    left = dict(counts)
    made: list[str] = []
    for particle in block.particles:
        while taken := _round(particle, left):
            made += taken
    return made


def _round(particle: Particle, left: dict[str, int]) -> list[str]:
    if isinstance(particle, Shape):
        high = particle.occurs.high
        here = left.get(particle.tag, 0)
        take = here if high is None else min(here, high)
        left[particle.tag] = here - take
        return [particle.tag] * take
    if particle.choice:
        return next((taken for below in particle.particles if (taken := _round(below, left))), [])
    return [tag for below in particle.particles for tag in _round(below, left)]


def fits(particles: tuple[Particle, ...], tags: Sequence[str]) -> bool:
    """Whether elements in this order are what the particles of an element allow: order, number and choices."""
    at = 0
    for particle in particles:
        at = _reach(particle, tags, at)
        if at < 0:
            return False
    return at == len(tags)


def _reach(particle: Particle, tags: Sequence[str], at: int) -> int:
    """How far a particle with all its repeats reaches from a position; -1 when it cannot stand there."""
    if isinstance(particle, Shape):
        return _match(particle, tags, at)
    low, high, made = particle.occurs.low, particle.occurs.high, 0
    while high is None or made < high:
        end = _once(particle, tags, at)
        if end <= at:
            return at if made >= low or end == at else -1
        at, made = end, made + 1
    return at


def _once(block: Block, tags: Sequence[str], at: int) -> int:
    if block.choice:
        return max(_reach(below, tags, at) for below in block.particles)
    for below in block.particles:
        at = _reach(below, tags, at)
        if at < 0:
            return -1
    return at


def rounds(block: Block, tags: Sequence[str]) -> int | None:
    """How often the choice is made when its elements stand in this order; None when they cannot stand so."""
    at, made = 0, 0
    while at < len(tags):
        reached = max(_match(particle, tags, at) for particle in block.particles)
        if reached <= at:
            return None
        at, made = reached, made + 1
    return made


def _match(particle: Particle, tags: Sequence[str], at: int) -> int:
    """How far a particle reaches from a position; -1 when it cannot stand there."""
    low, high = particle.occurs.low, particle.occurs.high
    if isinstance(particle, Shape):
        end = at
        while end < len(tags) and tags[end] == particle.tag and (high is None or end - at < high):
            end += 1
        return end if end - at >= low else -1
    if particle.choice:
        reached = max(_match(below, tags, at) for below in particle.particles)
    else:
        reached = at
        for below in particle.particles:
            reached = _match(below, tags, reached) if reached >= 0 else -1
    return at if reached < 0 and low == 0 else reached
