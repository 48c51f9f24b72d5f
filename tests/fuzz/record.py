#!/usr/bin/python3
"""Records seeds of the fuzz targets: what ffmpeg and the camera of tests/fixtures really send, cut short.

The shape of each is that of its target in src/. Needs what the tests need; run it again after a target has changed.
"""

import re
import socket
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
SEEDS = HERE / "seeds"
CAMERA = HERE.parent / "fixtures/camera.py"
# What a seed is cut to: mutating more gains little.
BYTES_MAX = 12_000
PATIENCE_SECONDS = 20

SCENE = "-f lavfi -i testsrc2=size=64x48:rate=25 -f lavfi -i sine=sample_rate=44100"
H264 = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 3"
HEVC = "-c:v libx265 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -x265-params log-level=none:keyint=3"
AAC = "-c:a aac -b:a 32k"
OPUS = "-c:a libopus -b:a 32k -ar 48000"
SHORT = "-t 0.24"


def keep(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content[:BYTES_MAX])


def ffmpeg(*words):
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]
    return command + [part for word in words for part in word.split(" ")]


def written(*words):
    return subprocess.run(ffmpeg(*words, "-"), stdout=subprocess.PIPE, check=True).stdout


def record(head, body):
    return head + struct.pack(">H", len(body)) + body


def transport_streams():
    for name, codecs in [("h264_aac", f"{H264} {AAC}"), ("hevc_aac", f"{HEVC} {AAC}"), ("h264_opus", f"{H264} {OPUS}")]:
        keep("mpegts", name, bytes([187]) + written(SCENE, codecs, SHORT, "-f mpegts"))


def pictures():
    for name, codec, container in [("h264", H264, "h264"), ("hevc", HEVC, "hevc"), ("b_frames", "-c:v libx264 -bf 2", "h264")]:
        keep("pictures", name, b"\0" + written(SCENE, f"-map 0:v {codec} {SHORT} -f {container}"))


def tags_of_flv():
    for name, codecs in [("h264_aac", f"{H264} {AAC}"), ("h264_pcma", f"{H264} -c:a pcm_alaw -ar 8000")]:
        flv = written(SCENE, codecs, SHORT, "-f flv")
        tags, at = b"", 13
        while at < len(flv):
            kind, size, time, high = flv[at], *[int.from_bytes(flv[at + o : at + o + 3], "big") for o in (1, 4)], flv[at + 7]
            body = flv[at + 11 : at + 11 + size]
            if kind == 18:
                keep("rtmp_amf", f"metadata_{name}", body)
            else:
                keep("pictures", f"config_{name}", b"\4" + body[5:]) if kind == 9 and body[1] == 0 else None
                tags += record(struct.pack(">BI", kind, time | high << 24), body)
            at += 11 + size + 4
        keep("rtmp_tags", name, tags)


def amf(*values):
    """Numbers, texts and nulls."""
    kinds = {float: lambda v: b"\0" + struct.pack(">d", v), str: lambda v: b"\2" + record(b"", v.encode())}
    return b"".join(b"\5" if value is None else kinds[type(value)](value) for value in values)


def chunk(payload):
    return b"\3\0\0\0" + struct.pack(">I", len(payload))[1:] + b"\x14\0\0\0\0" + payload


def rtmp():
    """ffmpeg publishes to what knows no more than its three questions."""
    status = b"\3\0\4code\2\0\x17NetStream.Publish.Start\0\5level\2\0\6status\0\0\x09"
    answers = {
        b"connect": chunk(amf("_result", 1.0, None, None)),
        b"createStream": chunk(amf("_result", 4.0, None, 1.0)),
        b"publish": chunk(amf("onStatus", 0.0, None) + status),
    }
    for name, codecs in [("h264_aac", f"{H264} {AAC}"), ("sound", f"-vn {AAC}")]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/key"
            encoder = subprocess.Popen(ffmpeg(SCENE, codecs, SHORT, "-f flv", url))
            encoded, _ = server.accept()
            encoded.settimeout(PATIENCE_SECONDS)
            received, left = b"", dict(answers)
            while len(received) < 1537:
                received += encoded.recv(4096)
            encoded.sendall(b"\3" + bytes(1536) + received[1:1537])
            while more := encoded.recv(4096):
                received += more
                for question in [q for q in left if b"\2" + record(b"", q) in received]:
                    encoded.sendall(left.pop(question))
            encoder.wait(PATIENCE_SECONDS)
        stream = received[1 + 2 * 1536 :]
        keep("rtmp_session", name, b"\xff" + stream)
        keep("rtmp_chunks", name, b"\x7f" + stream)


class Camera:
    """The camera of the tests, and a conversation with it."""

    def __init__(self, *arguments):
        command = [str(CAMERA), "--size", "64x48", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(self.process.stdout.readline())
        self.url = f"rtsp://127.0.0.1:{port}/main"
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.received, self.cseq = b"", 0

    def ask(self, method, path="", **headers):
        """Gives the answer with its body, and keeps it."""
        self.cseq += 1
        headers = {"CSeq": self.cseq, **headers}
        lines = [f"{method} {self.url}{path} RTSP/1.0", *[f"{name}: {value}" for name, value in headers.items()]]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(4096)
        head, body = answer.split(b"\r\n\r\n", 1)
        length = re.search(rb"Content-Length: (\d+)", head)
        while len(body) < int(length[1] if length else 0):
            body += self.socket.recv(4096)
        self.received += head + b"\r\n\r\n" + body
        return head.decode(), body

    def close(self):
        self.socket.close()
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)


def rtsp():
    kinds = [("h264_aac", 0, "h264", "aac"), ("hevc_opus", 1, "h265", "opus"), ("h264_pcmu", 2, "h264", "pcmu")]
    for name, number, video, audio in kinds:
        camera = Camera("--video", video, "--audio", audio, "--kbps", "50", "--gop", "3")
        camera.ask("OPTIONS")
        _, description = camera.ask("DESCRIBE", Accept="application/sdp")
        session = {}
        for track in (0, 1):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}"
            head, _ = camera.ask("SETUP", f"/stream={track}", Transport=transport, **session)
            session = {"Session": re.search(r"Session: ([^;\r]+)", head)[1]}
        camera.ask("PLAY", **session)
        while len(camera.received) < BYTES_MAX:
            camera.received += camera.socket.recv(4096)
        camera.close()
        keep("rtsp_messages", name, b"\xff" + camera.received)
        keep("rtsp_sdp", name, description)
        packets, at = b"", camera.received.index(b"$\0")
        while camera.received[at : at + 1] == b"$" and at + 4 < len(camera.received):
            _, channel, length = struct.unpack(">BBH", camera.received[at : at + 4])
            head = bytes([channel >> 1 | (channel & 1) << 1 | 1 << 2])
            packets += record(head, camera.received[at + 4 : at + 4 + length])
            at += 4 + length
        keep("rtsp_media", name, bytes([number << 1 | 1]) + packets)
    camera = Camera("--digest", "admin:secret")
    camera.ask("DESCRIBE")
    camera.close()
    keep("rtsp_messages", "digest", b"\xff" + camera.received)


def srt():
    """ffmpeg calls; its first step is answered with a cookie, its last one with nothing."""
    for name, query in [("plain", "streamid=#!::r=key,m=publish"), ("encrypted", "streamid=key&passphrase=0123456789")]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.settimeout(PATIENCE_SECONDS)
            url = f"srt://127.0.0.1:{listener.getsockname()[1]}?pkt_size=1316&{query}"
            caller = subprocess.Popen(ffmpeg(SCENE, H264, "-f mpegts", url), stderr=subprocess.DEVNULL)
            first, at = listener.recvfrom(1500)
            # Version 5, and the code that says so; then our number and a cookie.
            answer = bytearray(first)
            answer[12:16] = first[40:44]
            answer[16:24] = b"\0\0\0\5\0\0\x4a\x17"
            answer[40:48] = b"\0\0\0\x09\0\0\0\1"
            listener.sendto(answer, at)
            last = first
            while last[36:40] == first[36:40]:
                last = listener.recv(1500)
            caller.kill()
            caller.wait()
        keep("srt_datagrams", name, record(b"", first) + record(b"", last))


def texts():
    for number, url in enumerate(
        [
            "rtsp://admin:p%40ss@10.0.0.7:554/Streaming/Channels/101?transport=tcp\n/elsewhere",
            "rtsps://[fe80::1]/live\nrtsp://camera/1",
            "rtmp://host.example/live/key?token=1\nrtmps://u:p@w@host/app/key",
        ]
    ):
        keep("source_url", str(number), url.encode())
    for number, stream_id in enumerate(["#!::u=obs,m=publish,r=key", "publish:key", "#!::r=key,m=request"]):
        keep("srt_stream_id", str(number), stream_id.encode())
    for number, config in enumerate([b"\x12\x10", b"\x17\x80\x56\x22\x10", b"\xf8\xe0\x10"]):
        keep("aac_config", str(number), config)


if __name__ == "__main__":
    for part in (transport_streams, pictures, tags_of_flv, rtmp, rtsp, srt, texts):
        print(part.__name__, flush=True)
        part()
