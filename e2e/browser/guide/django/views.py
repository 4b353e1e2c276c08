"""A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md."""
import logging

from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from tasks import add_task, all_tasks

log = logging.getLogger(__name__)


def index(request):
    return render(request, "index.html", {
        "tasks": all_tasks(),
    })


@require_POST
def add(request):
    task = add_task(request.POST["title"])
    log.info("task %s was added", task["id"])
    return redirect("/")
