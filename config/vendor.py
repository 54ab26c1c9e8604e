"""Front-end files of others, pinned and checked: `python -m config.vendor [--check]`.

`vendor.json` names packages, versions, checksums and the few files taken. Fetching uses the npm
client, whatever registry it is set up for; its result is committed, so nobody else needs npm.
Standard library only.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from config.places import ROOT

SPECIFICATION = ROOT / "vendor.json"
FOLDER = ROOT / "static" / "vendor"
MANIFEST = "MANIFEST.json"
# A map that is not there would make collectstatic fail.
SOURCE_MAP = re.compile(rb"\n?(//|/\*)# sourceMappingURL=[^\n]*")
SYMBOL = (
    '<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round">{body}</symbol>'
)
MIT = """{copyright}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and \
associated documentation files (the "Software"), to deal in the Software without restriction, \
including without limitation the rights to use, copy, modify, merge, publish, distribute, \
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is \
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or \
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT \
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND \
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, \
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, \
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def fetch() -> None:
    """Download every package, check it, and write its files and the manifest."""
    manifest = {}
    for package in json.loads(SPECIFICATION.read_text(encoding="utf-8"))["packages"]:
        for name, content in _files(package).items():
            target = FOLDER / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            manifest[name] = {
                "from": f"{package['name']}@{package['version']}",
                "licence": package["licence"],
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    text = json.dumps(manifest, indent=1, sort_keys=True)
    (FOLDER / MANIFEST).write_text(f"{text}\n", encoding="utf-8")


def differences() -> list[str]:
    """The vendored files that are missing, changed or unknown, by name; needs no network."""
    manifest = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))
    found = {
        str(place.relative_to(FOLDER)): hashlib.sha256(place.read_bytes()).hexdigest()
        for place in FOLDER.rglob("*")
        if place.is_file() and place.name != MANIFEST
    }
    wanted = {name: entry["sha256"] for name, entry in manifest.items()}
    return sorted(name for name in found | wanted if found.get(name) != wanted.get(name))


def _files(package: dict[str, Any]) -> dict[str, bytes]:
    """Target name to content, for one package of the specification."""
    with _tarball(package) as archive:
        files = {
            target: SOURCE_MAP.sub(b"", _member(archive, source))
            for source, target in package.get("files", {}).items()
        }
        if "sprite" in package:
            files[package["sprite"]] = _sprite(archive, package["icons"])
        licence = f"licences/{package['name'].strip('@').replace('/', '-')}.txt"
        if "licence_file" in package:
            files[licence] = _member(archive, package["licence_file"])
        else:  # the package forgot the text of its own licence
            files[licence] = MIT.format(copyright=package["copyright"]).encode()
    return files


def _tarball(package: dict[str, Any]) -> tarfile.TarFile:
    wanted = f"{package['name']}@{package['version']}"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", wanted, "--pack-destination", folder],  # noqa: S607 -- PATH
            check=True,
            stdout=subprocess.DEVNULL,
        )
        content = next(Path(folder).glob("*.tgz")).read_bytes()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != package["integrity"]:
        sys.exit(f"{wanted}: the download's checksum is sha512-{digest}")
    return tarfile.open(fileobj=io.BytesIO(content))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(f"package/{name}")
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


def _sprite(archive: tarfile.TarFile, icons: list[str]) -> bytes:
    """One file of symbols; a page draws one with `<use href="…/tabler-sprite.svg#name">`."""
    lines = ['<svg xmlns="http://www.w3.org/2000/svg">']
    for name in sorted(icons):
        drawing = _member(archive, f"icons/outline/{name}.svg").decode()
        body = re.sub(r".*?<svg[^>]*>(.*)</svg>.*", r"\1", drawing, flags=re.DOTALL)
        body = body.replace('<path stroke="none" d="M0 0h24v24H0z" fill="none" />', "")
        lines.append(SYMBOL.format(name=name, body=" ".join(body.split())))
    return "\n".join([*lines, "</svg>", ""]).encode()


def main() -> None:
    """Fetch, or with `--check` exit 1 when the committed files are not those of the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, offline")
    if not parser.parse_args().check:
        fetch()
    if wrong := differences():
        sys.exit(f"not as in {MANIFEST}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
