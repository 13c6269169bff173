"""`make fuzz`: feed each floor for some seconds with bytes that reach ever more of its code.

Atheris, on libFuzzer, chooses the bytes. Each floor runs in a process of its own, as libFuzzer ends
the process that it runs in. Bytes that break a floor are left as `crash-…` in the working
directory; they belong into `test_floors.py` as an example.
"""

import subprocess
import sys


def _fuzz(name: str, seconds: str) -> None:
    import atheris  # noqa: PLC0415 - the process that starts the others must not load it

    with atheris.instrument_imports(include=["relay"]):
        from tests.fuzz import floors  # noqa: PLC0415 - what is imported here is instrumented
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", "-max_len=2048", "-timeout=10", "-verbosity=0"],
        getattr(floors, name),
    )
    atheris.Fuzz()


def main() -> int:
    """Fuzz one floor after the other; return how many have failed."""
    if len(sys.argv) > 2:
        _fuzz(sys.argv[2], sys.argv[1])
    failed = 0
    for name in ("json", "gzip", "verification", "headers"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.fuzz", sys.argv[1], name], check=False
        )
        print(f"{name}: {'failed' if done.returncode else 'nothing found'}", flush=True)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
