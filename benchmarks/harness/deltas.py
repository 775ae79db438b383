"""What a page shows, as a browser stores it: a tree of elements from the server's messages, and widgets' states."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamlit.proto.Block_pb2 import Block
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

TRIGGERS = {"trigger_value", "string_trigger_value", "json_trigger_value"}
Path = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """An element or a block; `fragment` is the fragment it belongs to, or "", `run` the run that sent it last."""

    content: Element | Block
    fragment: str
    run: str
    page: str

    @property
    def kind(self) -> str:
        return self.content.WhichOneof("type") or ""

    @property
    def proto(self) -> Any:
        return getattr(self.content, self.kind)

    @property
    def id(self) -> str:
        """The widget's, or ""."""
        return getattr(self.proto, "id", "") if self.kind else ""

    @property
    def key(self) -> str:
        """Its key on the page, or "": an id ends with it, or with None."""
        return self.id.split("-", 2)[2] if self.id.count("-") > 1 and not self.id.endswith("-None") else ""

    @property
    def label(self) -> str:
        return getattr(self.proto, "label", "") if self.kind else ""

    @property
    def options(self) -> list[str]:
        """What can be chosen, as it is sent: a button's icon stands before its text."""
        if self.kind == "button_group":
            return [f"{option.content_icon} {option.content}".strip() for option in self.proto.options]
        return list(self.proto.options)


class Page:
    """The tree, by place, and the state of every widget in it."""

    def __init__(self) -> None:
        self.nodes: dict[Path, Node] = {}
        self.states: dict[str, WidgetState] = {}

    def apply(self, message: ForwardMsg, run: str) -> None:
        """Put the content of a delta of this run into its place."""
        delta, path = message.delta, tuple(message.metadata.delta_path)
        kind = delta.WhichOneof("type")
        if kind == "new_transient":
            return
        if kind == "new_element":
            self.nodes = {place: node for place, node in self.nodes.items() if place[: len(path)] != path}
        content = delta.new_element if kind == "new_element" else delta.add_block
        node = self.nodes[path] = Node(content, delta.fragment_id, run, message.metadata.active_script_hash)
        if node.id and (state := _state_of(node, known=node.id in self.states)) is not None:
            self.states[node.id] = state

    def end_run(self, run: str, fragments: set[str]) -> None:
        """Remove what the run did not send again; after a run of fragments, only of what is in them."""
        self.nodes = {
            path: node
            for path, node in self.nodes.items()
            if node.run == run or (fragments and not self._is_in(path, fragments))
        }
        self._forget_widgets()

    def leave(self, page: str, main: str) -> None:
        """Before another page: keep only what belongs to the app's frame."""
        self.nodes = {path: node for path, node in self.nodes.items() if node.page != page or page == main}
        self._forget_widgets()

    def _is_in(self, path: Path, fragments: set[str]) -> bool:
        ancestors = [self.nodes.get(path[:length]) for length in range(1, len(path) + 1)]
        return any(node is not None and node.fragment in fragments for node in ancestors)

    def _forget_widgets(self) -> None:
        ids = {node.id for node in self.nodes.values()}
        self.states = {name: state for name, state in self.states.items() if name in ids}

    def forget_triggers(self) -> None:
        """Forget presses: a button is pressed once."""
        self.states = {name: state for name, state in self.states.items() if state.WhichOneof("value") not in TRIGGERS}

    def elements(self, *kinds: str) -> Iterator[Node]:
        """Elements of these kinds, in the order in which they stand."""
        for _, node in sorted(self.nodes.items()):
            if isinstance(node.content, Element) and node.kind in kinds:
                yield node

    def widget(self, name: str, *kinds: str) -> Node:
        """The widget of this key, or whose label begins with it. Raises LookupError."""
        for node in self.elements(*kinds):
            if name == node.key or (node.label and node.label.startswith(name)):
                return node
        names = sorted({node.label or node.key for node in self.elements(*kinds)})
        raise LookupError(f"The page has no {' or '.join(kinds)} {name!r}, but {names}")

    def drawer(self, name: str) -> Node:
        """The drawer whose title begins with this. Raises LookupError."""
        for _, node in sorted(self.nodes.items()):
            if isinstance(node.content, Block) and node.kind == "expandable" and node.label.startswith(name):
                return node
        raise LookupError(f"The page has no drawer {name!r}")

    @property
    def texts(self) -> list[str]:
        """Everything that is written on the page, without the style sheets of components."""
        written = self.elements("markdown", "heading", "alert", "html", "progress", "code")
        texts = [str(getattr(node.proto, "body", "") or getattr(node.proto, "text", "")) for node in written]
        labels = [node.label for node in self.elements(*_WITH_LABELS)]
        return [text for text in texts + labels if text and not text.startswith("<style")]

    @property
    def errors(self) -> list[str]:
        """Every red box, and every exception."""
        boxes = [str(node.proto.body) for node in self.elements("alert") if node.proto.format == node.proto.ERROR]
        return boxes + [f"{node.proto.type}: {node.proto.message}" for node in self.elements("exception")]

    def component(self, key: str) -> Any:
        """The data that a component was last given: bytes, or its decoded JSON. Raises LookupError."""
        proto = self.widget(key, "bidi_component").proto
        return proto.bytes if proto.WhichOneof("data") == "bytes" else json.loads(proto.json)


_WITH_LABELS = ("button", "button_group", "selectbox", "slider", "number_input", "text_input", "checkbox", "radio")


def _state_of(node: Node, *, known: bool) -> WidgetState | None:
    """A widget's state as its element sets it; None where the known state holds, or the element sets none."""
    proto, kind = node.proto, node.kind
    is_set = getattr(proto, "set_value", False)
    if known and not is_set:
        return None
    state = WidgetState(id=proto.id)
    if kind in ("selectbox", "radio"):
        if is_set:
            state.string_value = proto.raw_value
        elif proto.HasField("default"):
            state.string_value = proto.options[proto.default]
    elif kind in ("button_group", "multiselect"):
        state.string_array_value.data.extend(proto.raw_values if is_set else [node.options[i] for i in proto.default])
    elif kind == "slider":
        default = [proto.options[int(i)] for i in proto.default] if proto.options else []
        state.string_array_value.data.extend(proto.raw_value if is_set else default)
    elif kind in ("number_input", "text_input", "checkbox"):
        value = proto.value if is_set else proto.default
        setattr(state, {"number_input": "double", "text_input": "string", "checkbox": "bool"}[kind] + "_value", value)
    elif kind in ("file_uploader", "camera_input"):
        state.file_uploader_state_value.SetInParent()
    else:
        return None
    return state
