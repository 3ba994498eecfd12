"""Many link messages in one stream message, within the size a peer accepts."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import Message

from opensqt.rpc.options import BATCH_MAX

ItemT = TypeVar("ItemT", bound=Message)
BatchT = TypeVar("BatchT", bound=Message)


def batches(
    items: Iterable[ItemT],
    build: Callable[[list[ItemT]], BatchT],
    *,
    size_max: int = BATCH_MAX,
) -> Iterator[BatchT]:
    """Yield messages that hold ``items`` in order, at most ``size_max`` bytes of items each.

    An item that is larger alone travels alone.
    """
    gathered: list[ItemT] = []
    size = 0
    for item in items:
        item_size = item.ByteSize()
        if gathered and size + item_size > size_max:
            yield build(gathered)
            gathered, size = [], 0
        gathered.append(item)
        size += item_size
    if gathered:
        yield build(gathered)
