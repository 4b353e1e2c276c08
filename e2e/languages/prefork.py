"""The Board in Python by 4 processes that share one listening socket, as a pre-forking server runs it. Each names itself."""
import os
import sys

sys.path.insert(0, "backends/python")
import board


def application(request, start_response):
    return board.application(request, lambda status, headers: start_response(
        status, [*headers, ("X-Worker", str(os.getpid()))]))


server = board.Server((os.environ["HOST"], int(os.environ["PORT"])), board.Handler)
server.socket.setblocking(False)  # all wake up for a client, and one gets it
server.set_app(application)
for _ in range(3):
    if os.fork() == 0:
        break
server.serve_forever()
