"""h2.py -- just enough HTTP/2 and gRPC to say things that no library would say.

Headers are sent as literals without compression; of the answer only the frames are understood,
and the one header that matters, grpc-status, by the bytes that it is compressed to.
"""

import socket
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE = range(9)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GRPC_STATUS = bytes.fromhex("889acac8b21234da8f")  # Huffman's "grpc-status", with its length.


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def varint(number):
    """A protobuf number."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    """A protobuf field that holds bytes or a message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def message(payload, flag=0):
    """gRPC's framing."""
    return struct.pack(">BI", flag, len(payload)) + payload


def header(name, value):
    out = b"\x00"
    for text in (name, value):
        text = text if isinstance(text, bytes) else text.encode()
        assert len(text) < 127
        out += bytes([len(text)]) + text
    return out


def request_headers(path, **more):
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    fields.update({name.replace("_", "-"): value for name, value in more.items()})
    return b"".join(header(name, value) for name, value in fields.items())


class Answer:
    """What came back: the call's grpc-status, a GOAWAY's or a reset's code, or the end."""

    def __init__(self):
        self.status = None
        self.goaway = None
        self.reset = None
        self.is_closed = False
        self.body = b""

    def __repr__(self):
        return (f"status {self.status}, goaway {self.goaway}, reset {self.reset}, "
                f"closed {self.is_closed}, {len(self.body)} bytes")


class Connection:
    """A raw connection. Use one for each thing that is tried: compression has a memory."""

    def __init__(self, address, seconds=10):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.buffer = b""
        self.window = 65535
        self.stream_window = 65535
        self.answer = Answer()

    def send(self, *frames):
        try:
            self.socket.sendall(b"".join(frames))
        except ConnectionError:
            self.answer.is_closed = True

    def hello(self):
        self.send(PREFACE, frame(SETTINGS, 0, 0, b""))

    def read_frame(self):
        """Take the next frame into account. False at the end of the connection."""
        try:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(
                    self.buffer[:3], "big"):
                piece = self.socket.recv(65536)
                if not piece:
                    self.answer.is_closed = True
                    return False
                self.buffer += piece
        except ConnectionError:
            self.answer.is_closed = True
            return False
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9 : 9 + size], self.buffer[9 + size :]
        self.take(kind, flags, stream, payload)
        return True

    def take(self, kind, flags, stream, payload):
        answer = self.answer
        if kind == HEADERS and GRPC_STATUS in payload:
            at = payload.index(GRPC_STATUS) + len(GRPC_STATUS)
            answer.status = int(payload[at + 1 : at + 1 + payload[at]])
        elif kind == DATA:
            answer.body += payload
        elif kind == RST_STREAM:
            answer.reset = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            answer.goaway = struct.unpack(">I", payload[4:8])[0]
        elif kind == WINDOW_UPDATE:
            if stream == 0:
                self.window += struct.unpack(">I", payload)[0]
            else:
                self.stream_window += struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                identity, value = struct.unpack(">HI", payload[at : at + 6])
                if identity == 4:
                    self.stream_window += value - 65535
            self.send(frame(SETTINGS, ACK, 0, b""))

    def send_body(self, body):
        """As much of it as the other side lets through, then the rest, to the end."""
        while body and self.answer.reset is None and self.answer.status is None:
            room = min(self.window, self.stream_window, 16384)
            if room <= 0:
                if not self.read_frame():
                    return
                continue
            piece, body = body[:room], body[room:]
            self.window -= len(piece)
            self.stream_window -= len(piece)
            self.send(frame(DATA, 0 if body else END_STREAM, 1, piece))

    def finish(self):
        """Read until there is an answer of some kind; it is returned, and the end closed."""
        answer = self.answer
        try:
            while answer.status is None and answer.goaway is None and answer.reset is None:
                if not self.read_frame():
                    break
        except TimeoutError:
            pass
        self.socket.close()
        return answer

    def call(self, path, body, **more):
        """One call, whatever its body is."""
        self.hello()
        while self.stream_window == 65535 and self.read_frame():
            pass  # The server's settings, which may widen the window.
        self.send(frame(HEADERS, END_HEADERS, 1, request_headers(path, **more)))
        self.send_body(body)
        return self.finish()
