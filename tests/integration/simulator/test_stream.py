"""The WebSocket: sequence numbers, snapshots, private channels, commands and errors."""

import asyncio
from collections import defaultdict

import pytest

EVENT = "KXNFLGAME-25SEP04DALPHI"
PHI, DAL = f"{EVENT}-PHI", f"{EVENT}-DAL"


class Rebuilt:
    """A book per market kept from frames alone, with the law of the sequence."""

    def __init__(self):
        self.seq = defaultdict(int)
        self.books = {}

    def take(self, frame):
        if "seq" in frame:
            assert frame["seq"] == self.seq[frame["sid"]] + 1
            self.seq[frame["sid"]] = frame["seq"]
        msg = frame.get("msg")
        if frame["type"] == "orderbook_snapshot":
            self.books[msg["market_ticker"]] = {
                side: {price: cents(count) for price, count in msg.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
        elif frame["type"] == "orderbook_delta":
            side = self.books[msg["market_ticker"]][msg["side"]]
            side[msg["price_dollars"]] = side.get(msg["price_dollars"], 0) + cents(msg["delta_fp"])
            assert side[msg["price_dollars"]] >= 0
            if side[msg["price_dollars"]] == 0:
                del side[msg["price_dollars"]]


def cents(text):
    return round(float(text) * 100)


async def subscribe(stream, *channels, **params):
    await stream.send(id=1, cmd="subscribe", params={"channels": list(channels), **params})


async def test_snapshot_then_deltas_with_the_owners_client_id(quiet):
    await quiet.two.order("ask", "0.60", "3")
    async with quiet.stream(quiet.one) as mine, quiet.stream(quiet.two) as other:
        for stream in (mine, other):
            await subscribe(stream, "orderbook_delta", market_ticker=PHI)
            assert await stream.next() == {
                "id": 1,
                "type": "subscribed",
                "msg": {"channel": "orderbook_delta", "sid": 1},
            }
            snapshot = await stream.next()
            assert (snapshot["type"], snapshot["sid"], snapshot["seq"]) == ("orderbook_snapshot", 1, 1)
            assert snapshot["msg"]["no_dollars_fp"] == [["0.4000", "3.00"]]
            assert "yes_dollars_fp" not in snapshot["msg"], "an empty side is left out"
        await quiet.one.order("bid", "0.40", "2", client_order_id="mine")
        own, seen = await mine.next(), await other.next()
        assert own["msg"]["client_order_id"] == "mine"
        assert seen["msg"] == {
            key: value for key, value in own["msg"].items() if key not in {"client_order_id", "subaccount"}
        }
        assert (seen["seq"], seen["msg"]["side"], seen["msg"]["price_dollars"], seen["msg"]["delta_fp"]) == (
            2,
            "yes",
            "0.4000",
            "2.00",
        )


async def test_use_yes_price(quiet):
    await quiet.two.order("ask", "0.60", "3")
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", market_tickers=[PHI], use_yes_price=True)
        assert (await stream.until("orderbook_snapshot"))["msg"]["no_dollars_fp"] == [["0.6000", "3.00"]]
        await quiet.two.order("ask", "0.70", "1")
        assert (await stream.next())["msg"] | {"ts": "", "ts_ms": 0} == {
            "market_ticker": PHI,
            "market_id": quiet.venue.exchange.markets[PHI].market_id,
            "price_dollars": "0.7000",
            "delta_fp": "1.00",
            "side": "no",
            "ts": "",
            "ts_ms": 0,
        }


async def test_delta_before_trade_before_private_frames(quiet):
    await quiet.two.order("ask", "0.60", "3")
    async with quiet.stream(quiet.one) as stream:
        await subscribe(
            stream,
            "orderbook_delta",
            "trade",
            "fill",
            "user_orders",
            "market_positions",
            "ticker",
            market_tickers=[PHI],
        )
        await stream.take(7)
        await quiet.one.order("bid", "0.60", "2", "immediate_or_cancel", client_order_id="me")
        frames = [frame for frame in await stream.take(7) if frame["type"] != "ticker"]
        assert [frame["type"] for frame in frames] == [
            "orderbook_delta",
            "trade",
            "fill",
            "market_position",
            "user_order",
        ]
        delta, trade, fill, position, order = (frame["msg"] for frame in frames)
        assert (delta["side"], delta["price_dollars"], delta["delta_fp"]) == ("no", "0.4000", "-2.00")
        assert (trade["taker_side"], trade["yes_price_dollars"], trade["count_fp"]) == ("yes", "0.6000", "2.00")
        assert (fill["client_order_id"], fill["is_taker"], fill["fee_cost"], fill["post_position_fp"]) == (
            "me",
            True,
            "0.033600",
            "2.00",
        )
        assert position["position_fp"] == "2.00"
        assert (order["status"], order["fill_count_fp"], order["last_update_reason"]) == ("executed", "2.00", "Trade")
        assert frames[2].get("seq") is None
        assert frames[4].get("seq") is None


async def test_private_frames_reach_only_their_account(quiet):
    async with quiet.stream(quiet.two) as stream:
        await subscribe(stream, "user_orders", "fill", "order_group_updates", "trade")
        await stream.take(4)
        await quiet.one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
        await quiet.one.order("bid", "0.10", "1")
        await quiet.two.order("bid", "0.11", "1")
        frame = await stream.next()
        assert (frame["type"], frame["msg"]["yes_price_dollars"], frame["msg"]["status"]) == (
            "user_order",
            "0.1100",
            "resting",
        )


async def test_group_updates(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "order_group_updates")
        await stream.next()
        group = (await quiet.one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})).body[
            "order_group_id"
        ]
        path = f"/portfolio/order_groups/{group}"
        await quiet.one.call("PUT", f"{path}/limit", {"contracts_limit": 6})
        await quiet.one.call("PUT", f"{path}/trigger")
        await quiet.one.call("PUT", f"{path}/reset")
        await quiet.one.call("DELETE", path)
        frames = await stream.take(5)
        assert [frame["msg"]["event_type"] for frame in frames] == [
            "created",
            "limit_updated",
            "triggered",
            "reset",
            "deleted",
        ]
        assert [frame["seq"] for frame in frames] == [1, 2, 3, 4, 5]
        assert frames[1]["msg"] == {
            "event_type": "limit_updated",
            "order_group_id": group,
            "contracts_limit_fp": "6.00",
            "ts_ms": quiet.clock.now,
        }


async def test_replies_consume_numbers(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", market_ticker=PHI)
        await stream.take(2)
        await stream.send(
            id=2, cmd="update_subscription", params={"sids": [1], "action": "add_markets", "market_tickers": [DAL]}
        )
        ok, snapshot = await stream.take(2)
        assert ok == {"id": 2, "type": "ok", "sid": 1, "seq": 2, "msg": {"market_tickers": [DAL, PHI]}}
        assert (snapshot["type"], snapshot["seq"], snapshot["msg"]["market_ticker"]) == ("orderbook_snapshot", 3, DAL)
        await stream.send(
            id=3, cmd="update_subscription", params={"sid": 1, "action": "get_snapshot", "market_ticker": PHI}
        )
        snapshot = await stream.next()
        assert (snapshot["type"], snapshot["id"], snapshot["seq"]) == ("orderbook_snapshot", 3, 4)
        await stream.send(
            id=4, cmd="update_subscription", params={"sid": 1, "action": "delete_markets", "market_ticker": PHI}
        )
        assert (await stream.next())["msg"] == {"market_tickers": [DAL]}
        await quiet.one.order("bid", "0.10", "1")
        await stream.send(id=5, cmd="list_subscriptions")
        assert await stream.next() == {"id": 5, "type": "ok", "msg": [{"channel": "orderbook_delta", "sid": 1}]}
        await stream.send(id=6, cmd="unsubscribe", params={"sids": [1]})
        assert await stream.next() == {"id": 6, "type": "unsubscribed", "sid": 1, "seq": 6}
        await subscribe(stream, "orderbook_delta", market_ticker=PHI)
        assert (await stream.next())["msg"]["sid"] == 2
        assert (await stream.next())["seq"] == 1


async def test_repeated_subscribe_merges(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", market_ticker=PHI)
        await stream.take(2)
        await subscribe(stream, "orderbook_delta", market_tickers=[PHI, DAL])
        again, snapshot = await stream.take(2)
        assert again["msg"] == {"channel": "orderbook_delta", "sid": 1}
        assert (snapshot["msg"]["market_ticker"], snapshot["seq"]) == (DAL, 2)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("not json", 1),
        ('{"id":1,"cmd":"subscribe"}', 2),
        ('{"id":1,"cmd":"subscribe","params":{}}', 3),
        ('{"id":1,"cmd":"unsubscribe","params":{}}', 4),
        ('{"id":1,"cmd":"dance"}', 5),
        ('{"id":1,"cmd":"unsubscribe","params":{"sids":[9]}}', 7),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["gossip"]}}', 8),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_ticker":"A","market_tickers":["B"]}}', 11),
        ('{"id":1,"cmd":"update_subscription","params":{"action":"add_markets","market_ticker":"X"}}', 12),
        ('{"id":1,"cmd":"update_subscription","params":{"action":"sing","sid":1}}', 13),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', 14),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1}}', 15),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_ticker":"NOPE"}}', 16),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"],"market_id":"x"}}', 16),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["communications"],"shard_factor":0}}', 19),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["communications"],"shard_key":0}}', 20),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["communications"],"shard_factor":4,"shard_key":4}}', 21),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["communications"],"shard_factor":101}}', 22),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["cfbenchmarks_value"]}}', 24),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["pyth_value"]}}', 28),
        ('{"id":1,"cmd":["subscribe"]}', 1),
        ('{"id":1,"cmd":"subscribe","params":' * 20_000, 1),
        ('{"id":1,"params":{"x":' + "[" * 50_000, 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":"trade"}}', 1),
    ],
)
async def test_error_codes(quiet, command, code):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "trade")
        await stream.next()
        await stream.socket.send_str(command)
        frame = await stream.next()
        assert (frame["type"], frame["msg"]["code"]) == ("error", code)
        assert frame.get("id") == (None if code == 1 else 1)  # what cannot be read has no id to answer with
        await stream.send(id=2, cmd="list_subscriptions")
        assert (await stream.next())["id"] == 2, "the connection stays"


async def test_rebuilt_book_equals_the_rest_book_in_a_busy_world(launch):
    from services.simulator.world.world import WorldSettings

    running = await launch(WorldSettings())
    running.pass_time(3)
    async with running.stream(running.one) as stream:
        await subscribe(stream, "orderbook_delta", "trade", market_tickers=[PHI, DAL])
        rebuilt, deltas = Rebuilt(), 0
        for _ in range(40):
            running.pass_time(0.5)
            await stream.send(id=77, cmd="list_subscriptions")
            while True:
                frame = await stream.next()
                if frame.get("id") == 77:
                    break
                rebuilt.take(frame)
                deltas += frame["type"] == "orderbook_delta"
            for ticker in (PHI, DAL):
                book = (await running.call("GET", f"/markets/{ticker}/orderbook")).body["orderbook_fp"]
                for side in ("yes", "no"):
                    assert {price: cents(count) for price, count in book[f"{side}_dollars"]} == rebuilt.books[ticker][
                        side
                    ]
        assert deltas > 200


async def test_market_end_on_the_stream(quiet):
    await quiet.one.order("bid", "0.10", "1")
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", "market_lifecycle_v2", "user_orders", market_tickers=[PHI])
        await stream.take(4)
        quiet.pass_time(290)
        frames = [frame for frame in await stream.take(9) if frame["msg"].get("market_ticker", PHI) == PHI]
        books = [frame for frame in frames if frame["type"].startswith("orderbook")]
        assert [frame["type"] for frame in books] == ["orderbook_delta", "orderbook_snapshot"]
        assert set(books[1]["msg"]) == {"market_ticker", "market_id"}, "the last snapshot is empty"
        order = next(frame for frame in frames if frame["type"] == "user_order")
        assert (order["msg"]["status"], order["msg"]["last_update_reason"]) == ("canceled", "CloseCancel")
        life = [frame["msg"] for frame in frames if frame["type"] == "market_lifecycle_v2"]
        assert [msg["event_type"] for msg in life] == ["close_date_updated", "determined", "settled"]
        assert (life[1]["result"], life[1]["settlement_value"]) == ("yes", "1.0000")


async def test_slow_consumer_loses_the_subscription_with_error_25(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", "trade", market_ticker=PHI)
        await stream.take(3)
        connection = quiet.simulator.hub.connections[0]
        connection.limit = 2_000
        for price in range(10, 40):  # without giving the writer a turn
            quiet.venue.exchange.create(quiet.venue.accounts[quiet.two.key_id], _bid(price), quiet.clock.now)
        frame = await stream.until("error")
        assert (frame["sid"], frame["msg"]["code"]) == (1, 25)
        await stream.send(id=9, cmd="list_subscriptions")
        assert (await stream.next())["msg"] == [{"channel": "trade", "sid": 2}]
        assert connection.waiting_bytes == 0


def _bid(cents_price):
    from services.simulator.engine.model import NewOrder

    return NewOrder(PHI, "bid", cents_price * 100, 100, "good_till_canceled")


async def test_heartbeat_is_a_ping_that_says_so(quiet):
    quiet.simulator._stream._ping_s = 0.05
    headers = quiet.one.headers("GET", "/trade-api/ws/v2")
    async with quiet.http.ws_connect(quiet.simulator.ws_url, headers=headers, autoping=False) as socket:
        message = await asyncio.wait_for(socket.receive(), 5)
        assert (message.type.name, bytes(message.data)) == ("PING", b"heartbeat")


async def test_clients_are_told_when_the_simulator_stops(launch):
    running = await launch()
    async with running.stream(running.one) as stream:
        await running.simulator.__aexit__(None, None, None)
        message = await stream.socket.receive(timeout=5)
        assert message.data == 1001


async def test_ids_name_markets_of_the_ticker_channel_alone(quiet):
    known = quiet.venue.exchange.markets
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "ticker", market_id=known[PHI].market_id, send_initial_snapshot=True)
        assert (await stream.next())["type"] == "subscribed"
        tick = await stream.next()
        assert (tick["type"], tick["msg"]["market_ticker"], tick.get("seq")) == ("ticker", PHI, None)
        add = {"sid": 1, "action": "add_markets", "market_ids": [known[DAL].market_id]}
        await stream.send(id=2, cmd="update_subscription", params=add)
        assert (await stream.next())["msg"] == {"market_ids": sorted(known[name].market_id for name in (PHI, DAL))}
        await subscribe(stream, "trade", market_ids=[known[PHI].market_id])
        assert (await stream.next())["msg"]["code"] == 11


async def test_channels_that_have_nothing_to_say_are_subscribed_all_the_same(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(
            stream, "communications", "multivariate_market_lifecycle", "cfbenchmarks_value", "pyth_value",
            index_ids=["BRTI"], underlying_tickers=["x"], shard_factor=4, shard_key=3,
        )  # fmt: skip
        assert [(await stream.next())["msg"]["sid"] for _ in range(4)] == [1, 2, 3, 4]
        await stream.send(id=2, cmd="unsubscribe", params={"sids": [1, 3]})
        assert [(frame["sid"], frame["seq"]) for frame in await stream.take(2)] == [(1, 1), (3, 1)]


async def test_skip_ticker_ack_leaves_the_list_out(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "trade", market_ticker=PHI, skip_ticker_ack=True)
        await stream.next()
        add = {"sid": 1, "action": "add_markets", "market_ticker": DAL}
        await stream.send(id=2, cmd="update_subscription", params=add)
        assert (await stream.next())["msg"] == {}


async def test_too_many_commands_and_too_many_markets(quiet, monkeypatch):
    from services.simulator.ws import commands

    monkeypatch.setattr(commands, "MOST_COMMANDS", 3)
    monkeypatch.setattr(commands, "MOST_MARKETS", 1)
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "trade", market_tickers=[PHI, DAL])
        assert (await stream.next())["msg"]["code"] == 26
        for _ in range(3):
            await stream.send(id=3, cmd="list_subscriptions")
        assert [(await stream.next())["type"] for _ in range(3)] == ["ok", "ok", "error"]
        quiet.pass_time(1)
        await stream.send(id=4, cmd="list_subscriptions")
        assert (await stream.next())["id"] == 4, "a second later it may speak again"


async def test_compressed_frames_for_who_asks(quiet):
    headers = quiet.one.headers("GET", "/trade-api/ws/v2")
    async with quiet.http.ws_connect(quiet.simulator.ws_url, headers=headers, compress=15) as socket:
        assert socket.compress
        await socket.send_json(
            {"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": PHI}}
        )
        assert (await socket.receive_json(timeout=5))["type"] == "subscribed"
        assert (await socket.receive_json(timeout=5))["type"] == "orderbook_snapshot"
        for price in range(10, 30):
            await quiet.two.order("bid", f"0.{price}", "1")
        seqs = [(await socket.receive_json(timeout=5))["seq"] for _ in range(20)]
        assert seqs == list(range(2, 22))


async def test_a_scripted_hang_up_ends_the_socket_without_a_goodbye(quiet):
    from services.simulator.faults import Fault, Match

    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "orderbook_delta", market_ticker=PHI)
        await stream.take(2)
        quiet.venue.faults.add(Fault(action="hang_up", match=Match(channel="orderbook_delta")))
        await quiet.two.order("bid", "0.10", "1")
        message = await stream.socket.receive(timeout=5)
        assert message.type.name in {"CLOSED", "ERROR", "CLOSE"}
        assert stream.socket.close_code in {None, 1006}


async def test_the_worlds_clock_is_read_paused_stepped_and_paced(launch):
    from services.simulator.world.world import WorldSettings

    running = await launch(WorldSettings())
    running.pass_time(5)
    state = (await running.admin("POST", "/clock", {"paused": True})).body
    assert (state["paused"], state["pace"]) == (True, 1.0)
    book = running.venue.exchange.markets[PHI].book
    before = book.bids.ladder()
    trades = len(running.venue.exchange.trades)
    running.pass_time(30)
    assert (book.bids.ladder(), len(running.venue.exchange.trades)) == (before, trades)
    done = await running.one.order("bid", "0.01", "1")
    assert done.status == 201, "orders go on while the world stands still"
    stepped = (await running.admin("POST", "/clock", {"step_ms": 10_000})).body
    assert stepped["script_ms"] - state["script_ms"] == 10_000
    assert len(running.venue.exchange.trades) > trades
    state = (await running.admin("POST", "/clock", {"paused": False, "pace": 10})).body
    running.pass_time(1)
    assert (await running.admin("GET", "/clock")).body["script_ms"] - state["script_ms"] == 10_000
    for wrong in ({"pace": 0}, {"step_ms": 5}, {"step_ms": -1}, {"step_frames": 1}, {"speed": 3}):
        answer = await running.admin("POST", "/clock", wrong)
        assert (answer.status, list(answer.body)) == (400, ["error"])


async def test_a_member_holds_so_many_connections_and_no_more(quiet, monkeypatch):
    import aiohttp

    from services.simulator.ws import server

    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    async with quiet.stream(quiet.one), quiet.stream(quiet.one), quiet.stream(quiet.two):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with quiet.stream(quiet.one):
                pass
        assert refused.value.status == 429
    async with quiet.stream(quiet.one) as stream:
        await stream.send(id=1, cmd="list_subscriptions")
        assert (await stream.next())["msg"] == []


async def test_who_asks_without_end_and_never_reads_is_cut_off(quiet):
    async with quiet.stream(quiet.one) as stream:
        await subscribe(stream, "trade")
        await stream.next()
        connection = quiet.simulator.hub.connections[0]
        connection.limit = 500
        for number in range(40):
            connection.put({"id": number, "type": "ok", "msg": []})
        assert connection.hung_up
        assert (await stream.socket.receive(timeout=5)).type.name in {"CLOSED", "ERROR", "CLOSE"}
