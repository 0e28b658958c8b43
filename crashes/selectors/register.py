"""What is really stored, to be compared with the register."""

from collections.abc import Mapping

from django.apps import apps
from django.db import models


def stored_fields() -> dict[str, tuple[str, ...]]:
    """The names of all stored fields by the label of their model."""
    return {
        model._meta.label: tuple(field.name for field in model._meta.concrete_fields)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }


def device_models() -> Mapping[str, frozenset[str]]:
    """The models whose rows hang on one device, and the models that each of them goes with.

    A model hangs on a device if it names one, or if its rows go with rows that hang on one.
    """
    found = {
        model._meta.label: model
        for model in apps.get_models()
        if model._meta.label == "devices.Device"
        or any(field.name in {"device", "device_id"} for field in model._meta.concrete_fields)
    }
    while more := {
        model._meta.label: model
        for model in apps.get_models()
        if model._meta.label not in found and _goes_with(model) & found.keys()
    }:
        found |= more
    return {label: _goes_with(model) & found.keys() for label, model in found.items()}


def _goes_with(model: type[models.Model]) -> frozenset[str]:
    """The models whose rows take rows of this one with them."""
    return frozenset(
        field.related_model._meta.label
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.remote_field.on_delete is models.CASCADE
        and not isinstance(field.related_model, str)
    )
