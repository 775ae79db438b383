"""The structure of a network that torch.fx cannot trace: built with random numbers, recorded at every input size."""

from dataclasses import replace

from crosspool.backbones.own_structure import OwnArchitecture, expect_the_same_elsewhere, recorded_layout
from crosspool.backbones.structure import BackboneSpec, with_random_numbers, without_memory
from crosspool.errors import BackboneError
from crosspool.tracing import Layout, forbid_in_place


class BuiltArchitecture(OwnArchitecture):
    """Like that of a user's own module, but without numbers. Raises BackboneError where there is no layer pair."""

    def __init__(self, spec: BackboneSpec, num_classes: int) -> None:
        super().__init__(spec, without_memory(spec, num_classes))
        self._num_classes = num_classes
        if not self.layer_pairs:
            problem = f"{spec.name} has no layer pair: none of its convolutions reads the map of another one"
            raise BackboneError(f"{problem}; choose a convolutional network, as attention has other maps.")

    def _layout_at(self, size: int) -> Layout:
        model = with_random_numbers(self.spec, self._num_classes).requires_grad_(False)
        forbid_in_place(model)
        layout = recorded_layout(model, self.spec.name, size)
        expect_the_same_elsewhere(model, layout, self.spec.name)
        return replace(layout, model=self._model)
