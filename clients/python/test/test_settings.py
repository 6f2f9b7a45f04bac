"""Settings: URLs, logins, environment, the local stack; and exceptions."""

import json
import os
import pickle
import tempfile
import unittest

import bioxen
from bioxen import find_settings, parse_servers

SECRET = "p:4223/a@b"
ESCAPED = "p%3A4223%2Fa%40b"


def login_of(address):
    return None if address.login is None else address.login.fields()


class Urls(unittest.TestCase):
    def test_have_defaults_and_logins(self):
        texts = ["host", "nats://h:5", f"nats://alice:{ESCAPED}@h", "tls://t0ken@h:1/", "TLS://[::1]:7", f"nats://a:{SECRET}@h"]
        addresses, problems = parse_servers(texts)
        self.assertEqual(problems, [])
        self.assertEqual(
            [(one.url, one.host, one.port, one.secure, login_of(one)) for one in addresses],
            [
                ("host", "host", 4222, False, None),
                ("nats://h:5", "h", 5, False, None),
                ("nats://h", "h", 4222, False, {"user": "alice", "pass": SECRET}),
                ("tls://h:1", "h", 1, True, {"auth_token": "t0ken"}),
                ("tls://[::1]:7", "::1", 7, True, None),
                ("nats://h", "h", 4222, False, {"user": "a", "pass": SECRET}),
            ],
        )

    def test_with_problems_are_all_reported_and_quoted_nowhere(self):
        _, problems = parse_servers("nats://alice:s3cret@h:x, ftp://s3cret, wss://s3cret, nats://:s3cret@h, h h, h:0, s3@x")
        self.assertEqual(
            problems,
            [
                "URL 1 has no valid host and port",
                "URL 2 has an unknown scheme: use nats:// or tls://",
                "URL 3 is for browsers: use nats:// or tls://",
                "URL 4 has a password without a user",
                "URL 5 contains a blank",
                "URL 6 has no valid host and port",
                "URL 7 has a login and no scheme: write nats:// or tls:// before each URL, and %2C for a comma in a password",
            ],
        )
        self.assertEqual(parse_servers(" , ")[1], ["names no server"])

    def test_show_no_secret(self):
        settings = bioxen.Settings("nats://alice:s3cret@h:1,tls://t0ken@h:2")
        shown = f"{settings!r} {settings.addresses!r} {[one.login for one in settings.addresses]!r} {settings.shown}"
        self.assertIn("nats://h:1,tls://h:2", shown)
        self.assertNotIn("s3cret", shown)
        self.assertNotIn("t0ken", shown)


class SettingsOfTheEnvironment(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name
        self.env = {"BIOXEN_HOME": self.home}

    def write_stack(self, **changed):
        record = {"url": "nats://127.0.0.1:4555", "pid": os.getpid(), "dataDir": self.home, **changed}
        with open(os.path.join(self.home, "stack.json"), "w", encoding="utf-8") as file:
            json.dump(record, file)

    def test_give_the_servers_before_the_local_stack(self):
        self.write_stack()
        self.assertEqual(find_settings(None, self.env).shown, "nats://127.0.0.1:4555")
        self.assertEqual(find_settings(None, {**self.env, "BIOXEN_NATS_URL": "nats://e"}).shown, "nats://e")
        self.assertEqual(find_settings("nats://g", {**self.env, "BIOXEN_NATS_URL": "nats://e"}).shown, "nats://g")

    def test_without_a_server_say_how_to_name_one(self):
        with self.assertRaises(bioxen.Unavailable) as caught:
            find_settings(None, self.env)
        self.assertFalse(caught.exception.retryable)
        self.assertIn("BIOXEN_NATS_URL", str(caught.exception))
        self.assertIn("bioxen up", str(caught.exception))

    def test_ignore_a_stack_that_has_ended(self):
        self.write_stack(pid=2**22 + 1)
        self.assertIsNone(bioxen.find_local_stack(self.home))
        self.write_stack(start="another boot 1")
        self.assertIsNone(bioxen.find_local_stack(self.home))
        self.write_stack(start=bioxen._start_of(os.getpid()))
        self.assertEqual(bioxen.find_local_stack(self.home)["url"], "nats://127.0.0.1:4555")

    def test_take_the_certificates_of_the_local_stack(self):
        own, other = os.path.join(self.home, "own.pem"), os.path.join(self.home, "other.pem")
        self.write_stack(url="tls://127.0.0.1:4555", tls={"ca": own})
        env = {**self.env, "BIOXEN_NATS_CA": other}

        def assert_authority(expected, servers, env, **given):
            # The files do not exist, so that the error names the one that is read.
            with self.assertRaises(bioxen.BadRequest) as caught:
                find_settings(servers, env, **given)
            self.assertIn(f"cannot read {expected}: no such file", str(caught.exception))

        assert_authority(own, None, self.env)
        assert_authority(own, None, env)
        assert_authority(own, "tls://127.0.0.1:4555", env)
        assert_authority(other, "tls://127.0.0.1:4556", env)
        assert_authority(other, None, self.env, ca=other)

    def test_take_the_login_of_the_local_stack_from_its_keys(self):
        self.write_stack()
        os.mkdir(os.path.join(self.home, "keys"))
        with open(os.path.join(self.home, "keys", "admin.json"), "w", encoding="utf-8") as file:
            json.dump({"url": "nats://127.0.0.1:4555", "user": "admin", "password": "s3cret"}, file)
        place = ("127.0.0.1", 4555)
        for servers in (None, "nats://127.0.0.1:4555"):
            settings = find_settings(servers, self.env)
            self.assertEqual(settings.login_for(place).fields(), {"user": "admin", "pass": "s3cret"})
            self.assertNotIn("s3cret", repr(settings) + repr(settings.login_for(place)))
        named = find_settings("nats://bob:other@127.0.0.1:4555", self.env)
        self.assertEqual(named.login_for(place).fields(), {"user": "bob", "pass": "other"})
        self.assertIsNone(find_settings("nats://elsewhere:4555", self.env).login_for(("elsewhere", 4555)))

    def test_take_the_password_beside_a_credentials_file(self):
        creds = os.path.join(self.home, "alice.creds")
        with open(os.path.join(self.home, "alice.json"), "w", encoding="utf-8") as file:
            json.dump({"url": "nats://h", "user": "alice", "password": "s3cret"}, file)
        for path in (creds, os.path.join(self.home, "alice.json")):
            settings = find_settings("nats://h", {**self.env, "BIOXEN_NATS_CREDS": path})
            self.assertEqual(settings.login_for(("h", 4222)).fields(), {"user": "alice", "pass": "s3cret"})

    def test_refuse_nkeys_with_the_reason(self):
        env = {**self.env, "BIOXEN_NATS_URL": "nats://h", "BIOXEN_NATS_CREDS": "/some/user.creds"}
        with self.assertRaises(bioxen.BadRequest) as caught:
            find_settings(None, env)
        self.assertIn("BIOXEN_NATS_CREDS: nkeys and .creds files are not supported", str(caught.exception))
        self.assertIn("Ed25519", str(caught.exception))
        seed = "SUAM" + "A" * 54
        with self.assertRaises(bioxen.BadRequest) as caught:
            find_settings("nats://h", self.env, creds=seed)
        self.assertTrue(str(caught.exception).startswith("BAD_REQUEST: creds: nkeys"))
        self.assertNotIn(seed, str(caught.exception))
        # A login in the given URL goes before the credentials of the environment.
        self.assertEqual(find_settings("nats://u:p@h", env).shown, "nats://h")

    def test_report_every_problem_at_once(self):
        env = {
            "BIOXEN_HOME": self.home,
            "BIOXEN_NATS_URL": "nats://alice:s3cret@h:x",
            "BIOXEN_NATS_CREDS": "x",
            "BIOXEN_NATS_CA": os.path.join(self.home, "absent.pem"),
            "BIOXEN_NATS_CERT": self.home,
            "BIOXEN_NATS_DOMAIN": "a b",
        }
        with self.assertRaises(bioxen.BadRequest) as caught:
            find_settings(None, env)
        text = str(caught.exception)
        self.assertIn("BIOXEN_NATS_URL: the URL has no valid host and port", text)
        self.assertIn(f"BIOXEN_NATS_CA: cannot read {env['BIOXEN_NATS_CA']}: no such file", text)
        self.assertIn(f"BIOXEN_NATS_CERT: cannot read {self.home}: it is a directory", text)
        self.assertIn("BIOXEN_NATS_KEY: is missing: a certificate and its key go together", text)
        self.assertIn("BIOXEN_NATS_DOMAIN: must be one word", text)
        self.assertNotIn("s3cret", text)
        self.assertEqual(len(caught.exception.details["problems"]), 6)

    def test_take_paths_of_keys_and_not_the_keys(self):
        pem = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----"
        with self.assertRaises(bioxen.BadRequest) as caught:
            find_settings("nats://h", self.env, cert=pem, key=pem)
        self.assertIn("key: must be the path of a file, not its content", str(caught.exception))
        self.assertNotIn("s3cret", str(caught.exception))


class Exceptions(unittest.TestCase):
    def test_carry_code_message_and_details(self):
        error = bioxen.error_of("VM_NOT_FOUND", "there is no VM x", False, {"a": 1})
        self.assertIsInstance(error, bioxen.VmNotFound)
        self.assertIsInstance(error, bioxen.BioXenException)
        self.assertEqual(str(error), "VM_NOT_FOUND: there is no VM x")
        expected = {"code": "VM_NOT_FOUND", "message": "there is no VM x", "retryable": False, "details": {"a": 1}}
        self.assertEqual(error.to_dict(), expected)

    def test_of_an_unknown_code_are_of_the_base_class(self):
        error = bioxen.error_of("OF_A_LATER_RELEASE", "x", True)
        self.assertIs(type(error), bioxen.BioXenError)
        self.assertEqual((error.code, error.retryable), ("OF_A_LATER_RELEASE", True))

    def test_survive_pickling(self):
        for error in (bioxen.error_of("CONFLICT", "x", True, {"a": 1}), bioxen.WatchError("log-away", "x", 7)):
            copy = pickle.loads(pickle.dumps(error))
            self.assertIs(type(copy), type(error))
            self.assertEqual((str(copy), copy.to_dict()), (str(error), error.to_dict()))


class TheFactories(unittest.TestCase):
    def test_know_the_supported_types(self):
        self.assertTrue(bioxen.validate_biological_type("syn3a"))
        self.assertFalse(bioxen.validate_biological_type("SYN3A"))
        self.assertTrue(bioxen.validate_vm_type("xcpng"))
        self.assertFalse(bioxen.validate_vm_type("jcvi_optimized"))
        self.assertEqual(bioxen.get_info()["version"], bioxen.get_version())

    def test_leave_an_unbound_manager_an_error_as_in_the_original(self):
        with self.assertRaisesRegex(RuntimeError, "No VM bound to resource manager"):
            bioxen.BioResourceManager().allocate_ribosomes(1)


if __name__ == "__main__":
    unittest.main()
