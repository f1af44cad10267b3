"""How many bytes of tensors are alive while something runs, counted instead of estimated."""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Within it, `peak` is the most bytes that tensors made within it held at once.

    What existed before is not counted, nor are the insides of a fused kernel. Works on meta tensors too, whose
    bytes are those they would have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):  # what is not known yet when it is used was there before
            self._count(tensor, 0)
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            self._count(tensor)
        return result

    def _count(self, tensor: Any, size: int | None = None) -> None:
        if not isinstance(tensor, torch.Tensor):
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known[key] = storage.nbytes() if size is None else size
        self.live += self._known[key]
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.live -= self._known.pop(key)
