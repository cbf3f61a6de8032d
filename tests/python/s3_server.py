"""Speaks S3 on a free port until its standard input ends, and says on which."""

import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(f"listening http://127.0.0.1:{server.get_host_and_port()[1]}/", flush=True)
sys.stdin.read()
