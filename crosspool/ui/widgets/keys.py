"""Keys that work wherever on the page the focus is, unless the focused element needs them itself."""

from collections.abc import Callable, Mapping

from crosspool.ui.widgets.browser import Id, component, one_of

# A presenter's remote control sends the page keys; otherwise they scroll the page.
BACK, ON = ("ArrowLeft", "PageUp"), ("ArrowRight", "PageDown")

_draw = component("ui/widgets/keys", pressed=Id)


def keys(actions: Mapping[str, Callable[[], None]], *, key: str) -> None:
    """Call `actions[name]()` when that key is pressed; names as in the browser's KeyboardEvent.key."""
    _draw({"keys": list(actions)}, key, pressed=one_of(actions, lambda name: actions[name]()))
