#!/usr/bin/env python3
"""Takes whatever is posted to a loopback port of its own, which it prints, and writes one line of JSON for each."""
import http.server
import json
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            print(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}), file=file)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
