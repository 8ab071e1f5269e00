# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests talk to, run in a network namespace: `services.py ADDRESS...` is on each address a
name server (UDP; box.test has an address of each family, other names do not exist), and a web
server whose only page is the visitor's address. Says "ready" when it is."""

import http.server
import ipaddress
import socket
import socketserver
import struct
import sys
import threading

NAME = b"\3box\4test\0"
BOX, BOX_SIX = "198.51.100.5", "2001:db8:5::5"
RECORDS = {1: ipaddress.ip_address(BOX).packed, 28: ipaddress.ip_address(BOX_SIX).packed}


class Names(socketserver.BaseRequestHandler):
    """A query of RFC 1035: a header of 12 bytes, a name, its type and class. What may follow
    (EDNS) is left out of the answer."""

    def handle(self):
        query, server = self.request
        end = query.index(b"\0", 12) + 1
        known = query[12:end] == NAME
        data = known and RECORDS.get(struct.unpack_from(">H", query, end)[0])
        answer = struct.pack(">2s5H", query[:2], 0x8580 if known else 0x8583, 1, bool(data), 0, 0)
        answer += query[12:end + 4]
        if data:  # the name is the one at 12
            answer += b"\xc0\x0c" + query[end:end + 4] + struct.pack(">IH", 60, len(data)) + data
        server.sendto(answer, self.client_address)


class Visitor(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


def main(addresses):
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind, port, handler in ((socketserver.UDPServer, 53, Names),
                                    (socketserver.TCPServer, 80, Visitor)):
            made = type("Server", (kind,), {"address_family": family})((address, port), handler)
            threading.Thread(target=made.serve_forever).start()
    print("ready", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
