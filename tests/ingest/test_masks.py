"""The part of a refused message that is kept: nothing that names a person, no text that nobody asked
for, and all that a replay needs.
"""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.decode import DECODERS, Decoded
from ingest.masks import json_text, personal
from ingest.masks.payload import keep_payload, keep_topic
from ingest.masks.personal import Kind, find_personal, kind_of_number
from ingest.masks.wanted import Wanted
from insitu.wire import PREFIX
from tests.examples import examples

OBS = f"{PREFIX}/t/a/obs"
PERSONAL = {
    Kind.EMAIL: ["jean.dupont@ville.fr", "a+b@sub.example.co.uk", "mail to x_y@example.org today"],
    Kind.PHONE: [
        *("0612345678", "06 12 34 56 78", "06.12.34.56.78", "01-23-45-67-89"),
        *("+33612345678", "+33 6 12 34 56 78", "+33 (0)6 12 34 56 78", "0033612345678", "+44 20 7946 0958"),
        "call 06 12 34 56 78 now",
        "+33612345679 06 or",
    ],
    Kind.MAC: [
        "aa:bb:cc:dd:ee:ff",
        "AA-BB-CC-DD-EE-FF",
        "aabb.ccdd.eeff",
        "3c22fb1a2b4d",
        "seen 3C:22:FB:1A:2B:4D",
    ],
    Kind.IMEI: ["490154203237518", "49-015420-323751-8", "IMEI 356938035643809"],
    Kind.PLATE: ["AB-123-CD", "AB123CD", "AB 123 CD", "1234 AB 75", "1-ABC-234"],
}
HARMLESS = [
    *("12.3", "-0.5", "+12.5", "1e10", "3.1415926535", "0123456789.5", "-0.612345678", "0,612345678"),
    *("1764445678", "1764445678123", "1764445678123456", "1764445678123456789", "2026-03-01"),
    *("2026-03-01T12:00:00Z", "2026-03-01T12:00:00+02:00", "2026-03-01 12:00:00", "12:30:45", "00:15:30"),
    *("01/03/2026 12:00", "P1DT12H", "192.168.1.12", "192.168.001.012", "1.2.3.4", "fe80::1", "::1"),
    *("123456789012345", "490154203237519", "111111111111111", "000000000000000", "20000000000", "99999999"),
    *("v2.10.0-rc1", "2.10.4.1234", "1.0.4+build.5", "a1b2c3d", "deadbeef", "123456789012", "abcdefabcdef"),
    *("70b3d57ed0001234", "70:b3:d5:7e:d0:00:12:34", "0004a30b001c0530", "a1b2c3d4e5f60718a1b2c3d4e5f60718"),
    *("SN-2024-00012", "PM2.5", "CO2", "SPS30", "NO2/O3", "BME280", "AQ-MESH-12", "QA-100", "EN 14625"),
    *("48.8534,2.3488", "48.853400 2.348800", "10 20 30 40 50", "100 200 300", "ug/m3", "dB(A)", "@", "a@b"),
    *("3.3V", "230 VAC", "868 MHz", "SF7BW125", "-112 dBm", "#12", "12-34", "0x1F2E3D4C5B6A", "gw-01-02-03"),
]


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts]
)
def test_what_names_a_person_is_found(kind: Kind, text: str) -> None:
    assert [one.kind for one in find_personal(text)] == [kind]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_measurement_a_time_or_a_version_names_nobody(text: str) -> None:
    assert not list(find_personal(text))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "21.5 °C",
            "21,5°C",
            "230 V",
            "-72dBm",
            "55%",
            "<0.5",
            "> 9999",
            "1 234,5",
            "12\u202f345",
            "3.1 km/h",
        ),
        *("45.2 %RH", "12 µg/m³", "1'234.5 ppm", "≤ 0,1 mg/m3", "0.2 dB(A)"),
    ],
)
def test_a_number_as_devices_print_it_can_be_replayed(text: str) -> None:
    assert Wanted().keeps("temp", text, in_list=False)


@pytest.mark.parametrize(
    "text",
    ["12 Dupont", "12 rue", "5 min walk", "612 345 678", "06 12", "12 34", "7 Jean", "3 h 15", "1 234 567"],
)
def test_a_number_beside_a_word_is_none(text: str) -> None:
    assert not Wanted().keeps("note", text, in_list=False)


PIECES = st.one_of(
    st.sampled_from([text for texts in PERSONAL.values() for text in texts] + HARMLESS),
    st.sampled_from(
        ['"2026-03-01T12:00:00Z"', '"2026-03-01T12:00:00.5+02:00', '"', ",", " ", "+", "00", "0", "AB"]
    ),
    st.text('0123456789abcdefABZ+-:.@ ()"\u0661', max_size=9),
)


@given(st.lists(PIECES, max_size=6).map("".join), st.booleans())
@settings(max_examples=examples(quick=300, nightly=20_000))
def test_a_form_is_found_wherever_it_begins(text: str, bare: bool) -> None:
    """The quick search finds what trying each form at each place finds."""
    expected = []
    for match in personal._FORMS.finditer(text):
        group = next(name for name in personal._KINDS if match[name] is not None)
        if (group != "bare" or bare) and (group != "imei" or personal._has_check_digit(match[0])):
            expected.append((personal._KINDS[group], match.start(), match.end()))
    assert [tuple(one) for one in find_personal(text, bare=bare)] == expected


@given(st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(-1e6, 1e6))
@settings(max_examples=examples(quick=200, nightly=5000))
def test_no_measurement_as_a_program_writes_it_is_a_telephone_number(number: float) -> None:
    texts = (
        repr(number),
        f"{number:.3f}",
        f"{number:g}",
        f"{number:+.2f}",
        f"{number:.1f}".replace(".", ","),
    )
    assert not [one for text in texts for one in find_personal(text) if len(text) < 15]


def test_a_number_is_personal_by_the_name_of_its_field_or_by_its_check_digit() -> None:
    assert kind_of_number("tel", "612345678") is Kind.PHONE
    assert kind_of_number("client.phone.number", "33612345678") is Kind.PHONE
    assert kind_of_number("x", "490154203237518") is Kind.IMEI
    for name, digits in (
        ("counter", "612345678"),
        ("tel", "61"),
        ("telemetry", "61234567"),
        ("time", "1764445678"),
    ):
        assert kind_of_number(name, digits) is None


def kept(payload: bytes | str, suffix: str = "obs", wanted: Wanted | None = None) -> bytes:
    content = payload.encode() if isinstance(payload, str) else payload
    found = keep_payload(f"{PREFIX}/t/a/{suffix}", content, "", wanted or Wanted())
    assert len(found.payload) == len(content), "what reads it finds everything at its place"
    return found.payload


def test_a_text_keeps_its_name_and_its_size_and_numbers_times_and_words_stay() -> None:
    message = {
        "boot": "k3 of today",
        "seq": 7,
        "time": "2026-03-01T12:00:00Z",
        "results": {"pm25": 12.3, "no2": "12,5", "door": "open", "note": "Jean Dupont", "é": "Zoé ☺"},
    }
    found = json.loads(kept(json.dumps(message)))
    assert found["results"].pop("note") == "*" * 11
    assert set(found["results"].pop("é")) == {"*"}
    del message["results"]["note"], message["results"]["é"]  # type: ignore[attr-defined]
    assert found == message


def test_a_mapped_field_and_the_words_of_its_mapping_stay_but_no_person() -> None:
    wanted = Wanted(names=frozenset({"mode"}), words=frozenset({"grün"}))
    assert (
        kept('{"mode":"eco-night","light":"Grün"}', wanted=wanted)
        == '{"mode":"eco-night","light":"Grün"}'.encode()
    )
    assert kept('{"mode":"06 12 34 56 78"}', wanted=wanted) == b'{"mode":"**************"}'


def test_the_trial_may_let_texts_stay_but_no_person() -> None:
    wanted = Wanted(allowed=("note", "log.*"))
    text = b'{"note":"hello there","log":{"x":"all of it"},"other":"***"}'
    assert kept('{"note":"hello there","log":{"x":"all of it"},"other":"abc"}', wanted=wanted) == text
    assert b"ville" not in kept('{"note":"hello jean@ville.fr"}', wanted=wanted)


def test_keys_that_name_a_person_are_masked_and_stay_apart() -> None:
    found = json.loads(kept('{"aa:bb:cc:dd:ee:ff":-60,"aa:bb:cc:dd:ee:00":-61,"jean@ville.fr":1}'))
    assert len(found) == 3
    assert sorted(found.values()) == [-61, -60, 1]
    assert all("*" in key for key in found)


def test_a_number_under_a_name_that_tells_of_a_person_becomes_a_text_of_stars() -> None:
    assert kept('{"tel":33612345678,"n":33612345678,"imei":[356938035643809]}') == (
        b'{"tel":"*********","n":33612345678,"imei":["*************"]}'
    )


def test_names_in_lists_stay_so_that_a_mapping_can_select_by_them() -> None:
    text = b'[{"name":"PM 2.5","value":3},{"sensor":"air/1","type":"co2","v":4,"owner":"********"}]'
    given_ = '[{"name":"PM 2.5","value":3},{"sensor":"air/1","type":"co2","v":4,"owner":"Jean Doe"}]'
    assert kept(given_) == text


@pytest.mark.parametrize(
    "payload",
    [
        b"Jean Dupont 06 12 34 56 78",
        b'{"note": "Jean Dupont, 0612345678',
        b'{"note": Jean Dupont, tel: 06 12 34 56 78}',
        b"\xff\xfeJean Dupont\x00\x01 0612345678",
        b'{"a":"\\u004aean Dupont","b":"\\u0030612345678"}',
        b"<user>Jean Dupont</user><tel>0612345678</tel>",
    ],
)
def test_what_cannot_be_read_keeps_no_words_either(payload: bytes) -> None:
    for suffix in ("obs", "telemetry", "status", "senml", "influx", "other"):
        found = kept(payload, suffix)
        for word in (b"Jean", b"Dupont", b"0612345678", b"06 12 34 56 78", b"\\u004aean"):
            assert word not in found, (suffix, found)


def test_lines_keep_measurement_names_and_numbers() -> None:
    head, texts = "air,room=b2,user=Jean\\ D", 'note="Jean, \\"06 12\\"",tel=33612345678i,ok=t'
    line = f"{head} pm25=12.3,{texts} 1764445678000000000\n"
    found = kept(line * 2, "influx").decode()
    assert found.startswith('air,room=**,user=******* pm25=12.3,note="')
    assert "Jean" not in found
    assert "33612345678" not in found
    decoded = DECODERS["influx"](found.encode(), 0)
    assert isinstance(decoded, Decoded)
    numbers = [one.result for one in decoded.readings if one.property in ("pm25", "ok")]
    assert numbers == [12.3, True, 12.3, True]


def test_cbor_keeps_its_lengths_names_and_numbers() -> None:
    def text(content: str) -> bytes:
        return bytes([0x60 + len(content.encode())]) + content.encode()

    record = (
        b"\xa3\x00" + text("pm25") + b"\x02\xfb" + struct.pack(">d", 12.5) + b"\x61x" + text("Jean Dupont")
    )
    said = b"\xa2\x00" + text("who") + b"\x03" + text("jean@ville.fr")
    found = kept(b"\x82" + record + said, "senml")
    assert b"Jean" not in found
    assert b"ville" not in found
    assert b"pm25" in found
    assert struct.pack(">d", 12.5) in found


def test_metrics_of_sparkplug_keep_names_and_numbers() -> None:
    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    metric = part(1, b"pm25") + b"\x20\x0a" + b"\x69" + struct.pack("<d", 12.5)
    words = part(1, b"owner") + b"\x20\x0c" + part(15, b"Jean Dupont 0612345678")
    payload = b"\x08\x01" + part(2, metric) + part(2, words) + b"\x18\x05"
    found = keep_payload("spBv1.0/g/DDATA/e/d", payload, "", Wanted())
    assert len(found.payload) == len(payload)
    assert found.kinds == {Kind.PHONE}
    assert b"Jean" not in found.payload
    assert b"owner" in found.payload
    assert struct.pack("<d", 12.5) in found.payload


def test_the_sentence_about_a_message_quotes_nothing_that_is_gone() -> None:
    payload = b'{"note":"Jean Dupont","x":"06 12 34 56 78"}'
    detail = "file a.csv, row 3: 'note' must be a number, not the text 'Jean Dupont': 06 12 34 56 78"
    found = keep_payload(OBS, payload, detail, Wanted())
    assert found.detail == (
        "file a.csv, row 3: 'note' must be a number, not the text '***********': **************"
    )


def test_addresses_of_devices_stay_at_their_place_and_a_topic_names_no_person() -> None:
    info = {"devEui": "70b3d57ed0001234", "deviceName": "Mme Doe"}
    event = {"deviceInfo": info, "rxInfo": [{"gatewayId": "3c22fb1a2b4d"}]}
    found = json.loads(kept(json.dumps(event)))
    assert found["deviceInfo"] == {"devEui": "70b3d57ed0001234", "deviceName": "*******"}
    assert found["rxInfo"] == [{"gatewayId": "3c22fb1a2b4d"}]
    assert keep_topic("tele/3c:22:fb:1a:2b:4d/490154203237518") == "tele/3c:22:fb:1a:2b:4d/490154203237518"
    assert keep_topic("tele/jean@ville.fr/0612345678") == "tele/*************/**********"


@given(st.binary(max_size=300), st.sampled_from(["obs", "senml", "influx", "status", "other"]))
@settings(max_examples=examples(quick=200, nightly=5000))
def test_any_bytes_keep_their_length(payload: bytes, suffix: str) -> None:
    kept(payload, suffix)
    assert len(keep_payload("spBv1.0/g/DDATA/e/d", payload, "", Wanted()).payload) == len(payload)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
@example(float("-inf"))
@settings(max_examples=examples(quick=200, nightly=5000))
def test_json_stays_json_of_the_same_form(document: object) -> None:
    for ascii_ in (True, False):
        text = json.dumps(document, ensure_ascii=ascii_).encode("utf-8", "backslashreplace")
        found = json.loads(kept(text))
        assert _form(found) == _form(json.loads(text))


def _form(document: object) -> object:
    if isinstance(document, dict):
        return [_form(one) for one in document.values()]
    if isinstance(document, list):
        return [_form(one) for one in document]
    return "scalar" if isinstance(document, str | int | float) else document


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"\xff\xfe{1764445678", b"\xff\xfe{1764445678"),
        (b"\xff\x000612345678", b"\xff\x00**********"),
        (b"\xff\x00tel 12.5 17", b"\xff\x00***********"),
    ],
)
def test_bytes_of_no_format_keep_digits_that_name_nobody(sent: bytes, found: bytes) -> None:
    assert kept(sent) == found


KEYS = ["time", "boot", "seq", "results", "pm25", "tel", "imei", "n", "v", "number", "gsm.no"]
STARTS = ["20", "2026-11-29T14:16:09", "2026-11-29T14:16:09.25+01:00", "2026-11-29", "0612", "x"]
VALUES = st.one_of(
    st.integers(-9_999_999_999, 99_999_999_999_999_999).map(str),
    st.integers(0, 999_999).map(str),
    st.floats(-1e6, 1e6).map(lambda number: str(round(number, 4))),
    st.sampled_from(
        ['"0612345678"', '"06 12 34"', "0612345678", "06.12.34.56.78", "true", "t", "NaN", "1e5"]
    ),
    st.sampled_from(STARTS).map(lambda text: f'"{text}"'),
    st.datetimes().map(lambda at: f'"{at.isoformat()}Z"'),
    st.text("0123456789 .:+-T", max_size=12).map(lambda text: f'"{text}"'),
)


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Texts with the same keys and other values, whole or cut, of a device that sends one form."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=5))
    opening = draw(st.sampled_from(['{"', '{"results":{"', '[{"', '{"time":{"', '{"a":[1,2],"']))
    found = []
    for _ in range(draw(st.integers(2, 4))):
        pairs = [f'{key}":{draw(VALUES)}' for key in keys]
        text = opening + ',"'.join(pairs) + draw(st.sampled_from(["}", "}}", "}]", "", ","]))
        found.append(text[: draw(st.integers(1, len(text)))] if draw(st.booleans()) else text)
    return found


@given(alike(), st.sampled_from([Wanted(), Wanted(frozenset(("tel", "pm25"))), Wanted(allowed=("tel",))]))
@settings(max_examples=examples(quick=500, nightly=20_000), deadline=None)
def test_a_text_like_an_earlier_one_is_masked_as_if_none_had_been(texts: list[str], wanted: Wanted) -> None:
    alone = []
    for text in texts:
        json_text._harmless.clear()
        alone.append(keep_payload(OBS, text.encode(), f"found '{text[:20]}'.", wanted))
    json_text._harmless.clear()
    assert [keep_payload(OBS, text.encode(), f"found '{text[:20]}'.", wanted) for text in texts] == alone


def test_a_message_cut_anywhere_is_walked_once_whatever_its_number_and_time() -> None:
    """Otherwise every refused message of a device costs a walk."""
    first, second = (
        f'{{"boot":"b","seq":{seq},"time":"2026-11-29T14:1{seq % 10}:09+00:00","results":{{"p":{seq / 8}}}}}'
        for seq in (1234, 1235)
    )
    json_text._harmless.clear()
    for end in range(1, len(first)):
        kept(first[:end].encode())
        shapes = len(json_text._harmless)
        kept(second[:end].encode())
        assert len(json_text._harmless) == shapes, second[:end]
    assert shapes > 20


@given(
    st.text("0123456789 .:+-T\"'ABCF", max_size=20),
    st.sampled_from(["2026-1", "2026-11-", "2026-11-29T", "2026-11-29T14:16", "2026-11-29T14:16:09"]),
    st.text("0123456789 .:+-T\"'ABCF", max_size=20),
)
@settings(max_examples=examples(quick=500, nightly=20_000))
def test_a_time_that_a_sentence_quotes_hides_no_form_beside_it(before: str, time: str, after: str) -> None:
    text = f"{before}'\"{time}'{after}"
    forms = personal._FORMS_WITHOUT_EMAIL
    found = [match.span() for match in forms.finditer(text)]
    assert (found == []) or not personal._names_nobody(text)
