"""The catalog: phones with their OS builds, operators by country, apps with their versions.

Names and build fingerprints have the shape of real ones. TACs are made up, from the range of test
equipment (`00`), so that no IMEI of the demo belongs to a phone that exists.
"""

from dataclasses import dataclass

BUILDS_PER_MODEL = 3
APP_VERSIONS = 3


@dataclass(frozen=True, slots=True)
class OsBuild:
    """One OS build of one model. `rollout_day` counts from the start of six weeks."""

    label: str
    release: str
    build_id: str
    incremental: str
    rollout_day: float
    age_months: int
    """How many months before the end of the window its security patch dates from."""


@dataclass(frozen=True, slots=True)
class PhoneModel:
    """A model. `share` is its part of the fleet, relative to the others."""

    name: str
    brand: str
    product: str
    device: str
    tac: str
    share: float
    kernel: str
    modem: str
    builds: tuple[OsBuild, ...]

    def fingerprint(self, build: OsBuild) -> str:
        """`ro.build.fingerprint` of this model with that build."""
        return (
            f"{self.brand}/{self.product}/{self.device}:{build.release}/"
            f"{build.build_id}/{build.incremental}:user/release-keys"
        )


@dataclass(frozen=True, slots=True)
class Country:
    """Where owners live: operators as MNC to relative share, time zone, share of the fleet."""

    mcc: str
    operators: tuple[tuple[str, float], ...]
    utc_offset_minutes: int
    share: float


@dataclass(frozen=True, slots=True)
class App:
    """An app. A system app has no versions of its own: it comes with the OS build."""

    package: str
    uid: int
    versions: tuple[tuple[str, int], ...] = ()

    @property
    def is_system(self) -> bool:
        """Whether it is part of the system image."""
        return not self.versions


_QUALCOMM = {"13": "TKQ1.220915.002", "14": "UKQ1.230804.001", "15": "AQ3A.241014.001"}
_UNISOC = {"12": "SP1A.210812.016", "13": "TP1A.220624.014", "14": "UP1A.231005.007"}
_KERNELS = {
    "sm": "5.4.254-qgki-gd0b1a7f5c1e2",
    "sm-new": "5.10.218-android12-9-00019-g4ea0c3b1f7d2-ab12380445",
    "ums": "5.4.233-android12-9-00005-g9a1f0b77cd21",
    "ums-new": "5.15.148-android13-8-00021-gb3f0a6dd92c1-ab11953011",
}
_MODEMS = {
    "sm": "MPSS.HI.4.3.4-00386-MANNAR_GEN_PACK-1.57",
    "sm-new": "MPSS.DE.3.1.c2-00132-PALIMA_GEN_PACK-1.9",
    "ums": "4G_MODEM_20B_W22.18.5|uis8581e_modem|04-25-2023",
    "ums-new": "5G_MODEM_22A_W23.41.2|ums9620_modem|10-12-2023",
}


def _model(
    name: str,
    product: str,
    device: str,
    *,
    tac: str,
    share: float,
    platform: str,
    builds: tuple[tuple[str, str], ...],
    lag_days: float,
) -> PhoneModel:
    """A model from its short row. `builds` are (label, release), oldest first."""
    ids = _QUALCOMM if platform.startswith("sm") else _UNISOC
    region = product.rpartition("_")[2]
    made = [
        OsBuild(
            label=label,
            release=release,
            build_id=ids[release],
            incremental=f"{region}_{label.removeprefix('V').replace('.', '_')}",
            rollout_day=start + lag_days,
            age_months=age_months,
        )
        for (label, release), start, age_months in zip(
            builds, _ROLLOUT_DAYS, _AGES_MONTHS, strict=True
        )
    ]
    return PhoneModel(
        name=name,
        brand=name.partition(" ")[0],
        product=product,
        device=device,
        tac=tac,
        share=share,
        kernel=_KERNELS[platform],
        modem=_MODEMS[platform],
        builds=tuple(made),
    )


_ROLLOUT_DAYS = (-200.0, -9.0, 21.0)
_AGES_MONTHS = (7, 3, 1)

MODELS = (
    _model("Nokia G42 5G", "Rona_00WW", "RNA_sprout", tac="00440101", share=17, platform="sm",
           builds=(("V2.360", "13"), ("V3.340", "14"), ("V3.420", "14")), lag_days=0),
    _model("Nokia C32", "Thorn_00WW", "THR_sprout", tac="00440102", share=13, platform="ums",
           builds=(("V1.190", "13"), ("V1.230", "13"), ("V2.110", "14")), lag_days=3),
    _model("Nokia G22", "Scorpius_00WW", "SCS_sprout", tac="00440103", share=11, platform="ums",
           builds=(("V1.280", "12"), ("V2.160", "13"), ("V2.220", "13")), lag_days=2),
    _model("HMD Pulse Pro", "Nova_00EEA", "NVP", tac="00440104", share=10, platform="ums-new",
           builds=(("V1.120", "14"), ("V1.180", "14"), ("V1.240", "14")), lag_days=1),
    _model("Nokia X30 5G", "Falcon_00WW", "FCN_sprout", tac="00440105", share=9, platform="sm",
           builds=(("V2.380", "13"), ("V3.210", "14"), ("V3.270", "14")), lag_days=0),
    _model("HMD Skyline", "Nighthawk_00WW", "NHK", tac="00440106", share=8, platform="sm-new",
           builds=(("V1.380", "14"), ("V1.440", "14"), ("V2.130", "15")), lag_days=1),
    _model("HMD Fusion", "Nighthawk_F_00WW", "NHF", tac="00440107", share=7, platform="sm-new",
           builds=(("V1.250", "14"), ("V1.330", "14"), ("V2.120", "15")), lag_days=4),
    _model("Nokia G60 5G", "Apollo_00EEA", "APO_sprout", tac="00440108", share=7, platform="sm",
           builds=(("V2.300", "13"), ("V3.160", "14"), ("V3.250", "14")), lag_days=2),
    _model("Nokia XR21", "Thunder_00WW", "TDR_sprout", tac="00440109", share=6, platform="sm",
           builds=(("V2.450", "13"), ("V3.190", "14"), ("V3.310", "14")), lag_days=0),
    _model("Nokia G21", "Scorpion_00WW", "SCP_sprout", tac="00440110", share=5, platform="ums",
           builds=(("V2.290", "12"), ("V3.140", "13"), ("V3.180", "13")), lag_days=5),
    _model("Nokia X20", "Quicksilver_00WW", "QKS_sprout", tac="00440111", share=4, platform="sm",
           builds=(("V3.370", "13"), ("V4.110", "14"), ("V4.170", "14")), lag_days=3),
    _model("HMD Crest Max", "Aurora_00IN", "ARM", tac="00440112", share=3, platform="ums-new",
           builds=(("V1.090", "14"), ("V1.150", "14"), ("V1.210", "14")), lag_days=6),
)  # fmt: skip

# Operators by MNC: a few of the large ones of each country.
COUNTRIES = (
    Country("404", (("10", 3), ("20", 2), ("45", 2)), 330, 12),
    Country("405", (("857", 4), ("861", 3), ("866", 2)), 330, 12),
    Country("262", (("01", 4), ("02", 3), ("03", 3)), 60, 10),
    Country("234", (("10", 3), ("15", 2), ("20", 2), ("30", 4)), 0, 8),
    Country("208", (("01", 4), ("10", 2), ("15", 3), ("20", 2)), 60, 6),
    Country("222", (("01", 3), ("10", 3), ("88", 3)), 60, 6),
    Country("244", (("05", 4), ("12", 2), ("91", 3)), 120, 6),
    Country("260", (("01", 2), ("02", 2), ("03", 3), ("06", 3)), 60, 6),
    Country("214", (("01", 2), ("03", 3), ("07", 4)), 60, 5),
    Country("204", (("04", 2), ("08", 3), ("16", 2)), 60, 3),
    Country("230", (("01", 3), ("02", 3), ("03", 2)), 60, 3),
    Country("216", (("01", 2), ("30", 3), ("70", 2)), 60, 2),
    Country("226", (("01", 2), ("10", 3)), 120, 2),
    Country("240", (("01", 3), ("02", 2), ("07", 2)), 60, 2),
    Country("268", (("01", 2), ("03", 2), ("06", 3)), 0, 2),
    Country("202", (("01", 3), ("05", 2), ("10", 1)), 120, 2),
    Country("510", (("01", 2), ("10", 4), ("11", 2)), 420, 4),
    Country("621", (("20", 2), ("30", 4), ("50", 2)), 60, 3),
    Country("602", (("01", 2), ("02", 3), ("03", 2)), 120, 2),
    Country("639", (("02", 4), ("03", 2)), 180, 2),
    Country("655", (("01", 3), ("07", 1), ("10", 3)), 120, 2),
    Country("515", (("02", 2), ("03", 3)), 480, 1.5),
    Country("310", (("260", 3), ("410", 2)), -300, 1),
    Country("724", (("05", 2), ("06", 3), ("11", 2)), -180, 1),
)

APPS = {
    app.package: app
    for app in (
        App("android", 1000),
        App("com.android.settings", 1000),
        App("com.android.systemui", 10142),
        App("com.android.phone", 1001),
        App("com.android.bluetooth", 1002),
        App("com.android.launcher3", 10133),
        App("com.android.providers.media.module", 10101),
        App("com.hmdglobal.app.camera", 10151),
        App("com.hmdglobal.app.gallery", 10152),
        App("com.hmdglobal.app.mydevice", 10153),
        App("com.hmdglobal.app.recorder", 10154),
        App("com.pixelforge.tilt", 10231,
            (("2.7.0", 20700), ("2.7.1", 20701), ("2.8.0", 20800))),
        App("org.feedlark.reader", 10240,
            (("5.11.2", 511020), ("5.12.0", 512000), ("5.13.0", 513000))),
        App("com.nordbite.delivery", 10255,
            (("8.4.0", 80400), ("8.5.1", 80501), ("8.6.0", 80600))),
        App("com.chatterbird.messenger", 10262,
            (("3.40.1", 340010), ("3.41.0", 341000), ("3.42.0", 342000))),
        App("app.wavetune.player", 10277,
            (("1.19.3", 1193), ("1.20.0", 1200), ("1.21.0", 1210))),
        App("com.citymove.transit", 10281,
            (("4.2.0", 420), ("4.3.0", 430), ("4.3.1", 431))),
    )
}  # fmt: skip
