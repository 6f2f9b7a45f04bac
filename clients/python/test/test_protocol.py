"""The parser of the NATS protocol, and what the client sends."""

import json
import random
import unittest

import bioxen
from bioxen import Parser, ProtocolError

INFO = b'INFO {"server_id":"a","max_payload":1048576}\r\n'
HEARTBEAT = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n"
NO_RESPONDERS = b"NATS/1.0 503\r\n\r\n"
REFUSAL = b"NATS/1.0\r\nNats-Service-Error-Code: 404\r\nNats-Service-Error: VM_NOT_FOUND: no VM\r\n\r\n"


def hmsg(subject, sid, headers, data, reply=""):
    target = f"{subject} {sid} {reply}" if reply else f"{subject} {sid}"
    return f"HMSG {target} {len(headers)} {len(headers) + len(data)}\r\n".encode() + headers + data + b"\r\n"


#: One session with every operation, a payload that contains line ends and operations, and an empty payload.
SESSION = b"".join(
    (
        INFO,
        b"PING\r\n",
        b"+OK\r\n",
        b"MSG a.b 1 5\r\nhello\r\n",
        b"MSG a.b 2 _INBOX.x.y 0\r\n\r\n",
        b"MSG c 3 14\r\nPING\r\n\r\nMSG \x00\xff\r\n",
        hmsg("_INBOX.x.1", 1, NO_RESPONDERS, b""),
        hmsg("_INBOX.x.2", 1, HEARTBEAT, b""),
        hmsg("_INBOX.x.3", 1, REFUSAL, b'{"ok":false}', reply="back"),
        b"-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n",
        b"PONG\r\n",
    )
)


def described(operations):
    """The operations in a form that can be compared."""
    return [
        (kind, value.subject, value.sid, value.reply, value.status, value.description, value.headers, value.data)
        if kind == "MSG"
        else (kind, value)
        for kind, value in operations
    ]


class TheParser(unittest.TestCase):
    def test_reads_a_session(self):
        found = described(Parser().feed(SESSION))
        refused = {"Nats-Service-Error-Code": "404", "Nats-Service-Error": "VM_NOT_FOUND: no VM"}
        self.assertEqual(
            found,
            [
                ("INFO", {"server_id": "a", "max_payload": 1048576}),
                ("PING", None),
                ("+OK", None),
                ("MSG", "a.b", 1, "", 0, "", {}, b"hello"),
                ("MSG", "a.b", 2, "_INBOX.x.y", 0, "", {}, b""),
                ("MSG", "c", 3, "", 0, "", {}, b"PING\r\n\r\nMSG \x00\xff"),
                ("MSG", "_INBOX.x.1", 1, "", 503, "", {}, b""),
                ("MSG", "_INBOX.x.2", 1, "", 100, "Idle Heartbeat", {"Nats-Last-Consumer": "7"}, b""),
                ("MSG", "_INBOX.x.3", 1, "back", 0, "", refused, b'{"ok":false}'),
                ("-ERR", 'Permissions Violation for Publish to "a.b"'),
                ("PONG", None),
            ],
        )

    def test_gives_the_same_operations_for_every_division_into_two_reads(self):
        whole = described(Parser().feed(SESSION))
        for at in range(len(SESSION) + 1):
            parser = Parser()
            found = described(parser.feed(SESSION[:at]) + parser.feed(SESSION[at:]))
            self.assertEqual(found, whole, f"divided at byte {at}")
            self.assertEqual(parser.pending, 0)

    def test_gives_the_same_operations_byte_by_byte_and_in_random_pieces(self):
        whole = described(Parser().feed(SESSION))
        dice = random.Random(1)
        for longest in (1, 2, 3, 7, 64):
            parser, found, at = Parser(), [], 0
            while at < len(SESSION):
                size = dice.randint(1, longest)
                found += parser.feed(SESSION[at : at + size])
                at += size
            self.assertEqual(described(found), whole, f"pieces of at most {longest} bytes")

    def test_stops_after_the_number_of_operations_that_was_asked_for(self):
        parser = Parser()
        self.assertEqual(parser.feed(INFO + b"PING\r\nPONG\r\n", at_most=1)[0][0], "INFO")
        self.assertEqual(parser.pending, 12)
        self.assertEqual(described(parser.feed(b"")), [("PING", None), ("PONG", None)])

    def test_waits_for_the_rest_of_a_message(self):
        parser = Parser()
        self.assertEqual(parser.feed(b"MSG a 1 5\r\nhell"), [])
        self.assertEqual(parser.feed(b"o\r"), [])
        self.assertEqual(described(parser.feed(b"\n"))[0][-1], b"hello")

    def test_accepts_names_of_operations_in_small_letters(self):
        self.assertEqual(described(Parser().feed(b"ping\r\nmsg a 1 2\r\nhi\r\n"))[1][-1], b"hi")

    def test_refuses_what_is_not_the_protocol(self):
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n",
            b"INFO {\r\n",
            b"INFO []\r\n",
            b"INFO\r\n",
            b"MSG a 1\r\n",
            b"MSG a x 5\r\n",
            b"MSG a 1 -5\r\n",
            b"MSG a 1 5 6 7\r\n",
            b"MSG\r\n",
            b"MSG a 1 99999999999\r\n",
            b"MSG a 1 2\r\nhello\r\n",
            b"HMSG a 1 12\r\n",
            b"HMSG a 1 13 12\r\nNATS/1.0\r\n\r\n\r\n",
            b"HMSG a 1 0 2\r\nhi\r\n",
            hmsg("a", 1, b"NATS/2.0\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0 5x3\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0 50\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0\r\nNo-Colon\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0\r\n: value\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0\r\nA : b\r\n\r\n", b""),
            hmsg("a", 1, b"NATS/1.0\r\nA: b\r\n", b""),
        ):
            with self.subTest(data=data), self.assertRaises(ProtocolError):
                Parser().feed(data)

    def test_refuses_a_line_without_an_end(self):
        parser = Parser()
        with self.assertRaises(ProtocolError):
            for _ in range(64):
                parser.feed(b"x" * 65_536)

    def test_raises_nothing_but_protocol_errors_for_damaged_sessions(self):
        dice = random.Random(2)
        refused = 0
        for _ in range(3_000):
            data = bytearray(SESSION)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(data))
                data[at : at + dice.randint(0, 3)] = bytes(dice.randrange(256) for _ in range(dice.randint(0, 3)))
            try:
                Parser().feed(bytes(data))
            except ProtocolError:
                refused += 1
        self.assertGreater(refused, 1_000)

    def test_does_not_quote_what_the_server_sent(self):
        for data in (b"s3cret\r\n", b"INFO s3cret\r\n", b"MSG s3cret\r\n", hmsg("a", 1, b"NATS/1.0 s3cret\r\n\r\n", b"")):
            with self.assertRaises(ProtocolError) as caught:
                Parser().feed(data)
            self.assertNotIn("s3cret", str(caught.exception))


class WhatIsSent(unittest.TestCase):
    def test_is_a_publication_with_or_without_headers(self):
        self.assertEqual(bioxen._publication("a", "", {}, b"hi"), b"PUB a 2\r\nhi\r\n")
        self.assertEqual(bioxen._publication("a", "r", {}, b""), b"PUB a r 0\r\n\r\n")
        sent = bioxen._publication("a", "r", {"Nats-Msg-Id": "x"}, b"hi")
        self.assertEqual(sent, b"HPUB a r 28 30\r\nNATS/1.0\r\nNats-Msg-Id: x\r\n\r\nhi\r\n")
        [(_, message)] = Parser().feed(b"HMSG a 1 r" + sent[len(b"HPUB a r") :])
        self.assertEqual((message.headers, message.data), ({"Nats-Msg-Id": "x"}, b"hi"))

    def test_has_no_header_that_would_end_the_headers(self):
        for name, value in (("A", "b\r\nC: d"), ("A", "b\n"), ("A: b", "c"), ("", "x"), ("A\r\n", "x")):
            with self.subTest(name=name, value=value), self.assertRaises(bioxen.BadRequest):
                bioxen._publication("a", "", {name: value}, b"")


class Replies(unittest.TestCase):
    def reply(self, data):
        return bioxen._reply_of(bioxen.Message("s", 1, "", None, data))

    def test_are_told_from_acknowledgements_and_from_malformed_messages(self):
        self.assertEqual(self.reply(b'{"ok":true,"vm":1}'), {"ok": True, "vm": 1})
        self.assertIsNone(self.reply(b'{"stream":"S","seq":3}'))
        for data, why in (
            (b"{", "is not JSON"),
            (b"\xff", "is not JSON"),
            (b"[]", "is not a JSON object"),
            (b"{}", "has no boolean `ok`"),
            (b'{"ok":1}', "has no boolean `ok`"),
            (b'{"ok":false}', "is a refusal without an error"),
            (b'{"ok":false,"error":{"code":7}}', "is a refusal without an error"),
        ):
            self.assertEqual(self.reply(data), why, data)

    def test_of_a_stream_have_positions_with_and_without_a_domain(self):
        self.assertEqual(bioxen._positions("$JS.ACK.S.C.1.17.3.1700000000.0"), (17, 3))
        self.assertEqual(bioxen._positions("$JS.ACK.hub.hash.S.C.1.17.3.1700000000.0"), (17, 3))
        self.assertEqual(bioxen._positions("$JS.ACK.hub.hash.S.C.1.17.3.1700000000.0.tok"), (17, 3))
        for reply in ("", "$JS.ACK.S.C.1.x.3.1.0", "_INBOX.a.b", "$JS.ACK.S"):
            self.assertIsNone(bioxen._positions(reply), reply)

    def test_in_pages_are_joined(self):
        shape = bioxen.PAGES["bioxen.qry.ledger.list"]
        first = {"ok": True, "ledgers": [{"chassisId": "a", "entries": [1]}, {"chassisId": "b", "entries": [2]}]}
        then = {"ok": True, "ledgers": [{"chassisId": "b", "entries": [3]}, {"chassisId": "c", "entries": []}]}
        self.assertEqual(
            bioxen.merged_pages({**first, "cursor": "x"}, {**then, "cursor": None}, shape),
            {
                "ok": True,
                "ledgers": [
                    {"chassisId": "a", "entries": [1]},
                    {"chassisId": "b", "entries": [2, 3]},
                    {"chassisId": "c", "entries": []},
                ],
                "cursor": None,
            },
        )
        plan = bioxen.PAGES["bioxen.qry.placement.plan"]
        merged = bioxen.merged_pages({"scores": {"a": [1]}}, {"scores": {"a": [2], "b": [3]}}, plan)
        self.assertEqual(merged, {"scores": {"a": [1, 2], "b": [3]}})
        one = bioxen.merged_pages({"vm": 1, "ledger": None}, {"vm": 1, "ledger": None}, bioxen.PAGES["bioxen.qry.vm.get"])
        self.assertEqual(one, {"vm": 1, "ledger": None})


class Courses(unittest.TestCase):
    def test_a_course_is_its_columns_by_name(self):
        columns = [{"name": "minute", "unit": "min"}, {"name": "branch", "unit": "1"}, {"name": "r", "unit": "molecules"}]
        rows = [[0, 0, 1.5], [10, 0, None]]
        self.assertEqual(
            bioxen.course_columns({"columns": columns, "rows": rows, "cursor": None}),
            {"minute": [0, 10], "branch": [0, 0], "r": [1.5, None]},
        )
        self.assertEqual(
            bioxen.course_columns({"columns": columns, "rows": []}), {"minute": [], "branch": [], "r": []}
        )


class Fields(unittest.TestCase):
    def test_are_spelt_as_the_protocol_does(self):
        found = bioxen._fields({"vm_id": "a", "atpPerSecond": 1}, None, {"expected_version": 3, "force": None})
        self.assertEqual(found, {"vmId": "a", "atpPerSecond": 1, "expectedVersion": 3})

    def test_inside_of_a_dict_are_left_as_they_are(self):
        labels = {"my_team": "x", "none": None}
        self.assertEqual(bioxen._fields({"labels": labels}), {"labels": labels})
        self.assertEqual(json.dumps(labels), '{"my_team": "x", "none": null}')


if __name__ == "__main__":
    unittest.main()
