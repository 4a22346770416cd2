"""A profile as the plain JSON that a worker answers; what comes back is believed only as far as its form goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fedward_client.importer.preflight.profile import Profile
from fedward_shared.errors import ImporterError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["profile_from", "profile_to"]


def profile_to(profile: Profile) -> dict[str, Any]:
    """As it travels."""
    return asdict(profile)


def profile_from(document: Mapping[str, Any]) -> Profile:
    """As `profile_to` wrote it, or as a worker that was taken over by what it read would like us to think.

    Raises:
        ImporterError: it is not of this form.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(json.dumps(document, allow_nan=False), strict=True, extra="forbid")
    except (ValidationError, ValueError, TypeError, RecursionError):
        raise ImporterError("the importer's worker answered in a form that nobody expects") from None


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Profile]:
    from pydantic import TypeAdapter

    return TypeAdapter(Profile)
