"""What the garbage collector need not look at."""

import gc


def freeze() -> None:
    """Leave everything that exists by now out of garbage collections; call it once a process has imported and set up its parts.

    A full collection looks at each container of the process, and imported modules alone are some 300,000: 30 to 90 ms in which
    nothing else runs, each few seconds under load. What was frozen is still freed when nothing refers to it (`gc.freeze`).
    """
    gc.collect()
    gc.freeze()
