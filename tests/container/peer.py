"""A DNS server and an HTTPS server on loopback, for the network namespace of the container test.

    peer.py CERTIFICATE KEY SEEN ACCEPTED

DNS answers each question for an address with 127.0.0.1. HTTPS on 443 passes everything on to the emulator on
8080; the key SEEN becomes ACCEPTED on the way, so that a test can use a key that is found nowhere else.
Says what was asked, one line each.
"""

import socket
import ssl
import struct
import sys
import threading

UPSTREAM = ("127.0.0.1", 8080)
TYPE_A = 1


def serve_names(server):
    while True:
        question, asker = server.recvfrom(4096)
        end = question.index(b"\0", 12) + 1
        name = question[12:end]
        (kind,) = struct.unpack(">H", question[end:end + 2])
        labels, rest = [], name
        while rest[0]:
            labels.append(rest[1:rest[0] + 1].decode())
            rest = rest[rest[0] + 1:]
        print(f"asked for {'.'.join(labels)}, type {kind}", flush=True)
        # A pointer to the question's name, class IN, a minute, four bytes.
        answer = b"\xc0\x0c" + struct.pack(">HHIH", TYPE_A, 1, 60, 4) + bytes([127, 0, 0, 1]) if kind == TYPE_A else b""
        header = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, bool(answer), 0, 0)
        server.sendto(header + question[12:end + 4] + answer, asker)


def copy(source, sink, seen=b"", accepted=b""):
    """One direction of a connection. A request of this program always fits into one piece."""
    try:
        while piece := source.recv(65536):
            sink.sendall(piece.replace(seen, accepted) if seen else piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve_connection(plain, context, seen, accepted):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError as problem:
        print(f"no TLS: {problem}", flush=True)
        return
    print(f"TLS {client.version()}", flush=True)
    upstream = socket.create_connection(UPSTREAM)
    threading.Thread(target=copy, args=(upstream, client), daemon=True).start()
    copy(client, upstream, seen, accepted)


def main(certificate, key, seen, accepted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_names, args=(names,), daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 443))
    print("ready", flush=True)
    while True:
        plain, _ = listener.accept()
        arguments = (plain, context, seen.encode(), accepted.encode())
        threading.Thread(target=serve_connection, args=arguments, daemon=True).start()


main(*sys.argv[1:])
