"""WebSocket side: subscriptions, combined and raw streams, user streams."""

import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from aiohttp import WSMsgType, web

from opensqt.paper.errors import MESSAGES
from opensqt.paper.hub import Connection
from opensqt.paper.venue import PaperVenue

_PATH: Final = re.compile(r"/(?:(?:public|market|private)/)?(ws|stream)(?:/(.*))?")
_TOPIC: Final = re.compile(r"[a-z0-9]{2,20}@[A-Za-z0-9_@]{2,30}")
_TOPICS_MAX: Final = 1024
# The exchange pings every three minutes and cuts whoever does not answer.
_HEARTBEAT_S: Final = 180.0
_FRAME_BYTES_MAX: Final = 64 * 1024


def is_stream_path(path: str) -> bool:
    """Tell whether a path is one of the stream endpoints."""
    return _PATH.fullmatch(path) is not None


async def serve_socket(request: web.Request, venue: PaperVenue) -> web.StreamResponse:
    """Serve one WebSocket until it ends."""
    match = _PATH.fullmatch(request.path)
    assert match is not None
    is_combined = match.group(1) == "stream"
    names = [*(match.group(2) or "").split("/"), *request.query.get("streams", "").split("/")]
    key = request.query.get("listenKey", "")
    key = key or next((name for name in names if venue.listener(name) is not None), "")
    account = venue.listener(key)
    if key and account is None:
        error = {"code": -1125, "msg": MESSAGES[-1125]}
        return web.json_response(error, status=HTTPStatus.BAD_REQUEST)
    # Frames are shared between connections as bytes, which compression would forbid.
    socket = web.WebSocketResponse(
        heartbeat=_HEARTBEAT_S, compress=False, max_msg_size=_FRAME_BYTES_MAX
    )
    await socket.prepare(request)
    if request.transport is None:
        return socket
    connection = Connection(
        cast("Any", request.transport),
        path=request.path,
        is_combined=is_combined,
        account=account or "",
        listen_key=key,
    )
    venue.hub.add(connection)
    venue.hub.subscribe(connection, [name for name in names if _TOPIC.fullmatch(name)])
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                _answer(venue, connection, message.data)
    finally:
        venue.hub.remove(connection)
    return socket


def _answer(venue: PaperVenue, connection: Connection, text: str) -> None:
    command: object = None
    with suppress(orjson.JSONDecodeError):
        command = orjson.loads(text)
    if not isinstance(command, dict):
        connection.send_json({"error": {"code": 3, "msg": "Invalid JSON"}})
        return
    number = command.get("id")
    match command.get("method"):
        case "SUBSCRIBE" | "UNSUBSCRIBE" as method:
            topics = [str(item) for item in command.get("params") or ()]
            bad = [topic for topic in topics if not _TOPIC.fullmatch(topic)]
            if bad or len(connection.topics) + len(topics) > _TOPICS_MAX:
                error = {"code": 2, "msg": f"Invalid request: {bad[:1] or 'too many streams'}"}
                connection.send_json({"error": error, "id": number})
                return
            # The answer comes before the first message of the stream.
            connection.send_json({"result": None, "id": number})
            if method == "SUBSCRIBE":
                venue.hub.subscribe(connection, topics)
            else:
                venue.hub.unsubscribe(connection, topics)
        case "LIST_SUBSCRIPTIONS":
            connection.send_json({"result": sorted(connection.topics), "id": number})
        case other:
            error = {"code": 2, "msg": f"Invalid request: unknown method {other}"}
            connection.send_json({"error": error, "id": number})
