"""The verbs of `insitu`: module of each, and its line in `insitu --help`. The module is imported when the
verb is called.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """`functions` of `module`: one, or several for a group, each with a name."""

    module: str
    functions: tuple[str, ...]
    help: str
    alone: str | None = None
    """The function of a group that is called without the name of another one."""


VERBS: Final = {
    "demo": Verb(
        "cli.demo.verb", ("demo",), "Three simulated trials with history, reports and a live fleet."
    ),
    "up": Verb("cli.up", ("up",), "Run everything on this machine until stopped."),
    "cert": Verb("cli.cert", ("cert",), "Make a local certificate authority and a server certificate."),
    "migrate": Verb("cli.migrate", ("migrate",), "Bring the database schema up to date."),
    "ingest": Verb("cli.ingest", ("ingest",), "Take messages from the broker into the database."),
    "serve": Verb("cli.serve", ("serve",), "Serve the pages and the HTTP API."),
    "work": Verb("cli.work", ("work",), "Run the jobs: quality checks, nightly evaluations."),
    "register": Verb(
        "cli.registration", ("register_file",), "Enter or change the catalogue from a TOML file."
    ),
    "map": Verb(
        "cli.map", ("map_trial",), "Map the fields of a device family, or try mappings on refused messages."
    ),
    "mappings": Verb("cli.map", ("mappings",), "List the device families whose mappings come with Insitu."),
    "agreement": Verb(
        "cli.agreement", ("agreement",), "Enter the agreement of a trial, or show its open points."
    ),
    "move": Verb("cli.registration", ("move",), "Move a trial to the next step of its life."),
    "window": Verb("cli.registration", ("window",), "Declare a maintenance window or an incident."),
    "plans": Verb(
        "cli.plans",
        ("add", "change", "place", "remove"),
        "List the plans of sites; enter them, and place devices on them.",
        alone="plans",
    ),
    "swap": Verb("cli.swapping", ("swap",), "Replace a device by another at its place."),
    "deployment": Verb("cli.registration", ("deployment",), "Correct when a deployment began or ended."),
    "sensor": Verb("cli.sensors", ("sensor",), "Enter another sensor of a device, or its calibration."),
    "trials": Verb("cli.lists", ("trials",), "List the trials: state, devices, protocol, latest result."),
    "devices": Verb("cli.fleet", ("devices",), "List devices: where they stand, last seen, state and why."),
    "login": Verb("cli.login", ("login",), "Act as a person in this shell, with that person's rights."),
    "logout": Verb("cli.login", ("logout",), "End acting as a person in this shell."),
    "people": Verb(
        "cli.accounts",
        (
            "invite",
            "reset",
            "reset_factor",
            "unlink",
            "disable",
            "enable",
            "manager",
            "token",
            "tokens",
            "revoke",
            "assign",
        ),
        "List who can sign in; invite people, disable them, give tokens.",
        alone="people",
    ),
    "walls": Verb(
        "cli.walls", ("end",), "List the links of screens that show devices; end one.", alone="walls"
    ),
    "windows": Verb("cli.lists", ("windows",), "List the maintenance windows and incidents of a trial."),
    "evaluations": Verb("cli.lists", ("evaluations",), "List evaluations with their verdicts."),
    "enrol": Verb("cli.devices", ("enrol",), "Give a device its credential and snippets that work."),
    "revoke": Verb("cli.devices", ("revoke",), "End every credential of a device."),
    "network": Verb("cli.networks", ("network",), "Show a network server and give it a credential."),
    "topics": Verb("cli.topics", ("topics",), "List the fixed topics of devices; withdraw one."),
    "pull": Verb("cli.networks", ("pull",), "Fetch uplinks that The Things Stack has kept."),
    "import": Verb("cli.imports", ("import_file",), "Take results from a file: CSV, a workbook or Parquet."),
    "imports": Verb("cli.withdrawal", ("imports",), "List which files and pulls brought results."),
    "withdraw": Verb("cli.withdrawal", ("withdraw",), "Take the results of an import out of use."),
    "retention": Verb("cli.life", ("retention",), "Show or set what a trial's data are for, and how long."),
    "erase": Verb("cli.life", ("erase",), "Erase data for good, with a signed certificate."),
    "erasures": Verb("cli.life", ("erasures",), "List erasures, or print the certificate of one."),
    "record": Verb("cli.life", ("record",), "Print the record of processing activities (GDPR, article 30)."),
    "simulate": Verb("cli.simulate", ("simulate",), "Send measurements of a simulated fleet."),
    "protocol": Verb("cli.evaluation", ("protocol",), "Draft a protocol from a template."),
    "draft": Verb(
        "cli.drafts",
        ("show", "edit", "drop", "check"),
        "List the drafts of protocols; show, change or check one.",
        alone="drafts",
    ),
    "profiles": Verb("cli.evaluation", ("profiles",), "Show the published targets that a protocol can name."),
    "lock": Verb("cli.evaluation", ("lock",), "Lock a protocol; later changes are amendments."),
    "power": Verb("cli.power", ("power",), "Show which effects a planned trial can detect."),
    "evaluate": Verb("cli.evaluation", ("evaluate",), "Apply the locked protocol and keep the result."),
    "decide": Verb("cli.deciding", ("decide",), "Decide about a trial: buy, iterate or stop."),
    "unblind": Verb("cli.evaluation", ("unblind",), "Reveal the result of a blinded endpoint."),
    "report": Verb("cli.evaluation", ("report",), "Write the report of an evaluation."),
    "export": Verb("cli.evaluation", ("export",), "Write the package of a trial's latest evaluation."),
    "observations": Verb(
        "cli.observations", ("observations",), "Write the observations of a trial as CSV, Parquet or Arrow."
    ),
    "verify": Verb(
        "cli.verifying", ("verify",), "Recompute a package and check its files and who vouches for it."
    ),
    "key": Verb(
        "cli.keys",
        ("rotate", "revoke", "trust", "trusted"),
        "Show, replace or revoke the key that signs packages; keep the keys of others.",
        alone="show_keys",
    ),
    "audit": Verb(
        "cli.audit", ("log", "head", "verify"), "The audit log: its lines, its signed head, and its proof."
    ),
    "alerts": Verb(
        "cli.alerts", ("test",), "List the open alerts; send a test by mail or webhook.", alone="alerts"
    ),
    "catalogue": Verb(
        "cli.catalogue", ("export", "import_"), "Move a lab: write the whole catalogue, or enter one."
    ),
    "backup": Verb("cli.backup", ("backup",), "Make a backup while Insitu runs."),
    "restore": Verb("cli.backup", ("restore",), "Make an installation again from a backup."),
    "check": Verb("cli.operations", ("check",), "Is everything in order? One line for each question."),
    "settings": Verb("cli.operations", ("settings",), "Show the effective settings, secrets hidden."),
    "replay": Verb("cli.operations", ("replay",), "Send rejects through the path again."),
    "broker-config": Verb(
        "cli.operations", ("broker_config",), "Write users and rights for a broker of your own."
    ),
    "shards": Verb("cli.sessions", ("shards",), "Show or change the shards."),
    "bench": Verb(
        "cli.bench",
        ("ingest", "evaluate", "query", "pages"),
        "Measure on this machine; each prints its table.",
    ),
}
