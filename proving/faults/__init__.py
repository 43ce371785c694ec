"""The fault harness: starts Insitu as a user does, hurts it from outside, and compares what was acknowledged
with what is there.

It imports nothing of Insitu. It speaks MQTT and HTTP by itself, reads the database with psql, and knows of
the product only what the documentation says, so that it shares no mistake with what it judges.

Data flow: `devices` publish and write down in a `journal` what they sent and what was acknowledged; a fault
of `scenarios` or `soak` strikes the processes of an `installation`; `probe` proves with a fresh connection
that it takes data again; `oracle` compares the journals with the rows and rejects that `database` reads;
`agreement` compares `/readyz` with the probe, second by second.

- `mqtt`, `web`: clients of our own. Acknowledged means: the PUBACK of that packet id, or status 200, came on
  that connection.
- `processes`: which processes belong to an installation, by /proc; signals to one pid.
- `installation`: `insitu up` in a data directory of its own, started again as systemd would; the verbs.
- `database`: one psql that is kept open, with time-outs; the words of docs/schema.sql.
- `journal`, `devices`: kinds of publishers; each repeats what was not acknowledged.
- `probe`, `agreement`: a fresh device's row within a stated time; what `/readyz` said meanwhile.
- `oracle`: lost, doubled, foreign, for each kind. Pure.
- `kills`: the seeded killer. `scenarios/`: one module for a kind of fault, each fault a function with a name.
- `world`: an installation, its fleet, its probe and the judgement at the end, for one scenario.
- `soak`, `__main__`: hours of kills with a table; `list`, `run`, `quick`, `soak`.
"""
