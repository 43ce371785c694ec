"""The act behind each route. A route of a signed-in person without an act here is closed to everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request

from api.access import Signed
from insitu.errors import NotFound
from store.rights import Act

_TRIAL: Final = "/trials/{trial}"
_API: Final = f"/api/v1{_TRIAL}"
_EVALUATION: Final = "/evaluations/{evaluation_id}"
ACTS: Final[dict[str, Act]] = {
    "GET /": Act.SIGN_IN,
    "POST /sign-out": Act.SIGN_IN,
    "GET /openapi.json": Act.SIGN_IN,
    "GET /docs": Act.SIGN_IN,
    "GET /account": Act.SIGN_IN,
    "POST /account/profile": Act.SIGN_IN,
    "POST /account/password": Act.SIGN_IN,
    "POST /account/sessions/{number}/end": Act.SIGN_IN,
    "GET /account/factor": Act.SIGN_IN,
    "POST /account/factor": Act.SIGN_IN,
    "POST /account/factor/confirm": Act.SIGN_IN,
    "POST /account/factor/codes": Act.SIGN_IN,
    "POST /account/factor/remove": Act.SIGN_IN,
    "POST /account/tokens": Act.SIGN_IN,
    "POST /account/tokens/{number}/end": Act.SIGN_IN,
    # they ask themselves whether the person manages people, of its own organisation or of all
    "GET /people": Act.SIGN_IN,
    "POST /people/invite": Act.SIGN_IN,
    "POST /people/link": Act.SIGN_IN,
    "POST /people/disable": Act.SIGN_IN,
    "POST /people/enable": Act.SIGN_IN,
    "POST /people/manager": Act.SIGN_IN,
    "POST /people/factor": Act.SIGN_IN,
    "POST /people/unlink": Act.SIGN_IN,
    "POST /people/tokens": Act.SIGN_IN,
    "POST /people/tokens/{number}/end": Act.SIGN_IN,
    "POST /people/tokens/{number}/hand-over": Act.SIGN_IN,
    "GET /fleet": Act.SIGN_IN,
    "GET /live/fleet": Act.SIGN_IN,
    "GET /trials": Act.SIGN_IN,
    "GET /rejects": Act.SIGN_IN,
    "GET /rejects/{reject_id}/payload": Act.READ_BYTES,
    "POST /rejects/replay": Act.REPLAY,
    "GET /audit": Act.READ_AUDIT,
    f"GET {_TRIAL}": Act.SEE_TRIAL,
    f"GET {_TRIAL}/devices/{{device}}": Act.SEE_HEALTH,
    f"GET /live{_TRIAL}/devices/{{device}}": Act.SEE_HEALTH,
    f"GET {_TRIAL}/connect": Act.CONNECT,
    f"POST {_TRIAL}/connect": Act.CONNECT,
    f"GET {_TRIAL}/devices/{{device}}/connect": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/test": Act.CONNECT,
    f"GET /live{_TRIAL}/devices/{{device}}/arrivals": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/credentials": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/revocation": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/datastreams": Act.CONNECT,
    f"GET {_TRIAL}/devices/{{device}}/sensors": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/sensors": Act.CONNECT,
    f"GET {_TRIAL}/devices/{{device}}/swap": Act.CONNECT,
    f"POST {_TRIAL}/devices/{{device}}/swap": Act.CONNECT,
    f"GET {_TRIAL}/mappings": Act.MAP,
    f"POST {_TRIAL}/mappings": Act.MAP,
    f"GET {_TRIAL}/protocols/{{version}}.json": Act.READ_PROTOCOL,
    f"GET {_TRIAL}/protocol": Act.CHECK_DRAFT,
    f"POST {_TRIAL}/protocol": Act.CHECK_DRAFT,
    f"GET {_TRIAL}{_EVALUATION}/package.zip": Act.READ_EVALUATIONS,
    f"GET {_TRIAL}{_EVALUATION}/{{file}}": Act.READ_EVALUATIONS,
    f"GET {_TRIAL}/decision": Act.DECIDE,
    f"POST {_TRIAL}/decision": Act.DECIDE,
    f"POST {_TRIAL}/endpoints/{{endpoint}}/unblind": Act.UNBLIND,
    f"GET {_TRIAL}/imports": Act.IMPORT,
    f"POST {_TRIAL}/imports": Act.IMPORT,
    f"POST {_TRIAL}/imports/{{number}}/withdraw": Act.WITHDRAW,
    f"POST {_TRIAL}/retention": Act.SET_RETENTION,
    "GET /api/v1/audit": Act.READ_AUDIT,
    "GET /api/v1/trials": Act.SIGN_IN,
    f"GET {_API}": Act.SEE_TRIAL,
    f"GET {_API}/devices": Act.SEE_HEALTH,
    f"GET {_API}/devices/{{device}}": Act.SEE_HEALTH,
    f"POST {_API}/devices": Act.CONNECT,
    f"GET {_API}/devices/{{device}}/credentials": Act.CONNECT,
    f"POST {_API}/devices/{{device}}/credentials": Act.CONNECT,
    f"POST {_API}/devices/{{device}}/revocation": Act.CONNECT,
    f"POST {_API}/devices/{{device}}/datastreams": Act.CONNECT,
    f"GET {_API}/devices/{{device}}/sensors": Act.SEE_HEALTH,
    f"POST {_API}/devices/{{device}}/sensors": Act.CONNECT,
    f"POST {_API}/devices/{{device}}/swap": Act.CONNECT,
    f"GET {_API}/datastreams": Act.SEE_HEALTH,
    "GET /api/v1/datastreams/{datastream_id}/observations": Act.READ_MEASUREMENTS,
    f"GET {_API}/observations.csv": Act.READ_MEASUREMENTS,
    f"GET {_API}/rejects": Act.LIST_REJECTS,
    f"GET {_API}/rejects/not-kept": Act.LIST_REJECTS,
    f"GET {_API}/mappings": Act.READ_PROTOCOL,
    f"POST {_API}/mappings": Act.MAP,
    f"POST {_API}/mappings/try": Act.MAP,
    f"GET {_API}/ledger": Act.SEE_HEALTH,
    f"GET {_API}/agreement": Act.READ_PROTOCOL,
    f"GET {_API}/evaluations": Act.READ_EVALUATIONS,
    f"GET {_API}{_EVALUATION}": Act.READ_EVALUATIONS,
    f"GET {_API}/decision": Act.READ_EVALUATIONS,
    f"POST {_API}/decision": Act.DECIDE,
    f"POST {_API}/endpoints/{{endpoint}}/unblinding": Act.UNBLIND,
    f"GET {_API}/imports": Act.READ_IMPORTS,
    f"POST {_API}/imports": Act.IMPORT,
    f"POST {_API}/imports/{{import_id}}/withdrawal": Act.WITHDRAW,
    f"GET {_API}/retention": Act.READ_RETENTION,
    f"POST {_API}/retention": Act.SET_RETENTION,
    f"GET {_API}/erasures": Act.READ_RETENTION,
    f"GET {_API}/power": Act.READ_MEASUREMENTS,
    f"POST {_API}/protocol/check": Act.CHECK_DRAFT,
}
"""Method and path → the act that a person must be allowed somewhere. The route then asks about the trial."""
OPEN: Final = frozenset(
    {
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/oidc",
        "GET /sign-in/oidc/return",
        "GET /sign-in/code",
        "POST /sign-in/code",
        "POST /language",
        "GET /charts/vega.js",
        "GET /invitations/{token}",
        "POST /invitations/{token}",
        "GET /keys",
        "GET /.well-known/insitu-keys.json",
        "GET /.well-known/security.txt",
        "GET /metrics",  # asks for the right itself, because a token serves as well
        f"POST {_API}/devices/{{device}}/observations",  # with the device's token
        f"POST {_API}/devices/{{device}}/status",
        f"POST {_API}/devices/{{device}}/senml",
        f"POST {_API}/devices/{{device}}/influx",
        f"POST {_API}/devices/{{device}}/telemetry",
    }
)
"""Routes that nobody needs a session for."""


def require_act_below(prefix: str) -> Callable[[Request, Signed], Awaitable[None]]:
    """A dependency of the routers that are included below `prefix`. It raises NotFound for a person whose
    role may not do the act of the route in any trial.
    """

    async def require_act(request: Request, viewer: Signed) -> None:
        method = "GET" if request.method == "HEAD" else request.method
        act = ACTS.get(f"{method} {prefix}{request.scope['route'].path}")
        if act is None or not viewer.may(act):
            raise NotFound()

    return require_act
