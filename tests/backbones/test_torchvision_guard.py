"""The guard in front of torchvision, where it could go wrong; that it works at all, every other test shows."""

import sys
from types import ModuleType

from crosspool.backbones import torchvision_guard


def test_another_thread_may_import_something_meanwhile(monkeypatch):
    class Name(str):
        __slots__ = ()

        def split(self, *separator):
            monkeypatch.setitem(sys.modules, "imported_meanwhile", ModuleType("imported_meanwhile"))
            return super().split(*separator)

    for name in (Name("half.imported"), "half", "half.more", "halfway"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    torchvision_guard._forget("half")
    assert {name for name in sys.modules if name.startswith("half")} == {"halfway"}
    assert "imported_meanwhile" in sys.modules
