"""The connection against a server that fails in every way: repeated requests, refusals, TLS, reconnects."""

import socket
import threading
import time
import unittest

import bioxen
from fake_server import FakeServer

OK = {"ok": True, "changed": True, "vm": {"vmId": "a", "state": "created"}}


def refusal(code, retryable, **details):
    return {"ok": False, "error": {"code": code, "message": "refused", "retryable": retryable, "details": details}}


class WithServer(unittest.TestCase):
    def server(self, script):
        server = FakeServer(script)
        self.addCleanup(server.close)
        return server

    def connect(self, server, **options):
        options.setdefault("timeout", 5)
        bx = bioxen.connect(getattr(server, "url", server), **options)
        self.addCleanup(bx.close)
        return bx

    def answering(self, *replies):
        """A server that answers its requests with these in turn; returns the server and the list of the requests."""
        asked = []

        def script(client):
            client.welcome()
            while True:
                request = client.request()
                answer = replies[min(len(asked), len(replies) - 1)]
                asked.append(request)
                if answer == 503:
                    client.no_responders(request[1])
                elif answer == "lost":
                    return
                elif answer is not None:
                    client.reply(request[1], answer)

        return self.server(script), asked


class Requests(WithServer):
    def test_are_repeated_under_one_message_id_until_they_succeed(self):
        busy = refusal("RATE_LIMITED", True, retryAfterMs=120)
        conflict = refusal("CONFLICT", True)
        server, asked = self.answering(busy, 503, conflict, refusal("UNAVAILABLE", True), "lost", OK)
        bx = self.connect(server)
        begun = time.monotonic()
        bx.create_bio_vm("a", "syn3a")
        # The first pause is what the refusal asks for, and the others are 100 ms.
        self.assertGreater(time.monotonic() - begun, 0.42)
        self.assertEqual(len(asked), 6)
        self.assertEqual({subject for subject, *_ in asked}, {"bioxen.cmd.vm.create"})
        self.assertEqual(len({headers["Nats-Msg-Id"] for _, _, headers, _ in asked}), 1)
        self.assertEqual(len({payload for *_, payload in asked}), 1)
        self.assertEqual(len({reply for _, reply, _, _ in asked}), 6)

    def test_are_not_repeated_after_a_permanent_refusal(self):
        for code, retryable in (("CONFLICT", False), ("CAPACITY_EXCEEDED", True), ("UNAVAILABLE", False)):
            server, asked = self.answering(refusal(code, retryable, free=1))
            with self.assertRaises(bioxen.ERROR_CLASSES[code]) as caught:
                self.connect(server).vm("a").pause()
            self.assertEqual((len(asked), caught.exception.details, caught.exception.retryable), (1, {"free": 1}, retryable))

    def test_fail_when_the_deadline_has_passed(self):
        server, asked = self.answering(503)
        with self.assertRaises(bioxen.Unavailable) as caught:
            self.connect(server).call("qry.vm.list", timeout=0.35)
        self.assertIn("no service answers on bioxen.qry.vm.list", str(caught.exception))
        self.assertIn(len(asked), (3, 4))
        self.assertNotIn("Nats-Msg-Id", asked[0][2])

    def test_without_any_reply_fail_after_three_attempts(self):
        server, asked = self.answering(None)
        with self.assertRaises(bioxen.Unavailable) as caught:
            self.connect(server).call("cmd.vm.pause", {"vmId": "a"}, timeout=0.2, message_id="mine")
        self.assertTrue(caught.exception.retryable)
        self.assertEqual([headers["Nats-Msg-Id"] for _, _, headers, _ in asked], ["mine"] * 3)

    def test_to_run_a_program_are_sent_once(self):
        server, asked = self.answering("lost", OK)
        with self.assertRaises(bioxen.Unavailable):
            self.connect(server).vm("a").exec("return 1")
        self.assertEqual(len(asked), 1)

    def test_wait_for_the_reply_among_the_acknowledgements_of_streams(self):
        def script(client):
            client.welcome()
            _, reply, _, _ = client.request()
            client.reply(reply, {"stream": "OTHER", "seq": 1})
            client.reply(reply, OK)
            client.request()

        self.assertEqual(self.connect(self.server(script)).vm("a").pause(), OK["vm"])

    def test_with_a_malformed_reply_are_errors(self):
        server, _ = self.answering({"no": "reply"})
        with self.assertRaises(bioxen.Internal) as caught:
            self.connect(server).call("qry.vm.list", timeout=0.2)
        self.assertIn("has no boolean `ok`", str(caught.exception))

    def test_that_the_server_refuses_are_forbidden_at_once(self):
        def script(client):
            client.welcome()
            client.request()
            client.send(b"-ERR 'Permissions Violation for Publish to \"bioxen.cmd.vm.pause\"'\r\n")
            client.request()

        server = self.server(script)
        begun = time.monotonic()
        with self.assertRaises(bioxen.Forbidden) as caught:
            self.connect(server).vm("a").pause()
        self.assertLess(time.monotonic() - begun, 4)
        self.assertFalse(caught.exception.retryable)

    def test_that_are_too_large_are_not_sent(self):
        server, asked = self.answering(OK)
        with self.assertRaises(bioxen.TooLarge) as caught:
            self.connect(server).vm("a").exec("x" * 2_000_000)
        self.assertEqual(caught.exception.details["limit"], 1_048_576)
        self.assertEqual(asked, [])

    def test_follow_the_cursor_of_a_listing_to_its_end(self):
        gone = refusal("CONFLICT", False, cursor="gone")
        pages = [{"ok": True, "vms": [{"vmId": name}], "cursor": cursor} for name, cursor in (("a", "1"), ("b", "2"), ("c", None))]
        server, asked = self.answering(pages[0], pages[1], gone, pages[2])
        self.assertEqual([vm["vmId"] for vm in self.connect(server).list_vms(label="x")], ["a", "b", "c"])
        cursors = [bioxen.json.loads(payload).get("cursor") for *_, payload in asked]
        self.assertEqual(cursors, [None, "1", "2", "2"])

    def test_of_several_threads_get_their_own_replies(self):
        def script(client):
            client.welcome()
            waiting = [client.request() for _ in range(20)]
            for _, reply, _, payload in reversed(waiting):
                client.reply(reply, {"ok": True, "vm": bioxen.json.loads(payload), "sample": None})
            client.request()

        bx = self.connect(self.server(script))
        found = {}

        def ask(number):
            found[number] = bx.call("cmd.vm.pause", {"vmId": f"vm-{number}"})["vm"]["vmId"]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, {number: f"vm-{number}" for number in range(20)})


class Connecting(WithServer):
    def test_to_tls_never_sends_a_login_in_the_clear(self):
        refused = self.server(lambda client: client.welcome())
        url = f"tls://alice:s3cret@127.0.0.1:{refused.port}"
        for servers in (url, f"nats://alice:s3cret@127.0.0.1:{refused.port},tls://127.0.0.1:{refused.port}"):
            with self.assertRaises(bioxen.Unavailable) as caught:
                bioxen.connect(servers, timeout=2)
            self.assertEqual(caught.exception.details, {"reason": "tls"})
            self.assertIn("offers no TLS, and tls:// in servers asks for it", str(caught.exception))
            self.assertNotIn("s3cret", str(caught.exception))
        self.assertEqual(refused.received, b"")

    def test_refuses_text_in_the_clear_after_the_offer_of_tls(self):
        def script(client):
            client.send(b'INFO {"tls_required":true}\r\nPING\r\n')
            client.line()

        server = self.server(script)
        with self.assertRaises(bioxen.Unavailable) as caught:
            bioxen.connect(f"tls://127.0.0.1:{server.port}", timeout=0.5)
        self.assertIn("the server sent more than INFO before TLS", str(caught.exception))
        self.assertEqual(server.received, b"")

    def test_ends_at_once_when_the_login_is_refused(self):
        def script(client):
            client.send(b"INFO {}\r\n")
            client.line()
            client.send(b"-ERR 'Authorization Violation'\r\n")

        server = self.server(script)
        begun = time.monotonic()
        with self.assertRaises(bioxen.Unavailable) as caught:
            bioxen.connect(f"nats://alice:s3cret@127.0.0.1:{server.port}", timeout=30)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(caught.exception.details, {"reason": "login"})
        self.assertFalse(caught.exception.retryable)
        self.assertIn("refused the login of user alice: check user and password in servers", str(caught.exception))
        self.assertNotIn("s3cret", str(caught.exception))

    def test_tries_the_other_servers_of_the_list(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            server, _ = self.answering(OK)
            bx = self.connect([f"nats://127.0.0.1:{unused.getsockname()[1]}", server.url])
            self.assertEqual(bx.vm("a").pause(), OK["vm"])

    def test_reports_a_server_that_is_no_nats_server_or_silent(self):
        for script, text in (
            (lambda client: client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "is this a NATS server?"),
            (lambda client: client.line(), "in time|timed out"),
        ):
            with self.assertRaisesRegex(bioxen.Unavailable, text) as caught:
                bioxen.connect(self.server(script).url, timeout=0.5)
            self.assertTrue(caught.exception.retryable)

    def test_again_uses_the_login_of_each_server(self):
        logins = []

        def script(client):
            logins.append(client.welcome())
            if client.number == 1:
                return
            while True:
                client.reply(client.request()[1], OK)

        server = self.server(script)
        bx = self.connect(f"nats://alice:one@127.0.0.1:{server.port}")
        self.assertEqual(bx.vm("a").pause(), OK["vm"])
        self.assertEqual([(login["user"], login["pass"]) for login in logins], [("alice", "one")] * 2)

    def test_again_subscribes_again(self):
        def script(client):
            client.welcome()
            words = client.line().split()
            while words[:2] != [b"SUB", b"bioxen.tel.vm.a"]:
                words = client.line().split()
            sid = words[2].decode()
            client.send(f'MSG bioxen.tel.vm.a {sid} 12\r\n{{"number":{client.number}}}\r\n'.encode())
            if client.number == 2:
                client.line()

        bx = self.connect(self.server(script))
        with bx.vm("a").watch_telemetry() as watch:
            self.assertEqual([watch.next(10), watch.next(10)], [{"number": 1}, {"number": 2}])

    def test_again_is_tried_when_the_server_sends_garbage(self):
        def script(client):
            client.welcome()
            if client.number == 1:
                client.send(b"garbage\r\n")
                client.line()
            while True:
                client.reply(client.request()[1], OK)

        self.assertEqual(self.connect(self.server(script)).vm("a").pause(), OK["vm"])

    def test_closed_ends_requests_and_watches(self):
        server, _ = self.answering(None)
        bx = self.connect(server)
        with bx.vm("a").watch_telemetry() as watch:
            closing = threading.Thread(target=bx.close)
            closing.start()
            self.assertEqual(list(watch), [])
            closing.join()
        with self.assertRaisesRegex(bioxen.Unavailable, "the connection is closed"):
            bx.vm("a").pause()
        self.assertFalse(any(thread.name == "bioxen-nats" for thread in threading.enumerate()))


class TheLatestConnection(WithServer):
    def test_is_used_by_the_factories(self):
        server, asked = self.answering(OK)
        with self.connect(server):
            bioxen.create_bio_vm("a", "syn3a", "basic", {"resources": {"ribosomes": "50%"}}, restart_policy={"mode": "never"})
            bioxen.create_biological_vm("basic", {"biological_type": "ecoli"}, seed=3)
            bioxen.create_biological_vm()
        payloads = [bioxen.json.loads(payload) for *_, payload in asked]
        self.assertEqual(
            payloads,
            [
                {
                    "resources": {"ribosomes": "50%"},
                    "restartPolicy": {"mode": "never"},
                    "vmId": "a",
                    "biologicalType": "syn3a",
                    "vmType": "basic",
                },
                {"biologicalType": "ecoli", "seed": 3, "vmType": "basic"},
                {"biologicalType": "syn3a", "vmType": "basic"},
            ],
        )
        self.assertIsNone(bioxen._latest)

    def test_passes_keyword_arguments_on(self):
        server, asked = self.answering(OK)
        self.connect(server).vm("a").stop(deadline_ms=500, force=True, expected_version=3)
        expected = {"deadlineMs": 500, "force": True, "expectedVersion": 3, "vmId": "a"}
        self.assertEqual(bioxen.json.loads(asked[0][3]), expected)


if __name__ == "__main__":
    unittest.main()
