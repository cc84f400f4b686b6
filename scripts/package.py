"""What the built distributions hold: `python scripts/package.py FOLDER` looks into its wheel and its sdist.

The wheel holds the files of src/stanchion that git knows, each of them and no other: so no .env, no
database, no cache, and none of the dot-files that a build backend leaves out by itself.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

LARGEST = 1_000_000
NEEDED = {
    "stanchion/py.typed",
    "stanchion/template/.env.example",
    "stanchion/template/.gitignore",
    "stanchion/template/requirements.txt",
    "stanchion/.agents/skills/stanchion/SKILL.md",
}


def known() -> set[str]:
    """Return what git knows under src/, or would if it were added, as the wheel names it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src/stanchion"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return {name.removeprefix("src/") for name in listed if name and Path(name).is_file()}


def is_litter(name: str) -> bool:
    """Say whether a file is one that a backend or a tool leaves behind."""
    path = PurePosixPath(name)
    return (
        path.name == ".env"
        or path.suffix in {".db", ".pyc", ".db-wal", ".db-shm"}
        or any(part.endswith("_cache") or part == "__pycache__" for part in path.parts)
    )


def is_ours(name: str) -> bool:
    """Say whether a file is for those who work on the repository: the sdist has docs/ alone beside src/."""
    return name.startswith(("tests/", "benchmarks/", "demos/", "scripts/", "requirements/"))


def complaints(folder: Path) -> list[str]:
    """Return what is wrong with the wheel and the sdist in the folder."""
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    expected, everything = known() | NEEDED, sorted(held | source)
    found = [f"the wheel lacks {name}" for name in sorted(expected - held)]
    found += [f"the wheel holds {name}, which git does not know" for name in sorted(held - expected)]
    found += [f"the sdist lacks src/{name}" for name in sorted(expected) if f"src/{name}" not in source]
    found += [f"{name} does not belong in a distribution" for name in everything if is_litter(name)]
    found += [
        f"the sdist holds {name}, which only the repository needs" for name in sorted(source) if is_ours(name)
    ]
    for path in (wheel, sdist):
        if (size := path.stat().st_size) > LARGEST:
            found.append(f"{path.name} has {size} bytes, more than {LARGEST}")
    return found


if __name__ == "__main__":
    found = complaints(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
