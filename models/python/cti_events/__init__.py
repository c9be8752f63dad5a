"""A model for the data of each event that cti-bridge publishes.

Models accept fields they lack (in `model_extra`) and values that are not listed, as a PBX or bridge may be newer than they are.
"""

from pydantic import BaseModel

from ._models import *  # noqa: F403
from ._types import TYPES

__all__ = ["TYPES", "parse"]


def parse(ce_type: str, data: bytes | str) -> BaseModel | None:
    """Returns the data of an event as its model, such as `ExtenUpdate` for `cti.event.extenUpdate.v1`.

    `ce_type` is the CloudEvents attribute `type`. `None` if this version does not know it.
    Raises `pydantic.ValidationError` for data of another shape.
    """
    model = TYPES.get(ce_type)
    return None if model is None else model.model_validate_json(data)
