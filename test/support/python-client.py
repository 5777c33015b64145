"""A client that is not JavaScript: it speaks to the app of test/flow/python-client.test.ts and says as JSON what it saw.

python3 python-client.py URL TOKEN
"""

import asyncio
import json
import sys

import websockets


def shown(message):
    return message if isinstance(message, str) else {"bytes": list(message)}


# However slow the machine is.
patient = {"open_timeout": None, "ping_timeout": None, "close_timeout": 300}


async def refused(url, **options):
    try:
        async with websockets.connect(url, **patient, **options):
            return None
    except websockets.exceptions.InvalidStatusCode as error:
        return error.status_code


async def by_header(url, token):
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(url, **patient, extra_headers=headers) as socket:
        seen = {"subprotocol": socket.subprotocol, "greeting": json.loads(await socket.recv())}

        await socket.send("text: äöü €")
        seen["text"] = shown(await socket.recv())
        await socket.send(bytes([0, 127, 255]))
        seen["binary"] = shown(await socket.recv())
        # An iterable is sent as the fragments of one message.
        await socket.send(["frag", "men", "ted"])
        seen["fragmented"] = shown(await socket.recv())
        await socket.send([b"\x01", b"\x02\x03"])
        seen["fragmented_binary"] = shown(await socket.recv())
        await socket.send("x" * 60000)
        seen["long"] = len(await socket.recv())

        # Resolves when the pong with the same bytes has come.
        pong = await socket.ping(b"are you there?")
        await pong
        seen["pong"] = True

        await socket.close(4000, "enough")
        seen["closed"] = [socket.close_code, socket.close_reason]
        return seen


async def by_protocol(url, token):
    async with websockets.connect(url, **patient, subprotocols=["bearer", token]) as socket:
        seen = {"subprotocol": socket.subprotocol, "greeting": json.loads(await socket.recv())}
        await socket.send("close")
        seen["last"] = shown(await socket.recv())
        try:
            await socket.recv()
        except websockets.exceptions.ConnectionClosedError as closed:
            seen["closed"] = [closed.rcvd.code, closed.rcvd.reason]
        return seen


async def main(url, token):
    print(json.dumps({
        "refused": [
            await refused(url),
            await refused(url, extra_headers={"Authorization": "Bearer nonsense"}),
            await refused(url.replace("/chat/", "/nowhere/"), extra_headers={"Authorization": f"Bearer {token}"}),
        ],
        "by_header": await by_header(url, token),
        "by_protocol": await by_protocol(url, token),
    }))


asyncio.run(main(*sys.argv[1:]))
