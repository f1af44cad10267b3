"""Does preparing a long video need more memory than a short one, and does the progress bar move?

    python scripts/long_footage.py --minutes 1 12

Makes one video of each length (a photograph that rolls, cut every 8 s), prepares it as a person at a terminal would,
and prints one line of JSON for each: the most memory of all its processes together (shared pages once), of the
largest alone, seconds, clips, and what the terminal showed.
"""

import argparse
import fcntl
import importlib
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

films = importlib.import_module("footage.films")

FPS = 15.0
SCENE = 8  # s


def main() -> None:
    """Prepare one video of each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 12.0])
    for minutes in parser.parse_args().minutes:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"minutes": minutes, **prepare(Path(folder), minutes)}), flush=True)


def pictures(frames: int) -> Iterator[np.ndarray]:
    """Scenes with a face, every fifth without."""
    count = round(SCENE * FPS)
    scenes = (
        films.faceless(count // 2) if number % 5 == 4 else films.roll_film(count, 0.4, start=-20.0)
        for number in range(frames // count + 1)
    )
    for number, picture in enumerate(chain.from_iterable(scenes)):
        if number == frames:
            return
        yield picture


def prepare(folder: Path, minutes: float) -> dict[str, Any]:
    """Make the video, run the command under a pseudo terminal and watch it."""
    (folder / "videos").mkdir()
    film = folder / "videos" / "long.mp4"
    films.write_film(film, pictures(round(minutes * 60 * FPS)), FPS, sound=films.voice(minutes * 60))
    wishes = ["--fps", "15", "--size", "128", "--smallest-crop", "96", "--correlation", "0", "--workers", "1"]
    command = [sys.executable, "-m", "emo_core", "prepare", str(film.parent), str(folder / "out"), *wishes]
    terminal, its_end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    begin, shown = time.monotonic(), bytearray()
    environment = os.environ | {"RAY_worker_niceness": "0"}  # Ray's own 15 starves on a busy machine
    run = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
    reader = threading.Thread(target=_read, args=(terminal, shown))
    reader.start()
    together, largest = _watch(run)
    reader.join()
    os.close(terminal)
    lines = [line for line in re.split(r"[\r\n]+", shown.decode(errors="replace")) if line.strip()]
    return {
        "code": run.returncode, "seconds": round(time.monotonic() - begin), "film_mib": film.stat().st_size >> 20,
        "together_mib": together >> 20, "largest_mib": largest >> 20,
        "bar": [line.strip() for line in lines if "%|" in line][-3:], "end": lines[-3:],
    }  # fmt: skip


def _read(terminal: int, shown: bytearray) -> None:
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux says so when the last process has gone
            return
        if not data:
            return
        shown += data


def _watch(run: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The most bytes of all processes of the run together and of one of them."""
    together = largest = 0
    while run.poll() is None:
        sizes = [_size(process) for process in _session(run.pid)]
        together, largest = max(together, sum(sizes)), max(largest, *sizes, 0)
        time.sleep(0.5)
    return together, largest


def _session(leader: int) -> Iterator[psutil.Process]:
    """Ray's processes leave the tree, not the session."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                yield process
        except ProcessLookupError:
            continue


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
