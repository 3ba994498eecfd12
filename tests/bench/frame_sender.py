"""A process that answers every SUBSCRIBE with an even flow of quotes and trades.

`python frame_sender.py RATE`; prints one JSON line with its port and runs until terminated.
"""

import asyncio
import json
import sys
import time
from itertools import cycle

from aiohttp import WSMsgType, web

QUOTE = (
    '{"stream":"%s@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"%s","b":"61800.20",'
    '"B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}'
)
TRADE = (
    '{"stream":"%s@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"%s",'
    '"t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
)
TICK_S = 0.001


async def serve(request: web.Request) -> web.WebSocketResponse:
    """Send frames of the subscribed streams at the application's rate until the peer goes."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    message = await socket.receive()
    assert message.type is WSMsgType.TEXT
    frames = cycle([frame_of(name).encode() for name in json.loads(message.data)["params"]])
    rate, sent, began = request.app[RATE], 0, time.monotonic()
    while not socket.closed:
        due = int((time.monotonic() - began) * rate)
        for _ in range(due - sent):
            await socket.send_frame(next(frames), WSMsgType.TEXT)
        sent = due
        await asyncio.sleep(TICK_S)
    return socket


def frame_of(name: str) -> str:
    """Return a frame of the stream."""
    symbol, _, kind = name.partition("@")
    return (QUOTE if kind == "bookTicker" else TRADE) % (symbol, symbol.upper())


RATE = web.AppKey("RATE", int)


async def main() -> None:
    """Serve on a free port until terminated."""
    application = web.Application()
    application[RATE] = int(sys.argv[1])
    application.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
