"""A field of a message is declared once: each place that passes messages on carries a further field, or refuses it by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import further_fields
import smsbridge
from smsbridge.message_fields import FIELDS
from smsbridge.messages import Message, MessageFields

BEFORE = "    options: Mapping[str, Mapping[str, Any]]"
FURTHER = {"campaign": "str | None", "not_before": "datetime | None"}
LOOKS = [f"{look}[{name}]" for look in further_fields.PLACES for name in FURTHER]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Run the places with a copy that has one more line each in Message and in MessageFields."""
    folder = tmp_path_factory.mktemp("further")
    copy = folder / "smsbridge"
    shutil.copytree(Path(smsbridge.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "messages.py").read_text("utf-8")
    of_class, of_dict = f"{BEFORE} = field(\n", f"{BEFORE}\n"
    for anchor, default in ((of_class, " = None"), (of_dict, "")):
        assert source.count(anchor) == 1
        lines = "".join(f"    {name}: {kind}{default}\n" for name, kind in FURTHER.items())
        source = source.replace(anchor, lines + anchor)
    (copy / "messages.py").write_text(source, "utf-8")
    done = subprocess.run(
        [sys.executable, further_fields.__file__],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    assert found.pop("copy") == str(copy / "messages.py")
    return found


@pytest.mark.parametrize("look", LOOKS)
def test_a_further_field_is_carried_or_refused_by_name(findings: dict[str, object], look: str) -> None:
    assert findings[look] is True


def test_the_typed_dict_has_the_optional_fields_of_the_class() -> None:
    hints = get_type_hints(Message)
    assert get_type_hints(MessageFields) == {field.name: hints[field.name] for field in FIELDS}
    assert [field.name for field in FIELDS] == [name for name in hints if name not in ("to", "text")]
