"""Uses the client of docs/protocol.md, whose code comes in front of this, and says as JSON what it saw."""

import sys


async def main(url):
    seen = {"events": []}

    def on_event(type, data):
        seen["events"].append([type, data])
        return True

    # However slow the machine is.
    async with websockets.connect(url, open_timeout=None, ping_timeout=None, close_timeout=300) as socket:
        client = Client(socket, on_event)
        seen["reply"] = await client.request("join", {"room": "lobby"})
        seen["handled"] = await client.request("say", {"text": "hello"})
        seen["items"] = [item async for item in client.stream("count", 3)]
        try:
            await client.request("join", {"room": 1, "more": [1]})
        except RuntimeError as error:
            seen["error"] = str(error)
        seen["asked"] = await client.request("confirm")
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
