"""An OpenAI-compatible chat server over a GGUF file: llama.cpp's own, from the xllamacpp package.

usage: model_server.py MODEL PORT      (port 0: any free one)

Prints one line when it answers, `listening http://127.0.0.1:PORT/v1`, on stdout; llama.cpp's log goes to stderr. Ends
on SIGTERM, and when its stdin closes: whoever starts it holds a pipe to its stdin, and takes it along by dying.
"""

import os
import sys

import xllamacpp

CONTEXT_TOKENS = 4096


def serve(model: str, port: int) -> xllamacpp.Server:
    """A server that has loaded its model, in threads of its own."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    return xllamacpp.Server(params)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: model_server.py MODEL PORT")
    model, port = sys.argv[1], int(sys.argv[2])
    if not os.path.isfile(model):
        sys.exit(f"{model} is missing: scripts/fetch --tests brings it")
    server = serve(model, port)
    print(f"listening {server.listening_address}/v1", flush=True)
    while os.read(0, 4096):
        pass
    # The server's threads have no end of their own.
    os._exit(0)


if __name__ == "__main__":
    main()
