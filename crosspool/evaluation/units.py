"""How costs are written for people."""


def human_bytes(count: float) -> str:
    """1638400 as 1.64 MB; three digits are enough to compare."""
    unit = "B"
    for larger in ("kB", "MB", "GB"):
        if count < 999.5:
            break
        count, unit = count / 1000, larger
    return f"{count:.3g} {unit}"
