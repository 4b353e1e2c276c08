"""The Board in Python as 4 processes that share one listening socket, like a pre-forking server. Each answer names its process."""
import os
import sys

sys.path.insert(0, "backends/python")
import board


def application(request, start_response):
    return board.application(request, lambda status, headers: start_response(
        status, [*headers, ("X-Worker", str(os.getpid()))]))


server = board.Server((os.environ["HOST"], int(os.environ["PORT"])), board.Handler)
server.socket.setblocking(False)  # every process wakes up for a client, and one gets it
server.set_app(application)
for _ in range(3):
    if os.fork() == 0:
        break
server.serve_forever()
