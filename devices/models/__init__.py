"""The tables of the fleet: who may upload, which phones there are, what their owners allowed."""

from devices.models.access import ApiToken, DeviceToken, IngestKey, Membership, Program
from devices.models.advice import AdviceGiven
from devices.models.audit import AuditEntry
from devices.models.consent import ConsentEntry
from devices.models.data_key import DataKey
from devices.models.device import Device, IdentityLink
from devices.models.erasure import ErasedToken, Erasure
from devices.models.loss import AgentLoss
from devices.models.vital import AppVitalCell, VitalCell, VitalMark, VitalSample
from devices.models.work_count import WorkCount

__all__ = [
    "AdviceGiven",
    "AgentLoss",
    "ApiToken",
    "AppVitalCell",
    "AuditEntry",
    "ConsentEntry",
    "DataKey",
    "Device",
    "DeviceToken",
    "ErasedToken",
    "Erasure",
    "IdentityLink",
    "IngestKey",
    "Membership",
    "Program",
    "VitalCell",
    "VitalMark",
    "VitalSample",
    "WorkCount",
]
