"""scripts/sbom: what the image is made of, as a CycloneDX bill of materials.

It lists the Debian packages that dpkg knows in the image, and the Python packages of its .venv.
"""

import json
import subprocess
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from scripts.lib.command import CannotRun, command_parser, run

DEBIAN = "dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Status}\\n'"
PYTHON = """
import json
from importlib.metadata import distributions
print(json.dumps(sorted((one.name, one.version) for one in distributions())))
"""


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/sbom", "List what an image is made of, as a CycloneDX bill of materials."
    )
    made.add_argument("image", nargs="?", default="webpy-sqlobject-site",
        help="the image's name (default webpy-sqlobject-site, as Compose builds it)")  # fmt: skip
    made.add_argument(
        "--output", type=Path, metavar="FILE", help="where it is written (default stdout)"
    )
    return made


def main(arguments):
    """List as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    text = bill(options.image)
    if options.output:
        options.output.write_text(text)
    else:
        print(text)
    return 0


def bill(image):
    """Return the JSON text for the Docker image of this name, valid by CycloneDX's schema.

    Raises CannotRun if there is no Docker engine or no such image.
    """
    made = Bom()
    made.metadata.component = Component(name=image, type=ComponentType.CONTAINER)
    for line in _in_image(image, ["sh", "-c", DEBIAN]).splitlines():
        name, version, status = line.split()
        if status == "installed":
            _add(made, name.partition(":")[0], version, "deb", "debian")
    for name, version in json.loads(_in_image(image, ["python", "-c", PYTHON])):
        _add(made, name, version, "pypi")
    made.register_dependency(made.metadata.component, made.components)
    text = JsonV1Dot6(made).output_as_string(indent=1)
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if errors:
        raise CannotRun(f"the bill does not match CycloneDX's schema: {errors}")
    return text


def _add(bill, name, version, kind, namespace=None):
    address = PackageURL(kind, namespace, name, version)
    bill.components.add(
        Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=address,
            bom_ref=address.to_string(),
        )  # fmt: skip
    )


def _in_image(image, command):
    """What a command prints in a new container of the image."""
    entry, *arguments = command
    whole = ["docker", "run", "--rm", "--network", "none", "--pull", "never", "--entrypoint",
        entry, image, *arguments]  # fmt: skip
    try:
        done = subprocess.run(whole, capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotRun("there is no command docker: install a Docker engine") from None
    if done.returncode:
        raise CannotRun(
            f"the image {image} cannot be looked into: build it by `docker compose build`, or "
            f"name another\n{done.stderr.strip()}"
        )
    return done.stdout


if __name__ == "__main__":
    run("scripts/sbom", main)
