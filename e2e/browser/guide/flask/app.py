"""A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md."""
import sqlite3

from flask import Flask, redirect, render_template, request

app = Flask(__name__)


def database():
    db = sqlite3.connect("tasks.sqlite3")
    db.row_factory = sqlite3.Row
    db.execute("CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)")
    return db


@app.get("/")
def index():
    tasks = database().execute("SELECT * FROM tasks").fetchall()
    return render_template("index.html", tasks=tasks)


@app.post("/tasks")
def add():
    with database() as db:
        added = db.execute("INSERT INTO tasks (title) VALUES (?)", [request.form["title"]])
    task = {"id": added.lastrowid, "title": request.form["title"]}
    app.logger.info("task %s was added", task["id"])
    return redirect("/", 303)
