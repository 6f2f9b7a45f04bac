"""A NATS server of a few lines: it says what a test wants, and keeps what clients send."""

import json
import socket
import threading


class FakeServer:
    """Accepts clients one after the other. `script(client)` answers what a client asks, and is called once for each."""

    def __init__(self, script):
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        #: Everything that clients have sent.
        self.received = b""
        self.clients = 0
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.clients += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self._script(Client(self, sock))
        except OSError:
            pass
        finally:
            sock.close()

    def close(self):
        self._listener.close()
        for sock in self._open:
            sock.close()


class Client:
    """One client of the fake server."""

    def __init__(self, server, sock):
        self.server = server
        self.number = server.clients
        self._sock = sock
        self._file = sock.makefile("rb")

    def send(self, data):
        self._sock.sendall(data)

    def line(self):
        """The next line of the client; raises OSError once it has gone."""
        line = self._file.readline()
        self.server.received += line
        if not line:
            raise OSError("the client has gone")
        return line.strip()

    def welcome(self, **info):
        """Greets the client and accepts its login; returns the fields of CONNECT."""
        self.send(b"INFO " + json.dumps({"max_payload": 1_048_576, "headers": True, **info}).encode() + b"\r\n")
        connect = json.loads(self.line()[len(b"CONNECT ") :])
        while self.line() != b"PING":
            pass
        self.send(b"PONG\r\n")
        return connect

    def request(self):
        """The next message that the client publishes: subject, reply subject, headers and payload."""
        while True:
            words = self.line().split()
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            if words[0] not in (b"PUB", b"HPUB"):
                continue
            header_bytes = int(words[-2]) if words[0] == b"HPUB" else 0
            block = self._file.read(int(words[-1]) + 2)[:-2]
            self.server.received += block
            lines = block[:header_bytes].decode().split("\r\n")[1:]
            headers = dict(line.split(": ", 1) for line in lines if line)
            return words[1].decode(), words[2].decode(), headers, block[header_bytes:]

    def reply(self, subject, reply):
        data = json.dumps(reply).encode()
        self.send(f"MSG {subject} 1 {len(data)}\r\n".encode() + data + b"\r\n")

    def no_responders(self, subject):
        block = b"NATS/1.0 503\r\n\r\n"
        self.send(f"HMSG {subject} 1 {len(block)} {len(block)}\r\n".encode() + block + b"\r\n")
