"""Sentences for what the schema refuses: the name of a constraint says nothing to a person."""

from __future__ import annotations

import re
from typing import Final

NOUNS: Final = {
    "access_token": "token",
    "access_token_address": "address of a token",
    "agreement": "agreement",
    "alert": "alert",
    "alert_channel": "channel",
    "alert_rule": "rule of alerts",
    "alert_trouble": "trouble of an alert",
    "audit": "line of the audit log",
    "backup_state": "state of the backups",
    "boot_sequence": "boot of a device",
    "broker_event": "event at the broker",
    "broker_log": "log of the broker",
    "broker_state": "state of the broker",
    "catalogue_version": "version of the catalogue",
    "correction": "correction",
    "credential": "credential",
    "datastream": "datastream",
    "datastream_latest": "latest result",
    "decision": "decision",
    "declared_window": "window",
    "delivered_batch": "delivery",
    "delivery": "delivery",
    "deployment": "deployment",
    "device": "device",
    "device_contact": "contact of a device",
    "device_remark": "remark about a device",
    "device_status": "status of a device",
    "erased_rows": "count of an erasure",
    "erasure": "erasure",
    "evaluation": "evaluation",
    "evaluation_request": "request for an evaluation",
    "fact_change": "change of a registered fact",
    "fixed_topic": "fixed topic",
    "import": "import",
    "import_part": "part of an import",
    "ingestor": "ingestor",
    "installation": "fact of the installation",
    "invitation": "invitation",
    "kept_answer": "kept answer",
    "ledger": "line of the ledger",
    "ledger_reason": "reason in the ledger",
    "mapping": "mapping",
    "message_digest": "digest of messages",
    "need": "need",
    "network_address": "address at a network server",
    "network_server": "network server",
    "notice": "notice",
    "observation": "observation",
    "observed_property": "observed property",
    "organisation": "organisation",
    "outage": "outage",
    "packed_day": "packed day",
    "person": "person",
    "plan_place": "place on a plan",
    "probe": "probe",
    "protocol": "protocol",
    "protocol_draft": "draft of a protocol",
    "quality_flag": "quality flag",
    "quality_run": "run of the checks",
    "recovery_code": "recovery code",
    "reject": "reject",
    "reject_kept": "count of kept rejects",
    "reject_overflow": "count of rejects",
    "retention": "retention",
    "row_change": "change of a sealed row",
    "saved_view": "view",
    "schema_migration": "migration",
    "sealed_day": "sealed day",
    "sealed_part": "extent of the seals",
    "second_factor": "second factor",
    "sensor": "sensor",
    "shard": "shard",
    "shard_count": "number of shards",
    "sign_in_failure": "failed sign-in",
    "signed_in": "session",
    "site": "site",
    "site_plan": "plan of a site",
    "sparkplug_birth": "birth of an edge node",
    "statement": "signed statement",
    "timestamp_failure": "request for a time stamp",
    "timestamp_token": "time stamp",
    "trial": "trial",
    "trial_step": "step of a trial",
    "trouble": "trouble",
    "unblinding": "unblinding",
    "unit_conversion": "conversion of a unit",
    "used_return": "way back of a sign-in",
    "wall_link": "wall",
    "withdrawn_observation": "withdrawn observation",
}
"""Table → what one of its rows is."""

_CODE: Final = (
    "The code of a {} has 1 to 64 small letters, digits, - and _, and begins with a letter or a digit."
)
_ROLE: Final = "The role of a {} is candidate, control or reference."
_TYPE: Final = "The result type of a {} is number or boolean."
_STAMP: Final = "The stamp of a {} is begin, end or instant."
_EDGE: Final = "A stamp at the begin or end of an interval needs the length of the interval: add `every`."
_LONGER: Final = "An interval between two results is longer than nothing."
_KIND: Final = "The kind of {} has 1 to 40 characters."
_NAME: Final = "The name of a {} has 1 to 128 characters."
_ONCE: Final = "The {} is there once."
SENTENCES: Final = {
    "access_token_check": "A token ends within 400 days.",
    "access_token_name_check": "The name of a token has 1 to 100 characters.",
    "access_token_scopes_check": "A token reads, or reads and acts; a machine's reads, and no more.",
    "access_token_token_sha256_check": "The SHA-256 of a token has 32 bytes.",
    "alert_channel_address_check": "An address has 1 to 1000 characters.",
    "alert_channel_check": "A listener at the broker has a password, and no other channel has one.",
    "alert_channel_kind_check": "A channel is mail, mqtt or webhook.",
    "alert_channel_secret_check": "The secret of a channel has 32 bytes.",
    "alert_kind_check": _KIND.format("an alert"),
    "alert_rule_check": "A rule is about one trial, one site, one device, or everything.",
    "alert_rule_kind_check": _KIND.format("a rule of alerts"),
    "alert_rule_remind_hours_check": "Reminders come every 1 to 720 hours; 0 is never.",
    "notice_about_check": "The subject of a notice has 1 to 100 characters.",
    "notice_check": "A notice that has ended has an outcome.",
    "notice_event_check": "A notice is about the opening, a reminder, the end, a test or a week.",
    "notice_outcome_check": "A notice is delivered, given up or dropped.",
    "outage_check": "An outage ends after its start.",
    "trouble_check": "A trouble is that of a device in its trial, or of the installation.",
    "trouble_kind_check": _KIND.format("a trouble"),
    "boot_sequence_boot_check": "The boot of a device has at most 64 characters.",
    "broker_event_kind_check": "A broker denies a message, or a client takes over a connection.",
    "backup_state_only_row_check": _ONCE.format("state of the backups"),
    "broker_state_only_row_check": _ONCE.format("state of the broker"),
    "catalogue_version_only_row_check": _ONCE.format("version of the catalogue"),
    "correction_reason_check": "The reason of a correction has 1 to 500 characters.",
    "credential_of_one": "A credential belongs to one device or to one network server.",
    "datastream_check": _EDGE,
    "datastream_expected_interval_check": _LONGER,
    "datastream_name_check": _NAME.format("datastream"),
    "datastream_result_type_check": _TYPE.format("datastream"),
    "datastream_role_check": _ROLE.format("datastream"),
    "datastream_stamp_check": _STAMP.format("datastream"),
    "decision_outcome_check": "A decision is buy, iterate or stop.",
    "agreement_document_check": "An agreement has at most 256 KiB.",
    "decision_reason_check": "The reason of a decision has 1 to 2000 characters.",
    "declared_window_check": "A window is for exactly one trial, site or device, and that must be there.",
    "declared_window_ended_check": "A window is ended by somebody, at a moment in it.",
    "declared_window_kind_check": "The kind of a window is maintenance, access or incident.",
    "declared_window_period_check": "A window ends after its start.",
    "declared_window_withdrawn_check": "A withdrawn window has a time, a person and a reason.",
    "deployment_int4range_period_excl": "The device is deployed elsewhere during a part of that time.",
    "deployment_period_check": "A deployment ends after its start.",
    "device_code_check": _CODE.format("device"),
    "device_contact_state_check": "A device says that it is online or offline.",
    "device_remark_code_check": "That is no remark about a device.",
    "device_remark_subject_check": "The subject of a remark has at most 64 characters.",
    "erasure_reason_check": "The reason of an erasure has 1 to 500 characters.",
    "evaluation_request_check": "A request for an evaluation ends with an evaluation or a reason.",
    "evaluation_request_problem_check": "The reason of a failed evaluation has at most 2000 characters.",
    "evaluation_verdict_check": "A verdict is met, not_met, inconclusive or not_evaluable.",
    "fixed_topic_check": "A fixed topic is read as one format, or as one plain value.",
    "fixed_topic_suffix_check": "A fixed topic is read as obs, status, senml, influx or telemetry.",
    "fixed_topic_topic_check": "A fixed topic has no +, # or control character, "
    "and does not begin with $ or insitu/.",
    "import_check": "A withdrawn import has a time, a person and a reason.",
    "import_withdrawn_for_check": "The reason of a withdrawal has 1 to 500 characters.",
    "invitation_purpose_check": "A link is an invitation or a reset.",
    "invitation_token_sha256_check": "The SHA-256 of a link has 32 bytes.",
    "ledger_reason_outcome_check": "A reason in the ledger is for refused or for ignored results.",
    "mapping_check": _EDGE,
    "mapping_check1": "A field without a property is ignored, "
    "or is read as health, a time or an expected text.",
    "plan_place_x_check": "A place is 0 to 100 percent from the left.",
    "plan_place_y_check": "A place is 0 to 100 percent from the top.",
    "site_plan_height_check": "The picture of a plan is 1 to 10000 pixels high.",
    "site_plan_image_check": "The picture of a plan has at most 12 MB.",
    "site_plan_name_check": "The name of a plan has 1 to 200 characters.",
    "site_plan_rank_check": "The order of a plan is a whole number from -999 to 999.",
    "site_plan_sha256_check": "The SHA-256 of a plan is 64 hexadecimal digits.",
    "site_plan_width_check": "The picture of a plan is 1 to 10000 pixels wide.",
    "mapping_devices_check": "A mapping names at least one device.",
    "mapping_expected_interval_check": _LONGER,
    "mapping_field_check": _NAME.format("field"),
    "mapping_result_type_check": _TYPE.format("mapping"),
    "mapping_role_check": _ROLE.format("mapping"),
    "mapping_stamp_check": _STAMP.format("mapping"),
    "message_digest_boot_check": "The boot of a device has at most 64 characters.",
    "messages_add_up": "The messages of a line of the ledger do not add up: report this as a defect.",
    "need_code_check": _CODE.format("need"),
    "network_server_code_check": _CODE.format("network server"),
    "network_server_kind_check": "The kind of a network server is chirpstack, things_stack or sparkplug.",
    "observed_property_averaging_scale_check": "An averaging scale is arithmetic, energetic, circular, "
    "time_weighted or sum.",
    "observed_property_code_check": _CODE.format("property"),
    "organisation_code_check": _CODE.format("organisation"),
    "organisation_kind_check": "The kind of an organisation is host, company, evaluator, lab or auditor.",
    "packed_day_check": "A packed day ends after it begins, within 33 days.",
    "packed_day_n_check": "A packed day holds results.",
    "person_check": "Another sign-in knows a person by issuer and subject, or not at all.",
    "person_language_check": "The language of a person is en or fr.",
    "person_login_check": "A login has 1 to 254 characters.",
    "person_login_has_no_colon": "A login has no colon.",
    "person_role_check": "The role of a person fits the organisation: operator or buyer of a host, lab or "
    "auditor of the lab, elsewhere the word for the organisation.",
    "kept_answer_answer_check": "An answer that is kept has at most 1.1 MB.",
    "kept_answer_key_sha256_check": "The SHA-256 of a key has 32 bytes.",
    "kept_answer_request_sha256_check": "The SHA-256 of a request has 32 bytes.",
    "saved_view_address_check": "The address of a view is a path here, of 1 to 1,000 characters.",
    "saved_view_name_check": "The name of a view has 1 to 60 characters.",
    "wall_link_check": "A wall ends within 400 days.",
    "wall_link_name_check": "The name of a wall has 1 to 60 characters.",
    "wall_link_token_sha256_check": "The SHA-256 of a token has 32 bytes.",
    "protocol_draft_text_check": "A draft has 1 to 400,000 characters.",
    "protocol_version_check": "The versions of a protocol count from 1.",
    "recovery_code_code_sha256_check": "The SHA-256 of a recovery code has 32 bytes.",
    "results_add_up": "The results of a line of the ledger do not add up: report this as a defect.",
    "retention_check": "Texts of refused messages stay at most as long as the messages.",
    "retention_legal_basis_check": "That is no legal basis of article 6 of the GDPR.",
    "retention_purpose_check": "A purpose has at most 2000 characters.",
    "retention_raw_days_check": "Texts of refused messages stay 0 to 3650 days.",
    "retention_recipients_check": "The recipients have at most 2000 characters.",
    "retention_rejects_days_check": "Refused messages stay 1 to 3650 days.",
    "retention_results_days_check": "Results stay 1 to 36500 days.",
    "sensor_check": "A sensor that replaces another has a time from which it is there.",
    "shard_count_only_row_check": _ONCE.format("number of shards"),
    "shard_count_wanted_check": "There are 1 to 64 shards.",
    "sign_in_failure_key_check": "The key of a failed sign-in has 32 bytes.",
    "site_code_check": _CODE.format("site"),
    "site_latitude_check": "A latitude is between -90 and 90 degrees.",
    "site_longitude_check": "A longitude is between -180 and 180 degrees.",
    "trial_code_check": _CODE.format("trial"),
    "trial_state_check": "That is no state of a trial.",
    "unblinding_reason_check": "An unblinding needs a reason.",
    "used_return_state_sha256_check": "The SHA-256 of a way back has 32 bytes.",
}
"""Conditions on a row, by the name of the constraint. Keys and references are put into words by their
table.
"""

_REFERRED: Final = re.compile(r'table "(?:\w+\.)?(\w+)"')
_VALUES: Final = re.compile(r"\)=\((.*)\) ")


def sentence_of(
    *, state: str, constraint: str | None, table: str | None, column: str | None, detail: str | None
) -> str | None:
    """A sentence about a refused row, from what the server says of it; None if no constraint refused it.
    `state`:
    its SQLSTATE.
    """
    if constraint in SENTENCES:
        return SENTENCES[constraint]
    noun = NOUNS.get(table or "", "row")
    values = _VALUES.search(detail or "")
    shown = f" ({values.group(1)})" if values else ""
    if state == "23505":
        return f"There is such a {noun} already{shown}."
    if state == "23503":
        found = _REFERRED.search(detail or "")
        other = NOUNS.get(found.group(1), "row") if found else "row"
        if "still referenced" in (detail or ""):
            return f"It is in use by a {other}."
        return f"The {noun} needs a {other} that is not there."
    if state == "23502":
        return f"The {noun} needs a {(column or 'value').removesuffix('_id').replace('_', ' ')}."
    return f"The {noun} is not as it must be." if state.startswith("23") else None
